"""The assets ``indicators/<interval>``: an interval's indicators, and the check that guards decisions."""

import time
from collections.abc import Iterator, Mapping
from datetime import timedelta

import dagster as dg

from btc_assets.candles import candles_key
from btc_assets.lineage import indicator_columns, table_metadata
from btc_assets.partitions import Partition, partitions_of
from btc_assets.quality import complete_check_spec, completeness_results
from btc_assets.reporting import describe
from btc_core.config import Config
from btc_core.indicator import NamedIndicator, configured_indicator
from btc_core.model.interval import Interval
from btc_core.version import CODE_VERSION
from btc_store.derive import derive_indicators
from resources.progress import Progress
from resources.timescale import Timescale


def indicators_key(interval: str) -> dg.AssetKey:
    """Return the asset key of an interval's indicators."""
    return dg.AssetKey(["indicators", interval])


def indicators_by_interval(config: Config) -> dict[Interval, list[NamedIndicator]]:
    """Return the configured indicators by the intervals they are kept for, shortest first."""
    found: dict[Interval, list[NamedIndicator]] = {}
    for interval in config.derived_intervals:
        kept = [configured_indicator(n, e) for n, e in config.indicators.items() if interval.label in e.intervals]
        if kept:
            found[interval] = kept
    return found


def build_indicators(config: Config, partitions: dg.PartitionsDefinition) -> dg.AssetsDefinition:
    """Return the indicators: an asset per interval, one step for all."""
    kept: Mapping[dg.AssetKey, tuple[Interval, list[NamedIndicator]]] = {
        indicators_key(interval.label): (interval, each) for interval, each in indicators_by_interval(config).items()
    }
    wait = timedelta(minutes=config.decisions.wait_minutes)
    specs = [_spec(key, interval, each) for key, (interval, each) in kept.items()]
    checks = {key: complete_check_spec(key, partitions) for key in kept}

    @dg.multi_asset(
        name="indicators",
        specs=specs,
        check_specs=list(checks.values()),
        can_subset=True,
        partitions_def=partitions,
        backfill_policy=dg.BackfillPolicy.single_run(),
    )
    def indicators(
        context: dg.AssetExecutionContext, timescale: dg.ResourceParam[Timescale], progress: dg.ResourceParam[Progress]
    ) -> Iterator[dg.MaterializeResult | dg.AssetCheckEvaluation | dg.Output]:
        selected = [key for key in kept if key in context.selected_asset_keys]
        partitions_done: list[Partition] = []
        with timescale.frames() as frames:
            for partition in partitions_of(context, progress):
                for key in selected:
                    started, now, (interval, each) = time.monotonic(), timescale.now(), kept[key]
                    spans = partition.spans(interval, now=now)
                    written = derive_indicators(frames, partition.symbol, interval, spans, each, now=now)
                    describe(context, key=key, partition=partition, spans=spans, written=written, started=started)
                partitions_done.append(partition)
            for key in selected:
                yield dg.MaterializeResult(asset_key=key)
                if checks[key].key in context.selected_asset_check_keys:
                    now, interval = timescale.now(), kept[key][0]
                    yield from completeness_results(frames, checks[key], interval, partitions_done, now=now, wait=wait)

    return indicators


def _spec(key: dg.AssetKey, interval: Interval, indicators: list[NamedIndicator]) -> dg.AssetSpec:
    listed = ", ".join(f"`{i.name}` = {i.function}({', '.join(map(str, i.parameters.values()))})" for i in indicators)
    return dg.AssetSpec(
        key,
        deps=[candles_key(interval.label)],
        description=f"Indicators of {interval} candles: {listed}.",
        group_name="indicators",
        kinds={"polars", "postgres"},
        owners=["team:data"],
        code_version=CODE_VERSION,
        metadata=table_metadata(
            indicator_columns(candles_key(interval.label), indicators),
            docs=["docs/indicators.md", "docs/howto/add-an-indicator.md"],
        ),
    )
