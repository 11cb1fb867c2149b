"""The volume-weighted average price since the start of the day."""

from datetime import UTC, datetime

import numpy as np
import polars as pl
import pytest

from btc_core.model.interval import parse_interval
from tests.indicators import candles_of, configured, differs, made_candles, values


@pytest.mark.parametrize("label", ["5m", "37m", "8h"])
def test_it_is_the_mean_price_of_the_day_so_far(label):
    """Against a plain loop over the day of each candle's open."""
    candles = made_candles(600, interval=parse_interval(label), gaps=0.05)
    expected, day, paid, traded = [], None, 0.0, 0.0
    for row in candles.iter_rows(named=True):
        if row["time"].date() != day:
            day, paid, traded = row["time"].date(), 0.0, 0.0
        paid += (row["high"] + row["low"] + row["close"]) / 3 * row["volume"]
        traded += row["volume"]
        expected.append(paid / traded)
    assert differs(values("vwap", candles)["vwap"], np.array(expected)) < 1e-9


def test_a_day_without_trades_has_none_until_one():
    """Nothing is invented: there is no average of no volume."""
    candles = candles_of([1.0, 2.0, 3.0, 4.0]).with_columns(
        time=pl.Series([datetime(2021, 1, 1, 23, tzinfo=UTC)] + [datetime(2021, 1, 2, h, tzinfo=UTC) for h in (0, 1, 2)]
        ).cast(pl.Datetime("us", "UTC")),
        volume=pl.Series([1.0, 0.0, 1.0, 3.0]),
    )  # fmt: skip
    assert values("vwap", candles)["vwap"].to_list() == [1.0, None, 3.0, 3.75]


@pytest.mark.parametrize(("label", "n"), [("1m", 1439), ("37m", 38), ("148m", 9), ("1d", 0), ("1w", 0), ("1M", 0)])
def test_it_looks_back_a_day_of_any_interval(label, n):
    """As many candles as can open in a day before its last one."""
    assert configured("vwap").look_back_in(parse_interval(label)) == n
