"""The collector's own machine: its database, its disk, its process. One invariant (``tests/faulty.py``)."""

import asyncio
import errno
import os
import signal
import socket
import sys
from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import asynccontextmanager
from datetime import timedelta
from functools import partial
from pathlib import Path
from typing import NoReturn

import msgspec
import pytest

from btc_core.model.candle import Candle
from btc_core.model.timerange import MINUTE
from btc_store.connection import connect
from btc_store.ports import free_port
from btc_store.settings import Settings
from demo.faults.script import fault
from tests.faulty import Play, Playing, figures, health, play, said
from tests.stalls import real_time

pytestmark = real_time

ROOT = Path(__file__).resolve().parents[2]
PATIENCE_SECONDS = 30
# What the server says when its own disk is full.
DISK_FULL = "53100"
FULL_BUFFER = 'collector_events_total{event="buffer is full, oldest candles will be fetched again"}'


@pytest.fixture
def playing(database_url: str, settings_for: Callable[..., Settings], tmp_path: Path) -> Playing:
    """A play on a database of its own."""
    return partial(play, database_url, settings_for, tmp_path)


@asynccontextmanager
async def away(one: Play, server_url: str) -> AsyncIterator[None]:
    """Have the database refuse the collector."""
    async with connect(server_url) as server:
        await server.execute(f'ALTER DATABASE "{_name(one)}" ALLOW_CONNECTIONS false')
        await end_sessions(one)
        try:
            yield
        finally:
            await server.execute(f'ALTER DATABASE "{_name(one)}" ALLOW_CONNECTIONS true')


def _name(one: Play) -> str:
    return one.settings.database_url.rpartition("/")[2]


async def end_sessions(one: Play) -> None:
    """End the collectors' sessions, whatever they are about."""
    sql = (
        "SELECT pg_terminate_backend(pid) FROM pg_stat_activity "
        "WHERE datname = $1 AND application_name LIKE 'btc-collector/%'"
    )
    await one.connection.execute(sql, _name(one))


async def test_a_database_that_is_down(playing, server_url, caplog):
    """Minutes wait on disk, and health says so; the connection to the exchange lives on."""
    caplog.set_level("INFO")
    async with playing() as one, one.collecting():
        await one.reached(one.start + MINUTE)
        async with away(one, server_url):
            await one.until(lambda: _is_shown(caplog, "collector_spool_candles", at_least=6))
            _, body = await health(caplog)
            assert "the database is away" in " ".join(body["troubles"])
        await one.reached(one.now())
        await one.heals()
        assert said(caplog, "database is away") and said(caplog, "spool is written")
        assert await _is_shown(caplog, "collector_frames_total", at_least=1)
        assert (await figures(caplog))["collector_spool_candles"] == 0
        assert one.exchange.n_links == 1


async def _is_shown(log: pytest.LogCaptureFixture, name: str, *, at_least: float) -> bool:
    return (await figures(log)).get(name, 0) >= at_least


async def test_sessions_that_end_in_mid_batch(playing, caplog):
    """Whatever was under way is written again, and twice is once."""
    async with playing() as one, one.collecting():
        await one.reached(one.start + MINUTE)
        for _ in range(30):
            await end_sessions(one)
            await one.pass_time(timedelta(seconds=25))
        assert said(caplog, "database is away")
        await one.reached(one.now())
        await one.heals()
        assert one.exchange.n_links == 1


async def test_a_server_whose_disk_is_full(playing, caplog):
    """A batch of which one row cannot be written is not written at all; all of it waits on our disk."""
    async with playing() as one, one.collecting():
        await one.reached(one.start + MINUTE)
        await one.connection.execute(
            "CREATE FUNCTION fail() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN "
            f"RAISE EXCEPTION 'could not extend file' USING errcode = '{DISK_FULL}'; END $$; "
            "CREATE TRIGGER full_disk BEFORE INSERT ON candles FOR EACH ROW WHEN (new.symbol = 'ETH') "
            "EXECUTE FUNCTION fail()"
        )
        newest = await one.newest("ETH")
        await one.until(lambda: said(caplog, "database is away"))
        await one.pass_time(timedelta(minutes=4))
        assert await one.newest("ETH") == newest
        await one.connection.execute("DROP TRIGGER full_disk ON candles")
        await one.reached(one.now(), symbol="ETH")
        await one.heals()
        assert one.exchange.n_links == 1


