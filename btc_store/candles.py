"""1m candles as rows, by asyncpg: what the collector writes and asks."""

from collections.abc import Sequence
from datetime import datetime

from btc_core.model.candle import Candle
from btc_core.model.clock import ClockScale
from btc_store.connection import Connection
from btc_store.statements import statement


async def upsert_candles(
    connection: Connection,
    candles: Sequence[Candle],
) -> int:
    """Store closed 1m candles; a repeated or worse version changes nothing. Returns the number of rows written.

    Of several versions of a minute in ``candles``, the last must be the best: only it is stored.
    """
    unique = {(candle.symbol, candle.time): candle for candle in candles}
    rows = [
        (c.time, c.symbol, c.open, c.high, c.low, c.close, c.volume, c.trades, c.source, c.state.value)
        for c in unique.values()
    ]
    if not rows:
        return 0
    sql = statement("incoming_from_arrays") + statement("upsert_minutes")
    answer = await connection.execute(sql, *(list(column) for column in zip(*rows, strict=True)))
    return int(answer.split()[-1])


async def newest_minute(
    connection: Connection,
    symbol: str,
) -> datetime | None:
    """Return the open time of the newest stored 1m candle of a symbol, or None."""
    found: datetime | None = await connection.fetchval(statement("newest_candle"), symbol, "1m")
    return found


async def last_unbroken_minute(connection: Connection, symbol: str, since: datetime) -> datetime | None:
    """Return the last stored minute before the first hole since a time, or the newest minute where there is none.

    Null where nothing is stored since then.
    """
    found: datetime | None = await connection.fetchval(statement("last_unbroken_minute"), symbol, since)
    return found


async def announce_clock(
    connection: Connection,
    scale: ClockScale,
) -> None:
    """Tell the database which clock the market runs on; the view ``minute_states`` ends at its now."""
    await connection.execute(statement("announce_clock"), scale.sim, scale.real, scale.rate)
