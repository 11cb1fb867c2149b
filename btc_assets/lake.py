"""The asset ``lake``: months of minutes, and what cannot be made again, as Parquet files. The backup."""

import time
from collections.abc import Iterable
from typing import Any

import dagster as dg

from btc_assets.candles import MINUTES_KEY
from btc_assets.lineage import Column, table_metadata
from btc_assets.partitions import partitions_of
from btc_core.errors import LakeError
from btc_core.partitions import Partition
from btc_store.archive import Archived, archive
from btc_store.lake import Lake, open_lake
from btc_store.lake_tables import KINDS, UNSETTLED
from resources.progress import Progress
from resources.timescale import Timescale

LAKE_KEY = dg.AssetKey("lake")
LAKE_JOB = "archive"


def build_lake(partitions: dg.PartitionsDefinition) -> dg.AssetsDefinition:
    """Return the asset; a month that the lake has as it is now is not written."""

    @dg.asset(
        key=LAKE_KEY,
        deps=[MINUTES_KEY],
        description="Parquet files with a manifest for each month: 1m candles, and what cannot be made again of them. "
        "Backtests read closed months there, `btc restore` brings all of it back, `btc sql` asks it.",
        group_name="lake",
        kinds={"parquet", "polars"},
        owners=["team:data"],
        metadata=table_metadata(_columns(), docs=["docs/lake.md"]),
        partitions_def=partitions,
        backfill_policy=dg.BackfillPolicy.single_run(),
    )
    def lake(
        context: dg.AssetExecutionContext, timescale: dg.ResourceParam[Timescale], progress: dg.ResourceParam[Progress]
    ) -> dg.MaterializeResult:
        place, symbols = open_lake(timescale.settings.lake, timescale.settings.lake_cache), dict[str, None]()
        refused: list[str] = []
        for partition in partitions_of(context, progress):
            symbols[partition.symbol] = None
            started = time.monotonic()
            done = _archive_month(timescale, place, partition)
            refused += [one.refusal for one in done if one.refusal]
            found = _describe(place, partition, done)
            found["seconds"] = round(time.monotonic() - started, 3)
            context.add_asset_metadata(metadata=found, asset_key=LAKE_KEY, partition_key=partition.key)
        n_written = sum(one.is_written for one in _archive_rest(timescale, place, symbols))
        if refused:
            # All else is written; this one somebody has to decide.
            raise LakeError(refused[0])
        return dg.MaterializeResult(metadata={"backtests, accounts and terms written": n_written})

    return lake


def build_lake_job() -> Any:
    """Return the job that materialises it."""
    return dg.define_asset_job(LAKE_JOB, selection=[LAKE_KEY], description="What the lake has not yet: the backup.")


def _archive_month(timescale: Timescale, place: Lake, partition: Partition) -> list[Archived]:
    with timescale.frames() as frames:
        return [
            one
            for kind in KINDS.values()
            if kind.is_monthly and kind is not UNSETTLED
            for one in archive(frames, place, kind, partition.symbol, now=timescale.now(), within=partition.month)
        ]


def _archive_rest(timescale: Timescale, place: Lake, symbols: Iterable[str]) -> list[Archived]:
    """Write what is of no month: of these symbols, and the terms of all."""
    with timescale.frames() as frames:
        return [
            one
            for kind in KINDS.values()
            if not kind.is_monthly
            for symbol in (symbols if kind.keys else [""])
            for one in archive(frames, place, kind, symbol, now=timescale.now())
        ]


def _describe(place: Lake, partition: Partition, done: list[Archived]) -> dict[str, Any]:
    """Return what Dagster shows of a month: of its minutes, and of all that was written."""
    found: dict[str, Any] = {
        "parts": len(done),
        "parts written": sum(one.is_written for one in done),
        "bytes": sum(one.manifest.n_bytes for one in done),
    }
    minutes = [one for one in done if "candles" in one.manifest.tables]
    if not minutes:
        return {**found, "rows": 0, "left out": f"no minute of {partition.symbol} is stored in this month"}
    (one,) = minutes
    (file,) = one.manifest.tables["candles"].files
    found |= {
        "rows": one.manifest.n_rows,
        "states": dict(one.manifest.states),
        "checksum": file.sha256,
        "path": f"{place.place.name}/{one.manifest.folder}/{file.name}",
    }
    if one.part.reason:
        found["left out"] = f"{one.part.reason}: kept as it stands in {one.manifest.kind}/, not in candles/"
    return found


def _columns() -> list[Column]:
    """Return the columns of the months of minutes."""
    own = {MINUTES_KEY: ("time",)}
    return [
        Column("time", "timestamptz", "open, UTC", own),
        Column("open, high, low, close, volume", "float8", "as they are stored", {}),
        Column("state, revision, ingested_at", "text, int4, timestamptz", "as they are stored", {}),
    ]
