"""Plug-ins are found by their file name."""

from pathlib import Path

import pytest

from btc_core.errors import UnknownNameError
from btc_core.indicator import Indicator
from btc_core.plugins import load_plugin, load_plugins, plugin_names
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