@pytest.mark.parametrize("is_too_slow", [False, True])
async def test_a_database_that_is_slow(playing, caplog, monkeypatch, is_too_slow):
    """What is read from the socket never waits for it; beyond its deadline a statement is given up and repeated."""
    caplog.set_level("INFO")
    async with playing() as one:
        if is_too_slow:
            monkeypatch.setattr("btc_store.connection.STATEMENT_TIMEOUT_SECONDS", 0.3)
            monkeypatch.setattr("collector.store.STATEMENT_TIMEOUT_SECONDS", 0.3)
        async with one.collecting():
            await one.reached(one.start + MINUTE)
            async with one.connection.transaction():
                await one.connection.execute("LOCK TABLE candles IN SHARE ROW EXCLUSIVE MODE")
                n_frames = (await figures(caplog))["collector_frames_total"]
                end = await one.pass_time(timedelta(minutes=8))
                await one.until(lambda: not is_too_slow or said(caplog, "database is away"))
                assert (await figures(caplog))["collector_frames_total"] > n_frames
                assert await one.newest("BTC") < end - 6 * MINUTE
            monkeypatch.undo()
            await one.reached(one.now())
            await one.heals()
            assert bool(said(caplog, "database is away")) == is_too_slow
            assert one.exchange.n_links == 1


@pytest.mark.parametrize("megabytes", [64, 0.0005])
async def test_a_disk_that_is_full(playing, server_url, caplog, monkeypatch, megabytes):
    """While the database is away too, memory holds what it can, and REST brings the rest when it is back."""
    caplog.set_level("INFO")
    full = megabytes > 1

    def pwrite(*given: object) -> NoReturn:
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    told = {"spool_megabytes": megabytes, "buffer_candles": 4}
    async with playing(collector=told) as one, one.collecting():
        await one.reached(one.start + MINUTE)
        if full:
            monkeypatch.setattr("collector.spool.os.pwrite", pwrite)
        async with away(one, server_url):
            n_before = (await figures(caplog)).get(FULL_BUFFER, 0)
            await one.until(lambda: said(caplog, "spool cannot be written"))
            await one.until(lambda: _is_shown(caplog, FULL_BUFFER, at_least=n_before + 3))
        monkeypatch.undo()
        await one.reached(one.now())
        await one.heals()
        reason = said(caplog, "spool cannot be written")[0].reason
        assert ("No space left on device" if full else "spool_megabytes") in reason
        assert one.exchange.n_links == 1


async def test_a_start_while_the_database_is_away(playing, tmp_path):
    """One sentence that says what to do, and exit status 1: whoever starts us starts us again."""
    with socket.socket() as nobody:
        nobody.bind(("127.0.0.1", 0))
        url = f"postgresql://btc_bot@127.0.0.1:{nobody.getsockname()[1]}/btc_data"
        async with playing() as one, running(one, tmp_path, DATABASE_URL=url) as process:
            async with asyncio.timeout(PATIENCE_SECONDS):
                _, log = await process.communicate()
    assert process.returncode == 1
    (sentence,) = [line for line in log.decode().splitlines() if line.startswith("collector: ")]
    assert "no usable database at 127.0.0.1" in sentence
    assert "Traceback" not in log.decode()


async def test_a_start_while_the_exchange_is_away(playing, caplog):
    """It waits, and health says for what."""
    caplog.set_level("INFO")
    outage = fault("outage")
    async with playing(faults=[outage]) as one, one.collecting():
        await one.until(lambda: said(caplog, "no list of markets yet"))
        code, body = await health(caplog)
        assert code == 503
        assert body["troubles"][0] == "nothing is collected: the symbols' coins are not known yet"
        end = await one.pass_time(timedelta(minutes=5))
        assert await one.newest("BTC") is None
        one.exchange.end(outage)
        await one.reached(end)
        await one.heals()


