"""The API's live stream with 200 clients: how long after a row each has it, and what clients that do not read cost.

A row's delay counts from the moment before it is written to the moment when a client's process has the message.
"""

import asyncio
import json
import re
import socket
import statistics
import time
from collections.abc import Iterator, Sequence
from contextlib import AsyncExitStack
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from pathlib import Path

import asyncpg
import websockets

from benchmarks.figure import Figure
from benchmarks.processes import ROOT, background, program
from btc_store.ports import free_port

N_CLIENTS, N_STALLED = 200, 20
N_ROWS, ROWS_A_SECOND = 200, 4
AIM_MS = 250
# In the soak each change is of so many candles, so that what is not read becomes much soon.
SOAK_CANDLES, SOAK_CHANGES_A_SECOND = 20, 4
SAMPLE_SECONDS = 1.0
PATIENCE_SECONDS = 10.0
START = datetime(2025, 1, 1, tzinfo=UTC)
SUBSCRIBE = json.dumps({"action": "subscribe", "channel": "candles", "symbol": "BTC", "interval": "1m"})
# `volume` tells which change it was.
_STORE = """
INSERT INTO candles (time, symbol, interval, open, high, low, close, volume, trades, minutes, source, state)
SELECT unnest($1::timestamptz[]), 'BTC', '1m', 100, 101, 99, 100, $2, 1, 1, 'ws', 'provisional'
ON CONFLICT (symbol, interval, time) DO UPDATE SET volume = excluded.volume"""
_VOLUME = re.compile(r'"volume":(\d+)')
# A close frame: 1013, and why. It has 127 bytes at most.
_DROPPED, _CLOSE_BYTES = b"\x03\xf5too slow", 127
_PSS = re.compile(r"^Pss: +(\d+) kB$", re.MULTILINE)


@dataclass
class Heard:
    """What the clients heard: for each change, how long after it was written each had it, seconds."""

    written: dict[int, float] = field(default_factory=dict[int, float])
    delays: dict[int, list[float]] = field(default_factory=dict[int, list[float]])
    n_ready: int = 0

    def note(self, message: str, at: float) -> None:
        """Take a message."""
        if '"type":"latest"' in message:
            self.n_ready += 1
            return
        # Several changes may come together.
        for n in self.written.keys() & {int(found) for found in _VOLUME.findall(message)}:
            self.delays.setdefault(n, []).append(at - self.written[n])

    def figures(self, name: str, of: str, *, n_clients: int) -> Iterator[Figure]:
        """Return the figures of the delays, and who was missed: a later change may stand for earlier ones."""
        delays = sorted(delay for each in self.delays.values() for delay in each)
        for part, value in (("p50", statistics.median(delays)), ("p99", delays[int(0.99 * len(delays)) - 1])):
            beside = {"limit": "aim", "ms": AIM_MS, "ratio": round(1000 * value / AIM_MS, 3)} if part == "p99" else None
            yield Figure(name=f"{name}_{part}", value=round(1000 * value, 1), unit=f"ms, {of}", beside=beside)
        n_behind = n_clients - len(self.delays.get(max(self.written), ()))
        yield Figure(name=f"{name}_behind", value=n_behind, unit=f"of {n_clients} clients without the last change")


def measure(url: str, folder: Path, *, soak_seconds: float = 0) -> Iterator[Figure]:
    """Measure the delay; with ``soak_seconds`` then the memory, while some clients do not read."""
    port = free_port()
    env = {"DATABASE_URL": url, "BTC_CONFIG": str(ROOT / "config.yaml"), "API_PORT": str(port)}
    with background([[program("python"), "-m", "api"]], env=env, log=folder / "api.log") as (api,):
        heard = asyncio.run(_delays(url, port))
        of = f"row to stream, {N_ROWS} rows, {N_CLIENTS} clients in one process of Python"
        yield from heard.figures("row_to_stream", of, n_clients=N_CLIENTS)
        if soak_seconds:
            yield from asyncio.run(_soak(url, port, api.pid, soak_seconds))


async def _delays(url: str, port: int) -> Heard:
    heard = Heard()
    async with AsyncExitStack() as stack:
        await _connected(stack, port, heard, N_CLIENTS)
        connection = await asyncpg.connect(url)
        for n in range(1, N_ROWS + 1):
            await _write(connection, heard, n, [START + n * timedelta(minutes=1)])
            await asyncio.sleep(1 / ROWS_A_SECOND)
        await _all_heard(heard, n, N_CLIENTS)
        await connection.close()
    return heard


