"""``btc indicators`` lists what is installed; it needs neither configuration nor database."""

import json

from btc_core.plugins import plugin_names


def test_list(btc):
    """Each by its name, with what its file says it is."""
    result = btc("indicators")
    assert result.exit_code == 0
    assert "sma\n  Simple moving average." in result.stdout


def test_json(btc):
    """Every installed one, with the range of each parameter."""
    indicators = json.loads(btc("indicators", "--json").stdout)["indicators"]
    assert tuple(indicator["name"] for indicator in indicators) == plugin_names("btc_core.indicators")
    for indicator in indicators:
        assert indicator["description"]
        for parameter in indicator["parameters"]:
            assert parameter.keys() == {"name", "default", "low", "high", "meaning"}
    macd = next(indicator for indicator in indicators if indicator["name"] == "macd")
    assert macd["outputs"] == ["macd", "macd.signal", "macd.histogram"]
    assert macd["warm_up"] == 33 < macd["look_back"]
