"""The collector against an exchange with faults, on a real database: one invariant for all of them.

Each minute has exactly one state, each confirmed candle equals the server's truth, each difference stands in
``candle_revisions``. The market runs on a scaled clock: one of its minutes lasts a tenth of a real second.
"""

import asyncio
import dataclasses
import json
import logging
import time
from collections.abc import AsyncIterator, Callable, Collection, Sequence
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

import asyncpg
import httpx
import pytest

from btc_core.model.clock import ClockScale
from btc_core.model.timerange import MINUTE, floor_minute, format_time, to_ms
from btc_store.connection import connect
from btc_store.settings import Settings
from collector.exchanges.hyperliquid import EXCHANGE
from collector.runner import collect
from demo.exchange import Exchange, serve_exchange
from demo.faults.answers import RestHorizon
from demo.faults.fault import Fault
from demo.faults.script import Script
from demo.feeds import Feed
from demo.market import Market
from demo.wire import MINUTE_MS

# 2025-02-14 12:00 UTC.
NOON = 1_739_534_400
RATE = 600
PATIENCE_SECONDS = 30.0
LOOK_SECONDS = 0.02
SETTLED = ("confirmed", "no_trade", "unrecoverable")

# ``play`` with its fixtures.
Playing = Callable[..., AbstractAsyncContextManager["Play"]]
Values = tuple[float, float, float, float, float, int]


