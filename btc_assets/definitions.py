"""Wiring only: the configuration becomes assets, checks, jobs and sensors."""

import atexit
import gc
import logging
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime

import dagster as dg

from btc_assets.backtest_job import build_backtest_jobs
from btc_assets.backtests import build_backtests
from btc_assets.candles import MINUTES_KEY, build_candles, build_minutes, candles_key
from btc_assets.decisions import build_decisions, completeness_of, decisions_key
from btc_assets.freshness import with_freshness
from btc_assets.funding import FUNDING_JOB, FUNDING_KEY, build_funding
from btc_assets.indicators import build_indicators, indicators_by_interval, indicators_key
from btc_assets.lake import LAKE_JOB, build_lake, build_lake_job
from btc_assets.paper import build_paper, paper_key
from btc_assets.partitions import build_partitions
from btc_assets.prune import PRUNE_JOB, build_prune_job
from btc_assets.quality import COMPLETE, build_checks, build_present_results, keys_of_turn, place_checks
from btc_assets.sweeps import build_sweeps
from btc_core.check import Turn, load_checks
from btc_core.config import Config
from btc_core.enabled import enabled
from btc_core.errors import PluginError
from btc_core.model.clock import ClockScale
from btc_core.model.interval import ONE_MINUTE, Interval
from btc_core.model.timerange import TimeRange
from btc_core.strategy import load_strategy
from btc_store.checks import PlacedCheck
from btc_store.live_state import served
from btc_store.settings import Settings, load_settings
from resources.alerts import LOOK_SECONDS
from resources.progress import Progress
from resources.timescale import Timescale
from sensors.alerts import build_alerts_sensor
from sensors.daily_checks import build_daily_checks_sensor
from sensors.funding import build_funding_sensor
from sensors.lake_schedule import build_lake_schedule
from sensors.new_candles import Watch, build_new_candles_sensor
from sensors.outbox import build_outbox_sensor
from sensors.prune_schedule import build_prune_schedule
from sensors.staleness import build_staleness_sensor

logger = logging.getLogger(__name__)

DERIVE_JOB, QUALITY_JOB = "derive", "quality_daily"


def build_definitions(settings: Settings, progress: Progress | None = None) -> dg.Definitions:
    """Return everything that Dagster runs, for these settings."""
    config, broken = enabled(settings.config)
    sweeps, broken_too = build_sweeps(config, now=settings.now())
    _tell_of([*broken, *broken_too])
    partitions = build_partitions(config)
    candles, indicators = build_candles(config, partitions), build_indicators(config, partitions)
    decisions, paper = build_decisions(config, partitions), build_paper(config, partitions)
    placed = place_checks(config, load_checks(config.quality))
    every_run, daily = keys_of_turn(placed, Turn.EVERY_RUN), keys_of_turn(placed, Turn.DAILY)
    guards = [key for interval in config.derived_intervals for key in _guards(config, interval)]
    # An asset brings all its checks along: those of once a day stay out.
    derived = dg.AssetSelection.assets(candles, indicators, *decisions, *paper).without_checks()
    derived |= dg.AssetSelection.checks(*guards, *every_run)
    derive = dg.define_asset_job(
        DERIVE_JOB,
        selection=derived,
        description="Candles, indicators, decisions and accounts of the touched months; btc/touched says what changed.",
    )
    quality = dg.define_asset_job(
        QUALITY_JOB,
        selection=dg.AssetSelection.checks(*daily),
        partitions_def=partitions,
        description="The daily checks of the touched months: outliers, silence, revisions, the exchange's own candles.",
    )
    history = TimeRange(config.history_start_time, datetime.max.replace(tzinfo=UTC))
    daily_intervals = {interval.label for key in daily for interval in placed[key].intervals}
    assets = [build_minutes(partitions), candles, indicators, *decisions, *paper, *build_backtests(config, partitions)]
    assets += [build_funding(config, partitions), build_lake(partitions), *sweeps]
    funding = dg.define_asset_job(FUNDING_JOB, selection=[FUNDING_KEY], description="Funding rates, terms of coins.")
    return dg.Definitions(
        # Policies of freshness know real time alone.
        assets=with_freshness(assets, config) if settings.clock == ClockScale() else assets,
        asset_checks=build_checks(placed, partitions),
        jobs=[derive, quality, funding, build_lake_job(), build_prune_job(), *build_backtest_jobs()],
        schedules=[build_prune_schedule(PRUNE_JOB), build_lake_schedule(LAKE_JOB, list(config.symbols), history)],
        sensors=[
            build_new_candles_sensor(_watch(config, placed, history)),
            build_outbox_sensor(),
            build_daily_checks_sensor(
                QUALITY_JOB, symbols=list(config.symbols), labels=sorted(daily_intervals), history=history
            ),
            build_staleness_sensor(build_present_results(placed, list(config.symbols))),
            build_funding_sensor(FUNDING_JOB, list(config.symbols)),
            build_alerts_sensor(settings.clock.real_seconds(LOOK_SECONDS)),
        ],
        resources={"timescale": Timescale(settings), "progress": progress or Progress()},
        executor=dg.in_process_executor,
    )


def _tell_of(broken: Sequence[PluginError]) -> None:
    for error in broken:
        # The sentence itself: terminals show no more of a record than its text.
        logger.error("strategy left out: %s", error)


def _watch(config: Config, placed: Mapping[dg.AssetCheckKey, PlacedCheck], history: TimeRange) -> Watch:
    """Return what the sensor of new candles watches and launches."""
    return Watch(
        job_name=DERIVE_JOB,
        minutes=MINUTES_KEY,
        symbols=tuple(config.symbols),
        assets={interval: _hanging_on(config, interval) for interval in config.derived_intervals},
        checks={i: [*_guards(config, i), *keys_of_turn(placed, Turn.EVERY_RUN, i)] for i in config.derived_intervals},
        always=keys_of_turn(placed, Turn.EVERY_RUN, ONE_MINUTE),
        wait=completeness_of(config).wait,
        history=history,
        serves=served(config),
    )


def _guards(config: Config, interval: Interval) -> list[dg.AssetCheckKey]:
    """Return the check that holds the decisions on an interval back while a minute may still come."""
    is_kept = interval in indicators_by_interval(config)
    return [dg.AssetCheckKey(indicators_key(interval.label), COMPLETE)] if is_kept else []


def _hanging_on(config: Config, interval: Interval) -> list[dg.AssetKey]:
    """Return the assets that a closed candle of an interval makes anew."""
    keys = [candles_key(interval.label)]
    if interval in indicators_by_interval(config):
        keys.append(indicators_key(interval.label))
    return keys + [
        key(name)
        for name, entry in config.strategies.items()
        for key in (decisions_key, paper_key)
        if interval.label in entry.intervals or interval in load_strategy(name, entry.parameters).also
    ]


@dg.definitions
def defs() -> dg.Definitions:
    """Return the definitions for the configuration and environment of this process."""
    # Python looks for garbage in all that there is as it ends: half a second of every run.
    atexit.register(gc.freeze)
    return build_definitions(load_settings())
