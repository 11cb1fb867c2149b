"""``btc strategies`` lists what is installed; it needs neither configuration nor database."""

import json

from btc_core.plugins import load_plugins


def test_list(btc):
    """Each with its description and parameters."""
    result = btc("strategies")
    assert result.exit_code == 0
    for name, rule in load_plugins("btc_core.strategies", "STRATEGY").items():
        assert f"{name}\n  {rule.description}" in result.stdout
    assert "    period = 44, from 2 to 1,000: candles in the average" in result.stdout


def test_json(btc):
    """The same as one object."""
    strategies = json.loads(btc("strategies", "--json").stdout)["strategies"]
    (ma,) = (strategy for strategy in strategies if strategy["name"] == "ma")
    assert ma["parameters"] == [
        {"name": "period", "default": 44, "low": 2, "high": 1000, "meaning": "candles in the average"}
    ]
