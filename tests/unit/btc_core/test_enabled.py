"""A strategy of one's own that is broken is left out with a sentence, and nothing else is."""

from pathlib import Path

import pytest
import yaml

from btc_core.config import parse_config
from btc_core.enabled import enabled, installed, try_out
from btc_core.errors import InputError, PluginError, UnknownNameError
from btc_core.plugins import add_folder, plugin_names
from btc_core.strategy import PACKAGE, load_strategy

GOOD = """
import polars as pl

from btc_core.strategy import Strategy

STRATEGY = Strategy(
    description="Long, always.",
    parameters={},
    indicators=lambda _: [],
    wanted=lambda _: pl.lit(1.0),
    confidence=lambda _: pl.lit(1.0),
)
"""
# File, text, and what is said of it.
BROKEN = {
    "own_syntax": ("def f(:", "line 1: invalid syntax"),
    "own_import": ("\nimport no_such_module", "line 2: ModuleNotFoundError: No module named 'no_such_module'"),
    "own_empty": ("x = 5", "expected a constant STRATEGY, found none"),
    "own_kind": ("STRATEGY = 5", "expected STRATEGY to be a Strategy, found int"),
    "own_key": (GOOD.replace("wanted=lambda _: pl.lit(1.0)", "wanted=lambda p: p['x']"), "line 10: KeyError: 'x'"),
    "own_column": (GOOD.replace("wanted=lambda _: pl.lit(1.0)", "wanted=lambda _: pl.col('clse')"), "Did you mean"),
    "own-name": (GOOD, "'own-name' is no name for it: expected letters, digits and _ before .py"),
}


@pytest.fixture
def folder(tmp_path, monkeypatch):
    """A folder of strategies of one's own; the package forgets it afterwards."""
    import btc_core.strategies as package

    monkeypatch.setattr(package, "__path__", list(package.__path__))
    known = set(vars(package))
    yield tmp_path
    plugin_names.cache_clear()
    for name in set(vars(package)) - known:
        monkeypatch.delattr(package, name)
    import sys

    for name in [name for name in sys.modules if name.startswith(f"{PACKAGE}.own")]:
        del sys.modules[name]


def config_with(*names):
    """Return the repository's configuration with further strategies."""
    tree = yaml.safe_load((Path(__file__).resolve().parents[3] / "config.yaml").read_text(encoding="utf-8"))
    tree["strategies"] |= {name: {"intervals": ["37m"]} for name in names}
    return parse_config(tree)


def put(folder, **files):
    """Write files and let them be strategies."""
    for name, text in files.items():
        (folder / f"{name}.py").write_text(text, encoding="utf-8")
    add_folder(PACKAGE, str(folder))


def test_a_strategy_of_one_s_own_is_one_like_all_others(folder):
    """Found by its file name, configured, and enabled."""
    put(folder, own=GOOD)
    config, broken = enabled(config_with("own"))
    assert ("own" in config.strategies, broken) == (True, [])
    assert load_strategy("own", {}).rule.description == "Long, always."
    assert "own" in installed()[0]


@pytest.mark.parametrize("name", BROKEN)
def test_a_broken_one_is_left_out_with_a_sentence(folder, name):
    """Which file, which line, what; the others stay."""
    text, fault = BROKEN[name]
    put(folder, own=GOOD, **{name: text})
    config, broken = enabled(config_with("own", name))
    assert list(config.strategies) == ["ma44", "ma125", "own"]
    assert [error.file for error in broken] == [f"{folder}/{name}.py"]
    assert fault in str(broken[0])
    assert str(broken[0]).endswith("It is left out until the file is mended")


@pytest.mark.parametrize("name", BROKEN)
def test_the_list_of_what_is_installed_says_the_same(folder, name):
    """`btc strategies` shows what can be used, and why the rest cannot."""
    text, fault = BROKEN[name]
    put(folder, own=GOOD, **{name: text})
    usable, broken = installed()
    assert "own" in usable
    assert name not in usable
    assert [fault in str(error) for error in broken] == [True]


def test_a_name_that_is_taken_is_refused(folder):
    """The project's own file counts; a strategy that decides already must not become another one."""
    put(folder, ma44=GOOD)
    usable, broken = installed()
    assert usable["ma44"].rule.description != "Long, always."
    assert [str(error).partition(": ")[2] for error in broken] == [
        f"the name ma44 is that of {Path(load_strategy.__code__.co_filename).parent}/strategies/ma44.py: rename it. "
        "It is left out until the file is mended"
    ]


def test_a_helper_file_is_no_strategy(folder):
    """One that begins with an underscore; a strategy may import it."""
    text = GOOD.replace("import polars as pl", "import polars as pl\nfrom btc_core.strategies._own_lines import LINE")
    put(folder, _own_lines="LINE = 1.0", own=text)
    usable, broken = installed()
    assert ("own" in usable, "_own_lines" in usable, broken) == (True, False, [])


def test_a_fault_of_the_configuration_is_one(folder):
    """A strategy or parameter that does not exist, a number out of range: nothing is left out silently."""
    with pytest.raises(UnknownNameError):
        enabled(config_with("no_such_strategy"))
    tree = {"ma": {"intervals": ["37m"], "parameters": {"period": 0}}}
    config = config_with()
    with pytest.raises(InputError, match="out of range"):
        enabled(
            parse_config(
                {
                    "symbols": {"BTC": {}},
                    "intervals": ["37m"],
                    "history_start": config.history_start,
                    "strategies": tree,
                }
            )
        )


def test_what_ships_can_be_used():
    """All of it."""
    usable, broken = installed()
    assert (tuple(usable), broken) == (plugin_names(PACKAGE), [])


def test_a_strategy_that_cannot_speak_is_told_of():
    """Its parameters lead to an indicator's fault."""
    with pytest.raises(PluginError):
        try_out(type(load_strategy("ma", {}))("nameless", load_strategy("ma", {}).rule, {"period": "x", "side": 0}))
