"""The containers themselves, opt-in (`make docker-test`): built, started with the demo exchange, killed one by one.

It needs a Docker engine on this machine and root, to kill as a crash does. Where no registry answers, base images are
made from Debian's packages (scripts/docker-stand-ins.sh).
"""

import json
import os
import shutil
import signal
import subprocess
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from urllib.request import Request, urlopen

import pytest

from tests.conftest import ROOT

pytestmark = [
    pytest.mark.e2e,
    pytest.mark.skipif(not os.environ.get("BTC_TEST_DOCKER"), reason="needs a Docker engine: make docker-test"),
]

FILES = ("docker-compose.yml", "deploy/demo.yml")
IMAGES = ("debian:bookworm-slim", "timescale/timescaledb:2.19.3-pg17")
SERVICES = ("timescaledb", "collector", "api", "live", "location", "daemon", "webserver")
# Market minutes in a real one. A decision is made every 37 of them.
RATE = 60
# For a machine that does much else besides.
SECONDS = 600
# An address of this machine that nobody else takes: what is published is published there.
HOST = "127.0.0.57"
# Health is asked for sooner than docker-compose.yml says, or the test would last half an hour.
HURRY = {"interval": "5s", "timeout": "5s", "retries": 2}

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


class Containers:
    """The project's containers, by docker-compose."""

    def __init__(self, program: Path, env: dict[str, str]) -> None:
        files = [word for name in (*FILES, env["BTC_HURRY"]) for word in ("-f", str(ROOT / name))]
        self._command, self._env = [str(program), *files, "--profile", "full"], env
        self.secrets = Path(env["BTC_SECRETS"])
        self._most: dict[str, float] = {}

    def compose(self, *words: str, seconds: float = SECONDS) -> str:
        """Run docker-compose and return what it prints."""
        done = subprocess.run(
            [*self._command, *words], env=self._env, capture_output=True, text=True, check=False, timeout=seconds
        )
        assert done.returncode == 0, f"{' '.join(words)}: {done.stdout[-2000:]} {done.stderr[-3000:]}"
        return done.stdout

    def tell(self, question: str) -> str:
        """Return an answer of the database, as the superuser inside its container."""
        psql = ("psql", "-U", "postgres", "-d", "btc_data", "-At", "-F", ",", "-c", question)
        return self.compose("exec", "-T", "timescaledb", *psql).strip()

    def ask(self, question: str) -> list[int]:
        """Return the first row of an answer of the database."""
        return [int(word) for word in self.tell(question).split(",")]

    def wait_for(self, question: str, *, more_than: int = 0) -> None:
        """Wait until the first figure of an answer is above a number."""

        def is_above() -> bool:
            try:
                return self.ask(question)[0] > more_than
            except AssertionError:
                # It is being started, or has just been killed.
                return False

        self.wait(question, is_above)

    def wait(self, what: str, condition: Callable[[], bool]) -> None:
        """Wait until a condition holds; meanwhile see what memory is taken."""
        deadline = time.monotonic() + SECONDS
        while not condition():
            assert time.monotonic() < deadline, f"{what}: {self.compose('ps', '--all')} {self.logs()}"
            for name, megabytes in self.memory().items():
                self._most[name] = max(self._most.get(name, 0.0), megabytes)
            time.sleep(1)

    def ready(self) -> list[str]:
        """Return the services that are healthy."""
        lines = self.compose("ps", "--format", "{{.Service}} {{.Health}}").splitlines()
        return sorted(line.split()[0] for line in lines if line.endswith(" healthy"))

    def names(self) -> list[str]:
        """Return the services that run."""
        return sorted(self.compose("ps", "--services", "--status", "running").split())

    def signal(self, name: str, number: int) -> None:
        """Send a container's first process a signal as the system does; `docker kill` counts as a person's word."""
        id_ = self.compose("ps", "--quiet", name).strip()
        pid = subprocess.run(
            ["docker", "inspect", "--format", "{{.State.Pid}}", id_], capture_output=True, text=True, check=True
        ).stdout
        os.kill(int(pid), number)

    def memory(self) -> dict[str, float]:
        """Return what each container holds, megabytes."""
        ids = self.compose("ps", "--quiet").split()
        told = subprocess.run(
            ["docker", "stats", "--no-stream", "--format", "{{json .}}", *ids],
            capture_output=True,
            text=True,
            check=True,
        ).stdout
        rows = [json.loads(line) for line in told.splitlines()]
        used = {row["Name"].split("-")[1]: _megabytes(row["MemUsage"].split("/")[0]) for row in rows}
        return {name: used[name] for name in SERVICES if name in used}

    def table(self) -> str:
        """Return memory at rest, the most that was seen, and the limit of each service, megabytes."""
        rest, rows = self.memory(), []
        services = json.loads(self.compose("config", "--format", "json"))["services"]
        for name in SERVICES:
            most = max(self._most.get(name, 0.0), rest[name])
            rows.append((name, rest[name], most, int(services[name]["mem_limit"]) / 2**20))
        rows.append(("together", *(sum(row[i] for row in rows) for i in (1, 2, 3))))
        lines = [f"{name:12} {rest:8.1f} {most:8.1f} {limit:8.0f}" for name, rest, most, limit in rows]
        return "\n".join([f"{'megabytes':12} {'at rest':>8} {'most':>8} {'limit':>8}", *lines])

    def logs(self) -> str:
        """Return the end of everything that was said."""
        return self.compose("logs", "--tail", "15", "--no-color")[-6000:]


