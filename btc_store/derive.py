"""What changed becomes candles, indicators and decisions: candle ranges in, idempotent rows out.

Every lane calls these functions. Each reads what it needs inside its transaction, under the symbol's lock, so runs may
overlap, repeat or die half way: the next one ends in the same tables. A span is held in memory whole: callers hand over
a month at a time.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta

import msgspec
import polars as pl

from btc_core.across import Others, needed
from btc_core.config import Config
from btc_core.decide import Completeness, decide
from btc_core.indicator import NamedIndicator, with_indicators
from btc_core.model.interval import ONE_MINUTE, Interval
from btc_core.model.timerange import EPOCH, TimeRange, merge_ranges
from btc_core.resample import close_time, resample
from btc_core.step import STATE, State
from btc_core.strategy import NamedStrategy
from btc_core.version import CODE_VERSION
from btc_store.frames import Frames, read_candles
from btc_store.quality import record_corrections, record_skips

# What to derive: for each interval, the open times of its candles, merged and ascending.
Spans = Mapping[Interval, Sequence[TimeRange]]

_INSTANT = timedelta(microseconds=1)
# How much further a re-derivation reads while its last exposure differs from the stored one.
_REACH = 4
# How much longer than so many candles take they are looked for: absences are short as a rule.
_SLACK = timedelta(days=2)
NEVER = datetime.max.replace(tzinfo=UTC)


@dataclass(frozen=True, slots=True)
class Written:
    """What a derivation did: how many rows it computed, and how many of them were new or different."""

    n_rows: int = 0
    n_written: int = 0

    def __add__(self, other: "Written") -> "Written":
        return Written(self.n_rows + other.n_rows, self.n_written + other.n_written)


@dataclass(frozen=True, slots=True, kw_only=True)
class Provenance:
    """Who decides: the run, and the instant on the market's clock."""

    run_id: str
    now: datetime


@dataclass(frozen=True, slots=True)
class Word:
    """A decision that was made: on which candle, the exposure that it left, and the state of a rule of steps."""

    time: datetime
    exposure: float
    state: State | None


def completeness_of(config: Config) -> Completeness:
    """Return the configured rule for candles with missing minutes."""
    return Completeness(
        min_completeness=config.decisions.min_completeness, wait=timedelta(minutes=config.decisions.wait_minutes)
    )


def derive_candles(frames: Frames, symbol: str, spans: Spans) -> dict[Interval, Written]:
    """Derive the candles that open in the spans of each interval; the minutes are read once for all of them."""
    if not any(spans.values()):
        return {}
    with frames.transaction():
        frames.lock(symbol)
        minutes = _read_minutes(frames, symbol, spans)
        return {
            interval: _put_candles(frames, symbol, interval, each, minutes) for interval, each in spans.items() if each
        }


def derive_indicators(
    frames: Frames,
    symbol: str,
    interval: Interval,
    spans: Sequence[TimeRange],
    indicators: Sequence[NamedIndicator],
    *,
    now: datetime = NEVER,
) -> Written:
    """Derive the indicators of the candles that open in the spans, and of the later ones that look back at them.

    No candle opens after ``now``, where it is told: nobody looks for later ones.
    """
    look_back = max((indicator.look_back_in(interval) for indicator in indicators), default=0)
    done = Written()
    for span in spans:
        with frames.transaction():
            frames.lock(symbol)
            candles = read_around(frames, symbol, interval, span, before=look_back, after=look_back, now=now)
            wide = with_indicators(candles, list(indicators)).filter(pl.col("time") >= span.start)
            done += _put_indicators(frames, symbol, interval, _long(wide, indicators))
    return done


def derive_decisions(
    frames: Frames,
    symbol: str,
    interval: Interval,
    spans: Sequence[TimeRange],
    strategy: NamedStrategy,
    *,
    rule: Completeness,
    by: Provenance,
) -> Written:
    """Decide on the candles that open in the spans, and on the later ones that what changed reaches.

    A decision reaches the candles that look back at it, and further while the exposure it leaves is kept.
    """
    done = Written()
    for span in spans:
        if strategy.also:
            # What waited for a candle of another interval that never came is decided with what follows.
            span = TimeRange(interval.floor(span.start - rule.wait), span.end)  # noqa: PLW2901
        with frames.transaction():
            frames.lock(symbol)
            done += _decide_span(frames, symbol, interval, span, strategy, rule=rule, by=by)
    return done


