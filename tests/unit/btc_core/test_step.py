"""Rules of steps: the state goes from candle to candle, in pieces as at once, compiled as not compiled."""

from datetime import UTC, datetime, timedelta

import numpy as np
import polars as pl
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from btc_core.errors import DataError
from btc_core.lookahead import market_for
from btc_core.model.interval import parse_interval
from btc_core.parameters import Parameter
from btc_core.step import Step, exposures_of, with_steps
from btc_core.strategy import NamedStrategy, Strategy, load_strategy

START = datetime(2025, 1, 1, tzinfo=UTC)
HOUR = parse_interval("1h")


def count(state, close):
    """Long on every third candle that is seen; the state counts."""
    n = state[0] + 1.0
    return (n,), 1.0 if n % 3 == 0 else 0.0, 0.5


COUNT = Step(state={"n": 0.0}, sees={"close": pl.col("close")}, advance=count)


def candles(closes):
    """Return candles with what a step reads."""
    times = [START + n * timedelta(hours=1) for n in range(len(closes))]
    return pl.DataFrame({"time": times, "close": closes}, schema_overrides={"close": pl.Float64}).with_columns(
        **COUNT.columns
    )


def test_the_state_goes_from_candle_to_candle():
    """By hand."""
    said = with_steps(candles([1, 2, 3, 4]), COUNT, None)
    assert said["wanted"].to_list() == [0.0, 0.0, 1.0, 0.0]
    assert [row["n"] for row in said["state"].to_list()] == [1.0, 2.0, 3.0, 4.0]


def test_where_nothing_is_seen_there_is_no_step():
    """State and exposure stay; there is no confidence."""
    said = with_steps(candles([1, None, 3]), COUNT, None)
    assert said["wanted"].to_list() == [0.0, None, 0.0]
    assert said["confidence"].to_list() == [0.5, 0.0, 0.5]
    assert [row["n"] for row in said["state"].to_list()] == [1.0, 1.0, 2.0]


@given(closes=st.lists(st.one_of(st.none(), st.floats(1, 10)), max_size=20), cut=st.integers(0, 20))
def test_in_pieces_as_at_once(closes, cut):
    """All that the second piece needs is the state that the first one left."""
    whole = with_steps(candles(closes), COUNT, None)
    first = with_steps(candles(closes)[:cut], COUNT, None)
    second = with_steps(candles(closes)[cut:], COUNT, first["state"][-1] if first.height else None)
    assert pl.concat([first, second]).equals(whole)


def test_a_state_of_another_rule_is_none():
    """Whoever changes the rule begins anew."""
    assert COUNT.numbers({"m": 5.0}) == (0.0,)
    assert COUNT.numbers({"n": 5.0}) == (5.0,)


def test_a_rule_without_steps_is_left_alone():
    """As it came."""
    frame = candles([1.0])
    assert with_steps(frame, None, None) is frame


@pytest.mark.parametrize("way", [lambda f, s: with_steps(f, s, None), exposures_of])
def test_a_number_that_is_none_is_refused_with_its_time(way):
    """A division by nothing, for instance."""
    broken = Step(state={"n": 0.0}, sees=COUNT.sees, advance=lambda state, *_: (state, np.inf, 0.0))
    with pytest.raises(DataError, match="found another at the candle of 2025-01-01 00:00Z"):
        way(candles([1.0]), broken)


@settings(max_examples=5, deadline=None)
@given(seed=st.integers(0, 2**32))
def test_compiled_as_not_compiled(seed):
    """To the bit, of what is shipped."""
    strategy = load_strategy("trailing_stop", {"entry": 5, "period": 5})
    assert strategy.step is not None
    seen = market_for(strategy, HOUR, seed=seed, room=300).seen(strategy)
    plainly = with_steps(seen, strategy.step, None)["wanted"].forward_fill().fill_null(0.0)
    assert exposures_of(seen, strategy.step).tolist() == plainly.to_list()
    assert plainly.n_unique() == 3


def test_what_cannot_be_compiled_goes_the_plain_way():
    """Somebody's own rule may be any Python."""
    memory: dict[str, float] = {"of": 3.0}

    def odd(state, close):
        return state, 1.0 if close > memory["of"] else 0.0, 1.0

    step = Step(state={"n": 0.0}, sees=COUNT.sees, advance=odd)
    assert exposures_of(candles([1, 5, None]), step).tolist() == [0.0, 1.0, 1.0]


def test_a_rule_speaks_in_one_way():
    """Either wanted and confidence, or steps."""
    said = {"description": "…", "parameters": {}, "indicators": lambda _: []}
    with pytest.raises(TypeError, match="either wanted and confidence, or step"):
        Strategy(**said)
    with pytest.raises(TypeError, match="either wanted and confidence, or step"):
        Strategy(**said, step=lambda _: COUNT, wanted=lambda _: pl.lit(1.0), confidence=lambda _: pl.lit(1.0))


def test_a_rule_of_steps_may_be_fixed():
    """As any other."""
    rule = Strategy(
        description="…",
        parameters={"n": Parameter(1, 1, 9, "…")},
        indicators=lambda _: [],
        step=lambda parameters: Step(state={"n": float(parameters["n"])}, sees=COUNT.sees, advance=count),
    )
    fixed = NamedStrategy("fixed", rule.fixed(description="two", n=2), {})
    assert fixed.step is not None
    assert fixed.step.state == {"n": 2.0}
