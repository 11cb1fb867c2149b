"""What a simulation reads, prepared once for a symbol, an interval and a range: a sweep shares it.

Per decision: the minute in which it fills, the extremes of the minutes until the next one does, and the funding. So a
simulation costs a step per decision, and the minutes are read here alone.
"""

from dataclasses import dataclass
from datetime import UTC, datetime, timedelta

import numpy as np
import polars as pl

from btc_core.errors import DataError
from btc_core.metrics import known_at_midnights
from btc_core.model.interval import ONE_MINUTE, Interval
from btc_core.model.timerange import EPOCH, MINUTE, TimeRange, format_time
from btc_core.simulator.layout import Floats, Indices, Minutes, Stretches, frozen
from btc_core.simulator.times import Times, times_of

# Funding moves little: bounds of so many stretches serve for each of them, and are read from the processor's cache.
_TOGETHER = 64

UTC_TIME = pl.Datetime("us", "UTC")
MICROSECOND = timedelta(microseconds=1)
_MINUTE_US = MINUTE // MICROSECOND
_HOUR_US = 60 * _MINUTE_US
_DAY_US = 24 * _HOUR_US
# The exchange settled every eight hours at first, and every hour from here on (its own fundingHistory).
HOURLY_SINCE = datetime(2023, 6, 8, tzinfo=UTC)
HOURS_BEFORE = 8


