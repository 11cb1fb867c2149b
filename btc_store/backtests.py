"""Run a backtest over stored minutes and keep what it said: run, decisions, trades, equity, page.

The same backtest is found, not computed again: its fingerprint is what was asked, the code, and the data that it reads.
"""

import hashlib
from collections.abc import Callable
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from threading import Thread
from uuid import UUID, uuid4

import msgspec
import polars as pl

from btc_core.decide import Completeness, decide
from btc_core.errors import DataError
from btc_core.model.backtest import BacktestConfig, Mode
from btc_core.model.interval import Interval
from btc_core.model.timerange import MINUTE, TimeRange, format_time
from btc_core.partitions import candles_closed_in
from btc_core.simulator.simulate import Simulation, get_ready, simulate
from btc_core.step import State
from btc_core.strategy import NamedStrategy
from btc_core.version import CODE_VERSION
from btc_store import backtest_rows
from btc_store.backtest_rows import Known
from btc_store.data_version import DataVersion, code_digest, data_version
from btc_store.derive import read_no_trade
from btc_store.frames import Frames
from btc_store.funding import read_funding
from btc_store.instruments import config_of
from btc_store.warm_up import Minutes, Wanted, candles_from, with_warm_up

# How much of a backtest is done after each stage, by what they take.
_READ, _DECIDED, _SIMULATED, _RENDERED = 0.3, 0.6, 0.7, 0.9


@dataclass(frozen=True, slots=True, kw_only=True)
class BacktestRequest:
    """What is to be simulated."""

    symbol: str
    interval: Interval
    strategy: NamedStrategy
    range_: TimeRange
    config: BacktestConfig


@dataclass(frozen=True, slots=True)
class Backtest:
    """A finished backtest.

    Attributes:
        id: In ``backtest_runs``.
        request: With the configuration that was used: the exchange's terms are in it.
        simulation: What it said; without fills, if it was found.
        n_skipped: Candles that were too incomplete to decide on.
        version: Of the data that it read; None where they come from no database.
        known: What was found, if it was not computed now.
    """

    id: UUID
    request: BacktestRequest
    simulation: Simulation
    n_skipped: int
    version: DataVersion | None = None
    known: Known | None = None

    @property
    def is_found(self) -> bool:
        """Whether it was computed before."""
        return self.known is not None


# Makes the page of a backtest from it and the minutes of its range.
Render = Callable[[Backtest, pl.DataFrame], str]


@dataclass(frozen=True, slots=True, kw_only=True)
class _Plan:
    """A request with what it rests on: the candles that are its, those before them, and the version of the data."""

    request: BacktestRequest
    owned: TimeRange
    wanted: list[Wanted]
    version: DataVersion


def run_backtest(
    frames: Frames,
    request: BacktestRequest,
    *,
    rule: Completeness,
    run_id: str,
    id_: UUID | None = None,
    is_forced: bool = False,
    render: Render | None = None,
    minutes: Minutes | None = None,
) -> Backtest:
    """Simulate a strategy over stored minutes and store the outcome; or find it, where it was computed before.

    While it runs, ``backtest_runs`` says how far it is; a failure is stored with its reason.

    Args:
        frames: The database.
        request: What is asked.
        rule: When a candle with missing minutes is decided on.
        run_id: Who asks: Dagster's run, or a command.
        id_: Under which it was asked for, if it was; what is found is kept under it, too.
        is_forced: Compute it even if it was computed before.
        render: Makes its page, which is stored beside it.
        minutes: Those of the symbol up to the end of the range, where several backtests share them.

    Raises:
        DataError: If no minute is stored in the range, or somebody cancels the backtest meanwhile.
        InputError: If leverage is above the coin's maximum, or given to a strategy that spends a capital.
    """
    key, minutes = id_ or uuid4(), minutes or Minutes(frames, request.symbol, request.range_.end)
    stream = (request.strategy.name, request.symbol, request.interval.label)
    with backtest_rows.recorded(
        frames, key, *stream, request.range_.start, request.range_.end, _config(request, None), run_id
    ):
        plan = _plan(frames, request)
        fingerprint = _fingerprint(plan, rule)
        backtest_rows.write(frames, key, "describe_backtest", _config(plan.request, plan.version), fingerprint)
        known = None if is_forced else backtest_rows.find(frames, fingerprint, key)
        if known is None:
            # Loaded while the minutes are read.
            Thread(target=get_ready).start()
            return _compute(frames, key, plan, minutes, rule=rule, run_id=run_id, render=render)
        return _take_over(frames, key, plan, known, minutes, render=render, is_asked=id_ is not None)


