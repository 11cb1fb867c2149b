"""What strategies share: sides, ties, ends and plans."""

from datetime import UTC, datetime, timedelta

import polars as pl
import pytest

from btc_core.errors import InputError
from btc_core.rules import PLAN, SIDE, above, distance, ending, on_side, planned, sign
from btc_core.strategy import load_strategy

START = datetime(2024, 1, 1, tzinfo=UTC)
WEEK = timedelta(days=7)


def values(expression, **columns):
    """Return an expression over columns as a list."""
    return pl.DataFrame(columns).select(expression).to_series().to_list()


@pytest.mark.parametrize(
    ("side", "left"), [(0, [1.0, -1.0, None, 0.0]), (1, [1.0, 0.0, None, 0.0]), (-1, [0.0, -1.0, None, 0.0])]
)
def test_a_side_is_flat_in_place_of_the_other(side, left):
    """Long only is flat where it would be short; no opinion stays none."""
    assert values(on_side(pl.col("wanted"), {"side": side}), wanted=[1.0, -1.0, None, 0.0]) == left


@pytest.mark.parametrize(
    ("word", "side"), [("long_short", 0), ("long_only", 1), ("short_only", -1), ("1", 1), (-1, -1)]
)
def test_a_side_may_be_written_as_a_word(word, side):
    """In config.yaml and on the command line: `side: long_only`."""
    assert load_strategy("ma", {"side": word}).parameters["side"] == side


def test_a_wrong_word_leads_to_the_right_one():
    """With the near misses."""
    with pytest.raises(
        InputError, match=r"side='long_onyl' is no number and none of its words\. Did you mean long_only"
    ):
        load_strategy("ma", {"side": "long_onyl"})
    assert all(word in SIDE.meaning for word in SIDE.words)


@pytest.mark.parametrize("price", [0.00001234, 1.0, 63_217.5])
def test_the_last_digits_of_a_float_are_a_tie_and_a_tick_is_none(price):
    """A rounded mean of equal prices is no opinion; a price that is a ten-thousandth of a percent higher is one."""
    rounded, higher = price * (1 + 4e-16), price * (1 + 1e-6)
    columns = {"a": [price, rounded, higher, price], "b": [price, price, price, higher]}
    assert values(sign(pl.col("a"), pl.col("b")), **columns) == [None, None, 1.0, -1.0]
    assert values(above(pl.col("a"), pl.col("b")), **columns) == [False, False, True, False]


def test_a_difference_of_prices_is_measured_by_the_price():
    """Near 0 the size of a number says nothing about its rounding."""
    columns = {"line": [1e-12, 1e-6], "zero": [0.0, 0.0], "price": [60_000.0, 60_000.0]}
    assert values(sign(pl.col("line"), pl.col("zero"), size=pl.col("price")), **columns) == [None, 1.0]
    assert values(sign(pl.col("line"), pl.col("zero")), **columns) == [1.0, 1.0]


def test_confidence_by_distance():
    """To both sides, and 1 from there on."""
    columns = {"price": [100.0, 101.0, 99.0, 102.0, 150.0], "line": [100.0] * 5}
    found = values(distance(pl.col("price"), pl.col("line"), certain=0.02), **columns)
    assert found == pytest.approx([0.0, 0.5, 0.5, 1.0, 1.0])


def test_an_end_bounds_its_side_alone():
    """A long is at most flat where it ends, a short at least."""
    least, most = ending(pl.col("long"), pl.col("short"))
    columns = {"long": [True, False, True], "short": [False, True, True]}
    assert (values(least, **columns), values(most, **columns)) == ([None, 0.0, 0.0], [0.0, None, 0.0])


def plan(times, **parameters):
    """Return the share of a plan that is spent at each time."""
    given = {name: parameter.default for name, parameter in PLAN.items()} | parameters
    frame = pl.DataFrame({"close_time": times}, schema={"close_time": pl.Datetime("us", "UTC")})
    return frame.select(planned(pl.col("close_time"), given)).to_series().to_list()


def test_a_plan_goes_by_the_clock():
    """The first purchase is due at the start, one a week follows, and the last one is not passed."""
    tick = timedelta(microseconds=1)
    times = [START - tick, START, START + WEEK - tick, START + WEEK, START + 3 * WEEK, START + 90 * WEEK]
    assert plan(times, purchases=4) == [0.0, 0.25, 0.25, 0.5, 1.0, 1.0]


@pytest.mark.parametrize("purchases", [1, 3, 7, 49, 104])
def test_a_plan_spends_everything_and_says_the_same_alone(purchases):
    """Equal steps up to exactly 1; the bits of a row do not hang on the rows beside it."""
    times = [START + k * WEEK for k in range(purchases + 2)]
    spent = plan(times, purchases=purchases)
    assert spent == pytest.approx([min(k + 1, purchases) / purchases for k in range(purchases + 2)])
    assert spent[-1] == 1.0
    assert [plan([time], purchases=purchases)[0] for time in times] == spent


def test_a_start_that_is_no_day_is_told_of():
    """Before anything is read."""
    with pytest.raises(InputError, match="start=20230229: expected a day of the calendar as YYYYMMDD"):
        load_strategy("dca", {"start": 20230229})
