"""Pictures for metadata: real PNGs, small, whatever there is to draw."""

import base64
import re
from datetime import UTC, datetime, timedelta

import polars as pl
import pytest

from btc_assets.pictures import MOST_POINTS, picture_of_decisions, picture_of_equity, picture_of_heat
from btc_core.sweep_heat import Heat

START = datetime(2025, 1, 1, tzinfo=UTC)


def png_of(metadata):
    """Return the bytes of the picture in a markdown metadata value."""
    found = re.fullmatch(r"!\[picture\]\(data:image/png;base64,(?P<data>[A-Za-z0-9+/=]+)\)", metadata.value)
    return base64.b64decode(found["data"])


def candles(n):
    """Return closes with an average that is null in its warm-up."""
    times = [START + timedelta(minutes=37 * i) for i in range(n)]
    closes = [100.0 + i % 7 for i in range(n)]
    averages = [None if i < 3 else 103.0 for i in range(n)]
    return pl.DataFrame(
        {"time": times, "close": closes, "ma4": averages},
        schema={"time": pl.Datetime("us", "UTC"), "close": pl.Float64, "ma4": pl.Float64},
    )


def opens(*at):
    """Return decisions that opened a long position at some candles."""
    rows = [(START + timedelta(minutes=37 * i), 103.0, "OPEN_LONG") for i in at]
    schema = {"time": pl.Datetime("us", "UTC"), "price": pl.Float64, "signal": pl.String}
    return pl.DataFrame(rows, schema=schema, orient="row")


@pytest.mark.parametrize("n", [1, 50, 3 * MOST_POINTS])
def test_decisions_are_a_small_png(n):
    """A picture is a PNG of less than 60 kB, of one candle and of many."""
    data = png_of(picture_of_decisions(candles(n), ["ma4"], opens(0, n - 1)))
    assert data.startswith(b"\x89PNG")
    assert len(data) < 60_000


def test_equity_is_a_small_png():
    """A long curve is thinned: more points than pixels only cost time."""
    n = 20_000
    curve = pl.DataFrame(
        {
            "time": [START + timedelta(minutes=37 * i) for i in range(n)],
            "equity": [10_000.0 + i % 100 for i in range(n)],
            "drawdown": [0.01 * (i % 10) for i in range(n)],
        }
    )
    data = png_of(picture_of_equity(curve))
    assert data.startswith(b"\x89PNG")
    assert len(data) < 60_000


@pytest.mark.parametrize("down", [None, "slow"])
def test_a_heat_is_a_small_png(down):
    """Over one parameter and over two; what was not tried is empty."""
    rows = ("",) if down is None else ("10", "20")
    values = ((1.0, None, -0.5),) * len(rows)
    heat = Heat(
        sort="sharpe",
        across="fast",
        down=down,
        columns=("1", "2", "3"),
        rows=rows,
        values=values,
        best=(0, 0),
        n_behind=0,
    )
    png = png_of(picture_of_heat(heat))
    assert png.startswith(b"\x89PNG")
    assert len(png) < 60_000
