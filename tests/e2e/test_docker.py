"""The containers themselves, opt-in (`make docker-test`): built, started with the demo exchange, killed one by one.

It needs a Docker engine on this machine and root, to kill as a crash does. Where no registry answers, base images are
made from Debian's packages (scripts/docker-stand-ins.sh).
"""

import json
import os
import signal
import subprocess
import time
from collections.abc import Iterator
from pathlib import Path
from urllib.request import Request, urlopen

import pytest

from tests.conftest import ROOT
from tests.e2e.containers import HOST, SECRETS, SERVICES, Containers, only_docker, surroundings

pytestmark = [pytest.mark.e2e, only_docker]

CONFIRMED = "SELECT count(*) FROM candles WHERE interval = '1m' AND state = 'confirmed'"
IS_WHOLE = """
SELECT (count(*) = 0)::int FROM minute_states
WHERE state <> 'confirmed' AND time < (SELECT max(time) - interval '5 minutes' FROM candles WHERE interval = '1m')"""
DECIDED = "SELECT count(*) FROM decisions WHERE backtest_id IS NULL"
FINISHED = "SELECT count(*) FROM backtest_runs WHERE status = 'finished'"
SUCCEEDED = "SELECT count(*) FROM dagster.runs WHERE status = 'SUCCESS'"
# Everything that was promised until an instant, as one number; it must be the same for ever.
PROMISED = """
SELECT (SELECT coalesce(sum(hashtext((time, open, high, low, close, volume, trades)::text)::bigint), 0) FROM candles
        WHERE interval = '1m' AND state = 'confirmed' AND time < '{until}'),
       (SELECT coalesce(sum(hashtext((time, interval, strategy, seq, signal, price)::text)::bigint), 0) FROM decisions
        WHERE revision = 0 AND backtest_id IS NULL AND decided_at < '{until}'),
       (SELECT count(*) FROM backtest_trades)"""
UNTIL = """
SELECT coalesce((SELECT min(time) FROM minute_states WHERE state <> 'confirmed'), max(time)) FROM candles
WHERE interval = '1m' AND state = 'confirmed'"""


@pytest.fixture(scope="module")
def containers(docker_compose: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Containers]:
    """Images built and the profile `full` started, on a market that runs from now on."""
    folder = tmp_path_factory.mktemp("docker")
    secrets = folder / "secrets"
    secrets.mkdir()
    for name in SECRETS:
        (secrets / name).write_text(os.urandom(16).hex(), encoding="utf-8")
        # Whoever is in a container has to get there.
        (secrets / name).chmod(0o444)
    with surroundings(docker_compose, folder, ROOT) as made:
        _build()
        made.compose("up", "--detach", "--no-build")
        yield made


def test_the_collector_s_image_is_small(containers: Containers) -> None:
    """It is what a small machine has to fetch."""
    del containers  # it has built them
    command = ["docker", "image", "inspect", "--format", "{{.Size}}", "btc-collector:local", "btc-pipeline:local"]
    collector, pipeline = map(int, subprocess.run(command, capture_output=True, text=True, check=True).stdout.split())
    print(f"\nbtc-collector {collector / 1e6:.0f} MB, btc-pipeline {pipeline / 1e6:.0f} MB")
    assert collector < 120e6


def test_from_nothing_to_a_decision_and_a_backtest(containers: Containers) -> None:
    """The backtest is asked for as anybody would, over HTTP, and computed by Dagster."""
    containers.wait_for(DECIDED)
    containers.wait("everybody is healthy", lambda: containers.ready() == sorted(SERVICES))
    start = time.strftime("%Y-%m-%d", time.gmtime(time.time() - 86_400))
    wanted = {"symbol": "BTC", "intervals": ["37m"], "strategy": "ma44", "start_date": start}
    token = Path(containers.env["BTC_SECRETS"], "api_token").read_text(encoding="utf-8")
    asked = Request(
        f"http://{HOST}:8000/api/v1/backtests",
        data=json.dumps(wanted).encode(),
        headers={"Authorization": f"Bearer {token}", "Content-Type": "application/json"},
    )
    with urlopen(asked, timeout=60) as answer:
        assert answer.status == 202
    containers.wait_for(FINISHED)
    containers.wait_for(SUCCEEDED)
    print(f"\n{containers.table()}")
    assert containers.most() < 1.4 * 1024


@pytest.mark.parametrize(
    "words",
    [
        "--version",
        "archive",
        "archive --verify",
        "restore",
        "gaps --symbol BTC",
        "strategies",
        "sql 'SELECT count(*) FROM candles'",
    ],
)
def test_a_command_does_its_work_in_the_image(containers: Containers, words: str) -> None:
    """Which has no package of the project, no compiler, and almost no place to write."""
    assert containers.compose("exec", "-T", "location", "sh", "-c", f"btc {words}").strip()


def test_the_full_edition_corrects_what_it_has_compressed(containers: Containers) -> None:
    """Of the official image alone; tests/integration/test_compression.py does the same, and more, without Docker."""
    if (edition := containers.tell("SHOW timescaledb.license")) != "timescale":
        pytest.skip(f"this database's TimescaleDB is the edition '{edition}', which compresses nothing")
    assert containers.ask("SELECT count(compress_chunk(chunk)) FROM show_chunks('candles') AS chunk")[0] > 0
    oldest = "symbol = 'BTC' AND interval = '1m' AND time = (SELECT min(time) FROM candles WHERE interval = '1m')"
    (before,) = containers.ask(f"SELECT revision FROM candles WHERE {oldest}")
    containers.tell(f"UPDATE candles SET volume = volume + 1 WHERE {oldest}")
    assert containers.ask(f"SELECT revision FROM candles WHERE {oldest}") == [before + 1]
    containers.tell(f"UPDATE candles SET volume = volume - 1 WHERE {oldest}")


def test_who_hangs_is_unhealthy_and_recovers(containers: Containers) -> None:
    """A process that is held does nothing, and its port is still open: every check has to see that."""
    for name in SERVICES:
        containers.signal(name, signal.SIGSTOP)
    containers.wait("nobody is healthy", lambda: containers.ready() == [])
    for name in SERVICES:
        containers.signal(name, signal.SIGCONT)
    containers.wait("everybody is healthy", lambda: containers.ready() == sorted(SERVICES))


@pytest.mark.parametrize("name", SERVICES)
def test_nothing_is_lost_whoever_dies(containers: Containers, name: str) -> None:
    """Each container in turn, the database too: it comes back by itself, and so do minutes and decisions."""
    until = containers.tell(UNTIL)
    promised = containers.ask(PROMISED.format(until=until))
    n_confirmed, n_decided = containers.ask(CONFIRMED)[0], containers.ask(DECIDED)[0]
    containers.signal(name, signal.SIGKILL)
    containers.wait_for(CONFIRMED, more_than=n_confirmed + 10)
    containers.wait_for(DECIDED, more_than=n_decided)
    assert containers.ask(PROMISED.format(until=until)) == promised
    containers.wait("everybody is healthy", lambda: containers.ready() == sorted(SERVICES))
    containers.wait_for(IS_WHOLE)


def _build() -> None:
    """Build both images; a build needs the network of this machine, which may be a special one."""
    for image, dockerfile in (("btc-collector:local", "collector/Dockerfile"), ("btc-pipeline:local", "Dockerfile")):
        command = ["docker", "build", "--network", "host", "--quiet", "--tag", image, "--file", str(ROOT / dockerfile)]
        subprocess.run([*command, str(ROOT)], check=True, capture_output=True, timeout=900)