@dataclass(frozen=True, slots=True, kw_only=True)
class Market:
    """The market of a range, as decisions meet it. Times are microseconds since 1970, prices quote currency.

    Attributes:
        range_: What is simulated.
        step: Length of a row of ``minutes``, microseconds.
        time: When the minutes begin.
        end: When the last of them is over.
        minutes, stretches: What the kernel reads.
        close_time: When each decision is known.
        price: The close of each decided candle.
        funding_before: Cumulative funding per unit before each decision.
        midnights: Which value of a curve is known at each midnight, of the start, each decision before the end, and
            the end (``metrics.known_at_midnights``).
        is_funding_known: Whether any rate of the range is.
        funding_missing_hours: How many hours of it are not.
    """

    range_: TimeRange
    step: int
    time: Times
    end: int
    minutes: Minutes
    stretches: Stretches
    close_time: Indices
    price: Floats
    funding_before: Floats
    midnights: Indices
    is_funding_known: bool
    funding_missing_hours: int

    @property
    def marks(self) -> tuple[Indices, Floats, Floats]:
        """Time, price and cumulative funding where an account is valued: at each decision before the end."""
        n = int(np.searchsorted(self.close_time, us(self.range_.end), side="left"))
        return frozen(self.close_time[:n]), frozen(self.price[:n]), frozen(self.funding_before[:n])

    @property
    def n_missing_minutes(self) -> int:
        """Minutes of the range that have no candle."""
        return max(0, int_us(self.range_.end - self.range_.start) // self.step - len(self.time))

    def missing_between(self, first: Indices, last: Indices) -> Indices:
        """Return how many minutes are missing from one minute's open to another's, given their indices."""
        return (self.instants(last) - self.instants(first)) // self.step - (last - first)

    def instants(self, minute: Indices) -> Indices:
        """Return when minutes begin, given their indices; their number is the end of the last."""
        if len(self.time) == 0:
            return np.zeros(len(minute), np.int64)
        return np.where(minute < len(self.time), self.time.at(minute), self.end)


def prepare(
    decisions: pl.DataFrame,
    minutes: pl.DataFrame,
    *,
    range_: TimeRange,
    delay_minutes: int = 0,
    funding: pl.DataFrame | None = None,
    funding_before: float = 0.0,
    resolution: Interval = ONE_MINUTE,
) -> Market:
    """Return the market as decisions at these times meet it.

    Args:
        decisions: ``close_time`` (UTC, ascending) and ``price`` of the candles that are decided on.
        minutes: ``time`` (UTC, ascending), ``open``, ``high``, ``low``, ``close``; a gap is no row.
        range_: A decision belongs to it if ``start < close_time <= end``, a minute if ``start <= time < end``.
        delay_minutes: How long an order takes.
        funding: ``time`` (UTC, the settlement's stamp) and ``funding_rate`` (per settlement; a long pays what is
            positive); None: nothing is known.
        funding_before: Cumulative funding per unit before the range, of an account that comes from there.
        resolution: What the rows of ``minutes`` are, if not minutes: fills are at the next row's open all the same.

    Raises:
        DataError: If times do not ascend, or a value is missing.
    """
    time, inside = _rows_in(minutes, range_)
    values = {name: frozen(floats(inside, name)) for name in ("open", "high", "low")}
    close = floats(inside, "close")
    close_time, decided = decisions_in(decisions, range_)
    cumulative = _funding_up_to(time, values["open"], funding, range_, before=funding_before)
    at = np.searchsorted(time, close_time + delay_minutes * _MINUTE_US, side="left").astype(np.int64)
    market_minutes = Minutes(**values, funding=frozen(cumulative), last_close=float(close[-1]) if len(close) else 0.0)
    n_known, missing_hours = _known_hours(funding, range_)
    start, end = us(range_.start), us(range_.end)
    last = EPOCH + int(time[-1]) * MICROSECOND if len(time) else range_.end
    return Market(
        range_=range_,
        step=int_us(resolution.longest),
        time=times_of(time, step=int_us(resolution.longest)),
        end=us(resolution.close_of(last)) if len(time) else end,
        minutes=market_minutes,
        stretches=_stretches(at, market_minutes),
        close_time=close_time,
        price=frozen(floats(decided, "price")),
        funding_before=frozen(cumulative[np.searchsorted(time, close_time, side="left")]),
        midnights=known_at_midnights(np.concatenate(([start], close_time[close_time < end], [end]))),
        is_funding_known=n_known > 0,
        funding_missing_hours=missing_hours,
    )


def daily_average_cost(market: Market, *, slippage: float, fee: float) -> float | None:
    """Return what a unit costs that is bought for equal money at the first open of every day of the range.

    The harmonic mean of the prices, with costs; None without minutes.

    Args:
        market: The range.
        slippage: How much worse than the market a purchase is, as a fraction.
        fee: Of the notional, as a fraction.
    """
    if len(market.time) == 0:
        return None
    start, end = us(market.range_.start), us(market.range_.end)
    midnights = np.arange(-(-start // _DAY_US), -(-end // _DAY_US)) * _DAY_US
    at = np.unique(market.time.n_before(np.append(start, midnights)))
    prices = market.minutes.open[at[at < len(market.time)]] * (1 + slippage) * (1 + fee)
    return float(len(prices) / (1 / prices).sum())


def _stretches(at: Indices, minutes: Minutes) -> Stretches:
    """Gather what follows each fill; zeros where no minute does, which nothing reads."""
    n, settled = len(minutes.open), minutes.funding[1:]

    def gathered(values: Floats, reduce: np.ufunc | None = None, *, together: int = 1) -> Floats:
        starts = at[::together]
        found, some = np.zeros(len(starts)), starts[starts < n]
        found[: len(some)] = values[some] if reduce is None else reduce.reduceat(values, some) if len(some) else 0.0
        return frozen(found)

    return Stretches(
        at=frozen(np.append(at, n)),
        open=gathered(minutes.open),
        fill_low=gathered(minutes.low),
        fill_high=gathered(minutes.high),
        funding=gathered(settled),
        low=gathered(minutes.low, np.minimum),
        high=gathered(minutes.high, np.maximum),
        funding_low=gathered(settled, np.minimum, together=_TOGETHER),
        funding_high=gathered(settled, np.maximum, together=_TOGETHER),
        funding_together=_TOGETHER,
        is_full=bool((np.diff(at, append=n) > 0).all()),
    )


def _funding_up_to(
    time: Indices, price: Floats, funding: pl.DataFrame | None, range_: TimeRange, *, before: float
) -> Floats:
    """Return the cumulative funding per unit before the first minute and in each.

    A unit that is held into a minute pays rate · open of the first minute from the settlement's on. A settlement comes
    before the fills of its minute, so it is paid by who held the position up to it.
    """
    paid = np.zeros(len(time) + 1)
    paid[:1] = before
    stamps, rates = _settlements(funding, range_)
    at = np.searchsorted(time, stamps - stamps % _MINUTE_US, side="left")
    reached = at < len(time)
    np.add.at(paid, at[reached] + 1, price[at[reached]] * rates[reached])
    # Added up one by one: a sum that is carried on ends in the same bits. Zeros that nobody wrote take no memory.
    return np.cumsum(paid, out=paid) if reached.any() or before else paid


def _settlements(funding: pl.DataFrame | None, range_: TimeRange) -> tuple[Indices, Floats]:
    """Return stamps and rates of the settlements in a range; one without a rate is none."""
    if funding is None:
        return np.zeros(0, np.int64), np.zeros(0)
    known = funding.filter(pl.col("funding_rate").is_not_null())
    stamps = ascending(known, "time")
    first, stop = np.searchsorted(stamps, [us(range_.start), us(range_.end)], side="left")
    return stamps[first:stop], floats(known.slice(first, stop - first), "funding_rate")


def _known_hours(funding: pl.DataFrame | None, range_: TimeRange) -> tuple[int, int]:
    """Return how many settlements of a range are known, and how many hours of it are not.

    A settlement that is due at an hour is known if one is stamped within it; one of the eight-hourly ones stands for
    eight hours.
    """
    stamps, _ = _settlements(funding, range_)
    start, end, hourly = us(range_.start), us(range_.end), us(HOURLY_SINCE)
    due = np.arange(-(-start // _HOUR_US), -(-end // _HOUR_US)) * _HOUR_US
    due = due[(due >= hourly) | (due % (HOURS_BEFORE * _HOUR_US) == 0)]
    missing = due[~np.isin(due, stamps - stamps % _HOUR_US)]
    return len(stamps), int(np.where(missing < hourly, HOURS_BEFORE, 1).sum())


def _rows_in(minutes: pl.DataFrame, range_: TimeRange) -> tuple[Indices, pl.DataFrame]:
    time = ascending(minutes, "time")
    first, stop = np.searchsorted(time, [us(range_.start), us(range_.end)], side="left")
    return time[first:stop], minutes.slice(first, stop - first)


def decisions_in(decisions: pl.DataFrame, range_: TimeRange) -> tuple[Indices, pl.DataFrame]:
    """Return when the decisions of a range are known, and their rows."""
    time = ascending(decisions, "close_time")
    first, stop = np.searchsorted(time, [us(range_.start), us(range_.end)], side="right")
    return time[first:stop], decisions.slice(first, stop - first)


def refuse_off_grid(decisions: pl.DataFrame, time: Indices, interval: Interval) -> None:
    """Refuse decisions that are no closes of an interval's candles.

    Raises:
        DataError: If one is not.
    """
    if interval.minutes is None:
        close_time = decisions["close_time"]
        off = (close_time.dt.truncate("1mo") != close_time).to_numpy()
    else:
        off = (time - us(interval.origin)) % (interval.minutes * _MINUTE_US) != 0
    if off.any():
        found = format_time(EPOCH + int(time[off.argmax()]) * MICROSECOND)
        raise DataError(f"decisions: expected closes of {interval} candles, found one at {found}")


def ascending(frame: pl.DataFrame, name: str) -> Indices:
    """Return a column of ascending instants as microseconds since 1970.

    Raises:
        DataError: If one is missing, repeats or comes before the last.
    """
    time = frame[name].cast(UTC_TIME).to_physical()
    values = time.to_numpy()
    if time.null_count() or not (values[1:] > values[:-1]).all():
        raise DataError(f"expected {name} to be ascending without repetition, found a row that is not")
    return values


def floats(frame: pl.DataFrame, name: str) -> Floats:
    """Return a column of finite numbers.

    Raises:
        DataError: If one is missing.
    """
    values = frame[name].cast(pl.Float64).to_numpy()
    if not np.isfinite(values).all():
        raise DataError(f"expected a finite number in every row of {name}, found a row without")
    return values


def us(instant: datetime) -> int:
    """Return whole microseconds since 1970."""
    return int_us(instant - EPOCH)


def int_us(span: timedelta) -> int:
    """Return whole microseconds."""
    return span // MICROSECOND
