"""The check outliers."""

import math
import random

import numpy as np
import polars as pl
import pytest

from btc_core.model.timerange import MINUTE
from btc_core.quality.outliers import robust_z
from tests.checks import START, found, named
from tests.derivation import minute, minutes_frame


def walk(n, *, step=0.0005, jumps=(), seed=1):
    """Return closes of a random walk with jumps of 2 % at some minutes."""
    chance, price, closes = random.Random(seed), 100.0, []
    for i in range(n):
        price *= math.exp(chance.gauss(0, step) + (0.02 if i in jumps else 0))
        closes.append(price)
    return closes


def frame(closes, missing=()):
    """Return minutes with these closes."""
    rows = [minute(n, START, price=close) for n, close in enumerate(closes) if n not in missing]
    return {"candles/1m": minutes_frame(rows)}


def test_the_score_is_the_one_of_the_book():
    """0.6745 times the distance to the median over the median distance, by numpy, window by window."""
    closes = np.array(walk(200))
    returns = np.diff(np.log(closes), prepend=np.nan)
    got = pl.DataFrame({"c": closes}).select(z=robust_z(pl.col("c"), neighbours=30, floor=0.0))["z"].to_numpy()
    middle = np.array([np.nanmedian(returns[max(i - 30, 0) : i + 31]) for i in range(200)])
    distance = np.abs(returns - middle)
    for i in (80, 100, 139):
        assert got[i] == pytest.approx(0.6745 * distance[i] / np.nanmedian(distance[i - 30 : i + 31]), rel=1e-9)


def test_a_jump_is_found_and_ordinary_minutes_are_not():
    """With what a person needs to judge it."""
    ((first, end, severity, told),) = found(named("outliers"), frame(walk(900, jumps=(450,))))
    assert (first, end, severity) == (450, 451, "warning")
    assert told["log_return"] == pytest.approx(0.02, abs=0.002)
    assert told["z"] > 30


def test_the_jump_over_an_outage_is_none():
    """The price moves while nobody looks: that is no return of one minute."""
    assert found(named("outliers"), frame(walk(900, jumps=(450,)), missing=range(440, 451))) == []


def test_a_tick_in_a_market_that_stands_still_is_none():
    """The deviation has a floor: without it every move of such an hour would be infinitely far."""
    closes = [100.0] * 300 + [100.01] * 300
    assert found(named("outliers"), frame(closes)) == []
    assert len(found(named("outliers", floor_bps=0.001), frame(closes))) == 1


def test_the_year_2021_has_few(shared):
    """79 minutes of the wildest year, the crash of May among them: as many as a person can look at."""
    minutes = pl.read_parquet(shared / "data/candles/binance_btcusdt_1m_2021.parquet").sort("time")
    score = minutes.upsample("time", every="1m").select(
        "time", z=robust_z(pl.col("close"), neighbours=120, floor=0.0001)
    )
    far = score.filter(pl.col("z") > 12)
    assert 50 < far.height < 120


def test_its_reach_covers_what_a_score_looks_at():
    """Two windows and the minute before."""
    assert named("outliers").reach == 241 * MINUTE
