"""Run a backtest over stored minutes and keep what it said: run, decisions, trades, equity."""

from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from uuid import UUID, uuid4

import msgspec
import polars as pl

from btc_core.decide import Completeness, decide
from btc_core.errors import DataError
from btc_core.model.backtest import BacktestConfig, Mode
from btc_core.model.interval import ONE_MINUTE, Interval
from btc_core.model.timerange import MINUTE, TimeRange, format_time
from btc_core.partitions import candles_closed_in
from btc_core.resample import resample
from btc_core.simulator.simulate import Simulation, simulate
from btc_core.strategy import NamedStrategy
from btc_core.version import CODE_VERSION
from btc_store.derive import read_no_trade
from btc_store.frames import Frames, read_candles

# Outages leave out candles, so the warm-up is looked for in this many times its length.
_WARM_UP_REACH = 2


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
    """A finished backtest."""

    id: UUID
    request: BacktestRequest
    simulation: Simulation
    n_skipped: int


def run_backtest(frames: Frames, request: BacktestRequest, *, rule: Completeness, run_id: str) -> Backtest:
    """Simulate a strategy over stored minutes and store the outcome; a failure is stored with its reason.

    Raises:
        DataError: If no minute is stored in the range.
        InputError: If a strategy that spends a capital is given leverage.
    """
    if request.strategy.rule.of == "capital":
        # Its exposure is the share of the capital that is spent (docs/adr/0019): coins that are paid in full.
        request = replace(request, config=msgspec.structs.replace(request.config, mode=Mode.SPOT))
    id_ = uuid4()
    with frames.transaction():
        frames.run("insert_backtest", str(id_), *_described(request))
    try:
        positions, decisions, n_skipped, minutes = _decide(frames, request, rule)
        simulation = simulate(positions, minutes, request.config, range_=request.range_, interval=request.interval)
    except DataError as error:
        with frames.transaction():
            frames.run("fail_backtest", str(id_), str(error))
        raise
    with frames.transaction():
        _store(frames, id_, request, simulation, decisions, run_id=run_id)
    return Backtest(id_, request, simulation, n_skipped)


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


def _decide(
    frames: Frames, request: BacktestRequest, rule: Completeness
) -> tuple[pl.DataFrame, pl.DataFrame, int, pl.DataFrame]:
    """Return positions, decisions, the number of skipped candles and the minutes of the range with its warm-up."""
    owned = candles_closed_in(request.range_, request.interval)
    if owned is None:
        raise DataError(
            f"no {request.interval} candle closes between {format_time(request.range_.start)} and "
            f"{format_time(request.range_.end)}: choose a longer range or a shorter interval"
        )
    # Asked before the minutes are read: what is written meanwhile is newer.
    newest = frames.read("newest_write", request.symbol, request.range_.start, request.range_.end)["data_revision"]
    minutes, start = _with_warm_up(frames, request, owned)
    candles = _candles(minutes, request.interval, start, owned.end)
    others = {other: _candles(minutes, other, start, other.floor(owned.end)) for other in request.strategy.also}
    # History waits for nothing: what is missing now stays missing.
    now = request.range_.end + rule.wait + timedelta(microseconds=1)
    positions, decisions, skipped = decide(
        candles,
        request.strategy,
        request.interval,
        others=others,
        no_trade=read_no_trade(frames, request.symbol, request.interval, candles),
        rule=rule,
        since=owned.start,
        before=0.0,
        now=now,
    )
    decisions = decisions.with_columns(data_revision=pl.lit(newest[0], newest.dtype))
    return positions, decisions, skipped.height, minutes


def _with_warm_up(frames: Frames, request: BacktestRequest, owned: TimeRange) -> tuple[pl.DataFrame, datetime]:
    """Return the minutes of the range and of enough candles before it, as far as they are stored, and their start."""
    strategy = request.strategy
    before = {other: strategy.look_back_at(other) + 1 for other in strategy.also}
    before[request.interval] = max(strategy.look_back_in(request.interval), before.get(request.interval, 0))
    start = min(i.floor(owned.start - i.longest * n) for i, n in before.items())
    while True:
        minutes = read_candles(frames, request.symbol, ONE_MINUTE, TimeRange(start, request.range_.end))
        is_enough = all(_candles(minutes, i, start, i.floor(owned.start)).height >= n for i, n in before.items())
        if is_enough or not frames.read("newest_minute_before", request.symbol, start).height:
            break
        start = request.interval.floor(owned.start - (owned.start - start) * _WARM_UP_REACH - MINUTE)
    return minutes, start


def _candles(minutes: pl.DataFrame, interval: Interval, start: datetime, end: datetime) -> pl.DataFrame:
    """Return the candles that open in a range; one that the minutes' start cuts through is none."""
    time = interval.floor(start)
    first = start if time == start else interval.close_of(time)
    return resample(minutes.filter(pl.col("time").is_between(first, end, closed="left")), interval)


def _described(request: BacktestRequest) -> tuple[str, str, str, datetime, datetime, str]:
    config = {
        **msgspec.to_builtins(request.config),
        "parameters": dict(request.strategy.parameters),
        "code_version": CODE_VERSION,
    }
    return (
        request.strategy.name,
        request.symbol,
        request.interval.label,
        request.range_.start,
        request.range_.end,
        msgspec.json.encode(config).decode(),
    )


def _store(
    frames: Frames, id_: UUID, request: BacktestRequest, simulation: Simulation, decisions: pl.DataFrame, *, run_id: str
) -> None:
    inside = pl.col("close_time").is_between(request.range_.start, request.range_.end, closed="right")
    frames.put("incoming", decisions.filter(inside))
    parameters = msgspec.json.encode(dict(request.strategy.parameters)).decode()
    stream = (request.symbol, request.interval.label, request.strategy.name)
    frames.run("insert_backtest_decisions", *stream, parameters, str(id_), run_id, CODE_VERSION, datetime.now(UTC))
    frames.put("incoming", simulation.trades)
    frames.run("insert_backtest_trades", str(id_))
    frames.put("incoming", simulation.equity)
    frames.run("insert_backtest_equity", str(id_))
    frames.run("finish_backtest", str(id_), msgspec.json.encode(simulation.results).decode())
