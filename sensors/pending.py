"""The memory of the sensor ``new_candles``, as pure arithmetic: what is pending, which run is under way, who does it.

The memory is level-triggered: a minute stays pending, for each interval, until a run that derived it has succeeded, or
the live lane says that it has. What is due of what is pending is told by ``btc_core.pending``.
"""

from collections.abc import Mapping, Sequence
from datetime import datetime, timedelta

import msgspec

from btc_core.model.interval import Interval
from btc_core.model.timerange import TimeRange, subtract_ranges
from btc_core.pending import (
    Due,
    Pending,
    Range,
    add_minutes,
    closed_until,
    common_ranges,
    pairs_of,
    ranges_of,
    take_minutes,
)

# `closed_until` is the question that goes with `take_due`.
__all__ = [
    "RETRY_MAX",
    "RETRY_MIN",
    "Cursor",
    "Due",
    "Request",
    "SymbolState",
    "add_changes",
    "closed_until",
    "forget_derived",
    "settle",
    "take_due",
]

# A failed run is asked for again after this long, doubled each time.
RETRY_MIN, RETRY_MAX = timedelta(seconds=30), timedelta(minutes=15)


class Request(msgspec.Struct):
    """A run that was asked for and has not succeeded yet."""

    run_key: str
    due: dict[str, list[Range]]


class SymbolState(msgspec.Struct):
    """What one symbol waits for.

    Attributes:
        pending: By interval label, minutes that changed and are in no request.
        request: The run that is under way.
        n_failed: How often in a row such a run has failed.
        retry_at: Not asked again before, real time.
    """

    pending: Pending = {}
    request: Request | None = None
    n_failed: int = 0
    retry_at: datetime | None = None


class Cursor(msgspec.Struct):
    """The sensor's memory.

    Attributes:
        through: The newest ``ingested_at`` that was read.
        seen: How many writes the youngest slices of ``ingested_at`` held, by symbol and slice: a transaction that
            commits late changes one.
        symbols: What each symbol waits for.
        looked_at: When the last look was over, by the database's clock: all that is pending was there to be seen.
    """

    through: datetime | None = None
    seen: dict[str, int] = {}
    symbols: dict[str, SymbolState] = {}
    looked_at: datetime | None = None


def add_changes(state: SymbolState, changed: Sequence[TimeRange], labels: Sequence[str]) -> None:
    """Remember changed minutes for every interval."""
    add_minutes(state.pending, changed, labels)


def settle(state: SymbolState, *, succeeded: bool, now: datetime) -> None:
    """Take note of how the run under way ended. After a failure its minutes are pending again."""
    request, state.request = state.request, None
    if request is None:
        return
    if succeeded:
        state.n_failed, state.retry_at = 0, None
        return
    for label, pairs in request.due.items():
        add_changes(state, ranges_of(pairs), [label])
    state.retry_at = now + min(RETRY_MIN * 2**state.n_failed, RETRY_MAX)
    state.n_failed += 1


def take_due(
    state: SymbolState, closed_until: Mapping[Interval, datetime], *, within: Sequence[TimeRange] | None = None
) -> Due | None:
    """Return the next run to ask for, or None. What it takes leaves ``pending``.

    Args:
        state: What the symbol waits for.
        closed_until: For each interval, the close of its last candle that is ready.
        within: The minutes that are asked for; None where all are. The rest stays pending.
    """
    if within is None:
        return take_minutes(state.pending, closed_until)
    ours = {label: pairs_of(common_ranges(ranges_of(pairs), within)) for label, pairs in state.pending.items()}
    due = take_minutes(ours, closed_until)
    for label, taken in due.touched.items() if due else ():
        state.pending[label] = pairs_of(subtract_ranges(ranges_of(state.pending[label]), taken))
    return due


def forget_derived(state: SymbolState, *, waiting: Pending, left: Sequence[TimeRange]) -> None:
    """Forget what the live lane has derived: all but what it waits for itself, and what it leaves to us.

    To be asked of a lane that has looked since we last did: then whatever we know of was there for it to be seen.
    """
    for label, pairs in state.pending.items():
        kept = sorted([*ranges_of(waiting.get(label, [])), *left])
        state.pending[label] = pairs_of(common_ranges(ranges_of(pairs), kept))