async def _soak(url: str, port: int, pid: int, seconds: float) -> list[Figure]:
    """Let clients listen, some of which do not read."""
    heard, samples, n_good = Heard(), list[float](), N_CLIENTS - N_STALLED
    async with AsyncExitStack() as stack:
        await _connected(stack, port, heard, n_good)
        stalled = [await _stalled(stack, port) for _ in range(N_STALLED)]
        connection = await asyncpg.connect(url)
        times = [START + n * timedelta(minutes=1) for n in range(SOAK_CANDLES)]
        began, n = time.monotonic(), N_ROWS
        while time.monotonic() < began + seconds:
            n += 1
            await _write(connection, heard, n, times)
            await asyncio.sleep(1 / SOAK_CHANGES_A_SECOND)
            if len(samples) < (time.monotonic() - began) / SAMPLE_SECONDS:
                samples.append(memory_mb(pid))
        await _all_heard(heard, n, n_good)
        await connection.close()
        n_dropped = sum([await asyncio.to_thread(_is_dropped, each) for each in stalled])
    of = f"over {seconds:.0f} s, {N_CLIENTS} clients, {N_STALLED} of them stalled"
    return [
        *heard.figures("soak_delay", of, n_clients=n_good),
        *_memory(samples, of),
        Figure(name="soak_dropped", value=n_dropped, unit=f"of {N_STALLED} stalled clients"),
    ]


def _memory(samples: Sequence[float], of: str) -> Iterator[Figure]:
    """Return what the API held at the start, in the middle and at the end, each the median of a tenth of the time.

    What is not read fills up in the first quarter, until its clients are dropped: growth is what comes after that.
    """
    part = max(1, len(samples) // 10)
    middle = (len(samples) - part) // 2
    for name, each in (
        ("start", samples[:part]),
        ("middle", samples[middle : middle + part]),
        ("end", samples[-part:]),
    ):
        yield Figure(name=f"soak_memory_{name}", value=round(statistics.median(each), 1), unit=f"MB of the API, {of}")
    yield Figure(name="soak_memory_most", value=round(max(samples), 1), unit=f"MB of the API, {of}")
    quarter = max(1, len(samples) // 4)
    growth = statistics.median(samples[-quarter:]) - statistics.median(samples[quarter : 2 * quarter] or samples)
    yield Figure(name="soak_growth", value=round(growth, 1), unit="MB from the second to the last quarter")


async def _connected(stack: AsyncExitStack, port: int, heard: Heard, n_clients: int) -> None:
    """Connect clients that listen in the background, and wait until all have their newest row."""
    deadline = time.monotonic() + 60
    for _ in range(n_clients):
        client = await stack.enter_async_context(await _connect(port, deadline))
        await client.send(SUBSCRIBE)
        task = asyncio.create_task(_listen(client, heard))
        stack.callback(task.cancel)
    while heard.n_ready < n_clients:
        if time.monotonic() > deadline:
            raise RuntimeError(f"{heard.n_ready} of {n_clients} clients have heard anything after a minute")
        await asyncio.sleep(0.05)


async def _connect(port: int, deadline: float) -> websockets.ClientConnection:
    while True:
        try:
            return await websockets.connect(f"ws://127.0.0.1:{port}/api/v1/stream", compression=None)
        except OSError:
            if time.monotonic() > deadline:
                raise
            await asyncio.sleep(0.1)


async def _listen(client: websockets.ClientConnection, heard: Heard) -> None:
    async for message in client:
        heard.note(str(message), time.monotonic())


async def _stalled(stack: AsyncExitStack, port: int) -> socket.socket:
    """Connect a client that subscribes and never reads, by hand: a library would read for it."""
    client = socket.socket()
    client.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 8 * 1024)
    stack.callback(client.close)
    await asyncio.to_thread(client.connect, ("127.0.0.1", port))
    client.sendall(
        f"GET /api/v1/stream HTTP/1.1\r\nHost: 127.0.0.1:{port}\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
        "Sec-WebSocket-Key: AAAAAAAAAAAAAAAAAAAAAA==\r\nSec-WebSocket-Version: 13\r\n\r\n".encode()
    )
    # A frame of text, masked with zeros (RFC 6455, 5.2).
    client.sendall(bytes([0x81, 0x80 | len(SUBSCRIBE), 0, 0, 0, 0]) + SUBSCRIBE.encode())
    return client


def _is_dropped(client: socket.socket) -> bool:
    """Return whether a client that reads at last finds behind what it was sent why it was dropped, or an end."""
    client.settimeout(PATIENCE_SECONDS)
    last = b""
    try:
        while more := client.recv(65536):
            last = (last + more)[-_CLOSE_BYTES:]
            # The server waits for an answer to its close frame, which no library gives for this client.
            if _DROPPED in last:
                return True
    except ConnectionResetError:
        return True
    except TimeoutError:
        return False
    return True


async def _write(connection: asyncpg.Connection, heard: Heard, n: int, times: Sequence[datetime]) -> None:
    heard.written[n] = time.monotonic()
    await connection.execute(_STORE, times, float(n))


async def _all_heard(heard: Heard, n: int, n_clients: int) -> None:
    """Wait for the last change, but not for ever: what is missing then was missed."""
    deadline = time.monotonic() + 10
    while len(heard.delays.get(n, ())) < n_clients and time.monotonic() < deadline:
        await asyncio.sleep(0.05)


def memory_mb(pid: int) -> float:
    """Return what a process holds, with its share of what it shares."""
    return int(_PSS.findall(Path(f"/proc/{pid}/smaps_rollup").read_text(encoding="ascii"))[0]) / 1024