@pytest.fixture(scope="module")
def containers(docker_compose: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Containers]:
    """Images built and the profile `full` started, on a market that runs from now on."""
    if (
        shutil.which("docker") is None
        or subprocess.run(["docker", "info"], capture_output=True, check=False).returncode
    ):
        pytest.fail("there is no Docker engine that answers: start one, or set DOCKER_HOST")
    folder = tmp_path_factory.mktemp("docker")
    _write_secrets(folder / "secrets")
    hurry = folder / "hurry.yml"
    hurry.write_text(json.dumps({"services": {name: {"healthcheck": HURRY} for name in SERVICES}}), encoding="utf-8")
    for image in IMAGES:
        if subprocess.run(["docker", "pull", "--quiet", image], capture_output=True, check=False).returncode:
            subprocess.run([str(ROOT / "scripts" / "docker-stand-ins.sh"), image], check=True)
    _build()
    now = int(time.time())
    env = {**os.environ, "BTC_SECRETS": str(folder / "secrets"), "BTC_HURRY": str(hurry), "BTC_BIND": HOST}
    env |= {"BTC_CLOCK": f"{now},{now},{RATE}", "BTC_SYMBOLS": "BTC"}
    env |= {"HYPERLIQUID_WS_URL": "ws://exchange:8765/ws", "HYPERLIQUID_API_URL": "http://exchange:8765/info"}
    made = Containers(docker_compose, env)
    try:
        made.compose("up", "--detach", "--no-build", seconds=SECONDS)
        yield made
    finally:
        made.compose("down", "--volumes", "--timeout", "10")


def test_from_nothing_to_a_decision_and_a_backtest(containers: Containers) -> None:
    """The backtest is asked for as anybody would, over HTTP, and computed by Dagster."""
    containers.wait_for(DECIDED)
    containers.wait("everybody is healthy", lambda: containers.ready() == sorted(SERVICES))
    start = time.strftime("%Y-%m-%d", time.gmtime(time.time() - 86_400))
    wanted = {"symbol": "BTC", "intervals": ["37m"], "strategy": "ma44", "start_date": start}
    token = (containers.secrets / "api_token").read_text(encoding="utf-8")
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
    assert sum(containers.memory().values()) < 1.4 * 1024


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


def _write_secrets(folder: Path) -> None:
    """Write every secret; whoever is in a container has to get there."""
    folder.mkdir()
    for name in ("db_admin_password", "db_password", "db_collector_password", "db_api_password", "api_token"):
        (folder / name).write_text(os.urandom(16).hex(), encoding="utf-8")
        (folder / name).chmod(0o444)
    for each in (folder, folder.parent):
        each.chmod(0o755)


def _build() -> None:
    """Build both images; a build needs the network of this machine, which may be a special one."""
    for image, dockerfile in (("btc-collector:local", "collector/Dockerfile"), ("btc-pipeline:local", "Dockerfile")):
        command = ["docker", "build", "--network", "host", "--quiet", "--tag", image, "--file", str(ROOT / dockerfile)]
        subprocess.run([*command, str(ROOT)], check=True, capture_output=True, timeout=900)


def _megabytes(text: str) -> float:
    units = {"GiB": 1024.0, "MiB": 1.0, "KiB": 1 / 1024, "B": 1 / 2**20}
    unit = next(each for each in units if text.strip().endswith(each))
    return float(text.strip().removesuffix(unit)) * units[unit]
