"""Every check of ``btc_core/quality`` as an asset check: what is wrong, said where a person looks.

One step makes all checks of a layer, because a step costs more than a check. Each month of a run has a result of its
own, and it speaks of the whole month: of what was looked at now, and of what is open since earlier looks.
"""

import json
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta

import dagster as dg
import polars as pl

from btc_assets.partitions import Partition, partitions_of
from btc_core.check import FINDING_SCHEMA, NamedCheck, Subject, Summary, Turn, load_check
from btc_core.config import Config
from btc_core.model.interval import ONE_MINUTE, Interval, parse_interval
from btc_core.model.timerange import EPOCH, TimeRange, format_time, merge_ranges
from btc_core.partitions import month_key, month_range
from btc_store.evidence import EvidenceReader
from btc_store.frames import Frames
from btc_store.quality import Scope, Verdict, judge
from resources.exchange_candles import ExchangeCandles
from resources.progress import Progress
from resources.timescale import Timescale

PRIORITY = "dagster/priority"
COMPLETE = "complete"
# A check's page shows a table: more rows than this help nobody, and a run of every few minutes stores few of them.
MOST_ROWS, MOST_ROWS_OF_A_TOUCH = 200, 20
_DAY = timedelta(days=1)
_LAYERS = {
    "candle_checks": (Subject.MINUTES, Subject.CANDLES),
    "indicator_checks": (Subject.INDICATORS,),
    "decision_checks": (Subject.DECISIONS,),
}


@dataclass(frozen=True)
class PlacedCheck:
    """A check on one asset: of which intervals' candles, and whose decisions on them."""

    check: NamedCheck
    intervals: tuple[Interval, ...]
    strategy: str = ""

    def scopes(self, partition: Partition, now: datetime) -> list[Scope]:
        """Return what a run is asked to judge in a partition."""
        return [
            Scope(self.check, interval, span, self.strategy)
            for interval in self.intervals
            for span in self._spans(partition, interval, now)
        ]

    def _spans(self, partition: Partition, interval: Interval, now: datetime) -> list[TimeRange]:
        rule, reach = self.check.rule, self.check.reach
        if rule.is_about_now:
            return [TimeRange(EPOCH, now + _DAY)] if now in partition.month else []
        spans = minutes_of(partition) if rule.subject == Subject.MINUTES else partition.spans(interval, now=now)
        around = [TimeRange(span.start - reach, span.end + reach) for span in spans]
        return merge_ranges([_days(span) for span in around] if rule.whole_days else around)


def place_checks(config: Config, checks: Sequence[NamedCheck]) -> dict[dg.AssetCheckKey, PlacedCheck]:
    """Return every check on every asset that it belongs to, apart from those that are made in the asset's own step."""
    placed: dict[dg.AssetCheckKey, PlacedCheck] = {}
    for check in checks:
        for asset, each in _assets_of(config, check):
            if check.rule.turn != Turn.WITH_ASSET:
                placed[dg.AssetCheckKey(dg.AssetKey(asset.split("/")), check.name)] = each
    return placed


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

    reader = EvidenceReader(frames=frames, symbol=symbol, now=now, began=began, fetch=fetch)
    scopes = {key: each.scopes(partition, now) for key, each in placed.items()}
    asked_for = [scope for each in scopes.values() for scope in each]
    others = [placed[key].check for key, asked in scopes.items() if not asked]
    verdicts, still_open = judge(reader, asked_for, within=partition.month, others=others)
    for key, asked in scopes.items():
        # Where nothing was asked too: a check that a run has planned and not made is shown as skipped, over its
        # earlier result.
        answers = [verdict for verdict in verdicts if verdict.scope in asked]
        yield _evaluation(key, placed[key], partition, answers, still_open)


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


def _evaluation(
    key: dg.AssetCheckKey,
    placed: PlacedCheck,
    partition: Partition,
    verdicts: Sequence[Verdict],
    still_open: pl.DataFrame,
) -> dg.AssetCheckEvaluation:
    rule = placed.check.rule
    faults = [verdict.fault for verdict in verdicts if verdict.fault]
    if rule.kind is None:
        found = pl.concat([pl.DataFrame(schema=FINDING_SCHEMA), *(verdict.found for verdict in verdicts)])
    else:
        found = _own(still_open, placed)
    bad = found.filter(pl.col("severity") != "info")
    is_error = not rule.is_mild and (bad["severity"] == "error").any()
    text, figures = (rule.summarise or summarise)(found)
    is_frequent = rule.turn == Turn.EVERY_RUN and partition.touched is not None
    return dg.AssetCheckEvaluation(
        asset_key=key.asset_key,
        check_name=key.name,
        passed=not bad.height and not faults,
        severity=dg.AssetCheckSeverity.ERROR if is_error else dg.AssetCheckSeverity.WARN,
        description=f"could not look: {faults[0]}" if faults else text,
        metadata={
            "looked at": sum(verdict.n_seen for verdict in verdicts),
            **figures,
            **findings_table(found.tail(MOST_ROWS_OF_A_TOUCH if is_frequent else MOST_ROWS), partition.symbol),
        },
        blocking=rule.blocking,
        partition=str(partition.key),
    )


def summarise(found: pl.DataFrame) -> Summary:
    """Return how many findings there are, in words and as a figure."""
    return f"{found.height} findings" if found.height else "nothing is wrong", {"findings": found.height}


