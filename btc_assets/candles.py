"""The assets ``candles/1m``, written by collector and importer, and ``candles/<interval>``, derived from it."""

import time
from collections.abc import Iterator, Mapping

import dagster as dg

from btc_assets.lineage import candle_columns, table_metadata
from btc_assets.partitions import partitions_of
from btc_assets.reporting import describe
from btc_core.config import Config
from btc_core.model.interval import Interval
from btc_core.version import CODE_VERSION
from btc_store.derive import derive_candles
from resources.progress import Progress
from resources.timescale import Timescale

MINUTES_KEY = dg.AssetKey(["candles", "1m"])


def candles_key(interval: str) -> dg.AssetKey:
    """Return the asset key of an interval's candles."""
    return dg.AssetKey(["candles", interval])


def build_minutes(partitions: dg.PartitionsDefinition) -> dg.AssetSpec:
    """Return the external asset of the 1m candles; the sensor reports its materialisations."""
    return dg.AssetSpec(
        MINUTES_KEY,
        description="1m candles as the exchange or an import gave them: written by the collector and by `btc import`, "
        "never derived. A missing minute is an absent row.",
        group_name="candles",
        kinds={"postgres", "websockets"},
        owners=["team:data"],
        partitions_def=partitions,
        metadata=table_metadata(candle_columns(None), docs=["docs/collector.md", "docs/howto/import-history.md"]),
    )


def build_candles(config: Config, partitions: dg.PartitionsDefinition) -> dg.AssetsDefinition:
    """Return the derived candles: an asset per configured interval, one step for all."""
    intervals: Mapping[dg.AssetKey, Interval] = {candles_key(i.label): i for i in config.derived_intervals}
    specs = [
        dg.AssetSpec(
            key,
            deps=[MINUTES_KEY],
            description=f"{interval} candles made of 1m candles, on the exchange's own grid (UTC).",
            group_name="candles",
            kinds={"polars", "postgres"},
            owners=["team:data"],
            code_version=CODE_VERSION,
            metadata=table_metadata(
                candle_columns(MINUTES_KEY), docs=["docs/laws.md", "docs/howto/add-an-interval.md"]
            ),
        )
        for key, interval in intervals.items()
    ]

    @dg.multi_asset(
        name="candles",
        specs=specs,
        can_subset=True,
        partitions_def=partitions,
        backfill_policy=dg.BackfillPolicy.single_run(),
    )
    def candles(
        context: dg.AssetExecutionContext, timescale: dg.ResourceParam[Timescale], progress: dg.ResourceParam[Progress]
    ) -> Iterator[dg.MaterializeResult]:
        selected = [key for key in intervals if key in context.selected_asset_keys]
        with timescale.frames() as frames:
            for partition in partitions_of(context, progress):
                started = time.monotonic()
                spans = {intervals[key]: partition.spans(intervals[key], now=timescale.now()) for key in selected}
                # A month is read, written and forgotten: a run over years needs the memory of one.
                written = derive_candles(frames, partition.symbol, spans)
                for key in selected:
                    interval = intervals[key]
                    describe(
                        context,
                        key=key,
                        partition=partition,
                        spans=spans[interval],
                        written=written.get(interval),
                        started=started,
                    )
        for key in selected:
            yield dg.MaterializeResult(asset_key=key)

    return candles
