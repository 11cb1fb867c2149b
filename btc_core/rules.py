"""What strategies have in common: sides, when a float is above another (law 12), a plan by the clock."""

from collections.abc import Mapping
from datetime import UTC, datetime
from types import MappingProxyType

import polars as pl

from btc_core.errors import InputError
from btc_core.parameters import Parameter, Parameters
from btc_core.strategy import Bounds

SIDES = MappingProxyType({"long_short": 0, "long_only": 1, "short_only": -1})
SIDE = Parameter(0, -1, 1, "long_short (0), long_only (1) or short_only (-1): sides that it takes", words=SIDES)

# Two numbers that differ by less than this part of their size are a tie: a mean, an RSI or a band is a float whose last
# digits are those of its rounding. Prices differ by 1e-9 of their size and more.
TIE = 1e-12

_HOUR_US = 3_600_000_000


def on_side(wanted: pl.Expr, parameters: Parameters) -> pl.Expr:
    """Return the wanted exposure with what the parameter ``side`` leaves of it: flat in place of the other side."""
    return {0: wanted, 1: wanted.clip(lower_bound=0.0), -1: wanted.clip(upper_bound=0.0)}[int(parameters["side"])]


def above(one: pl.Expr, other: pl.Expr, *, size: pl.Expr | None = None) -> pl.Expr:
    """Return whether a number is above another by more than rounding.

    Args:
        one: A number.
        other: What it is compared with.
        size: Of what the numbers are a difference, where they may be near 0; ``other`` where left out.
    """
    return one - other > TIE * (other if size is None else size).abs()


def sign(one: pl.Expr, other: pl.Expr, *, size: pl.Expr | None = None) -> pl.Expr:
    """Return 1 where a number is above another, -1 where it is below, null at a tie; as ``above`` otherwise."""
    scale = other if size is None else size
    is_above, is_below = above(one, other, size=scale), above(other, one, size=scale)
    return pl.when(is_above).then(1.0).when(is_below).then(-1.0)


def distance(price: pl.Expr, line: pl.Expr, *, certain: float) -> pl.Expr:
    """Return how far a price is from a line as a confidence: 1 from a distance of ``certain`` (a fraction) on."""
    return ((price / line - 1).abs() / certain).clip(upper_bound=1.0)


def ending(long: pl.Expr, short: pl.Expr) -> Bounds:
    """Return bounds that end a long where one claim is true, and a short where the other is."""
    return pl.when(short).then(0.0), pl.when(long).then(0.0)


PLAN: Mapping[str, Parameter] = MappingProxyType(
    {
        "start": Parameter(20240101, 20090103, 20991231, "day of the first purchase, UTC: 20240101 is 1 January 2024"),
        "every_hours": Parameter(168, 1, 8784, "hours from one purchase to the next; 168 is a week"),
        "purchases": Parameter(104, 1, 100_000, "how many equal purchases the capital is made into"),
    }
)


def planned(close_time: pl.Expr, parameters: Parameters) -> pl.Expr:
    """Return the share of the capital that a plan of equal purchases has spent by a time: in [0, 1].

    It hangs on the clock alone: the k-th purchase is due ``(k - 1) · every_hours`` after ``start``, and is made at the
    first close from then on.

    Raises:
        InputError: If ``start`` is no day of the calendar.
    """
    step_us, n = int(parameters["every_hours"]) * _HOUR_US, int(parameters["purchases"])
    passed = close_time.dt.epoch("us") - _day_us(int(parameters["start"]))
    n_due = pl.when(passed >= 0).then(passed.floordiv(step_us) + 1).otherwise(0)
    # Not n_due / n: Polars divides a column by a number as it multiplies by the reciprocal, but not one of one row.
    return pl.when(n_due >= n).then(1.0).otherwise(n_due * (1 / n))


def _day_us(day: int) -> int:
    try:
        start = datetime(day // 10_000, day // 100 % 100, day % 100, tzinfo=UTC)
    except ValueError:
        raise InputError(f"start={day}: expected a day of the calendar as YYYYMMDD, such as 20240101") from None
    return int(start.timestamp()) * 1_000_000
