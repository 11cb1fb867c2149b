"""The assets ``decisions/<strategy>``: what each configured strategy said at every candle's close."""

import time
from typing import Any

import dagster as dg

from btc_assets.candles import candles_key
from btc_assets.indicators import indicators_by_interval, indicators_key
from btc_assets.lineage import decision_columns, table_metadata
from btc_assets.partitions import Partition, partitions_of
from btc_assets.pictures import MOST_POINTS, picture_of_decisions
from btc_assets.reporting import describe
from btc_core.across import reached
from btc_core.config import Config
from btc_core.indicator import with_indicators
from btc_core.model.interval import Interval, parse_interval
from btc_core.model.timerange import TimeRange
from btc_core.strategy import NamedStrategy, load_strategy
from btc_core.version import CODE_VERSION
from btc_store.derive import Provenance, Written, completeness_of, derive_decisions, read_around
from btc_store.frames import Frames
from resources.progress import Progress
from resources.timescale import Timescale


def decisions_key(strategy: str) -> dg.AssetKey:
    """Return the asset key of a strategy's decisions."""
    return dg.AssetKey(["decisions", strategy])


def build_decisions(config: Config, partitions: dg.PartitionsDefinition) -> list[dg.AssetsDefinition]:
    """Return an asset for each configured strategy."""
    return [_build(config, name, partitions) for name in config.strategies]


def _build(config: Config, name: str, partitions: dg.PartitionsDefinition) -> dg.AssetsDefinition:
    strategy = load_strategy(name, config.strategies[name].parameters)
    intervals = [parse_interval(label) for label in config.strategies[name].intervals]
    seen = list(dict.fromkeys((*intervals, *strategy.also)))
    rule = completeness_of(config)

    @dg.asset(
        key=decisions_key(name),
        deps=_upstream(config, seen),
        description=f"{strategy.rule.description} Decided at each candle's close on {', '.join(map(str, intervals))}; "
        "HOLD is a decision too. What was said first stays (revision 0); after a correction a differing word is the "
        "next revision.",
        group_name="decisions",
        kinds={"polars", "postgres"},
        owners=["team:data"],
        code_version=CODE_VERSION,
        metadata=_metadata(config, strategy, seen),
        partitions_def=partitions,
        backfill_policy=dg.BackfillPolicy.single_run(),
    )
    def decisions(
        context: dg.AssetExecutionContext, timescale: dg.ResourceParam[Timescale], progress: dg.ResourceParam[Progress]
    ) -> dg.MaterializeResult:
        by = Provenance(run_id=context.run.run_id, now=timescale.now())
        last = max(context.partition_keys)
        with timescale.frames() as frames:
            for partition in partitions_of(context, progress):
                started, written = time.monotonic(), Written()
                touched = {interval: partition.spans(interval, now=by.now) for interval in seen}
                spans = {interval: reached(strategy, interval, touched) for interval in intervals}
                for interval, each in spans.items():
                    written += derive_decisions(frames, partition.symbol, interval, each, strategy, rule=rule, by=by)
                every = sorted(span for each in spans.values() for span in each)
                # A picture is of a month that was asked for whole, and a backfill of years is not a picture book.
                is_drawn = partition.touched is None and partition.key == last
                extra = _picture(frames, partition, spans, strategy) if is_drawn else {}
                describe(
                    context,
                    key=decisions_key(name),
                    partition=partition,
                    spans=every,
                    written=written,
                    started=started,
                    extra=extra,
                )
        return dg.MaterializeResult()

    return decisions


def _upstream(config: Config, intervals: list[Interval]) -> list[dg.AssetKey]:
    """Return what decisions rest on: the indicators of each interval, or its candles where none is kept."""
    kept = indicators_by_interval(config)
    return [indicators_key(i.label) if i in kept else candles_key(i.label) for i in intervals]


def _metadata(config: Config, strategy: NamedStrategy, intervals: list[Interval]) -> dict[str, Any]:
    kept = indicators_by_interval(config)
    columns = decision_columns(
        strategy,
        candles=[candles_key(interval.label) for interval in intervals],
        indicators=[indicators_key(interval.label) for interval in intervals if interval in kept],
    )
    return table_metadata(columns, docs=["docs/laws.md", "docs/howto/add-a-strategy.md"])


def _picture(
    frames: Frames, partition: Partition, spans: dict[Interval, list[TimeRange]], strategy: NamedStrategy
) -> dict[str, dg.MetadataValue]:
    """Draw the shortest interval that was decided on, up to the last of its candles."""
    drawn = next(((interval, each[-1]) for interval, each in spans.items() if each), None)
    if drawn is None:
        return {}
    interval, span = drawn
    last = TimeRange(span.start, span.end)
    n_before = MOST_POINTS + strategy.look_back_in(interval)
    candles = read_around(frames, partition.symbol, interval, last, before=n_before, after=0)
    if not candles.height:
        return {}
    shown = with_indicators(candles, strategy.indicators).tail(MOST_POINTS)
    opens = frames.read(
        "read_opens", partition.symbol, interval.label, strategy.name, shown["time"][0], shown["time"][-1]
    )
    names = [name for indicator in strategy.indicators for name in indicator.columns()]
    return {f"{interval} candles": picture_of_decisions(shown, names, opens)}
