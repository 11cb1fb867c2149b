"""The collector against a real PostgreSQL and a WebSocket server that speaks the exchange's protocol.

The market runs on a scaled clock: one of its minutes lasts a tenth of a real second.
"""

import asyncio
import dataclasses
import json
import os
import signal
import sys
import time
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager, suppress
from datetime import datetime, timedelta
from pathlib import Path

import asyncpg
import msgspec
import pytest
from websockets.asyncio.server import ServerConnection, serve
from websockets.exceptions import ConnectionClosed

from btc_core.config import SymbolConfig
from btc_core.errors import ConfigError, DatabaseError
from btc_core.model.candle import Candle, State
from btc_core.model.clock import ClockScale
from btc_core.model.timerange import MINUTE, floor_minute, from_ms, to_ms
from btc_store.connection import connect
from btc_store.ports import free_port
from btc_store.settings import Settings
from collector.exchanges.hyperliquid import EXCHANGE
from collector.runner import collect
from collector.store import open_store

ROOT = Path(__file__).resolve().parents[2]
NOON = 1739534400
RATE = 600
PATIENCE_SECONDS = 30
N_TRADES = 9

pytestmark = pytest.mark.usefixtures("database_url")


def truth(minute: datetime, *, part: int = N_TRADES) -> dict[str, object]:
    """Return the candle of a minute after some of its trades, as the exchange tells it."""
    t = to_ms(minute)
    base = 1000 + t // 60000 % 100
    prices = {"o": f"{base}.0", "h": f"{base + part}.0", "l": f"{base}.0", "c": f"{base + part}.0"}
    return {"t": t, "T": t + 59999, "s": "BTC", "i": "1m", **prices, "v": f"{part}.5", "n": part}


