"""Wiring only: the configuration becomes assets, checks, jobs and sensors."""

from datetime import UTC, datetime

import dagster as dg

from btc_assets.backtests import build_backtests
from btc_assets.candles import MINUTES_KEY, build_candles, build_minutes, candles_key
from btc_assets.decisions import build_decisions, completeness_of, decisions_key
from btc_assets.indicators import build_indicators, indicators_by_interval, indicators_key
from btc_assets.partitions import build_partitions
from btc_assets.quality import COMPLETE, GAPS, build_gaps_check
from btc_core.config import Config
from btc_core.model.interval import Interval
from btc_core.model.timerange import TimeRange
from btc_store.settings import Settings, load_settings
from resources.progress import Progress
from resources.timescale import Timescale
from sensors.new_candles import Watch, build_new_candles_sensor

DERIVE_JOB = "derive"


def build_definitions(settings: Settings, progress: Progress | None = None) -> dg.Definitions:
    """Return everything that Dagster runs, for these settings."""
    config = settings.config
    partitions = build_partitions(config)
    candles, indicators = build_candles(config, partitions), build_indicators(config, partitions)
    decisions = build_decisions(config, partitions)
    gaps = build_gaps_check(partitions)
    derived = dg.AssetSelection.assets(candles, indicators, *decisions) | dg.AssetSelection.checks(gaps)
    derive = dg.define_asset_job(
        DERIVE_JOB,
        selection=derived,
        description="Candles, indicators and decisions of the touched months; the tag btc/touched says what changed.",
    )
    watch = Watch(
        job_name=DERIVE_JOB,
        minutes=MINUTES_KEY,
        symbols=tuple(config.symbols),
        assets={interval: _hanging_on(config, interval) for interval in config.derived_intervals},
        checks={i: [dg.AssetCheckKey(indicators_key(i.label), COMPLETE)] for i in indicators_by_interval(config)},
        always=[dg.AssetCheckKey(MINUTES_KEY, GAPS)],
        wait=completeness_of(config).wait,
        history=TimeRange(config.history_start_time, datetime.max.replace(tzinfo=UTC)),
    )
    return dg.Definitions(
        assets=[build_minutes(partitions), candles, indicators, *decisions, *build_backtests(config, partitions)],
        asset_checks=[gaps],
        jobs=[derive],
        sensors=[build_new_candles_sensor(watch)],
        resources={"timescale": Timescale(settings), "progress": progress or Progress()},
        executor=dg.in_process_executor,
    )


def _hanging_on(config: Config, interval: Interval) -> list[dg.AssetKey]:
    """Return the assets that a closed candle of an interval makes anew."""
    keys = [candles_key(interval.label)]
    if interval in indicators_by_interval(config):
        keys.append(indicators_key(interval.label))
    return keys + [
        decisions_key(name) for name, entry in config.strategies.items() if interval.label in entry.intervals
    ]


@dg.definitions
def defs() -> dg.Definitions:
    """Return the definitions for the configuration and environment of this process."""
    return build_definitions(load_settings())
