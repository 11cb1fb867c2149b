"""Findings about 1m candles as rows, by asyncpg: what the collector says of minutes that are not as they should be.

Findings that the pipeline derives from stored candles are in ``btc_store.quality``.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime

import msgspec

from btc_core.errors import UnknownNameError
from btc_core.model.timerange import TimeRange
from btc_store.connection import Connection
from btc_store.statements import statement

# What a minute that is not stored can be said to be, as long as the finding is open. A minute is one of them at most.
ABSENT_KINDS = ("no_trade", "unrecoverable")
REPLACEMENT = "�"

Detail = str | int | float | bool | datetime | None | Sequence["Detail"] | Mapping[str, "Detail"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Finding:
    """One thing that was found out about the minutes of a symbol.

    Attributes:
        symbol: Whose minutes.
        kind: ``quarantined``, ``conflict``, ``correction`` …: one that the table ``data_quality`` knows.
        severity: ``info``, ``warning`` or ``error``.
        start, end: Which minutes, half-open; None where that is not known.
        details: What else there is to know; text from outside may be as broken as it likes.
        is_resolved: An event, over as soon as it is known.
    """

    symbol: str
    kind: str
    severity: str
    start: datetime | None = None
    end: datetime | None = None
    details: Mapping[str, Detail]
    is_resolved: bool = False


async def lock_minutes(connection: Connection, symbols: Sequence[str]) -> None:
    """Wait until no other collector writes minutes of these symbols; nobody else does until the transaction ends.

    It is a statement of its own, so that the next one sees what the other collector has written.
    """
    # Two that take several locks take them in the same order.
    await connection.executemany(statement("lock_minutes"), [(symbol,) for symbol in sorted(set(symbols))])


async def mark_minutes(
    connection: Connection,
    symbol: str,
    kind: str,
    ranges: Sequence[TimeRange],
    *,
    severity: str,
    details: Mapping[str, Detail],
) -> None:
    """Say of minutes that they are ``no_trade`` or ``unrecoverable``, as far as they are not stored. Twice is once.

    What was said to be of the other kind before is of this kind now. Findings that overlap or touch become one, with
    the newest severity and details.

    Raises:
        UnknownNameError: If the kind is another one.
    """
    if kind not in ABSENT_KINDS:
        raise UnknownNameError("kind of absent minutes", kind, ABSENT_KINDS)
    if not ranges:
        return
    starts, ends = [item.start for item in ranges], [item.end for item in ranges]
    asked = starts, ends, min(starts), max(ends)
    async with connection.transaction():
        await lock_minutes(connection, [symbol])
        for other in ABSENT_KINDS:
            if other != kind:
                await connection.execute(statement("unmark_minutes"), symbol, other, *asked)
        await connection.execute(statement("mark_minutes"), symbol, kind, *asked, severity, _json_of(details))


async def heal_minutes(connection: Connection, windows: Mapping[str, TimeRange]) -> None:
    """Close what open findings say of minutes, by symbol, where it holds no longer: the rest of each stays open.

    A minute without trades, or given up, is stored now; a conflict is confirmed now. To be called in the transaction
    that stored them, behind ``lock_minutes``. Costs little where nothing is open.
    """
    starts, ends = [window.start for window in windows.values()], [window.end for window in windows.values()]
    for row in await connection.fetch(statement("minutes_in_question"), list(windows), starts, ends):
        window = windows[row["symbol"]]
        if row["is_absent"]:
            await connection.execute(statement("heal_minutes"), row["symbol"], window.start, window.end)
        if row["is_disputed"]:
            await connection.execute(statement("settle_conflicts"), row["symbol"], window.start, window.end)


async def note_findings(connection: Connection, findings: Sequence[Finding]) -> None:
    """Write findings, all or none. One that is open already keeps its date; an event or a quarantined row is new.

    A conflict that was settled before it could be written is closed at once.
    """
    windows: dict[str, TimeRange] = {}
    for finding in findings:
        if finding.start is not None and finding.end is not None and not finding.is_resolved:
            known = windows.get(finding.symbol, TimeRange(finding.start, finding.end))
            windows[finding.symbol] = TimeRange(min(known.start, finding.start), max(known.end, finding.end))
    async with connection.transaction():
        await lock_minutes(connection, list(windows))
        await connection.executemany(
            statement("note_finding"),
            [(f.symbol, f.kind, f.severity, f.start, f.end, _json_of(f.details), f.is_resolved) for f in findings],
        )
        await heal_minutes(connection, windows)


def _json_of(details: Mapping[str, Detail]) -> str:
    return msgspec.json.encode(_storable(details)).decode()


def _storable(value: Detail) -> Detail:
    """Return the value without what PostgreSQL's JSON cannot hold: zero characters and halves of surrogate pairs."""
    match value:
        case str():
            return value.replace("\0", REPLACEMENT).encode("utf-8", "replace").decode()
        case Mapping():
            return {str(_storable(key)): _storable(item) for key, item in value.items()}
        case Sequence():
            return [_storable(item) for item in value]
        case _:
            return value