async def test_two_collectors_on_one_database(playing, monkeypatch, caplog):
    """What both store is the same, and twice is once; the second one says that it is not alone."""
    async with playing() as one, one.collecting():
        await one.reached(one.start + MINUTE)
        assert not said(caplog, "another collector writes to this database")
        monkeypatch.setattr("collector.store.session_name", lambda: "btc-collector/elsewhere/1")
        async with one.collecting():
            await one.reached(one.now() + 3 * MINUTE)
            await one.heals()
        assert said(caplog, "another collector writes to this database")
        assert one.exchange.n_links == 2


@asynccontextmanager
async def running(one: Play, folder: Path, **env: str) -> AsyncIterator[asyncio.subprocess.Process]:
    """Run a collector as a process of its own; what is left of it is killed."""
    clock = one.settings.clock
    told = {
        **{name: value for name, value in os.environ.items() if name in {"PATH", "HOME", "LANG"}},
        "BTC_CONFIG": str(folder / "config.yaml"),
        "BTC_CLOCK": f"{clock.sim},{clock.real},{clock.rate}",
        "DATABASE_URL": one.settings.database_url,
        "HYPERLIQUID_WS_URL": one.exchange.ws_url,
        "HYPERLIQUID_API_URL": one.exchange.api_url,
        "COLLECTOR_HTTP_PORT": str(free_port()),
    }
    process = await asyncio.create_subprocess_exec(
        *(sys.executable, "-m", "collector"), cwd=ROOT, env={**told, **env}, stderr=asyncio.subprocess.PIPE
    )
    try:
        yield process
    finally:
        if process.returncode is None:
            process.send_signal(signal.SIGKILL)
        async with asyncio.timeout(PATIENCE_SECONDS):
            await process.communicate()


async def test_a_process_killed_with_a_spool_on_disk(playing, server_url, tmp_path, caplog):
    """The next one writes what it finds, although REST has nothing to say."""
    caplog.set_level("INFO")
    async with playing() as one:
        async with running(one, tmp_path) as process:
            await one.reached(one.start + 2 * MINUTE)
            async with away(one, server_url):
                await one.until(lambda: len(_spooled(one)) >= 6)
                process.kill()
                await process.wait()
        spooled = _spooled(one)
        assert len(spooled) >= 6
        async with one.during(fault("rest_error", request="candleSnapshot")), one.collecting():
            await one.until(lambda: said(caplog, "spool is written"))
            for candle in spooled:
                row = await one.connection.fetchrow(
                    "SELECT * FROM candles WHERE symbol = $1 AND time = $2", candle.symbol, candle.time
                )
                # A minute may be there in several versions.
                assert row["source"] == "ws" and row["trades"] >= candle.trades
        assert not _spooled(one)
        async with one.collecting():
            await one.heals()


def _spooled(one: Play) -> Sequence[Candle]:
    files = sorted(one.settings.collector_folder.glob("spool-*.jsonl"))
    return [candle for file in files for candle in msgspec.json.Decoder(Candle).decode_lines(file.read_bytes())]


async def test_a_first_start_killed_in_its_first_backfill(playing, tmp_path):
    """What it had not stored yet is no less wanted: the next start completes all that the exchange has."""
    async with playing(symbols={"BTC": None}) as one:
        # A chunk at a time, so that the kill comes between two of them.
        await one.connection.execute(
            "CREATE FUNCTION rest() RETURNS trigger LANGUAGE plpgsql AS "
            "$$ BEGIN PERFORM pg_sleep(0.5); RETURN NULL; END $$; "
            "CREATE TRIGGER rests AFTER INSERT ON candles FOR EACH STATEMENT EXECUTE FUNCTION rest()"
        )
        async with running(one, tmp_path):
            await one.until(lambda: one.connection.fetchval("SELECT count(*) >= 1000 FROM candles"))
        await one.connection.execute("DROP TRIGGER rests ON candles")
        assert await one.connection.fetchval("SELECT count(*) FROM candles") < 4000
        one.start -= timedelta(minutes=4900)
        async with one.collecting():
            await one.reached(one.now())
            await one.heals()
