"""Recursions that forget: where they start, how much they forget, and that both ways of running them agree."""

from datetime import timedelta

import numpy as np
import polars as pl
import pytest
import talib
from hypothesis import given
from hypothesis import strategies as st

from btc_core import recursion
from btc_core.model.interval import parse_interval
from btc_core.recursion import FORGOTTEN, LONGEST_PERIOD, Decay, block_of, exponential, look_back_of, starts_of, wilder
from tests.indicators import START, differs, made_candles, values
from tests.property.strategies import intervals

PERIODS = pytest.mark.parametrize("period", [1, 2, 14, 200, LONGEST_PERIOD])
LAW_OF_DECAY = pytest.mark.parametrize("kind", [exponential, wilder])


def means(decay: Decay, candles: pl.DataFrame) -> pl.Series:
    """Return the decaying mean of the closes."""
    return candles.select(decay.mean(pl.col("close"))).to_series()


@given(memory=st.integers(0, 300), interval=intervals(), gaps=st.sampled_from([0.0, 0.1]))
def test_a_start_is_neither_too_near_nor_too_far(memory, interval, gaps):
    """At least ``memory`` candles back, within the look-back, and never later for an earlier candle."""
    candles = made_candles(900, interval=interval, gaps=gaps)
    back = np.arange(candles.height) - (starts := starts_of(candles["time"], memory))
    assert (np.diff(starts) >= 0).all()
    assert back[memory:].min() >= memory
    assert back.max() <= look_back_of(memory)
    assert (starts[:memory] == 0).all()


@pytest.mark.parametrize("label", ["1m", "37m", "148m", "1h", "1d"])
def test_a_grid_without_gaps_starts_once_a_block(label):
    """Few starts, whatever the interval: the work stays a small multiple of the candles."""
    interval, memory = parse_interval(label), 100
    times = pl.Series([interval.floor(START) + k * timedelta(minutes=interval.minutes) for k in range(5000)])
    starts = np.unique(starts_of(times, memory)[look_back_of(memory) :])
    assert set(np.diff(starts)) == {block_of(memory)} == {64}


@PERIODS
@LAW_OF_DECAY
def test_what_is_forgotten_weighs_nothing(kind, period):
    """The stated memory is the shortest whose past weighs less than the stated part."""
    decay = kind(period)
    n_decayed = decay.memory - (period - 1)
    if period == 1:
        assert (decay.weight, n_decayed) == (1, 0)
    else:
        assert (1 - decay.weight) ** n_decayed <= FORGOTTEN * (1 + 1e-9) < (1 - decay.weight) ** (n_decayed - 1)


@pytest.mark.parametrize("period", [1, 2, 20, 200])
def test_it_is_the_endless_recursion_to_1e12(period):
    """TA-Lib's EMA over all of history, seed and all, from the first value on."""
    candles = made_candles(20_000)
    ours, theirs = (
        means(exponential(period), candles).to_numpy(),
        talib.EMA(candles["close"].to_numpy(), max(period, 2)),
    )
    if period == 1:
        theirs = candles["close"].to_numpy()
    assert np.isnan(ours[: period - 1]).all()
    assert np.nanmax(np.abs(ours / theirs - 1)) < 1e-12
    assert np.array_equal(np.isnan(ours), np.isnan(theirs))


@given(period=st.integers(1, 6), seed=st.integers(0, 1000), gaps=st.sampled_from([0.0, 0.1]))
def test_both_ways_of_running_have_the_same_bits(period, seed, gaps):
    """One recursion after the other, or a step of all at once."""
    candles = made_candles(700, seed=seed, gaps=gaps)
    found = []
    with pytest.MonkeyPatch.context() as patch:
        for few in (0, 10_000):
            patch.setattr(recursion, "_FEW_STARTS", few)
            found.append(means(wilder(period), candles))
    assert found[0].equals(found[1])


def test_the_mean_of_equal_values_is_that_value():
    """To the bit: a flat price and its mean are a tie (law 12)."""
    price = 0.1 + 0.2
    flat = made_candles(3000).with_columns(close=pl.lit(price))
    assert set(means(exponential(20), flat).drop_nulls()) == {price}


@pytest.mark.parametrize("n", [0, 1, 13])
def test_too_few_candles_have_no_value(n):
    """A frame shorter than the warm-up, or empty, is all null."""
    found = means(wilder(14), made_candles(14)[:n])
    assert (found.len(), found.null_count(), found.dtype) == (n, n, pl.Float64)


def test_leading_nulls_are_no_candles():
    """A recursion over another one's values begins where those do."""
    candles = made_candles(300)
    late = candles.with_columns(close=pl.when(pl.int_range(pl.len()) >= 50).then("close"))
    assert means(wilder(5), late)[50:].equals(means(wilder(5), candles[50:]))
    assert means(wilder(5), late)[:54].null_count() == 54


def test_a_formula_names_its_values():
    """The same as the values in their places."""
    candles = made_candles(50)
    ratio = recursion.formula_of(pl.col("a") / (pl.col("a") + pl.col("b")), a=pl.col("high"), b=pl.col("low"))
    assert candles.select(x=ratio)["x"].equals((candles["high"] / (candles["high"] + candles["low"])).alias("x"))


def test_the_look_back_of_the_longest_period_is_known():
    """What the longest period costs an incremental run, in candles."""
    assert wilder(LONGEST_PERIOD).look_back == 45_000


def test_a_real_year_is_the_endless_recursion(shared):
    """524,607 real minutes: what forgets after some hundred candles equals TA-Lib, which never does, to 1e-9."""
    candles = pl.read_parquet(shared / "data/candles/binance_btcusdt_1m_2021.parquet")
    high, low, close = (candles[name].to_numpy() for name in ("high", "low", "close"))
    theirs = {
        "ema": talib.EMA(close, 20),
        "rsi": talib.RSI(close, 14),
        "atr": talib.ATR(high, low, close, 14),
        "adx": talib.ADX(high, low, close, 14),
        "macd": talib.MACD(close, 12, 26, 9)[0],
    }
    # Other seeds are forgotten by then; a distance of averages is measured by the price.
    scales = {"macd": 1e4}
    for name, reference in theirs.items():
        assert differs(values(name, candles)[name], reference, after=1500, scale=scales.get(name, 0.0)) < 1e-9
