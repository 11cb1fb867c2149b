"""``btc strategies`` lists what is installed; it needs no database."""

import json

from btc_core.plugins import add_folder, load_plugins, plugin_names


def test_list(btc):
    """Each with its description and parameters."""
    result = btc("strategies")
    assert result.exit_code == 0
    for name, rule in load_plugins("btc_core.strategies", "STRATEGY").items():
        assert f"{name}\n  {rule.description}" in result.stdout
    assert "    period = 44, from 2 to 1000: candles in the average" in result.stdout


def test_json(btc):
    """The same as one object."""
    strategies = json.loads(btc("strategies", "--json").stdout)["strategies"]
    (ma,) = (strategy for strategy in strategies if strategy["name"] == "ma")
    assert [parameter["name"] for parameter in ma["parameters"]] == ["period", "side"]
    assert ma["parameters"][0] == {
        "name": "period",
        "default": 44,
        "low": 2,
        "high": 1000,
        "meaning": "candles in the average",
    }


def test_a_file_that_cannot_be_used_is_told_of(btc, tmp_path, monkeypatch):
    """Below the others, and with a key of its own."""
    import btc_core.strategies as package

    monkeypatch.setattr(package, "__path__", list(package.__path__))
    (tmp_path / "own_broken.py").write_text("def f(:", encoding="utf-8")
    add_folder("btc_core.strategies", str(tmp_path))
    try:
        result, found = btc("strategies"), json.loads(btc("strategies", "--json").stdout)
    finally:
        plugin_names.cache_clear()
    file = f"{tmp_path}/own_broken.py"
    assert result.stdout.endswith(f"\n\n{file}: line 1: invalid syntax. It is left out until the file is mended\n")
    assert found["left_out"] == [{"file": file, "fault": "line 1: invalid syntax"}]
    assert "own_broken" not in [strategy["name"] for strategy in found["strategies"]]
