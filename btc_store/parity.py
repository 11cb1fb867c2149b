"""Decide anew what was decided live, as a backtest does, and compare: what the check ``parity`` looks at."""

from datetime import datetime, timedelta

import msgspec
import polars as pl

from btc_core.decide import Completeness
from btc_core.model.interval import Interval
from btc_core.model.timerange import TimeRange
from btc_core.quality.parity import LIVE_SCHEMA, ON_ITS_WAY, WORD_SCHEMA, compare, words_of
from btc_core.strategy import NamedStrategy
from btc_store.backtests import decide_over, warm_up_of
from btc_store.derive import newest_word
from btc_store.frames import Frames
from btc_store.warm_up import Minutes, nominal_start, with_warm_up

_TIME = pl.Datetime("us", "UTC")
_NOTHING = compare(pl.DataFrame(schema=LIVE_SCHEMA), pl.DataFrame(schema=WORD_SCHEMA)).with_columns(
    written_at=pl.lit(None, _TIME), is_recent=pl.lit(value=False)
)


def differences(
    frames: Frames, symbol: str, interval: Interval, span: TimeRange, strategy: NamedStrategy, *, rule: Completeness
) -> pl.DataFrame:
    """Return where the live decisions on the candles that open in a span differ from a backtest over them.

    The backtest begins with the exposure, and the state, of the decision before the first. What was decided with other
    parameters is another strategy's; what is not decided yet is nobody's.

    Returns:
        What ``btc_core.quality.parity.compare`` says, with ``written_at``, when the newest of the data was written that
        each looked at, and ``is_recent``, whether that was just now.
    """
    live = _live(frames, symbol, interval, span, strategy)
    if not live.height:
        return _NOTHING
    owned = TimeRange(live["time"][0], interval.close_of(live["time"][-1]))
    found = compare(live, _again(frames, symbol, interval, owned, strategy, rule=rule))
    clock: datetime = frames.read("database_clock").item()
    written = [_written_at(frames, symbol, interval, time, strategy) for time in found["time"]]
    return found.with_columns(pl.Series("written_at", written, _TIME)).with_columns(
        is_recent=pl.col("written_at") > clock - ON_ITS_WAY
    )


def _live(frames: Frames, symbol: str, interval: Interval, span: TimeRange, strategy: NamedStrategy) -> pl.DataFrame:
    """Return what is said live, a row a candle: behind the last that was said with other parameters."""
    stream = (symbol, interval.label, strategy.name)
    rows = frames.read("read_live_words", *stream, span.start, span.end)
    parameters = [msgspec.json.decode(text) for text in rows["parameters"]]
    n_others = max((n for n, each in enumerate(parameters, 1) if each != dict(strategy.parameters)), default=0)
    rows = rows.slice(n_others)
    said = rows.group_by("time", maintain_order=True).agg(pl.col("accounted", "code_version", "data_revision").first())
    return words_of(rows).join(said, on="time", maintain_order="left").select(LIVE_SCHEMA.names()).cast(LIVE_SCHEMA)


def _again(
    frames: Frames, symbol: str, interval: Interval, owned: TimeRange, strategy: NamedStrategy, *, rule: Completeness
) -> pl.DataFrame:
    """Return what a backtest says on the candles that open from one to another, a row a candle."""
    earlier = newest_word(frames, (symbol, interval.label, strategy.name), owned.start)
    minutes, start = with_warm_up(Minutes(frames, symbol, owned.end), warm_up_of(strategy, interval, owned))
    positions, decisions, skipped = decide_over(
        frames,
        symbol,
        interval,
        strategy,
        owned=owned,
        minutes=minutes,
        start=start,
        rule=rule,
        before=earlier.exposure if earlier else 0.0,
        state=earlier.state if earlier else None,
    )
    accounted = (pl.col("minutes") + pl.col("no_trade_minutes")).cast(pl.Int64).alias("accounted")
    seen = pl.concat([each.select("time", accounted) for each in (positions, skipped)])
    return seen.join(words_of(decisions), on="time", how="left").sort("time").select(WORD_SCHEMA.names())


def _written_at(
    frames: Frames, symbol: str, interval: Interval, time: datetime, strategy: NamedStrategy
) -> datetime | None:
    """Return when the newest of the data was written that a decision on a candle looks at."""
    candle = TimeRange(time, interval.close_of(time))
    start = nominal_start(warm_up_of(strategy, interval, candle)) - timedelta(microseconds=1)
    return frames.read("newest_change", symbol, start, candle.end).item()
