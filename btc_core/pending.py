"""What has changed and is not derived yet, as pure arithmetic: both lanes ask here what is due. Plain part.

Minutes stay pending, for each interval, until the candles that hold them are closed and complete, or waited for long
enough. Who keeps them between two looks is the lane's business (``sensors.pending``, ``btc_store.live_state``).
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta

from btc_core.model.interval import Interval
from btc_core.model.timerange import TimeRange, merge_ranges, subtract_ranges
from btc_core.partitions import candles_closed_in, month_of

# A memory is for reading too: where more ranges changed, close ones are taken together.
MAX_RANGES = 50

Range = tuple[datetime, datetime]
# By interval label, minutes that changed; as pairs, the form that JSON keeps them in.
Pending = dict[str, list[Range]]


@dataclass(frozen=True)
class Due:
    """What to derive next: consecutive months of a symbol, and by interval label the minutes to derive from."""

    months: list[TimeRange]
    touched: dict[str, list[TimeRange]]

    def spans(self, month: TimeRange, interval: Interval) -> list[TimeRange]:
        """Return the open times of the candles to derive that a month owns, merged and ascending."""
        owned = candles_closed_in(month, interval)
        changed = self.touched.get(interval.label, ()) if owned else ()
        return merge_ranges([part for minutes in changed if owned and (part := interval.cover(minutes).clip(owned))])


def add_minutes(pending: Pending, changed: Sequence[TimeRange], labels: Sequence[str]) -> None:
    """Remember changed minutes for every interval."""
    for label in labels:
        pending[label] = pairs_of(coarsen(merge_ranges([*ranges_of(pending.get(label, [])), *changed]), MAX_RANGES))


def take_minutes(pending: Pending, closed_until: Mapping[Interval, datetime]) -> Due | None:
    """Return what is to be derived next, or None. What it takes leaves ``pending``.

    Args:
        pending: What a symbol waits for.
        closed_until: For each interval, the close of its last candle that is ready.
    """
    ready = {i: spans for i, end in closed_until.items() if (spans := _before(pending.get(i.label, []), end))}
    owners = {month_of(close) for interval, spans in ready.items() for close in _closes(interval, spans)}
    if not owners:
        return None
    months = _first_block(sorted(owners))
    # What the months own: candles that close in them. The rest of `ready` is the next one's.
    block = TimeRange(months[0].start, months[-1].end)
    touched: dict[str, list[TimeRange]] = {}
    for interval, spans in ready.items():
        owned = candles_closed_in(block, interval)
        if owned and (taken := [part for span in spans if (part := span.clip(owned))]):
            touched[interval.label] = taken
            pending[interval.label] = pairs_of(subtract_ranges(ranges_of(pending[interval.label]), taken))
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


def coarsen(ranges: Sequence[TimeRange], most: int) -> list[TimeRange]:
    """Return at most so many ranges that cover the given ones (merged, ascending): the smallest gaps are closed."""
    kept = list(ranges)
    while len(kept) > most:
        i = min(range(len(kept) - 1), key=lambda i: kept[i + 1].start - kept[i].end)
        kept[i : i + 2] = [TimeRange(kept[i].start, kept[i + 1].end)]
    return kept


def common_ranges(left: Sequence[TimeRange], right: Sequence[TimeRange]) -> list[TimeRange]:
    """Return the instants that lie in ranges of both, merged and ascending."""
    return merge_ranges([part for one in left for other in right if (part := one.clip(other))])


def ranges_of(pairs: Sequence[Range]) -> list[TimeRange]:
    """Return pairs as ranges."""
    return [TimeRange(*pair) for pair in pairs]


def pairs_of(ranges: Sequence[TimeRange]) -> list[Range]:
    """Return ranges as pairs."""
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
