"""What the tests of the live stream share: a server in this process on a real port, clients, and rows to tell."""

import asyncio
import json
from contextlib import asynccontextmanager
from datetime import UTC, datetime, timedelta

import uvicorn
import websockets

from api.app import build_app
from api.protocol import HeadProtocol, StreamProtocol
from btc_store.ports import free_port

HEARD_SECONDS = 20
START = datetime(2025, 2, 14, 8, tzinfo=UTC)
MINUTE = timedelta(minutes=1)
INSERT = """
    INSERT INTO candles (time, symbol, interval, open, high, low, close, volume, trades, minutes, source, state)
    VALUES ($1, $2, $3, 100, 102, 99, $4, 5, 3, 1, 'ws', 'provisional')
    ON CONFLICT (symbol, interval, time) DO UPDATE SET close = excluded.close"""


@asynccontextmanager
async def serving(settings):
    """Serve the API for the time of a ``with`` block; yields the port and the application."""
    app, port = build_app(settings), free_port()
    config = uvicorn.Config(
        app,
        host="127.0.0.1",
        port=port,
        log_config=None,
        server_header=False,
        http=HeadProtocol,
        ws=StreamProtocol,
        ws_max_size=4096,
        ws_per_message_deflate=False,
        ws_ping_timeout=60,
        timeout_graceful_shutdown=1,
    )
    server = uvicorn.Server(config)
    server.capture_signals = _no_signals
    task = asyncio.create_task(server.serve())
    while not server.started:
        await asyncio.sleep(0.01)
        assert not task.done(), task.exception()
    try:
        yield port, app
    finally:
        server.should_exit = True
        await task


def _no_signals():
    from contextlib import nullcontext

    return nullcontext()


class Listener:
    """A client of the stream."""

    def __init__(self, socket):
        self.socket = socket
        self.heard = []

    async def say(self, **message):
        """Send a message."""
        await self.socket.send(json.dumps(message))

    async def subscribe(self, channel="candles", symbol="BTC", interval="1m", **more):
        """Subscribe to a series."""
        await self.say(action="subscribe", channel=channel, symbol=symbol, interval=interval, **more)

    async def hear(self, *kinds):
        """Return the next message of one of some kinds."""
        async with asyncio.timeout(HEARD_SECONDS):
            while True:
                message = json.loads(await self.socket.recv())
                self.heard.append(message)
                if message["type"] in kinds:
                    return message

    async def hear_rows(self, wanted):
        """Listen until a row for each of some times was told; return the rows by time, the newest word of each."""
        rows = {}
        while not set(wanted) <= set(rows):
            message = await self.hear("latest", "change")
            rows.update({row["time"]: row for row in message["rows"]})
        return rows


@asynccontextmanager
async def listening(port, query=""):
    """Connect a client for the time of a ``with`` block."""
    async with websockets.connect(f"ws://127.0.0.1:{port}/api/v1/stream{query}") as socket:
        yield Listener(socket)


async def store(connection, n, *, close=101.0, symbol="BTC", interval="1m"):
    """Write the candle of the n-th minute."""
    await connection.execute(INSERT, START + n * MINUTE, symbol, interval, close)


def minute(n):
    """Return the n-th minute as messages say it."""
    return f"{START + n * MINUTE:%Y-%m-%dT%H:%M:%SZ}"


def times(message):
    """Return the times of a message's rows."""
    return [row["time"] for row in message["rows"]]
