"""The API under 50 connections over a million stored minutes: requests a second, the slowest of a hundred, memory.

The clients are in this process, as lean as they can be, on the same machine as server and database.
"""

import asyncio
import time
from collections.abc import Iterator, Sequence
from contextlib import suppress
from datetime import UTC, datetime, timedelta
from pathlib import Path

from benchmarks.databases import connection
from benchmarks.figure import Figure
from benchmarks.processes import background, program
from btc_store.ports import free_port

N_CONNECTIONS = 50
SECONDS = 5.0
START = datetime(2023, 1, 1, tzinfo=UTC)
N_MINUTES = 1_000_000
PAGES = tuple(START + timedelta(days=13 * n) for n in range(N_CONNECTIONS))
_FILL = """
INSERT INTO candles (time, symbol, interval, open, high, low, close, volume, trades, minutes, source, state)
SELECT %s + n * interval '1 minute', 'BTC', '1m', 20000 + n %% 1000, 20003 + n %% 1000, 19999 + n %% 1000,
       20001.5 + n %% 1000, n %% 17 + 0.125, n %% 5, 1, 'import:bench', 'confirmed'
FROM generate_series(0, %s - 1) AS n"""
# What is asked, and below how many milliseconds 99 of 100 answers are to come.
CASES = {
    "latest": (["/api/v1/candles/latest"], 20),
    "candles, all the same 500": (["/api/v1/candles?limit=500"], 60),
    "candles, 50 pages of 500": ([f"/api/v1/candles?limit=500&start={at:%Y-%m-%d}" for at in PAGES], None),
}


def measure(url: str, folder: Path) -> Iterator[Figure]:
    """Fill the table and ask."""
    with connection(url) as opened, opened.cursor() as cursor:
        cursor.execute(_FILL, (START, N_MINUTES))
        cursor.execute("VACUUM ANALYZE candles")
    port = free_port()
    end = START + timedelta(minutes=N_MINUTES)
    env = {
        "DATABASE_URL": url,
        "API_PORT": str(port),
        "BTC_SYMBOLS": "BTC",
        "BTC_CLOCK": f"{end.timestamp()},{time.time()},1",
    }
    with background([(program("python"), "-m", "api")], env=env, log=folder / "api.log") as (server,):
        asyncio.run(_until_it_answers(port))
        for name, (paths, most) in CASES.items():
            times = asyncio.run(_ask(port, paths, SECONDS))
            yield from _figures(name, times, most)
        before = _resident_mb(server.pid)
        yield Figure(name="api memory after that", value=before, unit="MB", beside={"at most": 120})
        n_rows, seconds = asyncio.run(_export(port))
        yield Figure(name="api export", value=round(n_rows / seconds), unit="rows/s", beside={"rows": n_rows})
        grown = round(max(0.0, _resident_mb(server.pid) - before), 1)
        yield Figure(name="api export memory growth", value=grown, unit="MB", beside={"at most": 50})


def _figures(name: str, times: Sequence[float], most: int | None) -> Iterator[Figure]:
    ordered = sorted(times)
    rate = round(len(times) / SECONDS)
    yield Figure(name=f"api {name}", value=rate, unit="requests/s", beside={"connections": N_CONNECTIONS})
    p50, p99 = (round(ordered[int(len(ordered) * share)] * 1e3, 1) for share in (0.5, 0.99))
    beside = {"p50": p50} | ({"at most": most, "ratio": round(p99 / most, 2)} if most else {})
    yield Figure(name=f"api {name} p99", value=p99, unit="ms", beside=beside)


async def _until_it_answers(port: int) -> None:
    """Wait for the server, and let it open its connections."""
    async with asyncio.timeout(30):
        while True:
            with suppress(OSError):
                await _ask(port, ["/api/v1/candles?limit=500"], 0.5)
                break
            await asyncio.sleep(0.1)


async def _ask(port: int, paths: Sequence[str], seconds: float) -> list[float]:
    """Ask on all connections at once, each again as soon as it has its answer; return how long each answer took."""
    times: list[float] = []
    until = time.perf_counter() + seconds

    async def one(path: str) -> None:
        reader, writer = await asyncio.open_connection("127.0.0.1", port)
        request = f"GET {path} HTTP/1.1\r\nHost: 127.0.0.1:{port}\r\n\r\n".encode()
        while time.perf_counter() < until:
            asked = time.perf_counter()
            writer.write(request)
            head = await reader.readuntil(b"\r\n\r\n")
            assert head.startswith(b"HTTP/1.1 200"), head
            await reader.readexactly(int(head.lower().split(b"content-length:")[1].split(b"\r\n")[0]))
            times.append(time.perf_counter() - asked)
        writer.close()

    await asyncio.gather(*(one(paths[n % len(paths)]) for n in range(N_CONNECTIONS)))
    return times


async def _export(port: int) -> tuple[int, float]:
    """Take a year as CSV; return the number of its rows and how long it took."""
    began = time.perf_counter()
    reader, writer = await asyncio.open_connection("127.0.0.1", port)
    path = f"/api/v1/export/csv?start={START:%Y-%m-%d}&end={START.year + 1}-01-01"
    writer.write(f"GET {path} HTTP/1.1\r\nHost: 127.0.0.1:{port}\r\nConnection: close\r\n\r\n".encode())
    await reader.readuntil(b"\r\n\r\n")
    n_rows = -1
    # Chunks of the encoding begin with their lengths, on lines of their own that hold no comma.
    while line := await reader.readline():
        n_rows += b"," in line
    writer.close()
    return n_rows, time.perf_counter() - began


def _resident_mb(pid: int) -> float:
    lines = Path(f"/proc/{pid}/status").read_text(encoding="ascii").splitlines()
    return round(int(next(line for line in lines if line.startswith("VmRSS")).split()[1]) / 1024, 1)
