"""Every check of ``btc_core/quality`` as an asset check: what is wrong, said where a person looks.

One step makes all checks of a layer, because a step costs more than a check. Each month of a run has a result of its
own. What is judged, and what a result says, is in ``btc_store.checks``: the live lane asks there too.
"""

from collections.abc import Callable, Iterator, Mapping, Sequence
from datetime import UTC, datetime, timedelta

import dagster as dg
import polars as pl

from btc_assets.partitions import partitions_of
from btc_core.check import NamedCheck, Subject, Turn, load_check
from btc_core.config import Config
from btc_core.model.interval import Interval
from btc_core.model.timerange import TimeRange
from btc_core.partitions import Partition, month_key, month_range
from btc_core.strategy import load_strategy
from btc_store import checks as stored
from btc_store.checks import COMPLETE, PlacedCheck, Result
from btc_store.derive import completeness_of
from btc_store.evidence import EvidenceReader
from btc_store.frames import Frames
from btc_store.parity import differences
from resources.exchange_candles import ExchangeCandles
from resources.progress import Progress
from resources.timescale import Timescale

PRIORITY = "dagster/priority"
_LAYERS = {
    "candle_checks": (Subject.MINUTES, Subject.CANDLES),
    "indicator_checks": (Subject.INDICATORS,),
    "decision_checks": (Subject.DECISIONS,),
}


def place_checks(config: Config, checks: Sequence[NamedCheck]) -> dict[dg.AssetCheckKey, PlacedCheck]:
    """Return every check on every asset that it belongs to, apart from those that are made in the asset's own step."""
    return {
        dg.AssetCheckKey(dg.AssetKey(each.asset.split("/")), each.check.name): each
        for each in stored.place_checks(config, checks)
    }


def keys_of_turn(
    placed: Mapping[dg.AssetCheckKey, PlacedCheck], turn: Turn, interval: Interval | None = None
) -> list[dg.AssetCheckKey]:
    """Return the checks that are made at a turn: all of them, or those about the candles of an interval."""
    return [
        key
        for key, each in placed.items()
        if each.check.rule.turn == turn and (interval is None or interval in each.intervals)
    ]


def build_checks(
    placed: Mapping[dg.AssetCheckKey, PlacedCheck], partitions: dg.PartitionsDefinition
) -> list[dg.AssetChecksDefinition]:
    """Return the checks as asset checks: one step for each layer that has some."""
    layers = {
        name: {key: each for key, each in placed.items() if each.check.rule.subject in subjects}
        for name, subjects in _LAYERS.items()
    }
    return [_build(name, each, partitions) for name, each in layers.items() if each]


def _build(
    name: str, placed: Mapping[dg.AssetCheckKey, PlacedCheck], partitions: dg.PartitionsDefinition
) -> dg.AssetChecksDefinition:
    specs = {
        key: dg.AssetCheckSpec(
            key.name,
            asset=key.asset_key,
            description=each.check.rule.description,
            blocking=each.check.rule.blocking,
            partitions_def=partitions,
        )
        for key, each in placed.items()
    }

    # Of the steps that could be next this one is the last: a decision waits for no check but a blocking one.
    @dg.multi_asset_check(name=name, specs=list(specs.values()), can_subset=True, op_tags={PRIORITY: "-1"})
    def checks(
        context: dg.AssetCheckExecutionContext,
        timescale: dg.ResourceParam[Timescale],
        progress: dg.ResourceParam[Progress],
    ) -> Iterator[dg.AssetCheckEvaluation | dg.Output]:
        selected = {key: placed[key] for key in specs if key in context.selected_asset_check_keys}
        record = context.instance.get_run_record_by_id(context.run.run_id)
        began = datetime.fromtimestamp(record.start_time, UTC) if record and record.start_time else None
        with timescale.frames() as frames:
            for partition in partitions_of(context, progress):
                yield from evaluate(frames, timescale, partition, selected, began=began)
        for key in selected:
            # The output is what a step that waits for a blocking check hangs on.
            yield dg.Output(None, specs[key].get_python_identifier())

    return checks


