"""One file, one constant, found by its file name."""

import pytest

from btc_core.errors import UnknownNameError
from btc_core.plugins import load_plugin, load_plugins, plugin_names


@pytest.mark.parametrize(
    ("package", "constant"), [("btc_core.indicators", "INDICATOR"), ("btc_core.strategies", "STRATEGY")]
)
def test_every_file_of_a_package_is_a_plugin(package, constant):
    """What lies in the folder is found, loads, and has its constant."""
    found = load_plugins(package, constant)
    assert tuple(found) == plugin_names(package)
    assert all(found.values())


def test_an_unknown_name_leads_to_the_right_one():
    """A file that is not there is an error that names near misses."""
    with pytest.raises(UnknownNameError, match=r"unknown strategy 'ma45'\. Did you mean ma44"):
        load_plugin("btc_core.strategies", "STRATEGY", "ma45")
