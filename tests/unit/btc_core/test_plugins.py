"""Plug-ins are found by their file name."""

from pathlib import Path

import pytest

from btc_core.errors import UnknownNameError
from btc_core.indicator import Indicator
from btc_core.plugins import add_folder, broken_plugins, fault_of, file_of, load_plugin, load_plugins, plugin_names
from btc_core.strategy import Strategy

ROOT = Path(__file__).resolve().parents[3]
KINDS = [("btc_core.indicators", "INDICATOR", Indicator), ("btc_core.strategies", "STRATEGY", Strategy)]


@pytest.mark.parametrize(("package", "constant", "kind"), KINDS)
def test_every_file_is_a_plugin(package, constant, kind):
    """Each file of the folder has the constant, and nothing else is found."""
    files = {path.stem for path in (ROOT / package.replace(".", "/")).glob("[a-z]*.py")}
    plugins = load_plugins(package, constant)
    assert set(plugins) == files == set(plugin_names(package))
    assert all(isinstance(plugin, kind) for plugin in plugins.values())


def test_names_are_sorted():
    """People read them in lists."""
    names = plugin_names("btc_core.strategies")
    assert list(names) == sorted(names)


def test_an_unknown_name_leads_to_the_right_one():
    """The kind is the constant's name."""
    with pytest.raises(UnknownNameError, match=r"unknown strategy 'ma45'\. Did you mean ma44"):
        load_plugin("btc_core.strategies", "STRATEGY", "ma45")


def test_the_plugins_cannot_be_changed():
    """There is no registry to mutate."""
    with pytest.raises(TypeError):
        load_plugins("btc_core.strategies", "STRATEGY")["mine"] = None


def test_the_package_s_own_file_comes_first(tmp_path, monkeypatch):
    """A folder adds names, and takes none."""
    import btc_core.strategies as package

    monkeypatch.setattr(package, "__path__", list(package.__path__))
    (tmp_path / "ma44.py").write_text("STRATEGY = None", encoding="utf-8")
    (tmp_path / "_helper.py").write_text("", encoding="utf-8")
    before = plugin_names("btc_core.strategies")
    add_folder("btc_core.strategies", str(tmp_path))
    add_folder("btc_core.strategies", str(tmp_path))
    assert package.__path__.count(str(tmp_path)) == 1
    assert plugin_names("btc_core.strategies") == before
    assert file_of("btc_core.strategies", "ma44") == str(ROOT / "btc_core/strategies/ma44.py")
    (error,) = broken_plugins("btc_core.strategies", "STRATEGY")
    assert error.file == f"{tmp_path}/ma44.py"
    plugin_names.cache_clear()


def test_a_fault_names_its_line():
    """The last line of the file that led to it, or none where the file had no part in it."""
    with pytest.raises(ValueError, match="invalid literal") as caught:
        int("no  such\nthing")
    line = caught.traceback[-1].lineno + 1
    said = "ValueError: invalid literal for int() with base 10: 'no such\\nthing'"
    assert fault_of(caught.value, __file__) == f"line {line}: {said}"
    assert fault_of(caught.value, "elsewhere.py") == said
    assert fault_of(SyntaxError("invalid", ("x.py", 7, 1, "")), "x.py") == "line 7: invalid"