class Play:
    """One market, one exchange, one database.

    Attributes:
        exchange: The running demo exchange.
        settings: What a collector is told.
        connection: To the database.
        coins: The coin of every symbol.
        start: When the play began, market time.
    """

    def __init__(
        self, exchange: Exchange, settings: Settings, connection: asyncpg.Connection, coins: dict[str, str]
    ) -> None:
        self.exchange = exchange
        self.settings = settings
        self.connection = connection
        self.coins = coins
        self.start = floor_minute(self.now())

    def now(self) -> datetime:
        """Return the market's time."""
        return self.settings.clock.instant(time.time())

    async def pass_time(self, market: timedelta) -> datetime:
        """Let so much market time pass."""
        end = self.now() + market
        while (left := (end - self.now()).total_seconds()) > 0:
            await asyncio.sleep(self.settings.clock.real_seconds(left))
        return end

    @asynccontextmanager
    async def collecting(self, settings: Settings | None = None) -> AsyncIterator[None]:
        """Run a collector in this process; a failure of it fails the test."""
        stop = asyncio.Event()
        work = asyncio.create_task(collect(settings or self.settings, EXCHANGE, stop))
        try:
            yield
            assert not work.done(), work.exception()
        finally:
            stop.set()
            async with asyncio.timeout(PATIENCE_SECONDS):
                await work

    @asynccontextmanager
    async def during(self, *faults: Fault) -> AsyncIterator[None]:
        """Have faults for the time of a ``with`` block, however slow the machine is."""
        for fault in faults:
            self.exchange.begin(fault)
        try:
            yield
        finally:
            for fault in faults:
                self.exchange.end(fault)

    async def until(self, claim: Callable[[], object], *, seconds: float = PATIENCE_SECONDS) -> None:
        """Wait for something to become true."""
        async with asyncio.timeout(seconds):
            while not (await result if asyncio.iscoroutine(result := claim()) else result):
                await asyncio.sleep(LOOK_SECONDS)

    async def reached(self, instant: datetime, *, symbol: str = "BTC") -> None:
        """Wait until the minute that holds an instant is confirmed."""
        sql = "SELECT state = 'confirmed' FROM candles WHERE symbol = $1 AND interval = '1m' AND time = $2"
        await self.until(lambda: self.connection.fetchval(sql, symbol, floor_minute(instant)))

    async def heals(
        self,
        *,
        until: datetime | None = None,
        symbols: Collection[str] | None = None,
        unsettled: Sequence[str] = (),
        seconds: float = PATIENCE_SECONDS,
    ) -> None:
        """Wait until the invariant holds for every minute from the start of the play to an instant.

        Args:
            until: Up to where; None: up to now, whatever the clock says then.
            symbols: Whose minutes; None: all.
            unsettled: States that are accepted beside confirmed, no_trade and unrecoverable.
            seconds: Real seconds of patience. The complaints of the last look are shown after them.
        """
        end = floor_minute(until or self.now())
        deadline = time.monotonic() + seconds
        while True:
            faults = [
                fault
                for symbol in (self.coins if symbols is None else symbols)
                for fault in await self.complaints(symbol, end=end, unsettled=unsettled)
            ]
            if not faults:
                return
            assert time.monotonic() < deadline, f"{len(faults)} complaints, the first: " + "\n".join(faults[:10])
            await asyncio.sleep(LOOK_SECONDS * 5)

    async def complaints(self, symbol: str, *, end: datetime, unsettled: Sequence[str] = ()) -> list[str]:
        """Return what is wrong with the minutes of a symbol from the start of the play to an end."""
        states = await self.connection.fetch(
            "SELECT time, array_agg(state) AS states FROM minute_states WHERE symbol = $1 AND time >= $2 AND time < $3 "
            "GROUP BY time",
            symbol,
            self.start,
            end,
        )
        rows = await self.connection.fetch(
            "SELECT c.*, (SELECT count(*) FROM candle_revisions WHERE symbol = c.symbol AND time = c.time) AS kept "
            "FROM candles c WHERE symbol = $1 AND interval = '1m' AND time >= $2 AND time < $3",
            symbol,
            self.start,
            end,
        )
        found: dict[datetime, list[str]] = {row["time"]: row["states"] for row in states}
        stored = {row["time"]: row for row in rows}
        complaints: list[str] = []
        for i in range((end - self.start) // MINUTE):
            minute = self.start + i * MINUTE
            fault = self._fault(symbol, minute, found.get(minute, []), stored.get(minute), unsettled)
            if fault:
                complaints.append(f"{symbol} {format_time(minute)}: {fault}")
        return complaints

    def truth(self, symbol: str, minute: datetime) -> Values | None:
        """Return what the exchange says of a minute in the end."""
        row = self.exchange.truth(self.coins[symbol], to_ms(minute) // MINUTE_MS)
        if row is None:
            return None
        return float(row.open), float(row.high), float(row.low), float(row.close), float(row.volume), row.trades

    def _fault(
        self, symbol: str, minute: datetime, states: list[str], row: asyncpg.Record | None, unsettled: Sequence[str]
    ) -> str | None:
        if len(states) != 1:
            return f"it has {len(states)} states: {states}"
        (state,) = states
        if state not in (*SETTLED, *unsettled):
            return f"it is {state}"
        truth = self.truth(symbol, minute)
        if row is None:
            return None if truth is None or state != "no_trade" else "it is said to be without trades, and has a row"
        values = tuple(row[name] for name in ("open", "high", "low", "close", "volume", "trades"))
        if state == "confirmed" and values != truth:
            return f"confirmed with {values}, the truth is {truth}"
        if row["revision"] != row["kept"]:
            return f"it was changed {row['revision']} times, and {row['kept']} of its versions are kept"
        return None

    async def states(self, symbol: str, start: datetime, *, n: int) -> list[str]:
        """Return the states of ``n`` minutes from a start on, as the view ``minute_states`` has them."""
        rows = await self.connection.fetch(
            "SELECT state FROM minute_states WHERE symbol = $1 AND time >= $2 AND time < $3 ORDER BY time",
            symbol,
            floor_minute(start),
            floor_minute(start) + n * MINUTE,
        )
        return [row["state"] for row in rows]

    async def n_in_state(self, symbol: str, state: str) -> int:
        """Return how many minutes of the play have a state."""
        sql = "SELECT count(*) FROM minute_states WHERE symbol = $1 AND state = $2 AND time >= $3"
        n_minutes: int = await self.connection.fetchval(sql, symbol, state, self.start)
        return n_minutes

    async def newest(self, symbol: str) -> datetime | None:
        """Return the newest stored minute of a symbol."""
        found: datetime | None = await self.connection.fetchval(
            "SELECT max(time) FROM candles WHERE symbol = $1 AND interval = '1m'", symbol
        )
        return found

    async def stored(self, symbol: str, start: datetime, end: datetime) -> list[datetime]:
        """Return the minutes of a symbol that have a row, from a start to an end."""
        sql = (
            "SELECT time FROM candles WHERE symbol = $1 AND interval = '1m' AND time >= $2 AND time < $3 ORDER BY time"
        )
        return [row["time"] for row in await self.connection.fetch(sql, symbol, start, end)]

    async def findings(self, kind: str, *, symbol: str | None = None) -> list[asyncpg.Record]:
        """Return the findings of a kind, oldest first."""
        rows = await self.connection.fetch(
            "SELECT * FROM data_quality WHERE kind = $1 AND ($2::text IS NULL OR symbol = $2) ORDER BY id", kind, symbol
        )
        return list(rows)

    async def streams(self, symbol: str = "BTC") -> None:
        """Wait until the stream has brought a minute that is not over yet."""
        sql = "SELECT count(*) FROM candles WHERE symbol = $1 AND interval = '1m' AND time >= $2 AND source = 'ws'"
        since = floor_minute(self.now())
        await self.until(lambda: self.connection.fetchval(sql, symbol, since))

    async def without_stream(self, symbol: str, *, since: datetime | None = None) -> list[datetime]:
        """Return the minutes of a symbol, from the play's start or later, of which history alone has ever told."""
        rows = await self.connection.fetch(
            "SELECT time FROM candles c WHERE symbol = $1 AND interval = '1m' AND time >= $2 AND source = 'rest' "
            "AND NOT EXISTS (SELECT FROM candle_revisions WHERE symbol = c.symbol AND time = c.time AND source = 'ws') "
            "ORDER BY time",
            symbol,
            floor_minute(since or self.start),
        )
        return [row["time"] for row in rows]

    async def never_wrong(self) -> bool:
        """Return whether no candle was changed that had been said to be confirmed."""
        return not await self.connection.fetchval("SELECT count(*) FROM candle_revisions WHERE state = 'confirmed'")

    async def reasons(self) -> set[str]:
        """Return why candles were changed."""
        return {row["reason"] for row in await self.connection.fetch("SELECT DISTINCT reason FROM candle_revisions")}


async def figures(log: pytest.LogCaptureFixture) -> dict[str, float]:
    """Return what the collector that was started last shows on its page of metrics, by name with labels.

    Its log, from INFO on, tells where that page is.
    """
    ports = [record.http_port for record in log.records if record.message == "collector started"]
    async with httpx.AsyncClient() as client:
        page = (await client.get(f"http://127.0.0.1:{ports[-1]}/metrics")).text
    lines = [line.rpartition(" ") for line in page.splitlines() if not line.startswith("#")]
    return {name: float(value) for name, _, value in lines}


async def health(log: pytest.LogCaptureFixture) -> tuple[int, dict[str, Any]]:
    """Return status and body of the health page of the collector that was started last; see ``figures``."""
    ports = [record.http_port for record in log.records if record.message == "collector started"]
    async with httpx.AsyncClient() as client:
        answer = await client.get(f"http://127.0.0.1:{ports[-1]}/healthz")
    return answer.status_code, answer.json()


def said(log: pytest.LogCaptureFixture, event: str) -> list[logging.LogRecord]:
    """Return what was logged under an event's name."""
    return [record for record in log.records if record.message == event]


@asynccontextmanager
async def play(
    database_url: str,
    settings_for: Callable[..., Settings],
    folder: Path,
    *,
    faults: Sequence[Fault] = (),
    symbols: dict[str, str | None] | None = None,
    feed: Feed | None = None,
    rate: float = RATE,
    start: float = NOON,
    collector: dict[str, object] | None = None,
    n_history: int | None = None,
) -> AsyncIterator[Play]:
    """Start an exchange with a made-up market, and prepare what a collector is told about it.

    Args:
        database_url: A fresh database.
        settings_for: The fixture.
        folder: For the configuration and the collector's state.
        faults: What goes wrong, on a time line from now on.
        symbols: The coin of every symbol, None where it has the same name; BTC and ETH where nothing is given.
        feed: Another market.
        rate: Market seconds in a real one.
        start: When it is, Unix seconds.
        collector: Other settings than the usual ones.
        n_history: The exchange has so many past minutes, and not 5,000, which take a second to fetch and to store.
    """
    horizon = [RestHorizon(n_rows=n_history)] if n_history else []
    wanted = symbols or {"BTC": None, "ETH": None}
    coins = {symbol: coin or symbol for symbol, coin in wanted.items()}
    clock = ClockScale(start, time.time(), rate)
    config = folder / "config.yaml"
    entries = {symbol: {} if coin is None else {"coin": coin} for symbol, coin in wanted.items()}
    tree = {"symbols": entries, "intervals": ["3m"], "history_start": "2017-01-01", "collector": collector or {}}
    config.write_text(json.dumps(tree))
    market = feed or Market(seed=7, coins=list(coins.values()))
    async with serve_exchange(market, clock, faults=Script((*horizon, *faults), seed=7)) as exchange:
        settings = settings_for(
            database_url,
            BTC_CONFIG=str(config),
            BTC_CLOCK=f"{clock.sim},{clock.real},{clock.rate}",
            HYPERLIQUID_WS_URL=exchange.ws_url,
            HYPERLIQUID_API_URL=exchange.api_url,
        )
        async with connect(database_url) as connection:
            yield Play(exchange, dataclasses.replace(settings, collector_port=0), connection, coins)
