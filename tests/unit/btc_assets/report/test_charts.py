"""The charts: nothing that matters is thinned away, and the same figures give the same bytes."""

import re

import numpy as np
import polars as pl
import pytest

from btc_assets.report.charts import (
    equity_chart,
    excursion_chart,
    exposure_chart,
    price_chart,
    returns_chart,
    sharpe_chart,
    thinned,
)
from tests.reports import backtest, market


@pytest.fixture(scope="module")
def minutes():
    """Three weeks of minutes."""
    return market()


@pytest.fixture(scope="module")
def simulation(minutes):
    """A backtest of them."""
    return backtest(minutes).simulation


def drawn(simulation, minutes):
    """Return every chart of a backtest."""
    curve = simulation.equity.select("time", "equity")
    returns, days = simulation.trades["return"].to_numpy(), np.arange("2024-01-01", "2024-01-05", dtype="datetime64[D]")
    return {
        "equity": equity_chart(curve, curve, label="equity"),
        "price": price_chart(minutes.head(300), simulation.trades.head(20), label="price"),
        "returns": returns_chart(returns, label="returns"),
        "excursions": excursion_chart(simulation.trades, label="excursions"),
        "exposure": exposure_chart(simulation.equity, label="exposure"),
        "sharpe": sharpe_chart(days, [None, 0.5, 1.0, -1.0], label="sharpe"),
    }


def test_a_thinned_line_keeps_its_spikes_and_its_ends():
    """Of 100,000 points few are drawn, and neither the highest nor the lowest is left out."""
    chance = np.random.default_rng(1)
    value = chance.normal(size=100_000)
    value[[777, 50_003]] = 50.0, -50.0
    time, kept = thinned(np.arange(100_000), value, n=350)
    assert len(kept) <= 4 * 350
    assert {50.0, -50.0} <= set(kept)
    assert (time[0], time[-1]) == (0, 99_999)
    assert (np.diff(time) > 0).all()
    assert (value[time] == kept).all()


def test_a_short_line_is_drawn_whole():
    """Where there is room for every point, every point is there."""
    time, value = np.arange(1_400), np.arange(1_400.0)
    assert thinned(time, value, n=350) == (pytest.approx(time), pytest.approx(value))


def test_twice_gives_the_same_bytes(simulation, minutes):
    """No time, no random name."""
    assert drawn(simulation, minutes) == drawn(simulation, minutes)


def test_a_chart_has_the_colours_of_the_page(simulation, minutes):
    """Light and dark alike: no colour is matplotlib's own, and the page's are all variables."""
    for name, text in drawn(simulation, minutes).items():
        assert re.findall(r"#[0-9a-f]{6}\b", text) == [], name
        assert "var(--" in text


def test_a_chart_needs_nothing_from_elsewhere(simulation, minutes):
    """References stay inside of the page, and a chart says what it is to those who do not see it."""
    for name, text in drawn(simulation, minutes).items():
        assert "http" not in text
        assert all(target.startswith("#") for target in re.findall(r'href="([^"]*)"', text))
        assert f'role="img" aria-label="{name}"' in text


def test_names_of_charts_do_not_clash(simulation, minutes):
    """What two charts name alike is alike: a marker, or the frame that cuts off."""
    named: dict[str, set[str]] = {}
    for text in drawn(simulation, minutes).values():
        for kind, name, inside in re.findall(r'<(clipPath|path) id="([^"]+)"(.*?)(?:</clipPath>|/>)', text, re.S):
            named.setdefault(kind + name, set()).add(inside)
    assert named
    assert {name: inside for name, inside in named.items() if len(inside) > 1} == {}


def test_every_trade_is_in_a_bar():
    """Returns that are far out are counted in the outermost bars."""
    text = returns_chart(np.array([*np.linspace(-0.01, 0.01, 999), 9.0]), label="returns")
    assert "return of a trade" in text
    # One trade alone, and all alike, have bars too.
    assert "<svg" in returns_chart(np.array([0.01]), label="returns")
    assert "<svg" in returns_chart(np.full(5, -0.02), label="returns")


def test_growth_beyond_eightfold_is_drawn_on_a_logarithmic_scale(simulation):
    """Otherwise the first years are a flat line; it is said at the axis."""
    curve = simulation.equity.select("time", "equity")
    rising = curve.with_columns(equity=pl.Series(np.geomspace(10_000, 200_000, curve.height)))
    assert "logarithmic" not in equity_chart(curve, curve, label="equity")
    assert "logarithmic" in equity_chart(rising, curve, label="equity")


@pytest.mark.parametrize("days", [0, 0.01, 0.3, 1, 2, 4, 9, 20, 45, 100, 250, 700, 1_500, 3_000, 9_000])
def test_time_is_named_over_any_range(days):
    """From a candle to decades, without a warning of matplotlib's."""
    time = np.datetime64("2021-01-01", "us") + np.array([0, int(days * 86_400e6)])
    assert "<text" in sharpe_chart(time, [0.1, 0.2], label="sharpe")
