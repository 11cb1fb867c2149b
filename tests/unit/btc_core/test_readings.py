"""What indicators say in words: in step with the indicators themselves."""

import math

import pytest

from btc_core.indicator import load_indicator
from btc_core.parameters import resolve_parameters
from btc_core.plugins import plugin_names
from btc_core.readings import READINGS

FUNCTIONS = plugin_names("btc_core.indicators")


def test_every_indicator_has_words():
    """And no other function has."""
    assert sorted(READINGS) == sorted(FUNCTIONS)


@pytest.mark.parametrize("function", FUNCTIONS)
def test_its_outputs_are_the_indicator_s(function):
    """In the same order."""
    indicator = load_indicator(function)
    assert READINGS[function].outputs == tuple(
        indicator.outputs(resolve_parameters(function, indicator.parameters, {}))
    )


@pytest.mark.parametrize("close", [0.5, 100.0, 250.0])
@pytest.mark.parametrize(
    ("function", "value"),
    # A price is above 0.
    [(f, v) for f in FUNCTIONS for v in (-3.0, 0.0, 1.0, 25.0, 100.0) if v > 0 or READINGS[f].drawn == "pane"],
)
def test_it_says_a_sentence_of_whatever_values(function, value, close):
    """Never nothing, never a number that is none."""
    outputs = READINGS[function].outputs
    values = {suffix: value + (1 if suffix == ".upper" else 0) for suffix in outputs}
    said = READINGS[function].says(values, close)
    assert said.endswith(".")
    assert "nan" not in said
    assert "inf" not in said.split()
    assert math.isfinite(len(said))


@pytest.mark.parametrize(
    ("function", "values", "close", "said"),
    [
        ("sma", {"": 100.0}, 101.0, "The close is 1.00% above the average."),
        ("sma", {"": 100.0}, 100.0, "The close is on the average."),
        ("rsi", {"": 71.0}, 1.0, "Overbought: 71.0 of 100, at 70 or above."),
        ("rsi", {"": 50.0}, 1.0, "Neutral: 50.0 of 100."),
        ("bollinger", {"": 10.0, ".upper": 12.0, ".lower": 8.0}, 13.0, "The close is above the upper band."),
        (
            "bollinger",
            {"": 10.0, ".upper": 12.0, ".lower": 8.0},
            9.0,
            "The close is at 25% of the way from the lower to the upper band.",
        ),
        ("macd", {"": 1.0, ".signal": 2.0, ".histogram": -1.0}, 1.0, "The line is below its signal; the trend is up."),
        ("supertrend", {"": 90.0, ".direction": 1.0}, 100.0, "Up; it would turn at 90.00, 11.11% away."),
    ],
)
def test_what_it_says(function, values, close, said):
    """By hand."""
    assert READINGS[function].says(values, close) == said
