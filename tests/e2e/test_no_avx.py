"""A processor without AVX, as in a small NAS: emulated, with what `docker build --build-arg NO_AVX=1` installs."""

import os
import platform
import shutil
import subprocess
import sys
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path

import polars as pl
import psycopg2
import pytest

from btc_core.model.interval import parse_interval
from btc_core.model.timerange import TimeRange
from btc_store.derive import derive_candles
from btc_store.frames import open_frames
from btc_store.ports import free_port
from tests.conftest import CACHE, skip_or_fail
from tests.derivation import query, shared_minutes, store_minutes
from tests.e2e.processes import ROOT, processes, scaled_clock, start_exchange
from tests.environments import environment

pytestmark = pytest.mark.e2e

DAY = TimeRange(datetime(2021, 5, 19, tzinfo=UTC), datetime(2021, 5, 20, tzinfo=UTC))
INTERVALS = ("37m", "148m", "1h")
DERIVE = f"""
import sys
from datetime import datetime
from btc_core.model.interval import parse_interval
from btc_core.model.timerange import TimeRange
from btc_store.derive import derive_candles
from btc_store.frames import open_frames
day = TimeRange(datetime.fromisoformat(sys.argv[2]), datetime.fromisoformat(sys.argv[3]))
with open_frames(sys.argv[1]) as frames, frames.transaction():
    derive_candles(frames, "BTC", {{parse_interval(label): [day] for label in {INTERVALS}}})
"""


@pytest.fixture(scope="module")
def python(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[str, ...]]:
    """An emulated processor of the Denverton family (SSE4.2, no AVX), and on it Python with the set for it."""
    if sys.platform != "linux" or platform.machine() != "x86_64":
        pytest.skip("this machine is no x86-64 Linux")
    options = ("--extra=collector", "--extra=pipeline", "--group=no-avx")
    with environment(tmp_path_factory.mktemp("no-avx") / "venv", *options) as made:
        yield (*emulator(), str(made / "bin" / "python"))


def emulator() -> tuple[str, ...]:
    """Return the emulator's command: this machine's, or Debian's, unpacked into the cache."""
    found = shutil.which("qemu-x86_64") or str(CACHE / "qemu" / "usr" / "bin" / "qemu-x86_64")
    if not Path(found).exists():
        script = [str(ROOT / "scripts" / "unpack-debian.sh"), str(CACHE / "qemu"), "trixie", "qemu-user"]
        done = subprocess.run(script, capture_output=True, text=True, check=False, timeout=300)
        if done.returncode:
            skip_or_fail(f"there is no qemu-x86_64 (package qemu-user), and none came: {done.stderr[-300:]}")
    return found, "-cpu", "Denverton,check=off"


def test_the_usual_set_dies_there(python: tuple[str, ...]) -> None:
    """What the build argument is for; where this passes no longer, it can go."""
    usual = (*python[:-1], sys.executable)
    done = subprocess.run([*usual, "-c", "import polars"], capture_output=True, text=True, check=False, timeout=120)
    assert done.returncode != 0
    assert "Missing required CPU features" in done.stderr


def test_a_day_is_derived_there_as_here(python: tuple[str, ...], database_url: str, shared: Path) -> None:
    """Prices are copied and equal; volumes are sums, which two builds of Polars may round differently."""
    year = pl.read_parquet(shared / "data" / "candles" / "binance_btcusdt_1m_2021.parquet")
    minutes = shared_minutes(year).filter(pl.col("time").is_between(DAY.start, DAY.end, closed="left"))
    with open_frames(database_url) as frames:
        store_minutes(frames, "BTC", minutes)
    command = [*python, "-c", DERIVE, database_url, DAY.start.isoformat(), DAY.end.isoformat()]
    env = {**os.environ, "OPENBLAS_CORETYPE": "NEHALEM"}  # as in the Dockerfile
    done = subprocess.run(command, cwd=ROOT, env=env, capture_output=True, text=True, check=False, timeout=300)
    assert (done.returncode, done.stderr) == (0, "")
    with open_frames(database_url) as frames:
        there = derived(frames)
        query(frames, "WITH gone AS (DELETE FROM candles WHERE interval <> '1m' RETURNING 1) SELECT count(*) FROM gone")
        with frames.transaction():
            derive_candles(frames, "BTC", {parse_interval(label): [DAY] for label in INTERVALS})
        here = derived(frames)
    assert set(here["interval"]) == set(INTERVALS)
    exact = [name for name in here.columns if name != "volume"]
    assert there.select(exact).equals(here.select(exact))
    assert ((there["volume"] - here["volume"]).abs() <= 1e-12 * here["volume"]).all()


def test_the_collector_runs_there(python: tuple[str, ...], database_url: str, tmp_path: Path) -> None:
    """History and the stream of the demo exchange, through to confirmed minutes."""
    start = datetime(2025, 3, 3, tzinfo=UTC)
    env = {
        "DATABASE_URL": database_url,
        "BTC_SYMBOLS": "BTC",
        "COLLECTOR_HTTP_PORT": str(free_port()),
        "BTC_CLOCK": scaled_clock(start.timestamp(), 60.0),
        "BTC_CONFIG": str(ROOT / "config.yaml"),
    }
    with processes(tmp_path, **env) as group:
        start_exchange(group, "--market", "--seed", "5")
        group.start("collector", "collector", python=python)
        group.wait_for("a confirmed minute of the stream", lambda: confirmed_since(database_url, start), seconds=120)
        assert group.stop("collector") == 0


def derived(frames) -> pl.DataFrame:
    """Return the derived candles, in order."""
    return query(
        frames,
        "SELECT interval, time, open, high, low, close, volume, minutes FROM candles WHERE interval <> '1m' "
        "ORDER BY interval, time",
    )


def confirmed_since(url: str, start: datetime) -> bool:
    """Return whether a minute since then is confirmed."""
    question = "SELECT count(*) > 0 FROM candles WHERE interval = '1m' AND state = 'confirmed' AND time >= %s"
    connection = psycopg2.connect(url)
    try:
        with connection.cursor() as cursor:
            cursor.execute(question, (start,))
            return cursor.fetchone()[0]
    finally:
        connection.close()
