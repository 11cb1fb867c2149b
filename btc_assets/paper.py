"""The assets ``paper/<strategy>``: accounts that follow each configured strategy's live decisions."""

import time
from collections.abc import Iterable, Mapping, Sequence
from datetime import datetime

import dagster as dg

from btc_assets.decisions import completeness_of, decisions_key
from btc_assets.lineage import Column, table_metadata
from btc_assets.partitions import Partition, partitions_of
from btc_assets.reporting import describe
from btc_core.across import reached
from btc_core.config import Config
from btc_core.model.interval import Interval, parse_interval
from btc_core.model.timerange import TimeRange, merge_ranges
from btc_core.strategy import NamedStrategy, load_strategy
from btc_core.version import CODE_VERSION
from btc_store.derive import Provenance, Written
from btc_store.paper import follow
from resources.progress import Progress
from resources.timescale import Timescale


def paper_key(strategy: str) -> dg.AssetKey:
    """Return the asset key of a strategy's accounts."""
    return dg.AssetKey(["paper", strategy])


def build_paper(config: Config, partitions: dg.PartitionsDefinition) -> list[dg.AssetsDefinition]:
    """Return an asset for each configured strategy."""
    return [_build(config, name, partitions) for name in config.strategies]


def _build(config: Config, name: str, partitions: dg.PartitionsDefinition) -> dg.AssetsDefinition:
    strategy = load_strategy(name, config.strategies[name].parameters)
    intervals = [parse_interval(label) for label in config.strategies[name].intervals]
    rule = completeness_of(config)

    @dg.asset(
        key=paper_key(name),
        deps=[decisions_key(name)],
        description="What following the live decisions earns: an account for each symbol and interval, by the "
        "simulator of backtests, from when it was opened to the newest minute. What is derived anew is replayed.",
        group_name="paper",
        kinds={"polars", "postgres"},
        owners=["team:data"],
        code_version=CODE_VERSION,
        metadata=table_metadata(_columns(name), docs=["docs/paper.md", "docs/backtests.md"]),
        partitions_def=partitions,
        backfill_policy=dg.BackfillPolicy.single_run(),
    )
    def paper(
        context: dg.AssetExecutionContext, timescale: dg.ResourceParam[Timescale], progress: dg.ResourceParam[Progress]
    ) -> dg.MaterializeResult:
        by = Provenance(run_id=context.run.run_id, now=timescale.now())
        of_symbol: dict[str, list[Partition]] = {}
        for partition in partitions_of(context, progress):
            of_symbol.setdefault(partition.symbol, []).append(partition)
        with timescale.frames() as frames:
            for symbol, months in of_symbol.items():
                started, written = time.monotonic(), Written()
                # An account goes to the present whatever month is asked for: once for all of them, told by the last.
                touched = [_touched(strategy, month, intervals, now=by.now) for month in months]
                for interval, each in _merged(touched).items():
                    written += follow(frames, symbol, interval, each, strategy, config=config.paper, rule=rule, by=by)
                for month, of_month in zip(months, touched, strict=True):
                    describe(
                        context,
                        key=paper_key(name),
                        partition=month,
                        spans=sorted(span for each in of_month.values() for span in each),
                        written=written if month is months[-1] else None,
                        started=started,
                    )
        return dg.MaterializeResult()

    return paper


def _touched(
    strategy: NamedStrategy, partition: Partition, intervals: Sequence[Interval], *, now: datetime
) -> dict[Interval, list[TimeRange]]:
    """Return the spans of the candles of a month that were decided on."""
    touched = {i: partition.spans(i, now=now) for i in dict.fromkeys((*intervals, *strategy.also))}
    return {i: each for i in intervals if (each := reached(strategy, i, touched))}


def _merged(parts: Iterable[Mapping[Interval, Sequence[TimeRange]]]) -> dict[Interval, list[TimeRange]]:
    """Return the spans of several months together."""
    spans: dict[Interval, list[TimeRange]] = {}
    for part in parts:
        for interval, each in part.items():
            spans[interval] = merge_ranges([*spans.get(interval, []), *each])
    return spans


def _columns(name: str) -> list[Column]:
    decided = {decisions_key(name): ["exposure"]}
    return [
        Column("started_at", "timestamptz", "what was decided later counts", {}),
        Column("through", "timestamptz", "end of the newest minute that it has been through", {}),
        Column("config", "jsonb", "terms and parameters: with others the account is opened anew", {}),
        Column("equity", "float8", "cash and position at the newest minute's close, quote currency", decided),
        Column("cash", "float8", "quote currency", decided),
        Column("quantity", "float8", "base units, negative is short", decided),
        Column("exposure", "float8", "position ÷ equity, signed", decided),
    ]
