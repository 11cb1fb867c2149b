"""On-balance volume since the start of the month: within a month, the same as other people's but for a constant."""

import json
from datetime import UTC, datetime

import polars as pl
import pytest
import talib

from btc_core.model.interval import parse_interval
from tests.indicators import (
    GOLDEN,
    START,
    arrays,
    candles_of,
    configured,
    differs,
    made_candles,
    skender,
    skender_last,
    values,
)


def test_it_equals_the_published_values():
    """OBV of SPY as Stock.Indicators publishes it for December 2018, less its value at the end of November."""
    golden = json.loads((GOLDEN / "skender_spy_indicators.json").read_text(encoding="utf-8"))
    before = golden["obv_at_the_end_of_november_2018"]
    published = [value - before for value in skender_last("obv")]
    assert values("obv", skender())["obv"][-4:].to_list() == published


def test_it_agrees_with_talib():
    """TA-Lib's OBV less its value at the last candle of the month before, for every month."""
    candles = made_candles(3000)
    ours = values("obv", candles)["obv"]
    theirs = candles.select("time", obv=pl.Series(talib.OBV(arrays(candles)["close"], arrays(candles)["volume"])))
    month = pl.col("time").dt.truncate("1mo")
    before = theirs.with_columns(month=month, before=pl.col("obv").shift(1))["month", "before"].unique(
        "month", keep="first"
    )
    since = theirs.with_columns(month=month).join(before, on="month", how="left", maintain_order="left")
    n = candles.filter(month == START.replace(day=1, hour=0, minute=0)).height
    assert 0 < n < 1000
    assert differs(ours[n:], (since["obv"] - since["before"])[n:].to_list(), scale=10.0) < 1e-9


def test_a_new_month_begins_at_its_own_flow():
    """The first candle of a month counts alone, against the close before it; an equal close counts as nothing."""
    candles = candles_of([1.0, 2.0, 2.0, 3.0, 1.0]).with_columns(
        time=pl.Series([datetime(2021, 1, 31, h, tzinfo=UTC) for h in (21, 22, 23)]
                       + [datetime(2021, 2, 1, h, tzinfo=UTC) for h in (0, 1)]).cast(pl.Datetime("us", "UTC")),
        volume=pl.Series([1.0, 2.0, 4.0, 8.0, 16.0]),
    )  # fmt: skip
    assert values("obv", candles)["obv"].to_list() == [None, 2.0, 2.0, 8.0, -8.0]


@pytest.mark.parametrize(("label", "n"), [("1m", 44_640), ("37m", 1_207), ("1d", 31), ("1w", 5), ("1M", 2)])
def test_it_looks_back_a_month_of_any_interval(label, n):
    """As many candles as a month can have before its last one, and the close before them."""
    assert configured("obv").look_back_in(parse_interval(label)) == n
    assert configured("obv").look_back == 44_640
