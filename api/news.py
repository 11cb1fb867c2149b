"""What changed, as messages of the live stream: read once, encoded once, whoever is subscribed.

A cursor is a snapshot of PostgreSQL (``pg_current_snapshot``): what was committed since is what it does not contain,
however late it was committed and in whatever order.
"""

from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

import asyncpg
import msgspec

from api.database import Database
from api.subscriber import Series
from btc_core.model.interval import parse_interval
from btc_store.statements import statement

CHANNELS = ("candles", "decisions", "quality")
# More rows than that are not sent: the client is told to read them over REST, whose largest page this is.
MAX_ROWS = 5_000
ROWS_A_MESSAGE = 500
_JSON = frozenset({"indicator_snapshot", "parameters", "details"})


@dataclass(slots=True)
class Change:
    """What changed of one series: its rows by their keys, or too much to name them."""

    times: set[datetime] = field(default_factory=set[datetime])
    ids: set[int] = field(default_factory=set[int])
    start: datetime | None = None
    end: datetime | None = None
    is_large: bool = False

    def add(self, note: asyncpg.Record) -> None:
        """Add a note of the table ``stream_changes``."""
        self.times.update(note["times"] or ())
        self.ids.update(note["ids"] or ())
        starts = [each for each in (self.start, note["start_time"]) if each is not None]
        ends = [each for each in (self.end, note["end_time"]) if each is not None]
        self.start, self.end = min(starts, default=None), max(ends, default=None)
        self.is_large |= note["times"] is None and note["ids"] is None
        self.is_large |= len(self.times) + len(self.ids) > MAX_ROWS


@dataclass(frozen=True, slots=True)
class News:
    """What was committed since a cursor.

    Attributes:
        cursor: Of now.
        changes: By series.
        is_lost: What was committed in the meantime is not known any more, or another database is there.
    """

    cursor: str
    changes: dict[Series, Change]
    is_lost: bool


async def read_news(connection: Any, since: str | None, *, timeout: float) -> News:
    """Return what was committed since a cursor; nothing where there is none."""
    notes = await connection.fetch(statement("stream_changes_since"), since, timeout=timeout)
    changes: dict[Series, Change] = {}
    is_lost = since is not None and int(since.split(":")[1]) > notes[0]["xmax"]
    for note in notes:
        if note["channel"] == "pruned":
            is_lost = True
        elif note["channel"] is not None:
            series = Series(note["channel"], note["symbol"], note["interval"])
            changes.setdefault(series, Change()).add(note)
    return News(notes[0]["cursor"], changes, is_lost)


async def cursor_at(connection: Any, instant: datetime, *, timeout: float) -> str:
    """Return a cursor from before whatever was written since an instant, as far back as that is known."""
    cursor: str = await connection.fetchval(statement("stream_cursor_at"), instant, timeout=timeout)
    return cursor


async def read_messages(database: Database, series: Series, change: Change) -> list[str]:
    """Return the messages of a change, without a cursor: its rows as they are now, or that they are too many."""
    if change.is_large:
        return [reload(series, change)]
    rows = await _read_rows(database, series, change)
    parts = [rows[n : n + ROWS_A_MESSAGE] for n in range(0, len(rows), ROWS_A_MESSAGE)]
    messages = [_message("change", series, rows=[_cells(row) for row in part]) for part in parts]
    if gone := change.ids - {row["id"] for row in rows} if change.ids else set[int]():
        messages.append(_message("change", series, rows=[], gone=sorted(gone)))
    return messages


async def read_latest(database: Database, series: Series, strategies: Sequence[str]) -> str:
    """Return the message with the newest row of a series, without a cursor; none is an empty list."""
    arguments = (*series[1:], strategies) if series.channel == "decisions" else series[1:]
    rows = await database.fetch(f"stream_latest_{series.channel}", *arguments)
    return _message("latest", series, rows=[_cells(row) for row in rows])


def reload(series: Series, change: Change | None = None) -> str:
    """Return the message that rows have to be read over REST: those of a half-open range, or all."""
    start, end = (change.start, change.end) if change else (None, None)
    if series.channel != "quality" and end is not None:
        end = parse_interval(series.interval).close_of(end)
    return _message("reload", series, start=start, end=end)


def with_cursor(message: str, cursor: str | None) -> str:
    """Return a message as it is sent; a client that has everything up to there is told the cursor."""
    return message if cursor is None else f'{message[:-1]},"cursor":"{cursor}"}}'


def told(kind: str, **values: object) -> str:
    """Return a message that is about no series."""
    return msgspec.json.encode({"type": kind, **values}).decode()


def _message(kind: str, series: Series, **values: object) -> str:
    return told(kind, **series._asdict(), **values)


async def _read_rows(database: Database, series: Series, change: Change) -> list[asyncpg.Record]:
    if series.channel == "quality":
        return await database.fetch("stream_quality", sorted(change.ids))
    return await database.fetch(f"stream_{series.channel}", series.symbol, series.interval, sorted(change.times))


def _cells(row: asyncpg.Record) -> dict[str, object]:
    """Return a row's values by column; what is JSON in the table is JSON in the message."""
    return {name: msgspec.Raw(value.encode()) if name in _JSON and value else value for name, value in row.items()}
