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
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.conftest import ROOT

pytestmark = [
    pytest.mark.e2e,
    pytest.mark.skipif(not os.environ.get("BTC_TEST_DOCKER"), reason="needs a Docker engine: make docker-test"),
]

FILES = ("-f", str(ROOT / "docker-compose.yml"), "-f", str(ROOT / "deploy" / "demo.yml"))
IMAGES = ("debian:bookworm-slim", "timescale/timescaledb:2.19.3-pg17")
# Market minutes in a real one.
RATE = 20
SECONDS = 300
MINUTES = "SELECT count(*), count(*) FILTER (WHERE state = 'confirmed') FROM candles WHERE interval = '1m'"
MISSING = "SELECT count(*) FROM minute_states WHERE state = 'missing' AND time < (SELECT max(time) FROM candles)"
DECIDED = "SELECT count(*) FROM decisions WHERE backtest_id IS NULL"
FINISHED = "SELECT count(*) FROM backtest_runs WHERE status = 'finished'"


class Containers:
    """The project's containers, by docker-compose."""

    def __init__(self, program: Path, env: dict[str, str]) -> None:
        self._command, self._env = [str(program), *FILES, "--profile", "full"], env

    def compose(self, *words: str, seconds: float = SECONDS) -> str:
        """Run docker-compose and return what it prints."""
        done = subprocess.run(
            [*self._command, *words], env=self._env, capture_output=True, text=True, check=False, timeout=seconds
        )
        assert done.returncode == 0, f"{' '.join(words)}: {done.stdout[-2000:]} {done.stderr[-3000:]}"
        return done.stdout

    def ask(self, question: str) -> list[int]:
        """Return the first row of an answer of the database, as the superuser inside its container."""
        psql = ("psql", "-U", "postgres", "-d", "btc_data", "-At", "-F", ",", "-c", question)
        return [int(word) for word in self.compose("exec", "-T", "timescaledb", *psql).strip().split(",")]

    def wait_for(self, question: str, *, more_than: int = 0) -> None:
        """Wait until the first figure of an answer is above a number."""
        deadline = time.monotonic() + SECONDS
        while True:
            try:
                if self.ask(question)[0] > more_than:
                    return
            except (AssertionError, ValueError):
                # It is being started, or has just been killed.
                pass
            assert time.monotonic() < deadline, f"{question}: {self.compose('ps', '--all')} {self.logs()}"
            time.sleep(1)

    def names(self) -> list[str]:
        """Return the services that run."""
        return sorted(self.compose("ps", "--services", "--status", "running").split())

    def crash(self, name: str) -> None:
        """Kill a container's first process as a crash does; `docker kill` would count as a person's word."""
        id_ = self.compose("ps", "--quiet", name).strip()
        pid = subprocess.run(
            ["docker", "inspect", "--format", "{{.State.Pid}}", id_], capture_output=True, text=True, check=True
        ).stdout
        os.kill(int(pid), signal.SIGKILL)

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
        return {row["Name"].split("-")[1]: _megabytes(row["MemUsage"].split("/")[0]) for row in rows}

    def logs(self) -> str:
        """Return the end of everything that was said."""
        return self.compose("logs", "--tail", "15", "--no-color")[-6000:]


@pytest.fixture
def containers(docker_compose: Path, tmp_path: Path) -> Iterator[Containers]:
    """Images built and the profile `full` started, on a market that runs from now on."""
    if (
        shutil.which("docker") is None
        or subprocess.run(["docker", "info"], capture_output=True, check=False).returncode
    ):
        pytest.fail("there is no Docker engine that answers: start one, or set DOCKER_HOST")
    secrets = tmp_path / "secrets"
    secrets.mkdir()
    for name in ("db_admin_password", "db_password", "db_collector_password", "db_api_password", "api_token"):
        (secrets / name).write_text(os.urandom(16).hex(), encoding="utf-8")
        (secrets / name).chmod(0o444)
    tmp_path.chmod(0o755)
    for image in IMAGES:
        if subprocess.run(["docker", "pull", "--quiet", image], capture_output=True, check=False).returncode:
            subprocess.run([str(ROOT / "scripts" / "docker-stand-ins.sh"), image], check=True)
    _build()
    now = int(time.time())
    env = {**os.environ, "BTC_SECRETS": str(secrets), "BTC_CLOCK": f"{now},{now},{RATE}", "BTC_SYMBOLS": "BTC"}
    env |= {"HYPERLIQUID_WS_URL": "ws://exchange:8765/ws", "HYPERLIQUID_API_URL": "http://exchange:8765/info"}
    made = Containers(docker_compose, env)
    try:
        made.compose("up", "--detach", "--no-build", seconds=600)
        yield made
    finally:
        made.compose("down", "--volumes", "--timeout", "10")


def test_nothing_is_lost_whoever_dies(containers: Containers) -> None:
    """From nothing to a decision and a backtest; then every container in turn; the database too."""
    containers.wait_for(DECIDED)
    containers.compose(
        "exec",
        "-T",
        "location",
        "btc",
        "backtest",
        "--symbol=BTC",
        "--intervals=37m",
        "--strategy",
        "ma44",
        "--start",
        time.strftime("%Y-%m-%d", time.gmtime(time.time() - 86_400)),
    )
    containers.wait_for(FINISHED)
    for name, megabytes in sorted((memory := containers.memory()).items()):
        print(f"{name:12} {megabytes:7.1f} MB")
    print(f"{'together':12} {sum(memory.values()):7.1f} MB")
    names = containers.names()
    assert set(names) >= {"timescaledb", "collector", "api", "live", "location", "daemon", "webserver"}
    for name in names:
        before, decided = containers.ask(MINUTES), containers.ask(DECIDED)[0]
        containers.crash(name)
        containers.wait_for(MINUTES, more_than=before[0] + 3)
        containers.wait_for(DECIDED, more_than=decided)
        assert containers.ask(MINUTES)[1] >= before[1], f"a confirmed minute was lost with {name}"
    assert containers.names() == names
    containers.wait_for(f"SELECT ({MISSING}) = 0")
    containers.wait_for(FINISHED)


def _build() -> None:
    """Build both images; a build needs the network of this machine, which may be a special one."""
    for image, dockerfile in (("btc-collector:local", "collector/Dockerfile"), ("btc-pipeline:local", "Dockerfile")):
        command = ["docker", "build", "--network", "host", "--quiet", "--tag", image, "--file", str(ROOT / dockerfile)]
        subprocess.run([*command, str(ROOT)], check=True, capture_output=True, timeout=900)


def _megabytes(text: str) -> float:
    units = {"GiB": 1024.0, "MiB": 1.0, "KiB": 1 / 1024, "B": 1 / 2**20}
    unit = next(each for each in units if text.strip().endswith(each))
    return float(text.strip().removesuffix(unit)) * units[unit]
