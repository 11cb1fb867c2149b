"""What the tests of the live lane share: a small house, a market that comes in minute by minute, one pass over all."""

from collections.abc import Sequence
from datetime import datetime

import polars as pl

from benchmarks.one_pass import outcome
from btc_core.config import Config, parse_config
from btc_core.model.timerange import TimeRange
from btc_core.partitions import Partition, month_key, months_of
from btc_store.checks import evaluate
from btc_store.derive import Provenance, Written, derive_candles, derive_decisions, derive_indicators
from btc_store.evidence import EvidenceReader
from btc_store.frames import Frames
from btc_store.outbox import Report, read_outbox
from btc_store.paper import follow
from live.plan import Plan
from live.work import Done, look
from tests.derivation import closed_spans


def small_config(*symbols: str) -> Config:
    """Return a configuration with few intervals and short averages."""
    tree = {
        "symbols": {symbol: {} for symbol in symbols},
        "intervals": ["3m", "37m", "1h", "148m", "1d", "1w", "1M"],
        "history_start": datetime(2020, 1, 1).date(),
        "indicators": {"ma5": {"function": "sma", "parameters": {"period": 5}, "intervals": ["3m", "37m"]}},
        "strategies": {
            "ma": {"intervals": ["3m", "37m", "1h"], "parameters": {"period": 3}},
            "ma44": {"intervals": ["3m"]},
            "trailing_stop": {"intervals": ["3m", "37m"], "parameters": {"entry": 3, "period": 2, "multiple": 1}},
        },
    }
    return parse_config(tree)


def settle(frames: Frames, plan: Plan, *, now: datetime) -> list[Done]:
    """Look until nothing is due, and everything is checked; return what was derived."""
    done: list[Done] = []
    while each := look(frames, plan, now=now):
        done.append(each)
    while look(frames, plan, now=now, is_quiet=True):
        pass
    return done


def one_pass(frames: Frames, plan: Plan, symbol: str, minutes: Sequence[TimeRange], *, now: datetime) -> None:
    """Derive everything that hangs on minutes at once, and check it, without the lane."""
    spans = {i: each for i in plan.intervals if (each := closed_spans(i, minutes, now=now))}
    derive_candles(frames, symbol, spans)
    by = Provenance(run_id="one pass", now=now)
    for interval, each in spans.items():
        if interval in plan.indicators:
            derive_indicators(frames, symbol, interval, each, plan.indicators[interval])
        for strategy in plan.strategies.get(interval, ()):
            derive_decisions(frames, symbol, interval, each, strategy, rule=plan.rule, by=by)
    known = TimeRange(min(each.start for each in minutes), max(each.end for each in minutes))
    for month in months_of(known):
        partition = Partition(f"{month_key(month)}|{symbol}", symbol, month, None)
        evaluate(EvidenceReader(frames=frames, symbol=symbol, now=now), partition, plan.checks)


def follow_all(frames: Frames, plan: Plan, symbol: str, minutes: TimeRange, *, now: datetime) -> Written:
    """Take the paper accounts of everything that hangs on minutes further, as a run does."""
    done = Written()
    for interval, strategies in plan.strategies.items():
        for strategy in strategies:
            spans = closed_spans(interval, [minutes], now=now)
            by = Provenance(run_id="run", now=now)
            done += follow(frames, symbol, interval, spans, strategy, config=plan.paper, rule=plan.rule, by=by)
    return done


def between(minutes: pl.DataFrame, start: datetime, end: datetime) -> pl.DataFrame:
    """Return the minutes that open in a range."""
    return minutes.filter(pl.col("time").is_between(start, end, closed="left"))


def end_state(frames: Frames, symbol: str) -> dict[str, pl.DataFrame]:
    """Return what the tables of a symbol say in the end.

    That a live decision is said otherwise now is a finding of its own; one pass has said nothing before.
    """
    found = outcome(frames, symbol)
    return {**found, "findings": found["findings"].filter(pl.col("kind") != "correction")}


def posted(frames: Frames) -> list[Report]:
    """Return what was reported, in order."""
    with frames.transaction():
        return [each.report for each in read_outbox(frames, after=0, most=10_000)]
