"""The check ohlc."""

import math

import pytest

from btc_core.model.candle import Candle, State, candle_fault
from tests.checks import START, found, named
from tests.derivation import minute, minutes_frame

GOOD = minute(3, START)


@pytest.mark.parametrize(
    "change",
    [
        {},
        {"low": 101.0},
        {"high": 99.0},
        {"open": 100.5},
        {"close": 99.5},
        {"low": 0.0},
        {"low": -1.0},
        {"high": math.inf},
        {"close": math.nan},
        {"volume": -1.0},
        {"volume": math.inf},
        {"volume": 0.0},
        {"volume": 0.0, "trades": 0},
        {"trades": 0},
        {"trades": -1},
        {"trades": None},
        {"trades": None, "volume": 0.0},
        {"high": 2.0**25},
        {"high": 1e11},
        {"low": 1.4e-8},
        {"low": 3e-8},
        {"low": 0.0049999999951},
        {"volume": 1e18},
        {"volume": 1.1e18},
        {"trades": 1_000_000},
        {"trades": 1_000_001},
    ],
)
def test_it_says_what_the_way_in_says(change):
    """A stored minute is held to the rule by which it would have been refused, in the same words."""
    row = GOOD | change
    values = {name: row[name] for name in ("time", "open", "high", "low", "close", "volume", "trades")}
    fault = candle_fault(Candle(symbol="BTC", source="ws", state=State.CONFIRMED, **values))
    said = [(first, end, told["reason"]) for first, end, _, told in _found(row)]
    assert said == ([] if fault is None else [(3, 4, fault)])


def _found(row):
    return found(named("ohlc"), {"candles/1m": minutes_frame([row])})


def test_it_shows_the_values():
    """As text: JSON has no infinity."""
    ((_, _, severity, told),) = _found(GOOD | {"high": math.inf})
    assert severity == "error"
    assert (told["high"], told["low"], told["trades"]) == ("inf", "100.0", "1")
