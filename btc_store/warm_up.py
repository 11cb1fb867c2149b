"""Minutes before a range, so that whatever is computed over it has its look-back there; each is read once."""

from collections.abc import Sequence
from datetime import datetime

import polars as pl

from btc_core.model.interval import Interval
from btc_core.model.timerange import MINUTE, TimeRange
from btc_core.resample import resample
from btc_store.frames import Frames
from btc_store.lake import Lake
from btc_store.lake_minutes import read_minutes

# Outages leave out candles, so the warm-up is looked for in this many times its length.
_REACH = 2


# So many candles of an interval that open before an instant.
Wanted = tuple[datetime, Interval, int]


class Minutes:
    """The stored minutes of a symbol up to an instant; who asks for earlier ones has those alone read.

    Args:
        frames: The database.
        symbol: Whose.
        end: Where they end.
        lake: Where closed months may be read; None: all comes from the database.
    """

    def __init__(self, frames: Frames, symbol: str, end: datetime, lake: Lake | None = None) -> None:
        self._frames, self._symbol, self._end, self._lake = frames, symbol, end, lake
        self._start, self._read = end, pl.DataFrame()

    def since(self, start: datetime) -> pl.DataFrame:
        """Return the minutes from an instant on, ascending, in ``CANDLE_SCHEMA``."""
        if start < self._start:
            before = read_minutes(self._frames, self._symbol, TimeRange(start, self._start), self._lake)
            self._read = pl.concat([before, self._read], rechunk=True) if self._read.width else before
            self._start = start
        return self._read.filter(pl.col("time") >= start) if start > self._start else self._read

    def has_before(self, start: datetime) -> bool:
        """Return whether an earlier minute is stored."""
        return self._frames.read("newest_minute_before", self._symbol, start).height > 0


def read_with_warm_up(
    frames: Frames, symbol: str, wanted: Sequence[Wanted], *, end: datetime, lake: Lake | None = None
) -> tuple[pl.DataFrame, datetime]:
    """Return a symbol's minutes up to an instant with all that is wanted, as far as it is stored; and their start."""
    return with_warm_up(Minutes(frames, symbol, end, lake), wanted)


def with_warm_up(minutes: Minutes, wanted: Sequence[Wanted]) -> tuple[pl.DataFrame, datetime]:
    """Return minutes that hold all that is wanted, as far as it is stored, and their start."""
    first, start = min(before for before, _interval, _n in wanted), nominal_start(wanted)
    while True:
        found = minutes.since(start)
        is_enough = all(candles_from(found, i, start, i.floor(before)).height >= n for before, i, n in wanted)
        if is_enough or not minutes.has_before(start):
            return found, start
        start = first - (first - start) * _REACH - MINUTE


def nominal_start(wanted: Sequence[Wanted]) -> datetime:
    """Return where what is wanted begins if no candle is absent."""
    return min(interval.floor(before - interval.longest * n) for before, interval, n in wanted)


def candles_from(minutes: pl.DataFrame, interval: Interval, start: datetime, end: datetime) -> pl.DataFrame:
    """Return the candles that open in a range; one that the minutes' start cuts through is none."""
    time = interval.floor(start)
    first = start if time == start else interval.close_of(time)
    return resample(minutes.filter(pl.col("time").is_between(first, end, closed="left")), interval)
