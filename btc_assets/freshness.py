"""When candles and decisions are late: freshness policies, which Dagster's daemon judges without a run.

They see what no failed run tells: that nothing ran at all. They know real time alone: on a scaled clock there are none.
"""

from collections.abc import Iterable, Mapping
from datetime import timedelta

import dagster as dg

from btc_assets.candles import MINUTES_KEY, candles_key
from btc_assets.decisions import decisions_key
from btc_core.config import Config
from btc_core.model.interval import parse_interval

# On top of the waiting for missing minutes: what a sensor and a run take, and a restart. The daemon looks every 30 s.
WARN_AFTER, FAIL_AFTER = timedelta(minutes=5), timedelta(minutes=10)

Asset = dg.AssetsDefinition | dg.AssetSpec


def with_freshness(assets: Iterable[Asset], config: Config) -> list[Asset]:
    """Return the assets, candles and decisions with a policy.

    The next candle is due one interval after the last one, and later by the time for which missing minutes are waited
    for. What is overdue by that and some minutes more is late; waiting for further intervals would hide it for days.
    """
    policies = {key: freshness_of(longest, config) for key, longest in _due_every(config).items()}
    return list(
        dg.map_asset_specs(
            lambda spec: spec.replace_attributes(freshness_policy=policies[spec.key]) if spec.key in policies else spec,
            assets,
        )
    )


def freshness_of(longest: timedelta, config: Config) -> dg.FreshnessPolicy:
    """Return the policy of what is made anew at least every so often."""
    wait = timedelta(minutes=config.decisions.wait_minutes)
    return dg.FreshnessPolicy.time_window(
        warn_window=longest + wait + WARN_AFTER, fail_window=longest + 2 * wait + FAIL_AFTER
    )


def _due_every(config: Config) -> Mapping[dg.AssetKey, timedelta]:
    """Return how often each asset is made anew: at the close of its shortest candles."""
    due = {candles_key(interval.label): interval.longest for interval in config.derived_intervals}
    for name, entry in config.strategies.items():
        due[decisions_key(name)] = min(parse_interval(label).longest for label in entry.intervals)
    # The 1m candles are reported when a run is asked for.
    return {MINUTES_KEY: min(interval.longest for interval in config.derived_intervals), **due}