def read_around(
    frames: Frames, symbol: str, interval: Interval, span: TimeRange, *, before: int, after: int, now: datetime = NEVER
) -> pl.DataFrame:
    """Return the stored candles of a span, with so many existing ones before and after it; with ``ingested_at``.

    Args:
        frames: The database.
        symbol: Whose candles.
        interval: Their interval.
        span: Open times.
        before: How many before the span.
        after: How many after it.
        now: No candle opens later: where so many are not there yet, nobody looks for them.
    """
    question = ("read_candles_around", symbol, interval.label, span.start, span.end, before, after)
    # Where candles are absent there are fewer in the time that so many take: then, and only then, all of history.
    since = span.start - min(interval.longest * before + _SLACK, span.start - EPOCH)
    until = span.end + min(interval.longest * after + _SLACK, NEVER - span.end)
    candles = frames.read(*question, since, until)
    is_short = (candles["time"] < span.start).sum() < before and since > EPOCH
    ends_early = (candles["time"] >= span.end).sum() < after and until <= now
    if not is_short and not ends_early:
        return candles
    return frames.read(*question, EPOCH if is_short else since, NEVER if ends_early else until)


def read_no_trade(frames: Frames, symbol: str, interval: Interval, candles: pl.DataFrame) -> pl.Series:
    """Return the minutes of candles, and of those absent between them, that are known to be without trades."""
    none = pl.Series("time", dtype=candles.schema["time"])
    if not candles.height:
        return none
    span = TimeRange(candles["time"][0], interval.close_of(candles["time"][-1]))
    # Where no minute is missing, as a rule, there is nothing to ask.
    if candles["minutes"].sum() == span.n_minutes:
        return none
    return frames.read("no_trade_minutes", symbol, span.start, span.end)["time"]


def _put_candles(
    frames: Frames, symbol: str, interval: Interval, spans: Sequence[TimeRange], minutes: pl.DataFrame
) -> Written:
    inside = [pl.col("time").is_between(span.start, span.end, closed="left") for span in spans]
    candles = resample(minutes.filter(pl.any_horizontal(inside)), interval)
    if not candles.height:
        return Written()
    return Written(candles.height, frames.run("upsert_derived", symbol, interval.label, incoming=candles))


def _put_indicators(frames: Frames, symbol: str, interval: Interval, rows: pl.DataFrame) -> Written:
    """Store values, and delete those that were stored where there is none now (a range that a correction made flat)."""
    values = rows.drop_nulls("value")
    n_written = frames.run("upsert_indicators", symbol, interval.label, incoming=values)
    if values.height < rows.height:
        absent = rows.filter(pl.col("value").is_null())
        times = absent["time"].sort()
        n_written += frames.run("delete_indicators", symbol, interval.label, times[0], times[-1], incoming=absent)
    return Written(values.height, n_written)


def _read_minutes(frames: Frames, symbol: str, spans: Spans) -> pl.DataFrame:
    """Return the minutes that the candles are made of; ranges that many intervals share are read once."""
    wanted = merge_ranges([span for each in spans.values() for span in each])
    return pl.concat([read_candles(frames, symbol, ONE_MINUTE, span) for span in wanted])


def _decide_span(
    frames: Frames,
    symbol: str,
    interval: Interval,
    span: TimeRange,
    strategy: NamedStrategy,
    *,
    rule: Completeness,
    by: Provenance,
) -> Written:
    stream, look_back = (symbol, interval.label, strategy.name), strategy.look_back_in(interval)
    newest = newest_word(frames, stream)
    earlier = newest if newest is None or newest.time < span.start else newest_word(frames, stream, span.start)
    before = earlier.exposure if earlier else 0.0
    reach, n_read = strategy.reach_in(interval) + 1, -1
    while True:
        candles = read_around(frames, symbol, interval, span, before=look_back, after=reach, now=by.now)
        no_trade = read_no_trade(frames, symbol, interval, candles)
        last = max([span.start, *candles["time"].tail(1)])
        others = _read_others(frames, symbol, strategy, interval.close_of(span.start), interval.close_of(last))
        positions, decisions, skipped = decide(
            candles,
            strategy,
            interval,
            others=others,
            no_trade=no_trade,
            rule=rule,
            since=span.start,
            before=before,
            state=earlier.state if earlier else None,
            now=by.now,
        )
        # Where the candles end, there is no more to read: the newest stored decision may stand on a candle that would
        # be skipped under today's rule.
        if not positions.height or candles.height == n_read or _agrees(frames, stream, positions, newest):
            break
        reach, n_read = reach * _REACH, candles.height
    if not candles.height:
        return Written()
    evaluated = TimeRange(span.start, max(candles["time"][-1] + _INSTANT, span.end))
    record_skips(frames, symbol, interval, strategy.name, skipped=skipped, within=evaluated)
    decisions = _with_revision(decisions, strategy, (interval, candles), others)
    n_written = _write_decisions(frames, stream, strategy, decisions, by)
    # Where nothing was said before, nothing is said otherwise.
    if n_written and newest and newest.time >= decisions["time"][0]:
        record_corrections(frames, stream, decisions)
    return Written(decisions.height, n_written)