class FakeExchange:
    """One coin whose every minute is known beforehand: three frames a minute, and the same by REST."""

    def __init__(self, clock: ClockScale) -> None:
        self.clock = clock
        self.connections: list[ServerConnection] = []
        self.n_connections = 0
        self.subscribed: list[str] = []
        self.n_mute = 0
        self.ws_url = self.api_url = ""

    def now(self) -> datetime:
        """Return the market's time."""
        return self.clock.instant(time.time())

    def drop_connections(self) -> None:
        """Break every connection without a goodbye, as the exchange does."""
        for connection in self.connections:
            connection.transport.abort()

    async def talk(self, connection: ServerConnection) -> None:
        """Answer subscriptions with an acknowledgement and the stream."""
        self.n_connections += 1
        is_mute = self.n_connections <= self.n_mute
        self.connections.append(connection)
        streams: list[asyncio.Task[None]] = []
        with suppress(ConnectionClosed):
            await connection.send("Websocket connection established.")
            async for text in connection:
                message = json.loads(text)
                if is_mute:
                    continue
                if message["method"] == "ping":
                    await connection.send('{"channel":"pong"}')
                    continue
                self.subscribed.append(message["subscription"]["coin"])
                await connection.send(json.dumps({"channel": "subscriptionResponse", "data": message}))
                streams.append(asyncio.create_task(self._stream(connection)))
        self.connections.remove(connection)
        for stream in streams:
            stream.cancel()
        await asyncio.gather(*streams, return_exceptions=True)

    async def _stream(self, connection: ServerConnection) -> None:
        minute = floor_minute(self.now())
        with suppress(ConnectionClosed):
            # Minute after minute: on a busy machine frames come late, but none is left out.
            while True:
                for seconds, part in ((10, 2), (30, N_TRADES), (31, 5)):
                    wait = (minute + timedelta(seconds=seconds) - self.now()).total_seconds()
                    await asyncio.sleep(max(0, self.clock.real_seconds(wait)))
                    await connection.send(json.dumps({"channel": "candle", "data": truth(minute, part=part)}))
                minute += MINUTE

    async def answer(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        """Answer one request; a client that went away in the middle of it gets none."""
        try:
            await self._answer(reader, writer)
        except (EOFError, ConnectionError):
            writer.close()

    async def _answer(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        head = (await reader.readuntil(b"\r\n\r\n")).decode().lower()
        length = int(head.split("content-length:")[1].split("\r\n")[0])
        body = json.dumps(self._info(json.loads(await reader.readexactly(length)))).encode()
        writer.write(b"HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nConnection: close\r\n")
        writer.write(b"Content-Length: %d\r\n\r\n%s" % (len(body), body))
        await writer.drain()
        writer.close()
        await writer.wait_closed()

    def _info(self, request: dict) -> object:
        """Return the markets, or a range of history with the minute that is still open."""
        if request["type"] == "meta":
            return {"universe": [{"name": "BTC", "szDecimals": 5}, {"name": "DEAD", "isDelisted": True}]}
        if request["type"] == "spotMeta":
            return {"tokens": [], "universe": []}
        if request["type"] == "exchangeStatus":
            return {"specialStatuses": None, "time": to_ms(self.now())}
        start, end = floor_minute(from_ms(request["req"]["startTime"])), from_ms(request["req"]["endTime"])
        minutes = [start + i * MINUTE for i in range((end - start) // MINUTE + 1)]
        now = self.now()
        return [truth(m, part=N_TRADES if m + MINUTE <= now else 1) for m in minutes if m <= now]


@pytest.fixture
async def exchange() -> AsyncIterator[FakeExchange]:
    """An exchange that listens on free ports, at noon of a day in 2025."""
    fake = FakeExchange(ClockScale(NOON, time.time(), RATE))
    rest = await asyncio.start_server(fake.answer, "127.0.0.1", 0)
    async with serve(fake.talk, "127.0.0.1", 0) as stream, rest:
        fake.ws_url = f"ws://127.0.0.1:{stream.sockets[0].getsockname()[1]}/ws"
        fake.api_url = f"http://127.0.0.1:{rest.sockets[0].getsockname()[1]}/info"
        yield fake


@pytest.fixture
def settings(exchange: FakeExchange, database_url: str, settings_for: Callable[..., Settings], tmp_path: Path):
    """Settings for that exchange: a small buffer, and any free port for the health pages."""
    config = tmp_path / "config.yaml"
    config.write_text(
        "symbols: {BTC: {}}\nintervals: [3m]\nhistory_start: 2017-01-01\n"
        "collector: {buffer_candles: 3, flush_candles: 2}\n"
    )
    return dataclasses.replace(settings_for(database_url, **environment(exchange, config)), collector_port=0)


def environment(exchange: FakeExchange, config: Path) -> dict[str, str]:
    """Return the variables that lead to the exchange."""
    return {
        "HYPERLIQUID_WS_URL": exchange.ws_url,
        "HYPERLIQUID_API_URL": exchange.api_url,
        "BTC_CLOCK": f"{exchange.clock.sim},{exchange.clock.real},{exchange.clock.rate}",
        "BTC_CONFIG": str(config),
    }


@asynccontextmanager
async def collecting(settings: Settings) -> AsyncIterator[None]:
    """Run a collector in this process; a failure of it fails the test."""
    stop = asyncio.Event()
    work = asyncio.create_task(collect(settings, EXCHANGE, stop))
    try:
        yield
    finally:
        stop.set()
        async with asyncio.timeout(PATIENCE_SECONDS):
            await work


async def until(claim: Callable[[], Awaitable[bool]]) -> None:
    """Wait for something to become true; each look is a round trip to another process."""
    async with asyncio.timeout(PATIENCE_SECONDS):
        while not await claim():
            await asyncio.sleep(0)


async def stored(connection: asyncpg.Connection) -> list[asyncpg.Record]:
    """Return the stored candles, oldest first."""
    return await connection.fetch("SELECT * FROM candles ORDER BY time")


def is_whole(rows: list[asyncpg.Record], *, first: datetime, last: datetime) -> bool:
    """Return whether every minute from first to last is there with its final values."""
    values = {row["time"]: (row["open"], row["high"], row["low"], row["close"], row["volume"]) for row in rows}
    wanted = [truth(first + i * MINUTE) for i in range((last - first) // MINUTE + 1)]
    return all(values.get(from_ms(one["t"])) == tuple(float(one[key]) for key in "ohlcv") for one in wanted)


async def test_stream_and_history_make_one_unbroken_series(exchange, settings, connection):
    """An empty table gets 5000 minutes of history and then every minute of the stream, each with its final values."""
    start = floor_minute(exchange.now())
    async with collecting(settings):
        await until(lambda: reaches(connection, start + 5 * MINUTE))
        await until(lambda: wholly(connection, start - 4990 * MINUTE, start + 5 * MINUTE))
    rows = await stored(connection)
    assert {row["source"] for row in rows} == {"ws", "rest"}
    assert {row["state"] for row in rows if row["time"] < start - MINUTE} == {"confirmed"}
    assert exchange.subscribed == ["BTC"]


async def reaches(connection: asyncpg.Connection, minute: datetime) -> bool:
    """Return whether a minute is stored."""
    return bool(await connection.fetchval("SELECT count(*) FROM candles WHERE time = $1", minute))


async def wholly(connection: asyncpg.Connection, first: datetime, last: datetime) -> bool:
    """Return whether a range is stored with its final values."""
    return is_whole(await stored(connection), first=first, last=last)


async def test_a_broken_connection_leaves_no_gap(exchange, settings, connection):
    """Whatever was missed while the connection was away comes by history, and the newest minute is where it starts."""
    await seed(settings, exchange)
    async with collecting(settings):
        for _ in range(3):
            newest = await connection.fetchval("SELECT max(time) FROM candles")
            exchange.drop_connections()
            await until(lambda newest=newest: reaches(connection, newest + 3 * MINUTE))
        last = await connection.fetchval("SELECT max(time) FROM candles")
        await until(lambda: wholly(connection, from_ms(NOON * 1000) - 29 * MINUTE, last))
    assert exchange.n_connections >= 3


async def seed(settings: Settings, exchange: FakeExchange) -> None:
    """Store one minute of half an hour ago, so that history starts there."""
    minute = from_ms(NOON * 1000) - 30 * MINUTE
    old = Candle(
        time=minute, symbol="BTC", open=1, high=1, low=1, close=1, volume=1, trades=1, source="rest",
        state=State.PROVISIONAL,
    )  # fmt: skip
    assert minute < exchange.now()
    async with open_store(settings) as store:
        await store.write([old])


async def test_a_dead_connection_is_replaced(exchange, settings, connection, monkeypatch):
    """A connection on which nothing comes, not even an answer to the subscription, is dropped without a goodbye."""
    monkeypatch.setattr("collector.parts.NETWORK_SECONDS", 0.3)
    exchange.n_mute = 1
    async with collecting(settings):
        await until(lambda: stream_reaches(connection))
    assert exchange.n_connections == 2


async def stream_reaches(connection: asyncpg.Connection) -> bool:
    """Return whether a candle of the stream is stored."""
    return bool(await connection.fetchval("SELECT count(*) FROM candles WHERE source = 'ws'"))


async def test_while_the_database_is_away_nothing_is_lost(exchange, settings, connection, server_url, caplog):
    """Minutes wait on disk; once the database is back they are written in their order, and confirmed."""
    caplog.set_level("INFO")
    await seed(settings, exchange)
    name = settings.database_url.rpartition("/")[2]
    async with collecting(settings), connect(server_url) as other:
        await until(lambda: reaches(connection, floor_minute(from_ms(NOON * 1000))))
        await other.execute(f'ALTER DATABASE "{name}" ALLOW_CONNECTIONS false')
        await other.execute(f"SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE datname = '{name}'")
        away = floor_minute(exchange.now())
        await until(lambda: has_passed(exchange, other, away + 8 * MINUTE))
        await other.execute(f'ALTER DATABASE "{name}" ALLOW_CONNECTIONS true')
        async with connect(settings.database_url) as again:
            await until(lambda: reaches(again, away + 10 * MINUTE))
            await until(lambda: wholly(again, from_ms(NOON * 1000) - 29 * MINUTE, away + 10 * MINUTE))
    assert exchange.n_connections == 1
    said = {record.message for record in caplog.records}
    assert {"database is away", "spool is written"} <= said


async def has_passed(exchange: FakeExchange, other: asyncpg.Connection, instant: datetime) -> bool:
    """Return whether the market is past an instant, after a round trip that lets others run."""
    await other.execute("SELECT 1")
    return exchange.now() > instant


async def test_stopping_stores_what_is_closed(exchange, settings, connection):
    """Minutes that wait for a slow database when the collector is told to stop are written before it ends."""
    await seed(settings, exchange)
    async with collecting(settings):
        await until(lambda: stream_reaches(connection))
        transaction = connection.transaction()
        await transaction.start()
        await connection.execute("LOCK TABLE candles IN SHARE ROW EXCLUSIVE MODE")
        newest = await connection.fetchval("SELECT max(time) FROM candles")
        await until(lambda: has_passed(exchange, connection, newest + 5 * MINUTE))
        # It runs when the collector has been told to stop, which is what follows without a pause.
        release = asyncio.create_task(transaction.rollback())
    await release
    assert await connection.fetchval("SELECT max(time) FROM candles") > newest


async def test_a_refused_row_does_not_hold_up_the_others(exchange, settings, connection):
    """The database's own checks are the last line: the row at fault is left out and named, the rest is stored."""
    good = Candle(
        time=from_ms(NOON * 1000), symbol="BTC", open=1, high=1, low=1, close=1, volume=1, trades=1, source="ws",
        state=State.PROVISIONAL,
    )  # fmt: skip
    candles = [
        msgspec.structs.replace(good, time=good.time + i * MINUTE, high=0.5 if i == 2 else 1.0) for i in range(5)
    ]
    async with open_store(settings) as store:
        await store.write(candles)
        assert store.n_stored == 4
    assert len(await stored(connection)) == 4


async def test_unknown_symbols_alone_end_the_collector(exchange, settings):
    """None left: one sentence that names each, and nothing is subscribed to."""
    config = msgspec.structs.replace(settings.config, symbols={"CBBTC": SymbolConfig(), "DEAD": SymbolConfig()})
    with pytest.raises(ConfigError, match=r"'CBBTC'.*cbBTC is not listed on Hyperliquid.*UBTC/USDC.*'DEAD'.*delisted"):
        await collect(dataclasses.replace(settings, config=config), EXCHANGE, asyncio.Event())
    assert exchange.n_connections == 0


async def test_a_database_without_tables_ends_the_collector(settings, empty_database_url):
    """The sentence says which command makes them."""
    with pytest.raises(DatabaseError, match="btc db upgrade"):
        await collect(dataclasses.replace(settings, database_url=empty_database_url), EXCHANGE, asyncio.Event())


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
async def test_the_process_ends_with_0_on_a_signal(exchange, settings, connection, tmp_path, number):
    """Health turns good once minutes come in; a signal stores what is closed and ends the process cleanly."""
    await seed(settings, exchange)
    port = free_port()
    env = {
        **{key: value for key, value in os.environ.items() if key in ("PATH", "HOME", "LANG")},
        **environment(exchange, tmp_path / "config.yaml"),
        "DATABASE_URL": settings.database_url,
        "COLLECTOR_HTTP_PORT": str(port),
    }
    process = await asyncio.create_subprocess_exec(
        sys.executable, "-m", "collector", cwd=ROOT, env=env, stderr=asyncio.subprocess.PIPE
    )
    try:
        await until(lambda: is_healthy(port))
        assert await reaches(connection, floor_minute(from_ms(NOON * 1000)))
    finally:
        process.send_signal(number)
        async with asyncio.timeout(PATIENCE_SECONDS):
            _, log = await process.communicate()
    assert process.returncode == 0, log.decode()
    assert b"Traceback" not in log
    assert b"collector stopped" in log


async def is_healthy(port: int) -> bool:
    """Return whether ``/healthz`` says 200."""
    try:
        reader, writer = await asyncio.open_connection("127.0.0.1", port)
    except OSError:
        return False
    try:
        writer.write(b"GET /healthz HTTP/1.1\r\n\r\n")
        return b" 200 " in await reader.read()
    finally:
        writer.close()
        await writer.wait_closed()
