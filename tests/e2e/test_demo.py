"""``python -m demo`` as a user starts it: everything comes up, says what it does, and leaves nothing behind."""

import json
import os
import signal
import socket
import subprocess
import sys
import tempfile
import time
import urllib.request
from collections.abc import Iterator
from pathlib import Path

import psycopg2
import pytest

from btc_store.ports import free_port

pytestmark = pytest.mark.e2e

ROOT = Path(__file__).resolve().parents[2]
# Measured: 45 s on two cores with nothing else to do.
PATIENCE_SECONDS = 300
DASHBOARD = "/dashboard"


@pytest.fixture
def port() -> int:
    """A port that nobody listens on."""
    return free_port()


@pytest.fixture
def temporary(tmp_path: Path) -> Iterator[Path]:
    """The demo's TMPDIR; its database runs as somebody else where we are root, and has to get there."""
    folder = Path(tempfile.mkdtemp(prefix="btc-test-demo-", dir="/tmp"))
    folder.chmod(0o755)
    yield folder
    folder.rmdir()


def started(folder: Path, *options: str) -> subprocess.Popen[str]:
    """Start the demo; what it writes outside of the repository goes to a folder of its own."""
    environ = {**os.environ, "TMPDIR": str(folder), "BTC_CONFIG": str(ROOT / "config.yaml")}
    return subprocess.Popen(
        [sys.executable, "-m", "demo", "--api-port", str(free_port()), *options],
        cwd=ROOT,
        env=environ,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )


def wait_for(process: subprocess.Popen[str], words: str) -> str:
    """Read the story until some words are told; return the line."""
    line = next((line for line in process.stdout if words in line), None)
    assert line is not None, process.stderr.read()
    return line


def processes_with(text: str) -> list[str]:
    """Return the command lines of running processes that contain a text."""
    listing = subprocess.run(["ps", "-eo", "args"], capture_output=True, text=True, check=True).stdout
    return [line for line in listing.splitlines() if text in line and not line.startswith("ps ")]


def is_free(port: int) -> bool:
    """Whether nobody listens on a port."""
    with socket.socket() as probe:
        return probe.connect_ex(("127.0.0.1", port)) != 0


def test_once_ends_with_a_backtest_in_the_database(empty_database_url, temporary, port):
    """Candles of 1m, 37m and 148m, averages, decisions and a finished backtest are in the database that was given."""
    options = ("--once", "--json", "--dagster-port", str(port), "--database-url", empty_database_url)
    process = started(temporary, *options)
    output, story = process.communicate(timeout=PATIENCE_SECONDS)
    assert process.returncode == 0, story
    summary = json.loads(output)
    with psycopg2.connect(empty_database_url) as connection, connection.cursor() as cursor:
        cursor.execute("SELECT interval, count(*) FROM candles GROUP BY interval")
        candles = dict(cursor.fetchall())
        cursor.execute("SELECT DISTINCT interval || ' ' || indicator_name FROM indicators")
        indicators = {name for (name,) in cursor.fetchall()}
        cursor.execute("SELECT count(*) FROM decisions WHERE strategy = 'ma44' AND backtest_id IS NULL")
        (n_decisions,) = cursor.fetchone()
        cursor.execute("SELECT interval FROM backtest_runs WHERE strategy = 'ma44' AND status = 'finished'")
        tested = {interval for (interval,) in cursor.fetchall()}
    connection.close()
    assert min(candles["1m"], candles["37m"], candles["148m"]) > 0
    assert {"37m ma44", "148m ma44"} <= indicators
    assert n_decisions > 0
    assert {"37m", "148m"} <= tested
    # What was said is what there is; more may have come since.
    assert 0 < summary["candles"]["37m"] <= candles["37m"]
    assert 0 < summary["n_decisions"] <= n_decisions
    assert {test["interval"] for test in summary["backtests"] if test["status"] == "finished"} == tested
    assert 0 < summary["seconds_to_backtest"] < PATIENCE_SECONDS
    assert_nothing_is_left(temporary, port)


@pytest.mark.parametrize(
    ("number", "moment"),
    [(signal.SIGINT, DASHBOARD), (signal.SIGTERM, "logs"), (signal.SIGHUP, "PostgreSQL")],
    ids=[
        "Ctrl-C with the dashboard",
        "SIGTERM at the start",
        "terminal closed while it imports",
    ],
)
def test_a_signal_stops_everything(number, moment, temporary, port):
    """Whenever it comes: exit 0, and no process, port or folder is left."""
    process = started(temporary, "--dagster-port", str(port))
    line = wait_for(process, moment)
    if moment == DASHBOARD:
        with urllib.request.urlopen(line.split()[-1], timeout=10) as page:
            assert "<title>" in page.read().decode()
    process.send_signal(number)
    output, story = process.communicate(timeout=60)
    assert process.returncode == 0, output + story
    assert_nothing_is_left(temporary, port)


def test_a_child_that_dies_ends_everything(temporary, port):
    """Its last lines are shown, the exit status is 1, and nothing is left."""
    process = started(temporary, "--dagster-port", str(port))
    wait_for(process, "demo exchange")
    victim = subprocess.check_output(["pgrep", "-P", str(process.pid), "-f", "demo.serve"], text=True)
    os.kill(int(victim), signal.SIGKILL)
    output, story = process.communicate(timeout=60)
    assert process.returncode == 1
    assert "exchange ended by itself" in story
    assert "listening" in output
    assert_nothing_is_left(temporary, port)


def test_a_database_with_candles_is_refused(temporary, port, database_url):
    """A made-up market in somebody's own database would be hard to get out again."""
    with psycopg2.connect(database_url) as connection, connection.cursor() as cursor:
        cursor.execute(
            "INSERT INTO candles (time, symbol, interval, open, high, low, close, volume, minutes, source, state) "
            "VALUES ('2020-01-01', 'ETH', '1m', 1, 1, 1, 1, 1, 1, 'ws', 'provisional')"
        )
    connection.close()
    process = started(temporary, "--dagster-port", str(port), "--database-url", database_url)
    _, story = process.communicate(timeout=60)
    assert process.returncode == 1
    assert "holds candles" in story
    assert_nothing_is_left(temporary, port)


def test_a_taken_port_is_refused_at_once(temporary):
    """One sentence names the port and the way out; nothing was started."""
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        process = started(temporary, "--dagster-port", str(port))
        output, story = process.communicate(timeout=60)
    assert process.returncode == 1
    assert output == ""
    assert f"port {port}" in story
    assert "--dagster-port" in story
    assert list(temporary.iterdir()) == []


def assert_nothing_is_left(temporary: Path, port: int) -> None:
    """No process of the demo, no port, no folder."""
    deadline = time.monotonic() + 5
    # A process that was told to end by the last signal may still be on its way.
    while processes_with(str(temporary)) and time.monotonic() < deadline:
        time.sleep(0.05)
    assert processes_with(str(temporary)) == []
    assert is_free(port)
    assert list(temporary.iterdir()) == []


def test_the_workspace_file_loads_as_the_web_server_does(database_url):
    """``workspace.yaml`` names definitions that load, against a real database."""
    done = subprocess.run(
        [sys.executable, "-m", "dagster", "definitions", "validate", "-w", "workspace.yaml"],
        cwd=ROOT,
        env={**os.environ, "DATABASE_URL": database_url, "DAGSTER_HOME": str(ROOT)},
        capture_output=True,
        text=True,
        check=False,
        timeout=PATIENCE_SECONDS,
    )
    assert done.returncode == 0, done.stdout + done.stderr
    assert "successful" in done.stdout + done.stderr