def _read_others(
    frames: Frames, symbol: str, strategy: NamedStrategy, first: datetime, last: datetime
) -> dict[Interval, pl.DataFrame]:
    """Return the stored candles of other intervals that a strategy looks at from one close to another."""
    return {
        other: read_around(frames, symbol, other, within, before=n_before, after=0)
        for other, (within, n_before) in needed(strategy, first=first, last=last).items()
    }


def newest_word(frames: Frames, stream: tuple[str, str, str], before: datetime = NEVER) -> Word | None:
    """Return the newest live decision that opens before a time, if there is one."""
    rows = frames.read("newest_decision", *stream, before).rows()
    if not rows:
        return None
    time, exposure, state = rows[0]
    return Word(time, exposure, None if state is None else msgspec.json.decode(state, type=dict[str, float]))


def _agrees(frames: Frames, stream: tuple[str, str, str], positions: pl.DataFrame, newest: Word | None) -> bool:
    """Return whether what is stored after the last position rests on the same exposure and state; or nothing is."""
    state = positions[STATE][-1] if STATE in positions.columns else None
    last = Word(positions["time"][-1], positions["exposure"][-1], state)
    return newest is None or newest.time <= last.time or newest_word(frames, stream, last.time + _INSTANT) == last


def _with_revision(
    decisions: pl.DataFrame, strategy: NamedStrategy, own: tuple[Interval, pl.DataFrame], others: Others
) -> pl.DataFrame:
    """Return decisions with ``data_revision``: when the newest of the candles that each looked at was written."""
    seen = [(*own, strategy.look_back_in(own[0]))]
    seen += [(other, candles, strategy.look_back_at(other)) for other, candles in others.items()]
    decisions = decisions.with_columns(data_revision=pl.lit(None, own[1].schema["ingested_at"]))
    for interval, candles, look_back in seen:
        written = candles.select(
            known=close_time(pl.col("time"), interval),
            written=pl.col("ingested_at").rolling_max(look_back + 1, min_samples=1),
        )
        decisions = (
            decisions.join_asof(written, left_on="close_time", right_on="known", coalesce=True)
            .with_columns(data_revision=pl.max_horizontal("data_revision", "written"))
            .drop("written")
        )
    return decisions


def _write_decisions(
    frames: Frames, stream: tuple[str, str, str], strategy: NamedStrategy, decisions: pl.DataFrame, by: Provenance
) -> int:
    parameters = msgspec.json.encode(dict(strategy.parameters)).decode()
    return frames.run("insert_decisions", *stream, parameters, by.run_id, CODE_VERSION, by.now, incoming=decisions)


def _long(wide: pl.DataFrame, indicators: Sequence[NamedIndicator]) -> pl.DataFrame:
    """Return indicator columns as rows ``time, indicator_name, value, parameters``; null in the warm-up."""
    schema = {"time": wide.schema["time"], "indicator_name": pl.String, "value": pl.Float64, "parameters": pl.String}
    parts = [
        wide.select(
            "time",
            pl.lit(name).alias("indicator_name"),
            pl.col(name).alias("value"),
            pl.lit(msgspec.json.encode(dict(indicator.parameters)).decode()).alias("parameters"),
        )
        for indicator in indicators
        for name in indicator.columns()
    ]
    return pl.concat(parts) if parts else pl.DataFrame(schema=schema)
