"""The jobs ``backtest`` and ``remove_backtest``: what the API launches when somebody asks it for a backtest.

The API knows neither Dagster nor Polars. What it has to know of the strategies it reads in the job's metadata, and
what becomes of a backtest in ``backtest_runs``.
"""

from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import replace
from datetime import datetime
from typing import Any
from uuid import UUID, uuid4

import dagster as dg
import msgspec
from pydantic import Field

from btc_assets.decisions import completeness_of
from btc_assets.report.page import page_of
from btc_core.config import Config
from btc_core.errors import BtcError, InputError
from btc_core.model.backtest import BacktestConfig
from btc_core.model.interval import ONE_MINUTE, parse_interval
from btc_core.model.timerange import TimeRange, parse_time
from btc_core.plugins import load_plugins
from btc_core.strategy import PACKAGE, NamedStrategy, Strategy, load_strategy
from btc_core.version import CODE_VERSION
from btc_store.backtest_rows import held
from btc_store.backtests import BacktestRequest, run_backtest, stored_range
from btc_store.frames import Frames
from btc_store.warm_up import Minutes
from resources.timescale import Timescale

BACKTEST_JOB, REMOVE_JOB = "backtest", "remove_backtest"
# What the API reads: every strategy with its parameters.
STRATEGIES = "strategies"


class BacktestJobConfig(dg.Config):
    """What is to be simulated: a strategy on a symbol, one backtest for each interval.

    Attributes:
        id: Of the first interval's backtest, its last byte 0; the n-th has n there. Empty: a new one.
        start, end: ISO 8601, half-open; an empty end is now.
        rules: Fields of BacktestConfig that differ from config.yaml.
    """

    id: str = ""
    symbol: str
    intervals: list[str]
    strategy: str
    parameters: dict[str, Any] = Field(default={})
    start: str
    end: str = ""
    rules: dict[str, Any] = Field(default={})


class RemoveConfig(dg.Config):
    """Which backtest is to be forgotten, by its id."""

    id: str


def build_backtest_jobs() -> list[dg.JobDefinition]:
    """Return the jobs that compute backtests and forget them."""
    return [_backtest_job(), _remove_job()]


def _backtest_job() -> dg.JobDefinition:
    @dg.op(description="Simulates a strategy over stored minutes, one interval after the other.")
    def compute_backtest(
        context: dg.OpExecutionContext, config: BacktestJobConfig, timescale: dg.ResourceParam[Timescale]
    ) -> None:
        try:
            with timescale.frames() as frames:
                failed = _compute_all(frames, config, timescale, run_id=context.run_id)
        except BtcError as error:
            raise dg.Failure(str(error), allow_retries=False) from error
        if failed:
            raise dg.Failure("; ".join(failed), allow_retries=False)

    @dg.job(
        name=BACKTEST_JOB,
        description="What POST /api/v1/backtests launches; its tag btc/backtest_id is the id that was given away.",
        metadata={STRATEGIES: dg.MetadataValue.json(catalogue())},
    )
    def backtest() -> None:
        compute_backtest()

    return backtest


def _remove_job() -> dg.JobDefinition:
    @dg.op(description="Deletes a backtest with its trades, its equity, its decisions and its page.")
    def delete_backtest(config: RemoveConfig, timescale: dg.ResourceParam[Timescale]) -> None:
        with timescale.frames() as frames, frames.transaction():
            frames.run("drop_backtest", config.id)

    @dg.job(name=REMOVE_JOB, description="What DELETE /api/v1/backtests/{id} launches for a backtest that is over.")
    def remove_backtest() -> None:
        delete_backtest()

    return remove_backtest


def catalogue() -> list[dict[str, Any]]:
    """Return every strategy that can be loaded, with what it is tuned by, as plain values."""
    return [
        {
            "name": name,
            "description": rule.description,
            "parameters": [
                {"name": key, **{each: getattr(parameter, each) for each in ("default", "low", "high", "meaning")}}
                | {"words": dict(parameter.words)}
                for key, parameter in rule.parameters.items()
            ],
        }
        for name, rule in load_plugins(PACKAGE, "STRATEGY").items()
        if isinstance(rule, Strategy)
    ]