def stored_range(frames: Frames, symbol: str, wanted: TimeRange) -> TimeRange:
    """Return the part of a range for which minutes are stored, from the first to the last.

    Raises:
        DataError: If there is none.
    """
    first, last = frames.read("edges_of_minutes", symbol, wanted.start, wanted.end).row(0)
    if first is None:
        raise DataError(
            f"no 1m candle of {symbol} is stored between {format_time(wanted.start)} and {format_time(wanted.end)}: "
            "collect or import some first; `btc db status` shows what is there"
        )
    return TimeRange(first, last + MINUTE)


def read_equity(frames: Frames, id_: UUID) -> pl.DataFrame:
    """Return the equity curve of a backtest: ``time, equity, drawdown, exposure``, ascending."""
    return frames.read("read_backtest_equity", str(id_))


def _plan(frames: Frames, request: BacktestRequest) -> _Plan:
    config, strategy = request.config, request.strategy
    if strategy.rule.of == "capital":
        # Its exposure is the share of the capital that is spent (docs/adr/0019): coins that are paid in full.
        config = msgspec.structs.replace(config, mode=Mode.SPOT)
    request = replace(request, config=config_of(frames, request.symbol, config))
    owned = candles_closed_in(request.range_, request.interval)
    if owned is None:
        raise DataError(
            f"no {request.interval} candle closes between {format_time(request.range_.start)} and "
            f"{format_time(request.range_.end)}: choose a longer range or a shorter interval"
        )
    wanted = warm_up_of(strategy, request.interval, owned)
    # Asked before the minutes are read: what is written meanwhile is newer.
    version = data_version(frames, request.symbol, request.range_, wanted)
    return _Plan(request=request, owned=owned, wanted=wanted, version=version)


def _fingerprint(plan: _Plan, rule: Completeness) -> str:
    """Return what differs where what was asked, the code or the data do."""
    request = plan.request
    asked = {
        "strategy": request.strategy.name,
        "parameters": dict(request.strategy.parameters),
        "symbol": request.symbol,
        "interval": request.interval.label,
        "start": request.range_.start,
        "end": request.range_.end,
        "config": request.config,
        "rule": (rule.min_completeness, rule.wait.total_seconds()),
        "code": code_digest(),
        "data": plan.version.digest,
    }
    return hashlib.sha256(msgspec.json.encode(asked, order="sorted")).hexdigest()


def _config(request: BacktestRequest, version: DataVersion | None) -> str:
    """Return what a backtest rests on, as ``backtest_runs.config`` keeps it."""
    config = {
        **msgspec.to_builtins(request.config),
        "parameters": dict(request.strategy.parameters),
        "code_version": CODE_VERSION,
    }
    if version is not None:
        config |= {"data_version": version.digest, "data_revision": version.newest}
    return msgspec.json.encode(config).decode()


def _take_over(
    frames: Frames, key: UUID, plan: _Plan, known: Known, minutes: Minutes, *, render: Render | None, is_asked: bool
) -> Backtest:
    """Return a backtest that was computed before; where it was asked for under an id, it is kept under that, too."""
    if is_asked:
        backtest_rows.copy(frames, known, key)
    else:
        with frames.transaction():
            frames.run("drop_backtest", str(key))
    shown = key if is_asked else known.id
    backtest = Backtest(shown, plan.request, known.simulation, known.n_skipped, known.version, known)
    if render is not None and (is_asked or not known.has_report):
        backtest_rows.keep_report(frames, shown, render(backtest, minutes.since(plan.request.range_.start)))
    return backtest


