"""The assets ``candles/1m``, written by collector and importer, and ``candles/<interval>``, derived from it."""

import time
from collections.abc import Iterator, Mapping

import dagster as dg

from btc_assets.partitions import partitions_of
from btc_assets.reporting import describe
from btc_core.config import Config
from btc_core.model.interval import Interval
from btc_core.version import CODE_VERSION
from btc_store.derive import derive_candles
from resources.progress import Progress
from resources.timescale import Timescale

MINUTES_KEY = dg.AssetKey(["candles", "1m"])

_COLUMNS = dg.TableSchema(
    columns=[
        dg.TableColumn("time", "timestamptz", "open of the candle, UTC; it is known at its close"),
        dg.TableColumn("open", "float8", "price of the first trade, quote currency"),
        dg.TableColumn("high", "float8", "highest price"),
        dg.TableColumn("low", "float8", "lowest price"),
        dg.TableColumn("close", "float8", "price of the last trade"),
        dg.TableColumn("volume", "float8", "base units"),
        dg.TableColumn("trades", "integer", "number of trades; null where the source does not count them"),
        dg.TableColumn("minutes", "integer", "how many 1m candles it was made of"),
    ]
)


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
        metadata={"dagster/column_schema": _COLUMNS},
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
            metadata={"dagster/column_schema": _COLUMNS},
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
        for partition in partitions_of(context, progress):
            started = time.monotonic()
            spans = {intervals[key]: partition.spans(intervals[key], now=timescale.now()) for key in selected}
            with timescale.frames() as frames:
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
            n_written = sum(each.n_written for each in written.values())
            context.log.info("candles %s: %d rows new or changed", partition.key, n_written)
        for key in selected:
            yield dg.MaterializeResult(asset_key=key)

    return candles
