"""A power cut: database, collector and live lane die at one instant, at random moments, again and again.

The server waits for its disk, with the settings of docker-compose.yml. BTC_POWER_CUTS says how often the power goes.
"""

import os
import random
import shutil
import signal
import threading
import time
from collections.abc import Iterator
from contextlib import AbstractContextManager, closing, suppress
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import psycopg2
import psycopg2.extensions
import pytest
import yaml

from btc_core.model.timerange import MINUTE, to_ms
from btc_store.embedded import FALLBACK_FOLDER, EmbeddedPostgres
from btc_store.ports import free_port
from btc_store.schema import upgrade
from demo.market import Market
from tests.conftest import FETCHED
from tests.e2e.processes import ROOT, Processes, processes, scaled_clock, start_exchange

pytestmark = pytest.mark.e2e

N_CUTS = int(os.environ.get("BTC_POWER_CUTS", "2"))
SEED = 11
COINS = ("BTC", "ETH")
START = datetime(2025, 3, 3, tzinfo=UTC)
# Ten market minutes a second and coin: there is always something half written.
RATE = 600.0
# So long after a process's first news the power goes at the latest, seconds.
LATEST_CUT = 1.5
# Anything may still be read for the first time by who looks back so far.
LOOK_BACK = timedelta(hours=12)

MINUTES = "SELECT symbol, time, open, high, low, close, volume, trades FROM candles WHERE interval = '1m'"
# What anybody may read, and what must never be taken back. A decision may get a further revision.
PROMISES = (
    f"{MINUTES} AND state = 'confirmed' AND time >= %s",
    "SELECT symbol, interval, strategy, time, seq, revision, signal, price FROM decisions WHERE time >= %s",
)
HOLES = (
    "SELECT extract(epoch FROM max(time) - min(time)) / 60 + 1 - count(*), max(time) FROM candles "
    "WHERE interval = '1m' AND symbol = %s"
)
# Each index against its table, and each page of each table; the first raises, the second tells.
INDEXES = """
SELECT count(bt_index_parent_check(index.indexrelid, true, true, index.indisunique))
FROM pg_index AS index JOIN pg_class AS class ON class.oid = index.indexrelid
JOIN pg_am AS method ON method.oid = class.relam
WHERE method.amname = 'btree' AND class.relkind = 'i' AND class.relpersistence = 'p' AND index.indisvalid"""
TABLES = """
SELECT class.oid::regclass::text, fault.msg FROM pg_class AS class, LATERAL verify_heapam(class.oid) AS fault
WHERE class.relkind IN ('r', 't', 'm') AND class.relpersistence = 'p'"""
# Where there is no amcheck: every row is read at least.
READS = """
SELECT format('SELECT count(t) FROM %s AS t', oid::regclass) FROM pg_class
WHERE relkind IN ('r', 'm') AND relpersistence = 'p'"""

Row = tuple[Any, ...]


@dataclass
class Witness:
    """Reads what is committed, over and over; remembers all that it was told.

    Attributes:
        url: Of the database.
        told: By promise, the rows that a read has returned.
        n_news: How many of them came since the last start.
    """

    url: str
    told: tuple[set[Row], ...] = field(default_factory=lambda: tuple(set[Row]() for _ in PROMISES))
    n_news: int = 0

    def watch(self) -> threading.Thread:
        """Read until the server is gone, in a thread of its own."""
        self.n_news = 0
        thread = threading.Thread(target=self._watch)
        thread.start()
        return thread

    def _watch(self) -> None:
        since = START - timedelta(days=10)
        with suppress(psycopg2.OperationalError, psycopg2.InterfaceError), closing(_open(self.url)) as connection:
            while True:
                for told, statement in zip(self.told, PROMISES, strict=True):
                    rows = set(_ask(connection, statement, since))
                    self.n_news += len(rows - told)
                    told.update(rows)
                since = max((row[1] for row in self.told[0]), default=START) - LOOK_BACK

    def broken(self) -> list[Row]:
        """Return what was told and is no longer so."""
        with closing(_open(self.url)) as connection:
            everything = [set(_ask(connection, statement, datetime.min)) for statement in PROMISES]
        return [row for told, now in zip(self.told, everything, strict=True) for row in told - now]


@pytest.fixture
def server(tmp_path: Path) -> Iterator[EmbeddedPostgres]:
    """A server that waits for the disk, with the settings of the containers, and our tables in it."""
    # Where we are root the server is somebody else, who has to get there.
    made = FALLBACK_FOLDER / f"btc-test-{os.getpid()}-{tmp_path.name}"
    made.mkdir()
    made.chmod(0o755)
    programs = FETCHED / "bin"
    with EmbeddedPostgres(made / "pg", bin_folder=programs if programs.exists() else None) as started:
        with closing(_open(started.url)) as connection:
            for name, value in _settings_of_the_containers():
                _ask(connection, f"ALTER SYSTEM SET {name} = %s", value)
        started.stop()
        started.start()
        upgrade(started.url)
        yield started
    shutil.rmtree(made)


