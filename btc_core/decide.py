"""The only place where a strategy speaks: live, backtest and sweep call these functions."""

from dataclasses import dataclass
from datetime import datetime, timedelta

import polars as pl

from btc_core.indicator import with_indicators
from btc_core.model.decision import Signal
from btc_core.model.interval import Interval
from btc_core.model.timerange import TimeRange
from btc_core.resample import close_time, expected_minutes
from btc_core.strategy import NamedStrategy

# Guards `min_completeness * expected` against the last bit of a float: 0.95 of 60 minutes is 57, not 57.00000000000001.
_SLACK = 1e-9


@dataclass(frozen=True, slots=True, kw_only=True)
class Completeness:
    """When a candle with missing minutes is decided on (law 4)."""

    min_completeness: float
    wait: timedelta


def evaluate(candles: pl.DataFrame, strategy: NamedStrategy, interval: Interval) -> pl.DataFrame:
    """Return what a strategy thinks at each candle's close, without a position.

    Args:
        candles: Candles of one symbol and interval, ascending, with ``strategy.look_back`` more before the first one
            that counts.
        strategy: The rule with its parameters.
        interval: The candles' interval.

    Returns:
        ``time, close_time, price, minutes, expected_minutes``, a column for each indicator, ``wanted`` (null: keep) and
        ``confidence``. Candles of the warm-up are absent. Where an indicator has no value later on (an RSI where the
        price stood still), the strategy has no opinion, and no confidence in it.
    """
    warm_up = max((indicator.warm_up for indicator in strategy.indicators), default=0)
    indicators = [name for indicator in strategy.indicators for name in indicator.columns()]
    evaluated = with_indicators(candles, strategy.indicators).with_columns(
        close_time=close_time(pl.col("time"), interval),
        expected_minutes=expected_minutes(pl.col("time"), interval),
        price=pl.col("close"),
        wanted=strategy.rule.wanted(strategy.parameters),
        confidence=strategy.rule.confidence(strategy.parameters).fill_null(0.0),
    )
    kept = ["time", "close_time", "price", "minutes", "expected_minutes", *indicators, "wanted", "confidence"]
    return evaluated.select(kept).slice(warm_up)


def with_awaited(evaluated: pl.DataFrame, interval: Interval, *, since: datetime) -> pl.DataFrame:
    """Return the evaluated candles with a row of no minutes for each absent one from ``since`` to the last.

    A candle of which no minute came yet is waited for like one of which some did. Once it is too old to be waited
    for, the finding of the gap speaks for it.
    """
    if not evaluated.height:
        return evaluated
    times = evaluated["time"]
    opens = interval.opens(TimeRange(since, times[-1])) if since < times[-1] else []
    grid = pl.DataFrame({"time": opens}, schema={"time": times.dtype})
    absent = grid.join(evaluated.select("time"), on="time", how="anti").with_columns(
        close_time=close_time(pl.col("time"), interval),
        expected_minutes=expected_minutes(pl.col("time"), interval),
        minutes=pl.lit(0, evaluated.schema["minutes"]),
    )
    return pl.concat([evaluated, absent], how="diagonal").sort("time") if absent.height else evaluated


def split_by_completeness(
    evaluated: pl.DataFrame, rule: Completeness, *, now: datetime
) -> tuple[pl.DataFrame, pl.DataFrame]:
    """Return the candles to decide on and those to skip (law 4).

    A candle that misses minutes which may still come ends both: what follows waits with it, so that decisions are
    made in order.
    """
    missing = pl.col("minutes") < pl.col("expected_minutes")
    waiting = evaluated.filter(missing & (pl.col("close_time") > now - rule.wait))
    if waiting.height:
        evaluated = evaluated.filter(pl.col("time") < waiting["time"][0])
    enough = pl.col("minutes") >= pl.col("expected_minutes") * rule.min_completeness - _SLACK
    return evaluated.filter(enough), evaluated.filter(~enough)


def take_positions(evaluated: pl.DataFrame, *, before: float) -> pl.DataFrame:
    """Return the evaluated candles with ``exposure`` and ``previous``, the exposure before each.

    Args:
        evaluated: Candles to decide on, ascending.
        before: The exposure before the first of them.
    """
    exposure = pl.col("wanted").forward_fill().fill_null(before)
    return evaluated.with_columns(exposure=exposure).with_columns(
        previous=pl.col("exposure").shift(1, fill_value=before)
    )


def speak(positions: pl.DataFrame, indicators: list[str]) -> pl.DataFrame:
    """Return the decisions: one row per signal, HOLD too.

    Args:
        positions: From ``take_positions``.
        indicators: The columns that go into the snapshot.

    Returns:
        ``time, close_time, seq, signal, confidence, exposure, price, indicator_snapshot`` (JSON text), ascending by
        ``time, seq``. A reversal is a CLOSE (seq 0) and an OPEN (seq 1) on the same candle.
    """
    snapshot = pl.struct("minutes", "expected_minutes", *indicators, pl.col("price").alias("close"))
    spoken = positions.with_columns(
        signal=_signals(pl.col("previous"), pl.col("exposure")),
        indicator_snapshot=snapshot.struct.json_encode(),
    )
    return (
        spoken.with_columns(seq=pl.int_ranges(0, pl.col("signal").list.len(), dtype=pl.Int16))
        .explode("signal", "seq")
        .select("time", "close_time", "seq", "signal", "confidence", "exposure", "price", "indicator_snapshot")
    )


def _signals(previous: pl.Expr, exposure: pl.Expr) -> pl.Expr:
    """Return the list of signals that lead from one exposure to another.

    More of the same side is an OPEN, less of it a CLOSE.
    """
    close_long = (previous > 0) & (exposure < previous)
    close_short = (previous < 0) & (exposure > previous)
    open_long = (exposure > 0) & (exposure > previous)
    open_short = (exposure < 0) & (exposure < previous)
    parts = (
        (close_long, Signal.CLOSE_LONG),
        (close_short, Signal.CLOSE_SHORT),
        (open_long, Signal.OPEN_LONG),
        (open_short, Signal.OPEN_SHORT),
        (exposure == previous, Signal.HOLD),
    )
    # A list of all five, null where it does not apply; the nulls go.
    each = [pl.when(applies).then(pl.lit(signal.value)) for applies, signal in parts]
    return pl.concat_list(each).list.drop_nulls()


def decide(
    candles: pl.DataFrame,
    strategy: NamedStrategy,
    interval: Interval,
    *,
    rule: Completeness,
    since: datetime,
    before: float,
    now: datetime,
) -> tuple[pl.DataFrame, pl.DataFrame, pl.DataFrame]:
    """Return positions, decisions and skipped candles from ``since`` on.

    Args:
        candles: Closed candles, ascending, with the strategy's look-back before ``since``.
        strategy: The rule with its parameters.
        interval: The candles' interval.
        rule: When a candle with missing minutes is decided on.
        since: The open time of the first candle that counts.
        before: The exposure before it.
        now: The present instant of the market; candles that may still get minutes wait.
    """
    evaluated = evaluate(candles, strategy, interval).filter(pl.col("time") >= since)
    earlier = candles.filter(pl.col("time") < since)["time"]
    follows: datetime = interval.close_of(earlier[-1]) if len(earlier) else since
    evaluated = with_awaited(evaluated, interval, since=max(follows, interval.floor(now - rule.wait)))
    complete, skipped = split_by_completeness(evaluated, rule, now=now)
    positions = take_positions(complete, before=before)
    names = [name for indicator in strategy.indicators for name in indicator.columns()]
    return positions, speak(positions, names), skipped
