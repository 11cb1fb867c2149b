"""Which month owns a candle, and what deriving a range reads and touches (law 3).

A candle belongs to the month of its last minute: ``start < close_time <= end``. So a month is complete when its own
minutes are, and deriving it reads no later minute.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime

from btc_core.model.interval import Interval
from btc_core.model.timerange import MINUTE, TimeRange, merge_ranges

# A month is named by its first day, as Dagster's monthly partitions are.
MONTH_KEY = "%Y-%m-%d"


def month_of(close_time: datetime) -> TimeRange:
    """Return the month that owns a candle known at ``close_time``."""
    return month_range(close_time.astimezone(UTC) - MINUTE)


def month_range(instant: datetime) -> TimeRange:
    """Return the calendar month that holds an instant."""
    start = datetime(instant.year, instant.month, 1, tzinfo=UTC)
    return TimeRange(start, datetime(start.year + start.month // 12, start.month % 12 + 1, 1, tzinfo=UTC))


def months_of(minutes: TimeRange) -> list[TimeRange]:
    """Return the months that own a minute of the range, ascending."""
    months = [month_range(minutes.start)]
    while months[-1].end < minutes.end:
        months.append(month_range(months[-1].end))
    return months


def month_key(month: TimeRange) -> str:
    """Return a month's partition key, its first day: ``2025-01-01``."""
    return month.start.strftime(MONTH_KEY)


def candles_closed_in(span: TimeRange, interval: Interval) -> TimeRange | None:
    """Return the range of open times of the candles with ``span.start < close_time <= span.end``, or None.

    For a month it is what the month owns; the months of a year split the grid exactly.
    """
    first = interval.floor(span.start)
    last = interval.floor(span.end)
    return TimeRange(first, last) if first < last else None


@dataclass(frozen=True)
class Partition:
    """One month of one symbol, as whoever works on it sees it.

    Attributes:
        key: Dagster's name of the partition.
        touched: By interval label, the minutes that changed; None where all of the month is asked for.
    """

    key: str
    symbol: str
    month: TimeRange
    touched: Mapping[str, Sequence[TimeRange]] | None

    def spans(self, interval: Interval, *, now: datetime) -> list[TimeRange]:
        """Return the open times of the candles to derive: owned by the month, closed by now, and touched."""
        end = min(self.month.end, now)
        owned = candles_closed_in(TimeRange(self.month.start, end), interval) if end > self.month.start else None
        if owned is None or self.touched is None:
            return [owned] if owned else []
        changed = self.touched.get(interval.label, ())
        return merge_ranges([part for minutes in changed if (part := interval.cover(minutes).clip(owned))])
