"""What has changed and is not derived yet: the state of the sensor ``new_candles``, as pure arithmetic.

The state is level-triggered: a minute stays pending, for each interval, until a run that derived it has succeeded.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta

import msgspec

from btc_core.model.interval import Interval
from btc_core.model.timerange import TimeRange, merge_ranges
from btc_core.partitions import candles_closed_in, month_of
from sensors.requests import MAX_RANGES, coarsen

# A failed run is asked for again after this long, doubled each time.
RETRY_MIN, RETRY_MAX = timedelta(seconds=30), timedelta(minutes=15)

Range = tuple[datetime, datetime]


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

    pending: dict[str, list[Range]] = {}
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
    """

    through: datetime | None = None
    seen: dict[str, int] = {}
    symbols: dict[str, SymbolState] = {}


@dataclass(frozen=True)
class Due:
    """A run to ask for: consecutive months of a symbol, and by interval label the minutes to derive from."""

    months: list[TimeRange]
    touched: dict[str, list[TimeRange]]


def add_changes(state: SymbolState, changed: Sequence[TimeRange], labels: Sequence[str]) -> None:
    """Remember changed minutes for every interval."""
    for label in labels:
        known = [TimeRange(*pair) for pair in state.pending.get(label, [])]
        state.pending[label] = _pairs(coarsen(merge_ranges([*known, *changed]), MAX_RANGES))


def settle(state: SymbolState, *, succeeded: bool, now: datetime) -> None:
    """Take note of how the run under way ended. After a failure its minutes are pending again."""
    request, state.request = state.request, None
    if request is None:
        return
    if succeeded:
        state.n_failed, state.retry_at = 0, None
        return
    for label, pairs in request.due.items():
        add_changes(state, [TimeRange(*pair) for pair in pairs], [label])
    state.retry_at = now + min(RETRY_MIN * 2**state.n_failed, RETRY_MAX)
    state.n_failed += 1


def take_due(state: SymbolState, closed_until: Mapping[Interval, datetime]) -> Due | None:
    """Return the next run to ask for, or None. What it takes leaves ``pending``.

    Args:
        state: What the symbol waits for.
        closed_until: For each interval, the close of its last candle that is ready.
    """
    ready = {i: spans for i, end in closed_until.items() if (spans := _before(state.pending.get(i.label, []), end))}
    owners = {month_of(close) for interval, spans in ready.items() for close in _closes(interval, spans)}
    if not owners:
        return None
    months = _first_block(sorted(owners))
    # What the months own: candles that close in them. The rest of `ready` is the next run's.
    block = TimeRange(months[0].start, months[-1].end)
    touched: dict[str, list[TimeRange]] = {}
    for interval, spans in ready.items():
        owned = candles_closed_in(block, interval)
        if owned and (taken := [part for span in spans if (part := span.clip(owned))]):
            touched[interval.label] = taken
            state.pending[interval.label] = _pairs(_without(state.pending[interval.label], taken))
    return Due(months, touched)


def closed_until(interval: Interval, *, now: datetime, wait: timedelta, count: Callable[[TimeRange], int]) -> datetime:
    """Return the close of the last candle that is ready, as all before it are: complete, or waited for long enough.

    A candle that misses minutes holds up those after it, so that decisions are made in order; of an interval shorter
    than the waiting, several may be held up.

    Args:
        interval: The candles' interval.
        now: The present instant of the market.
        wait: How long missing minutes are waited for.
        count: Returns how many minutes of a range are stored.
    """
    close = ready = interval.floor(now)
    while now - close < wait:
        candle = TimeRange(interval.floor(close - timedelta(microseconds=1)), close)
        if count(candle) < candle.n_minutes:
            ready = candle.start
        close = candle.start
    return ready


def _pairs(ranges: Sequence[TimeRange]) -> list[Range]:
    return [(item.start, item.end) for item in ranges]


def _before(pairs: Sequence[Range], end: datetime) -> list[TimeRange]:
    return [TimeRange(start, min(stop, end)) for start, stop in pairs if start < end]


def _closes(interval: Interval, spans: Sequence[TimeRange]) -> list[datetime]:
    """Return the closes that tell which months own the candles of the spans: one per month is enough."""
    closes: list[datetime] = []
    for span in spans:
        cover = interval.cover(span)
        close = interval.close_of(cover.start)
        while close < cover.end:
            closes.append(close)
            close = min(cover.end, interval.close_of(interval.floor(month_of(close).end)))
        closes.append(cover.end)
    return closes


def _first_block(months: Sequence[TimeRange]) -> list[TimeRange]:
    block = [months[0]]
    for month in months[1:]:
        if month.start != block[-1].end:
            break
        block.append(month)
    return block


def _without(pairs: Sequence[Range], taken: Sequence[TimeRange]) -> list[TimeRange]:
    """Return the pending ranges less what was taken."""
    left = [TimeRange(*pair) for pair in pairs]
    for cut in taken:
        left = [part for item in left for part in _cut(item, cut)]
    return left


def _cut(item: TimeRange, cut: TimeRange) -> list[TimeRange]:
    if not item.overlaps(cut):
        return [item]
    parts: list[TimeRange] = []
    if item.start < cut.start:
        parts.append(TimeRange(item.start, cut.start))
    if cut.end < item.end:
        parts.append(TimeRange(cut.end, item.end))
    return parts
