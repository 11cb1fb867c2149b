"""What changed becomes candles, indicators and decisions: candle ranges in, idempotent rows out.

Every lane calls these functions. Each reads what it needs inside its transaction, under the symbol's lock, so runs may
overlap, repeat or die half way: the next one ends in the same tables. A span is held in memory whole: callers hand over
a month at a time.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta

import msgspec
import polars as pl

from btc_core.decide import Completeness, decide
from btc_core.indicator import NamedIndicator, with_indicators
from btc_core.model.interval import ONE_MINUTE, Interval
from btc_core.model.timerange import TimeRange, merge_ranges
from btc_core.resample import resample
from btc_core.strategy import NamedStrategy
from btc_core.version import CODE_VERSION
from btc_store.frames import Frames, read_candles
from btc_store.quality import record_corrections, record_skips

# What to derive: for each interval, the open times of its candles, merged and ascending.
Spans = Mapping[Interval, Sequence[TimeRange]]

_INSTANT = timedelta(microseconds=1)
# How much further a re-derivation reads while its last exposure differs from the stored one.
_REACH = 4


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


def derive_candles(frames: Frames, symbol: str, spans: Spans) -> dict[Interval, Written]:
    """Derive the candles that open in the spans of each interval; the minutes are read once for all of them."""
    if not any(spans.values()):
        return {}
    with frames.transaction():
        frames.read("lock_symbol", symbol)
        minutes = _read_minutes(frames, symbol, spans)
        return {
            interval: _put_candles(frames, symbol, interval, each, minutes) for interval, each in spans.items() if each
        }


def derive_indicators(
    frames: Frames, symbol: str, interval: Interval, spans: Sequence[TimeRange], indicators: Sequence[NamedIndicator]
) -> Written:
    """Derive the indicators of the candles that open in the spans, and of the later ones that look back at them."""
    look_back = max((indicator.look_back_in(interval) for indicator in indicators), default=0)
    done = Written()
    for span in spans:
        with frames.transaction():
            frames.read("lock_symbol", symbol)
            candles = read_around(frames, symbol, interval, span, before=look_back, after=look_back)
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
        with frames.transaction():
            frames.read("lock_symbol", symbol)
            done += _decide_span(frames, symbol, interval, span, strategy, rule=rule, by=by)
    return done


def read_around(
    frames: Frames, symbol: str, interval: Interval, span: TimeRange, *, before: int, after: int
) -> pl.DataFrame:
    """Return the stored candles of a span with so many existing ones before and after it."""
    return frames.read("read_candles_around", symbol, interval.label, span.start, span.end, before, after)


def _put_candles(
    frames: Frames, symbol: str, interval: Interval, spans: Sequence[TimeRange], minutes: pl.DataFrame
) -> Written:
    inside = [pl.col("time").is_between(span.start, span.end, closed="left") for span in spans]
    candles = resample(minutes.filter(pl.any_horizontal(inside)), interval)
    frames.put("incoming", candles)
    return Written(candles.height, frames.run("upsert_derived", symbol, interval.label))


def _put_indicators(frames: Frames, symbol: str, interval: Interval, rows: pl.DataFrame) -> Written:
    """Store values, and delete those that were stored where there is none now (a range that a correction made flat)."""
    values = rows.drop_nulls("value")
    frames.put("incoming", values)
    n_written = frames.run("upsert_indicators", symbol, interval.label)
    if values.height < rows.height:
        frames.put("incoming", rows.filter(pl.col("value").is_null()))
        n_written += frames.run("delete_indicators", symbol, interval.label)
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
    stream = (symbol, interval.label, strategy.name)
    earlier = frames.read("newest_decision", *stream, span.start)
    before = float(earlier["exposure"][0]) if earlier.height else 0.0
    reach, n_read = strategy.look_back + 1, -1
    while True:
        candles = read_around(frames, symbol, interval, span, before=strategy.look_back, after=reach)
        positions, decisions, skipped = decide(
            candles, strategy, interval, rule=rule, since=span.start, before=before, now=by.now
        )
        # Where the candles end, there is no more to read: the newest stored decision may stand on a candle that would
        # be skipped under today's rule.
        if not positions.height or candles.height == n_read or _agrees(frames, stream, positions):
            break
        reach, n_read = reach * _REACH, candles.height
    if not candles.height:
        return Written()
    evaluated = TimeRange(span.start, max(candles["time"][-1] + _INSTANT, span.end))
    record_skips(frames, symbol, interval, strategy.name, skipped=skipped, within=evaluated)
    return Written(decisions.height, _write_decisions(frames, stream, strategy, decisions, by))


def _agrees(frames: Frames, stream: tuple[str, str, str], positions: pl.DataFrame) -> bool:
    """Return whether what is stored after the last position rests on the same exposure, or nothing is stored there."""
    time, exposure = positions["time"][-1], positions["exposure"][-1]
    newest = frames.read("newest_decision", *stream, datetime.max.replace(tzinfo=time.tzinfo))
    if not newest.height or newest["time"][0] <= time:
        return True
    stored = frames.read("newest_decision", *stream, time + _INSTANT)
    return stored.height > 0 and stored["time"][0] == time and stored["exposure"][0] == exposure


def _write_decisions(
    frames: Frames, stream: tuple[str, str, str], strategy: NamedStrategy, decisions: pl.DataFrame, by: Provenance
) -> int:
    frames.put("incoming", decisions)
    parameters = msgspec.json.encode(dict(strategy.parameters)).decode()
    n_written = frames.run("insert_decisions", *stream, parameters, by.run_id, CODE_VERSION, by.now)
    if n_written:
        record_corrections(frames, stream)
    return n_written


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
