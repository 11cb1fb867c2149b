"""Which candles contradict themselves."""

from datetime import UTC, datetime, timedelta

import msgspec
import pytest

from btc_core.model.candle import TOO_FINE, TOO_HIGH, Candle, State, candle_fault

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
        {"open": 1e-8, "low": 1e-8},
        {"open": 2**25 - 1e-8, "high": 2**25 - 1e-8},
        {"open": 0.1 + 0.2, "low": 7e-6 + 1e-21},
        {"open": 104512.123456789, "high": 104512.123456789},
        {"trades": 55_181},
        {"volume": 4.2e17},
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


@pytest.mark.parametrize(
    ("price", "reason"),
    [
        (2.0**25, TOO_HIGH),
        (1.7e9, TOO_HIGH),
        (1e11, TOO_HIGH),
        (1.4e-8, TOO_FINE),
        (4e-9, TOO_FINE),
        (5e-324, TOO_FINE),
    ],
)
@pytest.mark.parametrize("name", ["open", "high", "low", "close"])
def test_a_price_can_be_counted_in_ticks(name, price, reason):
    """Neither so high that sums of ticks run over, nor so fine that the nearest tick is another price."""
    assert candle_fault(msgspec.structs.replace(GOOD, **{name: price})) == reason


@pytest.mark.parametrize("changes", [{"volume": 1.5e308}, {"volume": 1.1e18}, {"trades": 1_000_001}], ids=str)
def test_a_sum_fits(changes):
    """What no market has in a minute is refused: two of them would be no number, or would not fit into the table."""
    fault = candle_fault(msgspec.structs.replace(GOOD, **changes))
    assert fault is not None
    assert "more than" in fault


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
