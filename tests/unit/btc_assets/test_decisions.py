"""The decision assets: one per strategy, on what its decisions rest on."""

import warnings
from datetime import timedelta

import yaml

from btc_assets.decisions import build_decisions, completeness_of, decisions_key
from btc_assets.definitions import _hanging_on
from btc_assets.partitions import build_partitions
from btc_core.config import parse_config
from btc_store.settings import project_root


def built(**changes):
    """Return the assets for the project's configuration with other sections, by key."""
    tree = yaml.safe_load((project_root() / "config.yaml").read_text())
    config = parse_config({**tree, **changes})
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        return config, {asset.key: asset for asset in build_decisions(config, build_partitions(config))}


def test_a_strategy_is_an_asset_after_its_indicators():
    """Decisions wait for the indicators of their intervals, whose check may hold them back."""
    _, assets = built()
    asset = assets[decisions_key("ma44")]
    assert {key.to_user_string() for key in asset.dependency_keys} == {
        "indicators/37m",
        "indicators/148m",
        "indicators/1d",
    }


def test_where_no_indicator_is_kept_decisions_follow_the_candles():
    """A strategy on an interval without kept indicators computes its own from the candles."""
    _, assets = built(strategies={"ma": {"intervals": ["1h"], "parameters": {"period": 20}}})
    assert {key.to_user_string() for key in assets[decisions_key("ma")].dependency_keys} == {"candles/1h"}


def test_a_strategy_that_looks_across_intervals_follows_them_too():
    """`multi` decides on 1h, and sees the days."""
    config, assets = built(strategies={"multi": {"intervals": ["1h"]}})
    upstream = {key.to_user_string() for key in assets[decisions_key("multi")].dependency_keys}
    assert upstream == {"candles/1h", "indicators/1d"}
    labels = [i.label for i in config.derived_intervals if decisions_key("multi") in _hanging_on(config, i)]
    assert labels == ["1h", "1d"]


def test_the_rule_for_missing_minutes_is_the_configured_one():
    """min_completeness and wait_minutes of config.yaml decide what a gap does to a decision."""
    config, _ = built(decisions={"min_completeness": 0.9, "wait_minutes": 3})
    rule = completeness_of(config)
    assert (rule.min_completeness, rule.wait) == (0.9, timedelta(minutes=3))
