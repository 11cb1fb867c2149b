"""Configured sweeps: which request each is, and a sentence with its key where it cannot be meant."""

from datetime import UTC, datetime

import pytest

from btc_assets.sweeps import build_sweeps, request_of, sweeps_key
from btc_core import strategies
from btc_core.config import parse_config
from btc_core.errors import InputError
from btc_core.plugins import add_folder, plugin_names

NOW = datetime(2024, 6, 15, 13, 7, tzinfo=UTC)
PLAIN = {"strategy": "ma", "intervals": ["37m"], "parameters": {"period": "5:40:5"}}


def config_of(**sweep):
    """Return a configuration with one sweep."""
    tree = {"symbols": {"BTC": {}, "ETH": {}}, "intervals": ["37m"], "history_start": "2024-01-01"}
    return parse_config(tree | {"backtest": {"capital": 500}, "sweeps": {"windows": PLAIN | sweep}})


def test_what_is_left_out():
    """All symbols, since the first day, to the last midnight: the same all day, so that it can be gone on with."""
    config = config_of()
    asked = request_of(config, config.sweeps["windows"], now=NOW)
    assert asked.symbols == ("BTC", "ETH")
    assert (asked.start, asked.end) == (datetime(2024, 1, 1, tzinfo=UTC), datetime(2024, 6, 15, tzinfo=UTC))
    assert asked.config == config.backtest
    ((built,), broken) = build_sweeps(config, now=NOW)
    assert (built.key, broken) == (sweeps_key("windows"), [])


def test_what_is_said():
    """Lists and numbers as on the command line; rules beside those of the backtests."""
    config = config_of(
        parameters={"period": [5, 9], "side": "long_only"}, random=3, seed=7, walk_forward="30d/10d", anchored=True
    )
    entry = config.sweeps["windows"]
    asked = request_of(config, entry, now=NOW)
    assert asked.parameters == {"period": "5,9", "side": "long_only"}
    assert (asked.draw, asked.seed, asked.walk.label, asked.walk.is_anchored) == (3, 7, "30d/10d", True)
    cheap = config_of(backtest={"taker_bps": 0})
    rules = request_of(cheap, cheap.sweeps["windows"], now=NOW).config
    assert (rules.taker_bps, rules.capital) == (0, 500)


@pytest.mark.parametrize(
    ("wrong", "said"),
    [
        ({"strategy": "maa"}, r"sweeps.windows: .*maa"),
        ({"parameters": {"perod": "3:9:3"}}, r"sweeps.windows: .*perod.*period"),
        ({"parameters": {"period": "9:3:3"}}, r"sweeps.windows: .*the range is empty"),
        ({"sort": "sharp"}, r"sweeps.windows: sort: expected one of .*sharpe"),
        ({"walk_forward": "12m/3m"}, r"sweeps.windows: .*write '?12M/3M"),
        ({"end": "2023-06-01"}, r"sweeps.windows: expected a start before the end"),
        ({"backtest": {"taker": 3}}, r"sweeps.windows: backtest: .*taker"),
        ({"backtest": {"capital": 0}}, r"sweeps.windows: .*capital"),
    ],
)
def test_what_cannot_be_meant_is_told_of_with_its_key(wrong, said):
    """When definitions are loaded, not when somebody launches."""
    with pytest.raises(InputError, match=said):
        build_sweeps(config_of(**wrong), now=NOW)


def test_a_broken_strategy_leaves_its_sweep_out(tmp_path, monkeypatch):
    """And nothing else."""
    monkeypatch.setattr(strategies, "__path__", [*strategies.__path__])
    (tmp_path / "torn.py").write_text("STRATEGY = 1 / 0\n")
    add_folder("btc_core.strategies", str(tmp_path))
    try:
        built, (error,) = build_sweeps(config_of(strategy="torn", parameters={}), now=NOW)
    finally:
        plugin_names.cache_clear()
    assert built == []
    assert "torn.py" in str(error)
