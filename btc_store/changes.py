"""Which minutes changed since the last look, whatever order the transactions were committed in.

A minute changes when its candle is written, and when it is said to be without trades or said to be so no more.
"""

import logging
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta

from btc_core.model.timerange import TimeRange
from btc_store.frames import Frames

logger = logging.getLogger(__name__)

# `ingested_at` is the start of the writing transaction, so a row may appear behind what was read already. A
# transaction that stays open for longer than this is not seen; the longest of ours, an import, takes seconds.
MARGIN = timedelta(minutes=15)
# As the statements cut it.
SLICE_SECONDS = 10
# A transaction is listed as open a moment after it has begun.
LISTING = timedelta(seconds=5)
# By how much a clock is set as a rule, and how far back is looked where it was set back further: nobody knows when.
STEP, FAR = timedelta(minutes=1), timedelta(days=7)
_EVER = datetime(1970, 1, 1, tzinfo=UTC)


@dataclass(frozen=True)
class Changes:
    """What changed: ranges by symbol, how many minutes, and the memory for the next look."""

    ranges: dict[str, list[TimeRange]]
    n_rows: int
    through: datetime | None
    seen: dict[str, int]


def read_changes(
    frames: Frames,
    *,
    through: datetime | None,
    seen: dict[str, int],
    since: datetime | None = None,
    clock: datetime | None = None,
) -> Changes:
    """Return the minutes that changed since the last look; everything stored where there was none.

    Where the database's clock was set back since, more is reported than has changed, once.

    Args:
        frames: The database.
        through: When the newest change of the last look was written.
        seen: How many writes the youngest slices held at the last look.
        since: What is older is known to have been committed before the last look (``read_settled``): a shorter way
            back than the margin, after an import by hundreds of thousands of rows.
        clock: A moment before this look, by the database's clock, for who knows one.
    """
    known = through and before_it_was_set_back(through, clock or frames.read("database_clock").item())
    if known != through:
        through, since = known, None
    # A slice is counted whole.
    bounds = [bound for bound in (through and through - MARGIN, since and through and min(since, through)) if bound]
    since = _slice_start(max(bounds)) if bounds else _EVER
    slices = frames.read("change_slices", since, through or _EVER)
    # What is dated after the present is told by its slice: were it the newest, what comes now would be behind it.
    present: datetime | None = slices["clock"].max()  # pyright: ignore[reportAssignmentType]
    newest = through if present is None else min(slices["newest"].max(), present)  # pyright: ignore[reportArgumentType]
    late = [name for name, n_read in slices.select("slice", "n_read").iter_rows() if n_read != seen.get(name, 0)]
    ranges: dict[str, list[TimeRange]] = {}
    n_rows = 0
    if newest != through or late:
        for symbol, start, end, count in frames.read(
            "change_islands", since, through or _EVER, ",".join(late), present
        ).iter_rows():
            ranges.setdefault(symbol, []).append(TimeRange(start, end))
            n_rows += count
    counted = {name: n for name, n in seen.items() if _number(name) < since.timestamp() // SLICE_SECONDS}
    counted |= dict(slices.select("slice", "n_writes").iter_rows())
    return Changes(ranges, n_rows, newest, _youngest(counted, newest))


def before_it_was_set_back(instant: datetime, clock: datetime) -> datetime:
    """Return when a look was that is dated so, or an earlier instant where the database's clock was set back since.

    Args:
        instant: By that clock.
        clock: What it says now.
    """
    if instant <= clock:
        return instant
    step = instant - clock
    logger.warning("the database's clock was set back", extra={"seconds": round(step.total_seconds())})
    return clock - (MARGIN if step <= STEP else FAR)


def read_settled(frames: Frames) -> datetime:
    """Return an instant before which every write is committed or gone; to be asked for before a look."""
    since: datetime = frames.read("writers_since").item()
    return since - LISTING


def _youngest(slices: dict[str, int], newest: datetime | None) -> dict[str, int]:
    """Return the slices that the next look counts again."""
    oldest = 0 if newest is None else int((newest - MARGIN).timestamp() // SLICE_SECONDS)
    return {name: n_writes for name, n_writes in slices.items() if _number(name) >= oldest}


def _number(slice_name: str) -> int:
    """Return which slice of time it is."""
    return int(slice_name.rpartition("|")[2])


def _slice_start(instant: datetime) -> datetime:
    """Return the start of the slice that holds an instant: half a slice would be counted wrong."""
    return datetime.fromtimestamp(instant.timestamp() // SLICE_SECONDS * SLICE_SECONDS, UTC)