def evaluate(
    frames: Frames,
    timescale: Timescale,
    partition: Partition,
    placed: Mapping[dg.AssetCheckKey, PlacedCheck],
    *,
    began: datetime | None,
) -> Iterator[dg.AssetCheckEvaluation]:
    """Make checks in one partition, keep their findings and yield a result for each."""
    now, symbol = timescale.now(), partition.symbol
    exchange, config = ExchangeCandles(timescale.settings), timescale.settings.config

    def fetch(interval: Interval, span: TimeRange) -> pl.DataFrame:
        coins = dict(frames.read("read_coins").rows())
        return exchange.candles(coins.get(symbol, config.coin_of(symbol)), interval, span)

    def replay(interval: Interval, span: TimeRange, strategy: str) -> pl.DataFrame:
        named = load_strategy(strategy, config.strategies[strategy].parameters)
        return differences(frames, symbol, interval, span, named, rule=completeness_of(config))

    reader = EvidenceReader(frames=frames, symbol=symbol, now=now, began=began, fetch=fetch, replay=replay)
    for each, result in zip(placed.values(), stored.evaluate(reader, partition, list(placed.values())), strict=True):
        yield _evaluation(result, partition, blocking=each.check.rule.blocking)


def build_present_results(
    placed: Mapping[dg.AssetCheckKey, PlacedCheck], symbols: Sequence[str]
) -> Callable[[Timescale], list[dg.AssetCheckEvaluation]]:
    """Return a function that makes the checks of every minute, for a sensor: they need no run."""
    now_and_then = {key: placed[key] for key in keys_of_turn(placed, Turn.EVERY_MINUTE)}

    def present_results(timescale: Timescale) -> list[dg.AssetCheckEvaluation]:
        month = month_range(timescale.now())
        with timescale.frames() as frames:
            return [
                result
                for symbol in symbols
                for result in evaluate(
                    frames,
                    timescale,
                    Partition(f"{month_key(month)}|{symbol}", symbol, month, None),
                    now_and_then,
                    began=None,
                )
            ]

    return present_results


def complete_check_spec(key: dg.AssetKey, partitions: dg.PartitionsDefinition) -> dg.AssetCheckSpec:
    """Return the blocking check of an interval's indicators."""
    rule = load_check(COMPLETE).rule
    return dg.AssetCheckSpec(
        COMPLETE, asset=key, blocking=rule.blocking, description=rule.description, partitions_def=partitions
    )


def completeness_results(
    frames: Frames,
    spec: dg.AssetCheckSpec,
    interval: Interval,
    partitions: Sequence[Partition],
    *,
    now: datetime,
    wait: timedelta,
) -> Iterator[dg.AssetCheckEvaluation | dg.Output]:
    """Judge the candles of the months that a run derived: complete, incomplete, or still to be filled."""
    for partition in partitions:
        reader = EvidenceReader(frames=frames, symbol=partition.symbol, now=now)
        result = stored.completeness(reader, spec.asset_key.to_user_string(), interval, partition, wait=wait)
        yield _evaluation(result, partition, blocking=spec.blocking)
    yield dg.Output(None, spec.get_python_identifier())


def _evaluation(result: Result, partition: Partition, *, blocking: bool) -> dg.AssetCheckEvaluation:
    # Dagster's own AssetCheckResult knows one partition a step.
    return dg.AssetCheckEvaluation(
        asset_key=dg.AssetKey(result.asset.split("/")),
        check_name=result.check,
        passed=result.passed,
        severity=_severity(result),
        description=result.text,
        metadata=_metadata(result),
        blocking=blocking,
        partition=str(partition.key),
    )


def _severity(result: Result) -> dg.AssetCheckSeverity:
    return dg.AssetCheckSeverity.ERROR if result.is_error else dg.AssetCheckSeverity.WARN


def _metadata(result: Result) -> dict[str, dg.MetadataValue | int | float]:
    """Return the figures, and what was found as a table of which minutes or candles."""
    records = [dg.TableRecord(dict(row)) for row in result.table]
    return {**result.figures, **({"which": dg.MetadataValue.table(records)} if records else {})}
