"""``btc check-strategy``: the detector on the command line; the detector itself has its own test."""

import json
from pathlib import Path

import pytest
from click.testing import CliRunner

from btc_assets.commands.check_strategy import COMMAND
from btc_core.errors import InputError, PluginError, UnknownNameError
from btc_core.plugins import add_folder, plugin_names
from btc_core.strategy import PACKAGE

CHEATER = """
import polars as pl

from btc_core.strategy import Strategy

STRATEGY = Strategy(
    description="Knows the next close.",
    parameters={},
    indicators=lambda _: [],
    wanted=lambda _: (pl.col("close").shift(-1) - pl.col("close")).sign(),
    confidence=lambda _: pl.lit(1.0),
)
"""


@pytest.fixture
def run(settings_for):
    """A function that runs the command with arguments and returns click's result."""

    def invoke(*args):
        settings = settings_for("postgresql://btc_bot@127.0.0.1:1/btc_data")
        return CliRunner().invoke(COMMAND, [*map(str, args), "--trials", "10"], obj=settings)

    return invoke


@pytest.fixture
def cheater(tmp_path, monkeypatch):
    """A strategy of one's own that looks at the next close."""
    import btc_core.strategies as package

    monkeypatch.setattr(package, "__path__", list(package.__path__))
    Path(tmp_path / "own_cheater.py").write_text(CHEATER, encoding="utf-8")
    add_folder(PACKAGE, str(tmp_path))
    yield "own_cheater"
    plugin_names.cache_clear()


def test_a_strategy_that_cannot_speak_names_its_file(run, cheater, tmp_path):
    """A column that is misspelt is a fault of that file, not of ours."""
    (tmp_path / "own_misspelt.py").write_text(CHEATER.replace("close", "closs"), encoding="utf-8")
    plugin_names.cache_clear()
    refused = run("own_misspelt").exception
    assert isinstance(refused, PluginError)
    assert str(refused).startswith(f"{tmp_path}/own_misspelt.py: ")
    assert "closs" in str(refused)


def test_an_honest_strategy(run):
    """It says so, and ends well."""
    result = run("ma44")
    assert result.exit_code == 0
    assert "it said the same, and looks back 43 candles as it says" in result.stdout


def test_a_cheater_ends_badly(run, cheater):
    """The first decision that changed: when, what, what then, and how to mend it."""
    result = run(cheater, "--interval", "1h")
    assert result.exit_code == 1
    assert "look-ahead: at 2025-01-" in result.stdout
    assert "when asked again: with other candles after that time. Something in it looks at candles" in result.stdout


def test_json(run, cheater):
    """The same as one object."""
    honest = json.loads(run("ma", "--param", "period=9", "--param", "side=long_only", "--json").stdout)
    assert (honest["is_honest"], honest["finding"], honest["look_back"]) == (True, None, 8)
    assert honest["parameters"] == {"period": 9, "side": 1}
    found = json.loads(run(cheater, "--json").stdout)
    assert (found["is_honest"], found["finding"]["fault"], found["finding"]["column"]) == (
        False,
        "look-ahead",
        "wanted",
    )
    assert set(found["finding"]) == {"fault", "time", "close_time", "column", "before", "after"}


def test_a_strategy_that_never_trades_was_not_tried(run):
    """A plan that begins in 2030, in a market of 2025."""
    result = run("dca", "--param", "start=20300101")
    assert result.exit_code == 1
    assert "it never traded, so nothing was tried" in result.stdout


@pytest.mark.parametrize(
    ("args", "kind", "said"),
    [
        (["ma4"], UnknownNameError, "Did you mean ma44"),
        (["ma", "--param", "perod=3"], UnknownNameError, "Did you mean period"),
        (["ma", "--param", "period"], InputError, "expected name=value"),
        (["dca", "--param", "start=20230229"], InputError, "expected a day of the calendar"),
    ],
)
def test_a_wrong_name_leads_to_the_right_one(run, args, kind, said):
    """Strategies, parameters, values."""
    error = run(*args).exception
    assert isinstance(error, kind)
    assert said in str(error)
