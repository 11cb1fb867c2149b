"""The outbox: what was derived outside of Dagster, written beside the rows and shown by ``sensors.outbox``."""

from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Any, Literal

import msgspec

from btc_store.frames import Frames

Cell = str | int | float
# A list of records is a table.
Metadata = Mapping[str, Cell | Sequence[Mapping[str, Cell]]]


class Report(msgspec.Struct, frozen=True, kw_only=True):
    """One thing that Dagster is to know: rows of an asset's partition were derived, or a check was made.

    Attributes:
        asset_key: With slashes: ``candles/37m``.
        partition: Month and symbol, as Dagster writes it: ``2025-02-01|BTC``.
        metadata: What the UI shows. Of a check, ``description`` is its sentence.
        check_name, passed, severity: Of a check alone; the severity is ``WARN`` or ``ERROR``.
    """

    kind: Literal["materialization", "check"]
    asset_key: str
    partition: str
    metadata: Metadata
    check_name: str | None = None
    passed: bool | None = None
    severity: str | None = None


class Posted(msgspec.Struct, frozen=True, kw_only=True):
    """A report with its number in the outbox, and when it was written (real time)."""

    id: int
    report: Report
    created_at: datetime


def write_outbox(frames: Frames, reports: Sequence[Report]) -> None:
    """Write reports in the transaction that is open; with its rows they are seen, or never."""
    if reports:
        frames.run("insert_outbox", msgspec.json.encode(reports).decode())


def read_outbox(frames: Frames, *, after: int, most: int) -> list[Posted]:
    """Return the oldest reports after a number, at most so many; none that is committed later is passed over."""
    rows = frames.read("read_outbox", after, most)
    return [_posted(row) for row in rows.iter_rows(named=True)]


def prune_outbox(frames: Frames, *, before: datetime) -> int:
    """Delete what was reported before a time; returns how many reports that were."""
    with frames.transaction():
        return frames.run("prune_outbox", before)


def _posted(row: dict[str, Any]) -> Posted:
    told = {**row, "metadata": msgspec.json.decode(row["metadata"])}
    return Posted(id=row["id"], created_at=row["created_at"], report=msgspec.convert(told, Report))
