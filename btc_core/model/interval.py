"""A candle's duration: its label and its place on the time line (law 2, the grid)."""

import re
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from functools import lru_cache

from btc_core.errors import IntervalError
from btc_core.model.timerange import EPOCH, MINUTE, TimeRange

# 1970-01-05, the first Monday after the epoch: weeks start on Monday, as the exchange's do.
FIRST_MONDAY = EPOCH + timedelta(days=4)
MINUTES_PER_DAY = 1440
MINUTES_PER_WEEK = 7 * MINUTES_PER_DAY
# A month is between 28 and 31 days: so many fit into a stretch at most, and reach back so far.
SHORTEST_MONTH = timedelta(days=28)
LONGEST_MONTH = timedelta(days=31)
LONGEST_FIXED_DAYS = 365

_LABEL = re.compile(r"(?P<n>[1-9][0-9]{0,5})(?P<unit>[mhdwM])")
_UNIT_MINUTES = {"m": 1, "h": 60, "d": MINUTES_PER_DAY}


@dataclass(frozen=True, slots=True)
class Interval:
    """A candle's duration.

    Attributes:
        label: Canonical text (``37m``, ``1h``, ``148m``, ``1d``, ``1w``, ``1M``).
        minutes: Length in minutes; None for ``1M``, whose length varies.
        origin: An instant on which a candle starts.
    """

    label: str
    minutes: int | None
    origin: datetime = EPOCH

    def __str__(self) -> str:
        return self.label

    def floor(self, instant: datetime) -> datetime:
        """Return the open time of the candle that holds ``instant``."""
        if self.minutes is None:
            utc = instant.astimezone(UTC)
            return datetime(utc.year, utc.month, 1, tzinfo=UTC)
        step = self.minutes * MINUTE
        return self.origin + (instant - self.origin) // step * step

    def close_of(self, time: datetime) -> datetime:
        """Return when the candle that opens at ``time`` is known: the open of the next one."""
        if self.minutes is None:
            return datetime(time.year + time.month // 12, time.month % 12 + 1, 1, tzinfo=UTC)
        return time + self.minutes * MINUTE

    def n_minutes(self, time: datetime) -> int:
        """Return how many minutes the candle that opens at ``time`` has when none is missing."""
        return (self.close_of(time) - time) // MINUTE

    def cover(self, minutes: TimeRange) -> TimeRange:
        """Return the smallest range of whole candles that holds all of ``minutes``."""
        return TimeRange(self.floor(minutes.start), self.close_of(self.floor(minutes.end - timedelta(microseconds=1))))

    def opens(self, within: TimeRange) -> list[datetime]:
        """Return the open time of every candle that opens in the range, ascending."""
        time = self.floor(within.start)
        if time < within.start:
            time = self.close_of(time)
        found: list[datetime] = []
        while time < within.end:
            found.append(time)
            time = self.close_of(time)
        return found

    @property
    def shortest(self) -> timedelta:
        """The length of the shortest candle of this interval."""
        return SHORTEST_MONTH if self.minutes is None else self.minutes * MINUTE

    @property
    def longest(self) -> timedelta:
        """The length of the longest candle of this interval."""
        return LONGEST_MONTH if self.minutes is None else self.minutes * MINUTE


@lru_cache(maxsize=256)
def parse_interval(text: str) -> Interval:
    """Return the interval that a label names: ``<n>m``, ``<n>h``, ``<n>d``, ``1w`` or ``1M``.

    The canonical label of 60m is 1h. 7d is not 1w: it counts from the epoch, a Thursday, and a week from Monday.

    Raises:
        IntervalError: If the text is no such label.
    """
    match = _LABEL.fullmatch(text)
    if match is None:
        raise IntervalError(_refusal(text))
    n, unit = int(match["n"]), match["unit"]
    if unit == "w" and n == 1:
        return Interval("1w", MINUTES_PER_WEEK, FIRST_MONDAY)
    if unit == "M" and n == 1:
        return Interval("1M", None)
    if unit not in _UNIT_MINUTES or n * _UNIT_MINUTES[unit] > LONGEST_FIXED_DAYS * MINUTES_PER_DAY:
        raise IntervalError(_refusal(text))
    minutes = n * _UNIT_MINUTES[unit]
    return Interval(_label(minutes), minutes)


def _label(minutes: int) -> str:
    if minutes % MINUTES_PER_DAY == 0:
        return f"{minutes // MINUTES_PER_DAY}d"
    # The project writes 148m and 90m in minutes; only whole hours are hours.
    return f"{minutes // 60}h" if minutes % 60 == 0 else f"{minutes}m"


def _refusal(text: str) -> str:
    return (
        f"{text!r} is no interval: expected a number with m, h or d (37m, 2h, 1d; at most {LONGEST_FIXED_DAYS}d), "
        "or 1w, or 1M"
    )


ONE_MINUTE = parse_interval("1m")
