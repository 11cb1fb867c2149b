"""When candles and decisions are late."""

import warnings
from datetime import timedelta

import dagster as dg
import pytest

from btc_assets.candles import MINUTES_KEY, build_candles, build_minutes, candles_key
from btc_assets.decisions import build_decisions, decisions_key
from btc_assets.freshness import with_freshness
from btc_assets.partitions import build_partitions
from btc_store.settings import project_root, read_config

CONFIG = read_config(project_root() / "config.yaml")


@pytest.fixture(scope="module")
def policies():
    """The policy of each asset."""
    partitions = build_partitions(CONFIG)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        assets = with_freshness(
            [build_minutes(partitions), build_candles(CONFIG, partitions), *build_decisions(CONFIG, partitions)], CONFIG
        )
    specs = [spec for asset in assets for spec in ([asset] if isinstance(asset, dg.AssetSpec) else asset.specs)]
    return {spec.key: spec.freshness_policy for spec in specs}


@pytest.mark.parametrize(("label", "longest"), [("37m", {"minutes": 37}), ("1d", {"days": 1}), ("1M", {"days": 31})])
def test_candles_are_late_soon_after_the_next_one_was_due(policies, label, longest):
    """A quarter of an hour overdue warns, half an hour fails, whatever the interval: not two intervals later."""
    policy = policies[candles_key(label)]
    overdue = [window.to_timedelta() - timedelta(**longest) for window in (policy.warn_window, policy.fail_window)]
    assert overdue == [timedelta(minutes=15), timedelta(minutes=30)]


def test_decisions_are_due_at_the_closes_of_their_shortest_candles(policies):
    """A strategy on 37m, 148m and 1d is late when nothing was decided on 37m."""
    assert policies[decisions_key("ma44")] == policies[candles_key("37m")]
    assert policies[MINUTES_KEY] == policies[candles_key("3m")]