def _compute(
    frames: Frames,
    key: UUID,
    plan: _Plan,
    minutes: Minutes,
    *,
    rule: Completeness,
    run_id: str,
    render: Render | None,
) -> Backtest:
    request = plan.request

    def advance(share: float) -> None:
        backtest_rows.write(frames, key, "advance_backtest", share)

    found, start = with_warm_up(minutes, plan.wanted)
    advance(_READ)
    positions, decisions, n_skipped = _decide(frames, plan, found, start, rule)
    advance(_DECIDED)
    funding = None if request.config.mode is Mode.SPOT else read_funding(frames, request.symbol, request.range_)
    simulation = simulate(
        positions, found, request.config, range_=request.range_, interval=request.interval, funding=funding
    )
    backtest = Backtest(key, request, simulation, n_skipped, plan.version)
    advance(_SIMULATED)
    html = None if render is None else render(backtest, minutes.since(request.range_.start))
    advance(_RENDERED)
    inside = pl.col("close_time").is_between(request.range_.start, request.range_.end, closed="right")
    stream = (request.symbol, request.interval.label, request.strategy.name)
    with frames.transaction():
        backtest_rows.store(
            frames,
            key,
            stream,
            request.strategy.parameters,
            simulation,
            decisions=decisions.filter(inside),
            n_skipped=n_skipped,
            run_id=run_id,
        )
        if html is not None:
            backtest_rows.keep_report(frames, key, html)
    return backtest


def warm_up_of(strategy: NamedStrategy, interval: Interval, owned: TimeRange) -> list[Wanted]:
    """Return which candles a strategy looks at before a range of candles of an interval (open times)."""
    before = {other: strategy.look_back_at(other) + 1 for other in strategy.also}
    before[interval] = max(strategy.look_back_in(interval), before.get(interval, 0))
    return [(owned.start, each, n) for each, n in before.items()]


def decide_over(
    frames: Frames,
    symbol: str,
    interval: Interval,
    strategy: NamedStrategy,
    *,
    owned: TimeRange,
    minutes: pl.DataFrame,
    start: datetime,
    rule: Completeness,
    before: float = 0.0,
    state: State | None = None,
) -> tuple[pl.DataFrame, pl.DataFrame, pl.DataFrame]:
    """Decide on a range of candles as history is decided on; returns positions, decisions and skipped candles.

    Args:
        frames: The database: what is known of absent minutes.
        symbol: Whose candles.
        interval: Theirs.
        strategy: Who decides.
        owned: Open times of the candles.
        minutes: Of the range, and of what is looked at before it.
        start: Where those begin.
        rule: When a candle with missing minutes is decided on.
        before: The exposure before the range.
        state: Of a strategy with steps, the state before it.
    """
    candles = candles_from(minutes, interval, start, owned.end)
    return decide(
        candles,
        strategy,
        interval,
        others={other: candles_from(minutes, other, start, other.floor(owned.end)) for other in strategy.also},
        no_trade=read_no_trade(frames, symbol, interval, candles),
        rule=rule,
        since=owned.start,
        before=before,
        state=state,
        # History waits for nothing: what is missing now stays missing.
        now=owned.end + rule.wait + timedelta(microseconds=1),
    )


def _decide(
    frames: Frames, plan: _Plan, minutes: pl.DataFrame, start: datetime, rule: Completeness
) -> tuple[pl.DataFrame, pl.DataFrame, int]:
    """Return positions, decisions and the number of skipped candles."""
    request = plan.request
    positions, decisions, skipped = decide_over(
        frames,
        request.symbol,
        request.interval,
        request.strategy,
        owned=plan.owned,
        minutes=minutes,
        start=start,
        rule=rule,
    )
    newest = plan.version.newest
    decisions = decisions.with_columns(data_revision=pl.lit(newest, minutes.schema["time"]))
    return positions, decisions, skipped.height
