"""What the database holds, as plain values for the story. What is told of it is in ``story``."""

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime

import asyncpg

from btc_store.connection import Connection
from btc_store.statements import statement


@dataclass(frozen=True, slots=True, kw_only=True)
class Watched:
    """What is looked at.

    Attributes:
        symbol: One symbol speaks for all.
        strategy: Its decisions and backtests.
        intervals: Of its decisions; candles of 1m too.
        since: No candle before it is counted (market time).
        started_at: No backtest before it is told of (real time).
    """

    symbol: str
    strategy: str
    intervals: tuple[str, ...]
    since: datetime
    started_at: datetime


@dataclass(frozen=True, slots=True)
class Held:
    """Candles of one interval: how many, and the open times of the first and the last."""

    n: int
    first: datetime
    last: datetime


@dataclass(frozen=True, slots=True)
class Value:
    """An indicator on an interval: the newest value, and how many there are."""

    interval: str
    name: str
    time: datetime
    value: float
    n: int


@dataclass(frozen=True, slots=True)
class Said:
    """A decision."""

    interval: str
    time: datetime
    seq: int
    signal: str
    price: float
    exposure: float
    snapshot: Mapping[str, object]


@dataclass(frozen=True, slots=True)
class EndedBacktest:
    """A backtest that is over; ``results`` is empty where it failed."""

    id: str
    interval: str
    status: str
    start: datetime
    end: datetime
    results: Mapping[str, float | str | None]
    error: str | None


@dataclass(frozen=True, slots=True, kw_only=True)
class Facts:
    """What there is at one moment; intervals in the order of what is watched, times ascending."""

    candles: Mapping[str, Held]
    values: Sequence[Value]
    said: Sequence[Said]
    tested: Sequence[EndedBacktest]


async def read_facts(connection: Connection, watched: Watched) -> Facts:
    """Return what there is now."""
    intervals = list(watched.intervals)
    candles = await connection.fetch(statement("progress_candles"), watched.symbol, ["1m", *intervals], watched.since)
    values = await connection.fetch(statement("progress_indicators"), watched.symbol, intervals, watched.since)
    said = await connection.fetch(
        statement("progress_decisions"), watched.symbol, intervals, watched.strategy, watched.since
    )
    tested = await connection.fetch(
        statement("progress_backtests"), watched.symbol, watched.strategy, watched.started_at
    )
    held = {row["interval"]: Held(row["n"], row["first"], row["last"]) for row in candles}
    return Facts(
        candles={interval: held[interval] for interval in ("1m", *intervals) if interval in held},
        values=[
            Value(row["interval"], row["name"], row["time"], row["value"], row["n"])
            for interval in intervals
            for row in values
            if row["interval"] == interval
        ],
        said=[_said(row) for interval in intervals for row in said if row["interval"] == interval],
        tested=[_tested(row) for row in tested],
    )


def _said(row: asyncpg.Record) -> Said:
    snapshot = json.loads(row["indicator_snapshot"])
    return Said(
        row["interval"], row["time"], row["seq"], row["signal"], row["price"], row["exposure"], snapshot=snapshot
    )


def _tested(row: asyncpg.Record) -> EndedBacktest:
    results = json.loads(row["results"]) if row["results"] else {}
    times = (row["start_time"], row["end_time"])
    return EndedBacktest(row["id"], row["interval"], row["status"], *times, results=results, error=row["error"])
