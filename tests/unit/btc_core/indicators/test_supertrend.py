"""Supertrend: the same as other people's although it remembers no more than it must."""

import json

import numpy as np
import polars as pl
import pytest
import talib

from btc_core.indicators.supertrend import memory_of
from tests.indicators import GOLDEN, arrays, candles_of, differs, made_candles, skender, skender_last, values


def endless(candles, period, multiple):
    """Return the textbook's line and direction: one plain loop over all of history."""
    prices = arrays(candles)
    ranges = talib.ATR(prices["high"], prices["low"], prices["close"], period)
    lines, directions, upper, lower, is_up, before = [], [], None, None, None, None
    for high, low, close, reach in zip(prices["high"], prices["low"], prices["close"], ranges, strict=True):
        middle, line, direction = (high + low) / 2, np.nan, np.nan
        if not np.isnan(reach):
            up, down = middle + multiple * reach, middle - multiple * reach
            if upper is None:
                upper, lower, is_up = up, down, close >= middle
            else:
                upper = up if up < upper or before > upper else upper
                lower = down if down > lower or before < lower else lower
                is_up = close >= lower if is_up else close > upper
            line, direction = (lower, 1.0) if is_up else (upper, -1.0)
        lines.append(line)
        directions.append(direction)
        before = close
    return lines, directions


def test_it_equals_the_published_values():
    """Supertrend(10, 3) of SPY as Stock.Indicators publishes it, the last eight days, to 1e-9."""
    published = skender()
    found = published.select("time", line=values("supertrend", published)["supertrend"])
    golden = json.loads((GOLDEN / "skender_spy_indicators.json").read_text(encoding="utf-8"))
    assert differs(found["line"][-4:], skender_last("supertrend10")) < 1e-9
    for day, line in golden["supertrend10_of_other_days"].items():
        assert found.filter(pl.col("time").dt.strftime("%Y-%m-%d") == day)["line"].item() == pytest.approx(
            line, rel=1e-9
        )


@pytest.mark.parametrize(("period", "multiple"), [(10, 3.0), (7, 1.0), (30, 6.0)])
def test_it_is_the_textbooks(period, multiple):
    """The line to 1e-9 and every turn, over a history many memories long."""
    candles = made_candles(12_000, flat=0.02)
    line, direction = endless(candles, period, multiple)
    found = values("supertrend", candles, period=period, multiple=multiple)
    assert differs(found["supertrend"], line) < 1e-9
    assert differs(found["supertrend.direction"], direction) == 0
    assert (found["supertrend.direction"].diff() != 0).sum() > 20


def test_a_real_year_is_the_textbooks(shared):
    """Every one of 524,607 real minutes, though each remembers 270 to 526 candles only."""
    candles = pl.read_parquet(shared / "data/candles/binance_btcusdt_1m_2021.parquet")
    line, direction = endless(candles, 10, 3.0)
    found = values("supertrend", candles)
    assert differs(found["supertrend"], line) < 1e-9
    assert differs(found["supertrend.direction"], direction) == 0
    assert memory_of(3.0) == 270


@pytest.mark.parametrize(("period", "multiple"), [(10, 1.0), (10, 2.0), (10, 4.5), (14, 6.0), (50, 10.0), (10, 20.0)])
def test_other_bands_forget_in_time_too(shared, period, multiple):
    """Wide and narrow bands on 38,531 real candles of 5m: every line and every turn is the textbook's."""
    candles = pl.read_parquet(shared / "data/candles/hyperliquid_btc_5m_2025-03-14_2025-07-26.parquet")
    line, direction = endless(candles, period, multiple)
    found = values("supertrend", candles, period=period, multiple=multiple)
    assert differs(found["supertrend"], line) < 1e-9
    assert differs(found["supertrend.direction"], direction) == 0


def test_a_price_that_stands_still_turns_nothing():
    """The bands close in on the price, and a close on the band is no crossing (law 12)."""
    found = values("supertrend", candles_of([1.0, 2.0, 3.0] + [3.0] * 400), period=2)
    assert found["supertrend.direction"].drop_nulls().unique().to_list() == [1.0]
    assert found["supertrend"][-1] == pytest.approx(3.0)


def test_it_turns_where_its_line_is_crossed():
    """A rise, a collapse, a rise: up, down, up; the line is on the other side of the price each time."""
    closes = [100.0 + n for n in range(30)] + [60.0 - n for n in range(30)] + [90.0 + n for n in range(30)]
    candles = candles_of(closes)
    found = values("supertrend", candles, period=5, multiple=2.0)
    turns = found["supertrend.direction"].drop_nulls()
    assert turns.filter(turns.diff().fill_null(0) != 0).to_list() == [-1.0, 1.0]
    below = (found["supertrend"] <= candles["close"]).cast(pl.Float64) * 2 - 1
    assert below.drop_nulls().equals(turns.alias("supertrend"))