def test_a_power_cut_takes_nothing_back(server: EmbeddedPostgres, tmp_path: Path) -> None:
    """After each: nobody repaired anything, no page and no index is wrong, and what was confirmed stands there."""
    dice, witness = random.Random(SEED), Witness(server.url)
    with _house(server.url, tmp_path) as group:
        for _ in range(N_CUTS):
            reader = witness.watch()
            _start(group)
            group.wait_for("news", lambda: witness.n_news > 0 and _has_decided(witness), seconds=90)
            at = time.monotonic() + dice.uniform(0, LATEST_CUT)
            group.wait_for("the cut", lambda at=at: time.monotonic() >= at, seconds=60)
            _cut_the_power(server, group, dice)
            reader.join()
            server.start()
            assert "automatic recovery in progress" in server.log.read_text(encoding="utf-8", errors="replace")
            assert _corruption(server.url) == []
            assert witness.broken() == []
        _start(group)
        newest = max(row[1] for row in witness.told[0])
        group.wait_for("all minutes", lambda: _is_whole(server.url, after=newest), seconds=120)
        assert group.stop("collector") == 0
    n_minutes = _hold_against_the_truth(server.url)
    print(
        f"{N_CUTS} power cuts: {len(witness.told[0])} confirmed minutes and {len(witness.told[1])} decisions had been "
        f"read before them, none was lost; {n_minutes} minutes at the end, none missing, double or wrong"
    )


def _house(url: str, folder: Path) -> AbstractContextManager[Processes]:
    """Return the processes; what they keep on disk is in a folder of the test."""
    config = folder / "config.yaml"
    config.write_text((ROOT / "config.yaml").read_text(encoding="utf-8"), encoding="utf-8")
    return processes(
        folder,
        DATABASE_URL=url,
        BTC_CONFIG=str(config),
        BTC_SYMBOLS=",".join(COINS),
        COLLECTOR_HTTP_PORT=str(free_port()),
        BTC_CLOCK=scaled_clock(START.timestamp(), RATE),
    )


def _start(group: Processes) -> None:
    if "exchange" not in group.running:
        start_exchange(group, "--market", "--seed", str(SEED), "--symbols", ",".join(COINS))
    group.start("collector", "collector")
    group.start("live", "live")


def _cut_the_power(server: EmbeddedPostgres, group: Processes, dice: random.Random) -> None:
    """SIGKILL to all of them, in any order. The server is halted first, or it would have a child that we do not see."""
    first = int((server.data / "postmaster.pid").read_text(encoding="ascii").split()[0])
    os.kill(first, signal.SIGSTOP)
    children = Path(f"/proc/{first}/task/{first}/children").read_text(encoding="ascii").split()
    ours = [group.running.pop(name) for name in ("collector", "live")]
    pids = [first, *map(int, children), *(process.pid for process in ours)]
    for pid in dice.sample(pids, len(pids)):
        # A child may have ended by itself just now.
        with suppress(ProcessLookupError):
            os.kill(pid, signal.SIGKILL)
    for process in ours:
        process.wait(timeout=30)
    server.stop()


def _corruption(url: str) -> list[Row]:
    """Return what is wrong with the server's files; an index that contradicts its table raises."""
    with closing(_open(url)) as connection:
        if not _ask(connection, "SELECT name FROM pg_available_extensions WHERE name = 'amcheck'"):
            for (statement,) in _ask(connection, READS):
                _ask(connection, statement)
            return []
        _ask(connection, "CREATE EXTENSION IF NOT EXISTS amcheck")
        _ask(connection, INDEXES)
        return _ask(connection, TABLES)


def _hold_against_the_truth(url: str) -> int:
    """Hold every minute against what the market says of it; return how many there are."""
    market = Market(seed=SEED, coins=list(COINS))
    with closing(_open(url)) as connection:
        rows = _ask(connection, MINUTES)
    wrong = [row for row in rows if row[2:] != tuple(market.values(row[0], to_ms(row[1]) // 60_000))]
    assert wrong == []
    assert len({row[:2] for row in rows}) == len(rows)
    return len(rows)


def _has_decided(witness: Witness) -> bool:
    return bool(witness.told[1])


def _is_whole(url: str, *, after: datetime) -> bool:
    """Whether no minute is missing between the first and the last of each coin, and the last is late enough."""
    with closing(_open(url)) as connection:
        found = [_ask(connection, HOLES, coin)[0] for coin in COINS]
    return all(n_missing == 0 and last > after + 10 * MINUTE for n_missing, last in found)


def _settings_of_the_containers() -> list[list[str]]:
    """Return names and values that docker-compose.yml gives the server, but those that need TimescaleDB's library."""
    composed = yaml.safe_load((ROOT / "docker-compose.yml").read_text(encoding="utf-8"))
    words = composed["services"]["timescaledb"]["command"].split()
    settings = [word.split("=", 1) for word in words if "=" in word]
    return [pair for pair in settings if "timescaledb" not in "=".join(pair)]


def _open(url: str) -> psycopg2.extensions.connection:
    connection = psycopg2.connect(url)
    connection.autocommit = True
    return connection


def _ask(connection: psycopg2.extensions.connection, statement: str, *values: object) -> list[Row]:
    with connection.cursor() as cursor:
        cursor.execute(statement, values or None)
        return cursor.fetchall() if cursor.description else []
