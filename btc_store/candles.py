"""1m candles as rows, by asyncpg: what the collector writes and asks."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

import msgspec

from btc_core.model.candle import Candle, State, Verdict
from btc_core.model.clock import ClockScale
from btc_core.model.timerange import MINUTE, TimeRange, floor_minute
from btc_store.connection import Connection
from btc_store.findings import heal_minutes, lock_minutes
from btc_store.statements import statement

_COLUMNS = ("time", "symbol", "open", "high", "low", "close", "volume", "trades", "source", "state")


@dataclass(frozen=True, slots=True)
class Run:
    """Minutes in a row that have one state: ``confirmed``, ``provisional``, ``no_trade`` or ``unrecoverable``."""

    range: TimeRange
    state: str


@dataclass(frozen=True, slots=True)
class Known:
    """What the database knows of a symbol's minutes since a time.

    Attributes:
        first, newest: Open times of its first and its newest stored minute at all, None where nothing is stored.
        before: Open time of the newest one before that time.
        runs: Ascending and disjoint; a minute in none of them is missing.
    """

    first: datetime | None
    newest: datetime | None
    before: datetime | None
    runs: tuple[Run, ...]


async def upsert_candles(connection: Connection, candles: Sequence[Candle]) -> int:
    """Store closed 1m candles; a repeated or worse version changes nothing. Returns the number of rows written.

    Of several versions of a minute in ``candles``, the last must be the best: only it is stored.
    """
    unique = {(candle.symbol, candle.time): candle for candle in candles}
    if not unique:
        return 0
    async with connection.transaction():
        await lock_minutes(connection, [symbol for symbol, _ in unique])
        n_written = await _put(connection, unique.values())
        if n_written:
            await heal_minutes(connection, _hulls(unique))
        return n_written


async def confirm_candles(
    connection: Connection, symbol: str, window: TimeRange, candles: Iterable[Candle]
) -> dict[datetime, Verdict]:
    """Compare what the exchange's history says of a window's minutes with what is stored, and store what is better.

    All in one transaction. What changes nothing is neither locked nor written.

    Args:
        connection: Where to.
        symbol: Whose minutes.
        window: What history was asked for.
        candles: Its answer, closed minutes alone; what lies outside of the window is left alone.

    Returns:
        The verdict on every minute that is stored or answered, ascending.
    """
    told = {c.time: c for c in candles if c.symbol == symbol and c.time in window}
    async with connection.transaction():
        await lock_minutes(connection, [symbol])
        sql = statement("incoming_from_arrays") + statement("compare_minutes")
        rows = await connection.fetch(sql, *_columns(told.values()), symbol, window.start, window.end)
        verdicts = {row["time"]: Verdict(row["verdict"]) for row in rows}
        news = [row["time"] for row in rows if row["is_news"]]
        doubted = [time for time in news if verdicts[time] is Verdict.FEWER]
        if doubted:
            await connection.execute(statement("doubt_minutes"), symbol, window.start, window.end, doubted)
        if len(doubted) < len(news):
            taken = [told[time] for time in news if verdicts[time] is not Verdict.FEWER]
            await _put(connection, [msgspec.structs.replace(c, source="rest", state=State.CONFIRMED) for c in taken])
            await heal_minutes(connection, {symbol: window})
    return verdicts


async def known(connection: Connection, symbol: str, since: datetime) -> Known:
    """Return what is known of a symbol's minutes since a time; one round trip, bounded by ``since``."""
    rows = await connection.fetch(statement("known_minutes"), symbol, floor_minute(since))
    runs = (
        Run(TimeRange(row["start_time"], row["end_time"]), row["state"]) for row in rows if row["state"] is not None
    )
    return Known(rows[0]["first"], rows[0]["newest"], rows[0]["before"], tuple(runs))


async def newest_minute(connection: Connection, symbol: str) -> datetime | None:
    """Return the open time of the newest stored 1m candle of a symbol, or None."""
    found: datetime | None = await connection.fetchval(statement("newest_candle"), symbol, "1m")
    return found


async def read_coins(connection: Connection) -> dict[str, str]:
    """Return which coin of the exchange each symbol's minutes were collected from."""
    return {row["symbol"]: row["coin"] for row in await connection.fetch(statement("read_coins"))}


async def remember_coins(connection: Connection, coins: Mapping[str, str]) -> None:
    """Remember which coin of the exchange each symbol's minutes are collected from."""
    await connection.executemany(statement("remember_coin"), sorted(coins.items()))


async def announce_clock(connection: Connection, scale: ClockScale) -> None:
    """Tell the database which clock the market runs on; the view ``minute_states`` ends at its now."""
    await connection.execute(statement("announce_clock"), scale.sim, scale.real, scale.rate)


async def _put(connection: Connection, candles: Iterable[Candle]) -> int:
    sql = statement("incoming_from_arrays") + statement("upsert_minutes")
    answer = await connection.execute(sql, *_columns(candles))
    return int(answer.split()[-1])


def _columns(candles: Iterable[Candle]) -> list[list[Any]]:
    """Return the candles as an array a column, as ``incoming_from_arrays`` takes them."""
    held = list(candles)
    return [[getattr(candle, name) for candle in held] for name in _COLUMNS]


def _hulls(keys: Iterable[tuple[str, datetime]]) -> dict[str, TimeRange]:
    """Return from the first to the last of some minutes, by symbol."""
    hulls: dict[str, TimeRange] = {}
    for symbol, time in sorted(keys):
        hulls[symbol] = TimeRange(hulls[symbol].start if symbol in hulls else time, time + MINUTE)
    return hulls
