"""Which indicators are kept where, as the configuration says."""

import pytest
import yaml

from btc_assets.indicators import indicators_by_interval, indicators_key
from btc_core.config import parse_config
from btc_core.errors import InputError, UnknownNameError
from btc_store.settings import project_root


def configured(**indicators):
    """Return the project's configuration with other indicators."""
    tree = yaml.safe_load((project_root() / "config.yaml").read_text())
    return parse_config({**tree, "indicators": indicators})


def test_an_indicator_is_kept_for_its_intervals():
    """An interval has the indicators that name it, in the order of the file; another has none."""
    kept = indicators_by_interval(
        configured(
            slow={"function": "sma", "parameters": {"period": 100}, "intervals": ["1h", "37m"]},
            quick={"function": "sma", "parameters": {"period": 5}, "intervals": ["37m"]},
        )
    )
    assert {str(interval): [each.name for each in names] for interval, names in kept.items()} == {
        "37m": ["slow", "quick"],
        "1h": ["slow"],
    }
    assert indicators_key("37m").to_user_string() == "indicators/37m"


def test_an_unknown_function_leads_to_the_right_one():
    """A function that is not installed is an error that names near misses."""
    with pytest.raises(UnknownNameError, match="Did you mean sma"):
        indicators_by_interval(configured(x={"function": "smaa", "intervals": ["37m"]}))


def test_a_parameter_out_of_range_is_refused():
    """A period of 0 cannot be meant; the sentence names the indicator and the range."""
    with pytest.raises(InputError, match=r"indicator x: period=0 is out of range, expected 1 to"):
        indicators_by_interval(configured(x={"function": "sma", "parameters": {"period": 0}, "intervals": ["37m"]}))
