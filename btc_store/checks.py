"""Which checks stand on which assets, what each is asked for in a month, and what its result says.

Both lanes ask here, so a check has one history whoever makes it. Nothing here knows Dagster; how findings are kept is
in ``btc_store.quality``.
"""

import json
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta

import polars as pl

from btc_core.check import FINDING_SCHEMA, NamedCheck, Subject, Summary, Turn, counted, load_check
from btc_core.config import Config
from btc_core.model.interval import ONE_MINUTE, Interval, parse_interval
from btc_core.model.timerange import EPOCH, TimeRange, format_time, merge_ranges
from btc_core.parameters import Number
from btc_core.partitions import Partition
from btc_store.evidence import EvidenceReader
from btc_store.quality import Scope, Verdict, judge

COMPLETE = "complete"
# A check's page shows a table: more rows than this help nobody, and a run of every few minutes stores few of them.
MOST_ROWS, MOST_ROWS_OF_A_TOUCH = 200, 20
_DAY = timedelta(days=1)

Row = Mapping[str, str | int | float]


@dataclass(frozen=True)
class PlacedCheck:
    """A check on one asset: of which intervals' candles, and whose decisions on them.

    Attributes:
        check: The question.
        asset: With slashes: ``candles/37m``.
        intervals: Of these candles.
        strategy: Whose decisions; empty where it is about none.
    """

    check: NamedCheck
    asset: str
    intervals: tuple[Interval, ...]
    strategy: str = ""

    def scopes(self, partition: Partition, now: datetime) -> list[Scope]:
        """Return what is to be judged in a partition."""
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
        before = reach + rule.backward(self.check.parameters)
        around = [TimeRange(span.start - before, span.end + reach) for span in spans]
        return merge_ranges([_days(span) for span in around] if rule.whole_days else around)


@dataclass(frozen=True, kw_only=True)
class Result:
    """What a check says of a partition.

    Attributes:
        asset: With slashes.
        check: The name of the check.
        passed: Whether nothing is wrong; ``is_error`` says how bad it is otherwise.
        text: A sentence.
        figures: Numbers, by what they count.
        table: What was found, a row each, all with the same columns.
    """

    asset: str
    check: str
    passed: bool
    is_error: bool
    text: str
    figures: Mapping[str, Number]
    table: Sequence[Row] = field(default_factory=list[Row])


def place_checks(config: Config, checks: Sequence[NamedCheck]) -> list[PlacedCheck]:
    """Return every check on every asset that it belongs to, apart from those that are made in the asset's own step."""
    return [each for check in checks if check.rule.turn != Turn.WITH_ASSET for each in _placed(config, check)]


def evaluate(reader: EvidenceReader, partition: Partition, placed: Sequence[PlacedCheck]) -> list[Result]:
    """Make checks in one partition and keep their findings; return a result for each, in their order.

    A result speaks of the whole month: of what was looked at now, and of what is open since earlier looks; that of a
    check which looks back from a change, of the time before the month too.
    """
    scopes = [each.scopes(partition, reader.now) for each in placed]
    asked_for = [scope for each in scopes for scope in each]
    others = [each.check for each, asked in zip(placed, scopes, strict=True) if not asked]
    since = min([_since(each, partition) for each in placed], default=partition.month.start)
    spoken_of = TimeRange(since, partition.month.end)
    verdicts, still_open = judge(reader, asked_for, within=spoken_of, others=others)
    # Where nothing was asked there is a result too: a check that a run has planned and not made is shown as skipped,
    # over its earlier result.
    return [
        _result(each, partition, [verdict for verdict in verdicts if verdict.scope in asked], still_open)
        for each, asked in zip(placed, scopes, strict=True)
    ]


def completeness(
    reader: EvidenceReader, asset: str, interval: Interval, partition: Partition, *, wait: timedelta
) -> Result:
    """Judge a month's candles: complete, incomplete, or still to be filled.

    The result speaks of the whole month; an error it is for the partition's own candles alone, which are to be decided
    on now.

    Args:
        reader: Reads the candles, and knows the present instant of the market.
        asset: The indicators of the interval.
        interval: The candles'.
        partition: What was derived.
        wait: How long missing minutes are waited for.
    """
    check = NamedCheck(COMPLETE, load_check(COMPLETE).rule, {"wait_minutes": wait.total_seconds() / 60})
    # A month has one range of candles, or none yet: its findings are not kept, so all of it is looked at.
    whole = replace(partition, touched=None).spans(interval, now=reader.now)
    verdicts, _ = judge(reader, [Scope(check, interval, span) for span in whole], within=partition.month)
    short = pl.concat([pl.DataFrame(schema=FINDING_SCHEMA), *(verdict.found for verdict in verdicts)])
    n_candles = sum(verdict.n_seen for verdict in verdicts)
    may_come = short.filter(pl.col("severity") == "error")["start_time"]
    asked = partition.spans(interval, now=reader.now)
    n_held = sum(any(span.start <= time < span.end for span in asked) for time in may_come)
    return Result(
        asset=asset,
        check=COMPLETE,
        passed=not short.height,
        is_error=n_held > 0,
        text=_sentence(short.height, n_held, n_candles, wait),
        figures={"candles": n_candles, "incomplete": short.height},
        table=_alike(_rows(short.tail(_most_rows(check, partition)), partition.symbol)),
    )


