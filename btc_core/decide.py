"""The only place where a strategy speaks: live, backtest and sweep call these functions."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import TypeAlias

import numpy as np
import numpy.typing as npt
import polars as pl

from btc_core.across import NO_OTHERS, Others, with_others
from btc_core.gaps import with_no_trade
from btc_core.indicator import with_indicators
from btc_core.model.decision import Signal
from btc_core.model.interval import Interval
from btc_core.model.timerange import TimeRange
from btc_core.resample import close_time, expected_minutes
from btc_core.step import STATE, State, with_steps
from btc_core.strategy import NamedStrategy
from btc_core.ticks import with_ticks

Floats: TypeAlias = npt.NDArray[np.float64]

# Guards `min_completeness * expected` against the last bit of a float: 0.95 of 60 minutes is 57, not 57.00000000000001.
_SLACK = 1e-9
# What is known to be without trades counts as there (law 4).
_accounted = pl.col("minutes") + pl.col("no_trade_minutes")
_is_short = _accounted < pl.col("expected_minutes")


@dataclass(frozen=True, slots=True, kw_only=True)
class Completeness:
    """When a candle with missing minutes is decided on (law 4). One that is known to have no trade is not missing."""

    min_completeness: float
    wait: timedelta


def evaluate(
    candles: pl.DataFrame, strategy: NamedStrategy, interval: Interval, others: Others = NO_OTHERS
) -> pl.DataFrame:
    """Return what a strategy thinks at each candle's close, without a position and without a state.

    Args:
        candles: Candles of one symbol and interval, ascending, with ``strategy.look_back_in(interval)`` more before
            the first one that counts.
        strategy: The rule with its parameters.
        interval: The candles' interval.
        others: Candles of the other intervals that the strategy looks at, as ``btc_core.across.needed`` says.

    Returns:
        ``time, close_time, price, minutes, expected_minutes``, ``awaited_time`` (see ``with_others``), a column for
        each indicator, ``wanted`` (null: keep), ``confidence``, and of a strategy with bounds ``at_least`` and
        ``at_most``; of one with steps, what a step reads (``btc_core.step.with_steps`` makes the first two of it).
        Candles of the warm-up are absent.
        Where an indicator has no value later on (an RSI where the price stood still), the strategy has no opinion, and
        no confidence in it.
    """
    known = ["close_time", "price", "minutes", "expected_minutes", "awaited_time"]
    seen = [*known, *strategy.columns]
    return said(labelled(candles, interval), strategy, others, strategy.opinion(), seen=seen)


def labelled(candles: pl.DataFrame, interval: Interval) -> pl.DataFrame:
    """Return candles with what does not hang on the strategy: ``close_time``, ``expected_minutes``, ``price``."""
    return with_ticks(candles).with_columns(
        close_time=close_time(pl.col("time"), interval),
        expected_minutes=expected_minutes(pl.col("time"), interval),
        price=pl.col("close"),
    )


def said(
    candles: pl.DataFrame,
    strategy: NamedStrategy,
    others: Others,
    opinion: Mapping[str, pl.Expr],
    *,
    seen: Sequence[str] = (),
) -> pl.DataFrame:
    """Return a part of a strategy's opinion at each close from the end of the warm-up on, and of what it was made from.

    Args:
        candles: Labelled.
        strategy: Who has the opinion.
        others: As in ``evaluate``.
        opinion: ``strategy.opinion()``, or of it what a sweep needs: ``strategy.wants()``.
        seen: Columns that are wanted beside it and ``time``.
    """
    evaluated = with_indicators(candles, strategy.indicators)
    if strategy.also or "awaited_time" in seen:
        evaluated = with_others(evaluated, others, strategy)
    if strategy.also:
        seen = (*seen, "is_seen")
    # With a column beside it, an opinion that is the same for all candles has as many rows as they.
    said_ = evaluated.select("time", *seen, **opinion).slice(strategy.warm_up)
    # A filter copies: only who looks at other intervals has something to leave out.
    return said_.filter("is_seen").drop("is_seen") if strategy.also else said_


def with_awaited(
    evaluated: pl.DataFrame, there: pl.Series, no_trade: pl.Series, interval: Interval, *, since: datetime
) -> pl.DataFrame:
    """Return the evaluated candles with a row of no minutes for each absent one that may still come.

    A candle of which no minute came yet is waited for like one of which some did, and one without any trade is not.
    Once a candle is too old to be waited for, the finding of the gap speaks for it.

    Args:
        evaluated: Candles with ``no_trade_minutes``, ascending.
        there: Open times of the candles that exist, those of the look-back and the warm-up too; ascending.
        no_trade: Minutes that are known to be without trades.
        interval: The candles' interval.
        since: The open time of the first candle that may still come.
    """
    if not evaluated.height:
        return evaluated
    first, last = max(since, there[0]), evaluated["time"][-1]
    opens = interval.opens(TimeRange(first, last)) if first < last else []
    grid = pl.DataFrame({"time": opens}, schema={"time": there.dtype})
    absent = grid.join(there.alias("time").to_frame(), on="time", how="anti", maintain_order="left").with_columns(
        close_time=close_time(pl.col("time"), interval),
        expected_minutes=expected_minutes(pl.col("time"), interval),
        minutes=pl.lit(0, evaluated.schema["minutes"]),
    )
    awaited = with_no_trade(absent, no_trade, interval).filter(_is_short)
    return pl.concat([evaluated, awaited], how="diagonal").sort("time") if awaited.height else evaluated


def split_by_completeness(
    evaluated: pl.DataFrame, rule: Completeness, *, now: datetime
) -> tuple[pl.DataFrame, pl.DataFrame]:
    """Return the candles to decide on and those to skip (law 4).

    A candle that misses minutes which may still come, or looks at a candle that may, ends both: what follows waits
    with it, so that decisions are made in order.
    """
    may_come = _is_short & (pl.col("close_time") > now - rule.wait) | (pl.col("awaited_time") > now - rule.wait)
    waiting = evaluated.filter(may_come)
    if waiting.height:
        evaluated = evaluated.filter(pl.col("time") < waiting["time"][0])
    enough = _accounted >= pl.col("expected_minutes") * rule.min_completeness - _SLACK
    return evaluated.filter(enough), evaluated.filter(~enough)


def take_positions(evaluated: pl.DataFrame, *, before: float) -> pl.DataFrame:
    """Return the evaluated candles with ``exposure`` and ``previous``, the exposure before each.

    Args:
        evaluated: Candles to decide on, ascending.
        before: The exposure before the first of them.
    """
    exposure = kept(evaluated, before=before)
    return evaluated.with_columns(exposure=exposure, previous=exposure.shift(1, fill_value=before))


def kept(evaluated: pl.DataFrame, *, before: float) -> pl.Series:
    """Return the exposure after each of the evaluated candles: what is wanted there, else what was before."""
    if "at_least" in evaluated.columns:
        low = evaluated.select(pl.coalesce("wanted", "at_least").fill_null(-1.0)).to_series()
        high = evaluated.select(pl.coalesce("wanted", "at_most").fill_null(1.0)).to_series()
        return pl.Series(keep_between(low.to_numpy(), high.to_numpy(), before=before))
    wanted = evaluated["wanted"].cast(pl.Float64)
    # Mostly there is nothing to fill, and a sweep asks thousands of times.
    return wanted.forward_fill().fill_null(before) if wanted.null_count() else wanted


def keep_between(low: Floats, high: Floats, *, before: float) -> Floats:
    """Return exposures that are kept from candle to candle, each brought between its bounds; the upper one wins.

    A bound after a bound is a bound, so each pass puts twice as many candles together. Values are only copied: the
    bits do not hang on where a piece of history begins.

    Args:
        low: The least that each exposure may be.
        high: The most.
        before: The exposure before the first.
    """
    low, high, reach = low.copy(), high.copy(), 1
    while reach < len(low) and (low[reach:] != high[reach:]).any():
        least, most = low[reach:].copy(), high[reach:].copy()
        low[reach:], high[reach:] = np.clip(low[:-reach], least, most), np.clip(high[:-reach], least, most)
        reach *= 2
    return np.clip(before, low, high)


def speak(positions: pl.DataFrame, indicators: list[str]) -> pl.DataFrame:
    """Return the decisions: one row per signal, HOLD too.

    Args:
        positions: From ``take_positions``; the state of a strategy with steps goes into the snapshot too.
        indicators: The columns that go into the snapshot.

    Returns:
        ``time, close_time, seq, signal, confidence, exposure, price, indicator_snapshot`` (JSON text), ascending by
        ``time, seq``. A reversal is a CLOSE (seq 0) and an OPEN (seq 1) on the same candle.
    """
    seen = [*indicators, *(name for name in (STATE,) if name in positions.columns)]
    spoken = positions.with_columns(**_signals(), indicator_snapshot=_snapshot(positions, seen))
    columns = ["time", "close_time", "seq", "signal", "confidence", "exposure", "price", "indicator_snapshot"]
    said = spoken.with_columns(
        signal=pl.coalesce("close", "open", pl.lit(Signal.HOLD.value)), seq=pl.lit(0, pl.Int16)
    ).select(columns)
    both = spoken.filter(pl.col("close").is_not_null() & pl.col("open").is_not_null())
    after = both.with_columns(signal=pl.col("open"), seq=pl.lit(1, pl.Int16)).select(columns)
    return pl.concat([said, after]).sort("time", "seq")


def _snapshot(positions: pl.DataFrame, indicators: list[str]) -> pl.Expr:
    """Return what was seen as JSON text; minutes without trades are told where there are some."""
    seen = [pl.col("expected_minutes"), *map(pl.col, indicators), pl.col("price").alias("close")]
    plain = pl.struct("minutes", *seen).struct.json_encode()
    is_quiet = pl.col("no_trade_minutes") > 0
    # Writing a text takes longer than deciding: the second is written only where some row needs it.
    if not positions.select(is_quiet.any()).item():
        return plain
    return pl.when(is_quiet).then(pl.struct("minutes", "no_trade_minutes", *seen).struct.json_encode()).otherwise(plain)


def _signals() -> dict[str, pl.Expr]:
    """Return the signal that closes and the one that opens, null where there is none.

    More of the same side is an OPEN, less of it a CLOSE.
    """
    previous, exposure = pl.col("previous"), pl.col("exposure")
    less_long, less_short = (previous > 0) & (exposure < previous), (previous < 0) & (exposure > previous)
    more_long, more_short = (exposure > 0) & (exposure > previous), (exposure < 0) & (exposure < previous)
    return {
        "close": _first_of((less_long, Signal.CLOSE_LONG), (less_short, Signal.CLOSE_SHORT)),
        "open": _first_of((more_long, Signal.OPEN_LONG), (more_short, Signal.OPEN_SHORT)),
    }


def _first_of(*cases: tuple[pl.Expr, Signal]) -> pl.Expr:
    """Return the signal of the case that applies; null where none does."""
    return pl.coalesce(pl.when(applies).then(pl.lit(signal.value)) for applies, signal in cases)


def decide(
    candles: pl.DataFrame,
    strategy: NamedStrategy,
    interval: Interval,
    *,
    others: Others = NO_OTHERS,
    no_trade: pl.Series,
    rule: Completeness,
    since: datetime,
    before: float,
    state: State | None = None,
    now: datetime,
) -> tuple[pl.DataFrame, pl.DataFrame, pl.DataFrame]:
    """Return positions, decisions and skipped candles from ``since`` on.

    Args:
        candles: Closed candles, ascending, with the strategy's look-back before ``since``.
        strategy: The rule with its parameters.
        interval: The candles' interval.
        others: Candles of the other intervals that the strategy looks at, as ``btc_core.across.needed`` says.
        no_trade: Open times of the minutes that are not stored and known to be without trades, from ``since`` on.
        rule: When a candle with missing minutes is decided on.
        since: The open time of the first candle that counts.
        before: The exposure before it.
        state: Of a strategy with steps, the state in the snapshot of the decision before it; None: there is none. The
            positions have the column ``state`` then.
        now: The present instant of the market; candles that may still get minutes wait.

    Raises:
        DataError: If a step says a number that is none.
    """
    evaluated = evaluate(candles, strategy, interval, others).filter(pl.col("time") >= since)
    evaluated = with_no_trade(evaluated, no_trade, interval)
    may_come = interval.floor(now - rule.wait)
    evaluated = with_awaited(evaluated, candles["time"], no_trade, interval, since=may_come)
    complete, skipped = split_by_completeness(evaluated, rule, now=now)
    positions = take_positions(with_steps(complete, strategy.step, state), before=before)
    return positions, speak(positions, strategy.columns), skipped
