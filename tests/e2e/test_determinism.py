"""The same question on one thread and on several gives the same bytes: `btc backtest` and `btc sweep` as processes."""

import json
import os
import random
import shutil
import subprocess
import sys
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime
from typing import Any

import polars as pl
import psycopg2
import pytest

from btc_core.model.timerange import TimeRange
from btc_store.frames import open_frames
from btc_store.funding import SCHEMA, store_funding
from tests.derivation import made_minutes, store_minutes
from tests.e2e.processes import ROOT

pytestmark = pytest.mark.e2e

HISTORY = TimeRange(datetime(2024, 6, 3, tzinfo=UTC), datetime(2024, 6, 21, tzinfo=UTC))
ASKED = ("--symbol", "BTC", "--start", "2024-06-05", "--end", "2024-06-21", "--json")
COSTS = ("--leverage", "3", "--slippage-range", "0.1", "--stop-bps", "150", "--target-bps", "400")
# `btc sweep` takes a thread for every processor that Python counts, however many of them it may use.
COUNTED = "import os, sys; n = int(sys.argv.pop(1)); os.cpu_count = lambda: n; from btc_assets.cli import main; main()"
# Stops, funding and other intervals; steps with a state; coins that are paid in full.
BACKTESTS = {
    "multi": ("--intervals", "37m", "--param", "days=3", *COSTS),
    "trailing_stop": ("--intervals", "37m,1h", "--param", "entry=8", "--trailing-stop-bps", "200", *COSTS),
    "dca_ma": ("--intervals", "1h", "--param", "every_hours=6", "--slippage-range", "0.1"),
}
SWEEPS = {
    "trailing_stop": ("--interval", "37m,1h", "--param", "entry=5:30:5", "--param", "multiple=1:3:0.5", *COSTS),
    "ma_cross": ("--interval", "37m", "--param", "fast=2:10:2", "--param", "slow=12:40:4", "--walk-forward", "6d/3d"),
}


@pytest.fixture
def run(database_url: str) -> Callable[..., bytes]:
    """A function that runs `btc` on so many threads, over eighteen days with gaps and with funding."""
    with open_frames(database_url) as frames:
        store_minutes(frames, "BTC", made_minutes(HISTORY, random.Random(4), n_gaps=8))
        store_funding(frames, "BTC", _made_funding(), "import:test")

    def invoke(n_threads: int, *arguments: str) -> bytes:
        done = subprocess.run(
            [*_pinned(n_threads), sys.executable, "-c", COUNTED, str(n_threads), *arguments],
            cwd=ROOT,
            env=_environment(n_threads, database_url),
            capture_output=True,
            check=False,
            timeout=120,
        )
        assert done.returncode == 0, done.stderr.decode()
        return done.stdout

    return invoke


def _made_funding() -> pl.DataFrame:
    """Return the hours' rates: a long pays as a rule."""
    chance = random.Random(5)
    times = pl.datetime_range(HISTORY.start, HISTORY.end, "1h", closed="left", time_unit="us", eager=True)
    rates = [chance.gauss(1e-5, 3e-5) for _ in times]
    return pl.DataFrame({"time": times, "rate": rates, "premium": None}, schema=SCHEMA)


def _pinned(n_threads: int) -> list[str]:
    """Return what keeps a process of one thread on one processor, where this machine has it."""
    return ["taskset", "-c", str(min(os.sched_getaffinity(0)))] if n_threads == 1 and shutil.which("taskset") else []


def _environment(n_threads: int, url: str) -> dict[str, str]:
    names = ("POLARS_MAX_THREADS", "NUMBA_NUM_THREADS", "OMP_NUM_THREADS")
    kept = {name: value for name, value in os.environ.items() if not name.startswith("BTC_")}
    return {
        **kept,
        **dict.fromkeys(names, str(n_threads)),
        "DATABASE_URL": url,
        "BTC_CONFIG": str(ROOT / "config.yaml"),
    }


def _without_ids(answer: bytes) -> tuple[str, list[dict[str, Any]]]:
    """Return an answer but for the ids, with every number as it was printed; and its backtests."""
    value = json.loads(answer, parse_float=str)
    backtests = value.get("backtests", [value])
    assert len({backtest.pop("id") for backtest in backtests}) == len(backtests)
    return json.dumps(value), backtests


@pytest.mark.parametrize("strategy", BACKTESTS)
def test_a_backtest_says_the_same_on_one_thread_and_on_two(strategy: str, run: Callable[..., bytes]) -> None:
    """The same bytes but for the id; nothing of it was found. Both run at once, as it costs half the time."""
    arguments = ("backtest", "--strategy", strategy, *BACKTESTS[strategy], *ASKED, "--force")

    def answer(n_threads: int) -> tuple[str, list[dict[str, Any]]]:
        return _without_ids(run(n_threads, *arguments))

    with ThreadPoolExecutor(2) as pool:
        (one, backtests), (two, _) = pool.map(answer, (1, 2))
    assert one == two
    assert all(each["n_trades"] > 0 and not each["is_found"] for each in backtests)
    assert all(float(each["funding_paid"] or 0) != 0 for each in backtests if each["config"]["mode"] == "perp")


@pytest.mark.parametrize("strategy", SWEEPS)
def test_a_sweep_says_the_same_on_one_thread_and_on_two(
    strategy: str, run: Callable[..., bytes], database_url: str
) -> None:
    """The same bytes; between the runs every finished trial is forgotten."""
    arguments = ("sweep", "--strategy", strategy, *SWEEPS[strategy], *ASKED)
    one = run(1, *arguments)
    with psycopg2.connect(database_url) as connection, connection.cursor() as cursor:
        cursor.execute("DELETE FROM sweep_trials")
        assert cursor.rowcount > 0
        cursor.execute("DELETE FROM sweeps")
    assert run(2, *arguments) == one
    answer = json.loads(one)
    assert answer["n_finished"] == answer["n_trials"] >= 40
    assert all(trial["n_trades"] > 0 for trial in answer["trials"][:3])