def minutes_of(partition: Partition) -> list[TimeRange]:
    """Return the minutes of a partition that a run is about."""
    if partition.touched is None:
        return [partition.month]
    touched = merge_ranges([minutes for ranges in partition.touched.values() for minutes in ranges])
    return [part for minutes in touched if (part := minutes.clip(partition.month))]


def summarise(found: pl.DataFrame) -> Summary:
    """Return how many findings there are, in words and as a figure."""
    n = found.height
    return (counted(n, "finding") if n else "nothing is wrong"), {"findings": n}


def _placed(config: Config, check: NamedCheck) -> Iterator[PlacedCheck]:
    subject = check.rule.subject
    kept = {label for entry in config.indicators.values() for label in entry.intervals}
    match subject:
        case Subject.MINUTES:
            yield PlacedCheck(check, subject.value, (ONE_MINUTE,))
        case Subject.DECISIONS:
            for name, entry in config.strategies.items():
                intervals = tuple(map(parse_interval, entry.intervals))
                yield PlacedCheck(check, subject.value.replace("<strategy>", name), intervals, name)
        case Subject.CANDLES | Subject.INDICATORS:
            for interval in config.derived_intervals:
                is_meant = not check.rule.intervals or interval.label in check.rule.intervals
                if is_meant and (subject == Subject.CANDLES or interval.label in kept):
                    yield PlacedCheck(check, subject.value.replace("<interval>", interval.label), (interval,))


def _result(placed: PlacedCheck, partition: Partition, verdicts: Sequence[Verdict], still_open: pl.DataFrame) -> Result:
    rule = placed.check.rule
    faults = [verdict.fault for verdict in verdicts if verdict.fault]
    if rule.kind is None:
        found = pl.concat([pl.DataFrame(schema=FINDING_SCHEMA), *(verdict.found for verdict in verdicts)])
    else:
        since = _since(placed, partition)
        touches = pl.col("end_time").is_null() | (pl.col("end_time") > since)
        found = _own(still_open.filter(touches), placed)
    bad = found.filter(pl.col("severity") != "info")
    text, figures = (rule.summarise or summarise)(found)
    return Result(
        asset=placed.asset,
        check=placed.check.name,
        passed=not bad.height and not faults,
        is_error=not rule.is_mild and bool((bad["severity"] == "error").any()),
        text=f"could not look: {faults[0]}" if faults else text,
        figures={"looked at": sum(verdict.n_seen for verdict in verdicts), **figures},
        table=_alike(_rows(found.tail(_most_rows(placed.check, partition)), partition.symbol)),
    )


def _since(placed: PlacedCheck, partition: Partition) -> datetime:
    """Return from when on a check speaks of open findings in a partition."""
    return partition.month.start - placed.check.rule.backward(placed.check.parameters)


def _most_rows(check: NamedCheck, partition: Partition) -> int:
    is_frequent = check.rule.turn in {Turn.WITH_ASSET, Turn.EVERY_RUN} and partition.touched is not None
    return MOST_ROWS_OF_A_TOUCH if is_frequent else MOST_ROWS


def _rows(found: pl.DataFrame, symbol: str) -> list[Row]:
    """Return findings as rows: which minutes or candles."""
    rows: list[Row] = []
    for start, end, details, severity in found.select(FINDING_SCHEMA.names()).iter_rows():
        told = {k: v if isinstance(v, int | float) else str(v) for k, v in json.loads(details).items() if v is not None}
        until = "still" if end is None else format_time(end)
        rows.append({"symbol": symbol, "from": format_time(start), "to": until, "severity": severity, **told})
    return rows


def _alike(rows: Sequence[Row]) -> list[Row]:
    """Return rows with the same columns, as a table has them."""
    names = dict.fromkeys(name for row in rows for name in row)
    return [{name: row.get(name, "") for name in names} for row in rows]


def _own(still_open: pl.DataFrame, placed: PlacedCheck) -> pl.DataFrame:
    """Return the open findings that a check wrote, with its own word of their details."""
    check, labels = placed.check, [interval.label for interval in placed.intervals]
    mine = still_open.filter((pl.col("kind") == check.rule.kind) & pl.col("interval").is_in(labels))
    rows = [
        (start, end, json.dumps(told), severity)
        for start, end, details, severity in mine.select(FINDING_SCHEMA.names()).iter_rows()
        if (told := _told(json.loads(details), check.word_of(placed.strategy))) is not None
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


def _sentence(n_short: int, n_held: int, n_candles: int, wait: timedelta) -> str:
    if not n_candles:
        return "no candle has closed yet"
    if not n_short:
        return f"no minute is missing in {counted(n_candles, 'candle')}"
    if n_held:
        return (
            f"{counted(n_held, 'candle')} closed less than {wait.total_seconds() / 60:g} minutes ago without minutes "
            "that may still come: decisions wait. The next run decides"
        )
    return f"minutes are missing in {n_short} of {counted(n_candles, 'candle')}"
