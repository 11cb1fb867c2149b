"""Which candles contradict themselves."""

from datetime import UTC, datetime, timedelta

import msgspec
import pytest

from btc_core.model.candle import Candle, State, candle_fault

GOOD = Candle(
    time=datetime(2025, 2, 14, 8, tzinfo=UTC),
    symbol="BTC",
    open=100.0,
    high=102.0,
    low=99.0,
    close=101.0,
    volume=5.0,
    trades=3,
    source="ws",
    state=State.PROVISIONAL,
)


@pytest.mark.parametrize(
    "changes",
    [
        {},
        {"trades": None},
        {"volume": 0.0, "trades": 0},
        {"volume": 0.0, "trades": None},
        {"open": 102.0, "low": 50.0, "close": 50.0},
        {"open": 99.0, "high": 99.0, "low": 99.0, "close": 99.0},
        {"open": 5e-324, "low": 5e-324},
    ],
    ids=str,
)
def test_a_candle_that_may_be_true_passes(changes):
    """The unusual is no fault: no trades, one price, half the price in a minute."""
    assert candle_fault(msgspec.structs.replace(GOOD, **changes)) is None


@pytest.mark.parametrize("price", [0.0, -1.0, float("nan"), float("inf")])
@pytest.mark.parametrize("name", ["open", "high", "low", "close"])
def test_a_price_is_a_positive_finite_number(name, price):
    """Whichever of the four it is."""
    fault = candle_fault(msgspec.structs.replace(GOOD, **{name: price}))
    assert fault == "a price is not a positive finite number"


@pytest.mark.parametrize(
    "changes", [{"high": 98.0}, {"high": 100.5}, {"low": 100.5}, {"low": 101.5}, {"open": 103.0}, {"close": 98.5}]
)
def test_high_and_low_enclose_the_others(changes):
    """A high below, or a low above another price is a contradiction."""
    fault = candle_fault(msgspec.structs.replace(GOOD, **changes))
    assert fault == "open, high, low and close contradict each other"


@pytest.mark.parametrize("volume", [-1.0, float("nan"), float("inf")])
def test_a_volume_is_a_finite_number_of_at_least_zero(volume):
    """No trade count: the volume alone decides."""
    fault = candle_fault(msgspec.structs.replace(GOOD, volume=volume, trades=None))
    assert fault == "the volume is not a finite number of at least 0"


@pytest.mark.parametrize(("volume", "trades"), [(5.0, 0), (0.0, 3), (5.0, -1)])
def test_volume_and_trades_agree(volume, trades):
    """There is volume exactly where there were trades."""
    fault = candle_fault(msgspec.structs.replace(GOOD, volume=volume, trades=trades))
    assert fault == "volume and number of trades contradict each other"


@pytest.mark.parametrize("shift", [timedelta(seconds=1), timedelta(microseconds=1), timedelta(seconds=59)])
def test_a_candle_starts_with_its_minute(shift):
    """Its time is the open of a minute."""
    fault = candle_fault(msgspec.structs.replace(GOOD, time=GOOD.time + shift))
    assert fault == "the time is not the start of a minute"
