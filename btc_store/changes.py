"""Which 1m candles were written since the last look, whatever order their transactions were committed in."""

from dataclasses import dataclass
from datetime import UTC, datetime, timedelta

from btc_core.model.timerange import TimeRange
from btc_store.frames import Frames

# `ingested_at` is the start of the writing transaction, so a row may appear behind what was read already. A
# transaction that stays open for longer than this is not seen; the longest of ours, an import, takes seconds.
MARGIN = timedelta(minutes=15)
_EVER = datetime(1970, 1, 1, tzinfo=UTC)


@dataclass(frozen=True)
class Changes:
    """What was written: ranges by symbol, and the memory for the next look."""

    ranges: dict[str, list[TimeRange]]
    n_rows: int
    through: datetime | None
    seen: dict[str, str]


def read_changes(frames: Frames, *, through: datetime | None, seen: dict[str, str]) -> Changes:
    """Return the minutes that were written since the last look; everything stored where there was none.

    Args:
        frames: The database.
        through: The newest ``ingested_at`` of the last look.
        seen: The slices that the last look remembered.
    """
    since = _EVER if through is None else through - MARGIN
    slices = frames.read("change_slices", since)
    now_seen: dict[str, str] = dict(slices.select("slice", "checksum").iter_rows())
    newest: datetime | None = slices["newest"].max() if slices.height else through  # pyright: ignore[reportAssignmentType]
    late = [name for name, checksum in now_seen.items() if seen.get(name) != checksum] if through else []
    ranges: dict[str, list[TimeRange]] = {}
    n_rows = 0
    if through is None or newest != through or late:
        islands = frames.read("change_islands", since, through or _EVER, ",".join(late))
        for symbol, start, end, count in islands.iter_rows():
            ranges.setdefault(symbol, []).append(TimeRange(start, end))
            n_rows += count
    keep = None if newest is None else int((newest - MARGIN).timestamp() // 10)
    return Changes(
        ranges, n_rows, newest, {k: v for k, v in now_seen.items() if int(k.rpartition("|")[2]) >= (keep or 0)}
    )