def findings_table(found: pl.DataFrame, symbol: str) -> dict[str, dg.MetadataValue]:
    """Return findings as a table of which minutes or candles; nothing where there are none."""
    rows: list[dict[str, str | int | float]] = []
    for start, end, details, severity in found.select(FINDING_SCHEMA.names()).iter_rows():
        told = {k: v if isinstance(v, int | float) else str(v) for k, v in json.loads(details).items() if v is not None}
        until = "still" if end is None else format_time(end)
        rows.append({"symbol": symbol, "from": format_time(start), "to": until, "severity": severity, **told})
    # A table's rows have the same columns.
    names = dict.fromkeys(name for row in rows for name in row)
    records = [dg.TableRecord({name: row.get(name, "") for name in names}) for row in rows]
    return {"which": dg.MetadataValue.table(records)} if records else {}


def complete_check_spec(key: dg.AssetKey) -> dg.AssetCheckSpec:
    """Return the blocking check of an interval's indicators."""
    rule = load_check(COMPLETE).rule
    return dg.AssetCheckSpec(COMPLETE, asset=key, blocking=rule.blocking, description=rule.description)


def completeness_result(
    frames: Frames,
    key: dg.AssetKey,
    interval: Interval,
    partitions: Sequence[Partition],
    *,
    now: datetime,
    wait: timedelta,
) -> dg.AssetCheckResult:
    """Judge the candles that a run derived: complete, incomplete for good, or still to be filled."""
    known = load_check(COMPLETE)
    check = NamedCheck(COMPLETE, known.rule, {"wait_minutes": wait.total_seconds() / 60})
    n_candles, parts, tables = 0, [pl.DataFrame(schema=FINDING_SCHEMA)], dict[str, dg.MetadataValue]()
    for partition in partitions:
        reader = EvidenceReader(frames=frames, symbol=partition.symbol, now=now)
        scopes = [Scope(check, interval, span) for span in partition.spans(interval, now=now)]
        verdicts, _ = judge(reader, scopes, within=partition.month)
        n_candles += sum(verdict.n_seen for verdict in verdicts)
        parts += [verdict.found for verdict in verdicts]
        # A run has one symbol.
        tables = findings_table(pl.concat(parts).head(MOST_ROWS), partition.symbol)
    short = pl.concat(parts)
    n_open = int((short["severity"] == "error").sum())
    return dg.AssetCheckResult(
        asset_key=key,
        check_name=COMPLETE,
        passed=short.height == 0,
        severity=dg.AssetCheckSeverity.ERROR if n_open else dg.AssetCheckSeverity.WARN,
        description=_sentence(short.height, n_open, n_candles, wait),
        metadata={"candles": n_candles, "incomplete": short.height, **tables},
    )


def minutes_of(partition: Partition) -> list[TimeRange]:
    """Return the minutes of a partition that a run is about."""
    if partition.touched is None:
        return [partition.month]
    touched = merge_ranges([minutes for ranges in partition.touched.values() for minutes in ranges])
    return [part for minutes in touched if (part := minutes.clip(partition.month))]


def _assets_of(config: Config, check: NamedCheck) -> Iterator[tuple[str, PlacedCheck]]:
    subject = check.rule.subject
    kept = {label for entry in config.indicators.values() for label in entry.intervals}
    match subject:
        case Subject.MINUTES:
            yield subject.value, PlacedCheck(check, (ONE_MINUTE,))
        case Subject.DECISIONS:
            for name, entry in config.strategies.items():
                intervals = tuple(map(parse_interval, entry.intervals))
                yield subject.value.replace("<strategy>", name), PlacedCheck(check, intervals, name)
        case Subject.CANDLES | Subject.INDICATORS:
            for interval in config.derived_intervals:
                is_meant = not check.rule.intervals or interval.label in check.rule.intervals
                if is_meant and (subject == Subject.CANDLES or interval.label in kept):
                    yield subject.value.replace("<interval>", interval.label), PlacedCheck(check, (interval,))


def _own(still_open: pl.DataFrame, placed: PlacedCheck) -> pl.DataFrame:
    """Return the open findings that a check wrote, with its own word of their details."""
    check, labels = placed.check, [interval.label for interval in placed.intervals]
    mine = still_open.filter((pl.col("kind") == check.rule.kind) & pl.col("interval").is_in(labels))
    rows = [
        (start, end, json.dumps(told), severity)
        for start, end, details, severity in mine.select(FINDING_SCHEMA.names()).iter_rows()
        if (told := _told(json.loads(details), check.word)) is not None
    ]
    return pl.DataFrame(rows, schema=FINDING_SCHEMA, orient="row")


def _told(details: Mapping[str, Mapping[str, object]], word: str) -> Mapping[str, object] | None:
    if word:
        return details.get(word)
    return None if "strategy" in details else details


def _days(span: TimeRange) -> TimeRange:
    """Return the days (UTC) that hold a range."""
    first = span.start.replace(hour=0, minute=0, second=0, microsecond=0)
    return TimeRange(first, first + -(-(span.end - first) // _DAY) * _DAY)


def _sentence(n_short: int, n_open: int, n_candles: int, wait: timedelta) -> str:
    if not n_short:
        return f"all {n_candles} candles are complete"
    if n_open:
        return (
            f"{n_open} candles closed less than {wait.total_seconds() / 60:g} minutes ago and miss minutes that may "
            "still come: decisions wait. The next run decides"
        )
    return f"{n_short} of {n_candles} candles miss minutes for good"