def ids_of(first: UUID, n: int) -> list[UUID]:
    """Return the ids of the backtests of one request: they differ in the last byte."""
    return [UUID(int=first.int + i) for i in range(n)]


def _compute_all(frames: Frames, asked: BacktestJobConfig, timescale: Timescale, *, run_id: str) -> list[str]:
    """Compute a backtest for each interval; return what was wrong with those that failed.

    Raises:
        InputError: If what is asked cannot be meant.
    """
    config = timescale.settings.config
    requests = requests_of(asked, config, now=timescale.now())
    ids = ids_of(UUID(asked.id) if asked.id else _new_id(), len(requests))
    failed: list[str] = []
    with _queued(frames, dict(zip(ids, requests, strict=True)), run_id):
        for id_, request in zip(ids, requests, strict=True):
            try:
                range_ = stored_range(frames, request.symbol, request.range_)
                run_backtest(
                    frames,
                    replace(request, range_=range_),
                    rule=completeness_of(config),
                    run_id=run_id,
                    id_=id_,
                    render=page_of,
                    minutes=Minutes(frames, request.symbol, range_.end, timescale.lake()),
                )
            except BtcError as error:
                _end(frames, [id_], "failed", str(error))
                failed.append(f"{request.interval}: {error}")
    return failed


def requests_of(asked: BacktestJobConfig, config: Config, *, now: datetime) -> list[BacktestRequest]:
    """Return what is asked for each interval.

    Raises:
        InputError: If something of it does not exist or is out of range.
    """
    start = parse_time(asked.start)
    range_ = TimeRange(start, parse_time(asked.end) if asked.end else now)
    strategy = _strategy(asked, start)
    rules = dict(asked.rules)
    if strategy.rule.of == "capital":
        # The configured leverage is the perpetual's; coins are paid in full.
        rules.setdefault("leverage", 1)
    used: BacktestConfig = msgspec.structs.replace(config.backtest, **rules)
    intervals = list(dict.fromkeys(parse_interval(label) for label in asked.intervals))
    if not intervals or ONE_MINUTE in intervals:
        raise InputError("intervals: expected some longer than 1m, because decisions fill on 1m candles")
    symbol = config.symbol(asked.symbol)
    return [
        BacktestRequest(symbol=symbol, interval=interval, strategy=strategy, range_=range_, config=used)
        for interval in intervals
    ]


def _strategy(asked: BacktestJobConfig, start: datetime) -> NamedStrategy:
    """Return the strategy; a plan that begins on a day begins with the range, unless another day was given."""
    has_start = "start" in load_strategy(asked.strategy, asked.parameters).parameters
    own: Mapping[str, Any] = {"start": f"{start:%Y%m%d}"} if has_start else {}
    return load_strategy(asked.strategy, {**own, **asked.parameters})


@contextmanager
def _queued(frames: Frames, requests: Mapping[UUID, BacktestRequest], run_id: str) -> Iterator[None]:
    """Note all backtests as queued, so that each can be asked for; say so of those that are never begun."""
    with held(frames, *requests), _noted(frames, requests, run_id):
        yield


@contextmanager
def _noted(frames: Frames, requests: Mapping[UUID, BacktestRequest], run_id: str) -> Iterator[None]:
    with frames.transaction():
        for id_, request in requests.items():
            described = (request.strategy.name, request.symbol, request.interval.label)
            range_ = (request.range_.start, request.range_.end)
            frames.run("queue_backtest", str(id_), *described, *range_, _config(request), run_id)
    try:
        yield
    except BaseException as error:
        status = "failed" if isinstance(error, Exception) else "cancelled"
        _end(frames, list(requests), status, f"its run ended before it was begun: {type(error).__name__}")
        raise


def _end(frames: Frames, ids: Sequence[UUID], status: str, reason: str) -> None:
    with frames.transaction():
        for id_ in ids:
            frames.run("end_queued_backtest", str(id_), status, reason)


def _config(request: BacktestRequest) -> str:
    told = msgspec.to_builtins(request.config) | {"parameters": dict(request.strategy.parameters)}
    return msgspec.json.encode({**told, "code_version": CODE_VERSION}).decode()


def _new_id() -> UUID:
    return UUID(int=uuid4().int & ~0xFF)
