"""The project's containers, for the tests that need a Docker engine and root (`make docker-test`)."""

import json
import os
import shutil
import subprocess
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from tests.conftest import ROOT

only_docker = pytest.mark.skipif(
    not os.environ.get("BTC_TEST_DOCKER"), reason="needs a Docker engine: make docker-test"
)

FILES = ("docker-compose.yml", "deploy/demo.yml")
IMAGES = ("debian:bookworm-slim", "timescale/timescaledb:2.19.3-pg17")
SERVICES = ("timescaledb", "collector", "api", "live", "location", "daemon", "webserver")
SECRETS = ("db_admin_password", "db_password", "db_collector_password", "db_api_password", "api_token")
# Market minutes in a real one. A decision is made every 37 of them.
RATE = 60
# For a machine that does much else besides.
SECONDS = 600
# An address of this machine that nobody else takes: what is published is published there.
HOST = "127.0.0.57"
# Health is asked for sooner than docker-compose.yml says, or the test would last half an hour.
HURRY = {"interval": "5s", "timeout": "10s", "retries": 2}


class Containers:
    """The project's containers, by docker-compose.

    Attributes:
        env: What docker-compose is told, and whoever calls it by hand.
        folder: Of docker-compose.yml.
    """

    def __init__(self, program: Path, env: dict[str, str], folder: Path) -> None:
        self._command, self.env = [str(program), "--profile", "full"], env
        self.folder = folder
        self._most: dict[str, float] = {}

    def compose(self, *words: str, seconds: float = SECONDS) -> str:
        """Run docker-compose and return what it prints."""
        done = subprocess.run(
            [*self._command, *words], env=self.env, capture_output=True, text=True, check=False, timeout=seconds
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

    def most(self) -> float:
        """Return what all of them have taken at most, each at its own moment, megabytes."""
        return sum(self._most.values())

    def logs(self) -> str:
        """Return the end of everything that was said."""
        return self.compose("logs", "--tail", "15", "--no-color")[-6000:]


@contextmanager
def surroundings(program: Path, folder: Path, source: Path, *, rate: int = RATE) -> Iterator[Containers]:
    """Yield containers that are still to be started, on a market that runs from now on; end them afterwards.

    Args:
        program: docker-compose.
        folder: For what the test writes; secrets are in ``secrets``.
        source: The folder of docker-compose.yml.
        rate: Market minutes in a real one.
    """
    if (
        shutil.which("docker") is None
        or subprocess.run(["docker", "info"], capture_output=True, check=False).returncode
    ):
        pytest.fail("there is no Docker engine that answers: start one, or set DOCKER_HOST")
    for image in IMAGES:
        if subprocess.run(["docker", "pull", "--quiet", image], capture_output=True, check=False).returncode:
            subprocess.run([str(ROOT / "scripts" / "docker-stand-ins.sh"), image], check=True)
    hurry = folder / "hurry.yml"
    # A build needs the network of this machine, which may be a special one.
    builds = {name: {"build": {"network": "host"}} for name in ("collector", "migrate")}
    services = {name: {"healthcheck": HURRY} for name in SERVICES}
    hurry.write_text(
        json.dumps(
            {"services": {name: services.get(name, {}) | builds.get(name, {}) for name in {*services, *builds}}}
        ),
        encoding="utf-8",
    )
    now = int(time.time())
    files = [str(source / name) for name in FILES] + [str(hurry)]
    env = {
        **os.environ,
        "COMPOSE_FILE": os.pathsep.join(files),
        "BTC_SECRETS": str(folder / "secrets"),
        "BTC_BIND": HOST,
    }
    env |= {"BTC_CLOCK": f"{now},{now},{rate}", "BTC_SYMBOLS": "BTC"}
    env |= {"HYPERLIQUID_WS_URL": "ws://exchange:8765/ws", "HYPERLIQUID_API_URL": "http://exchange:8765/info"}
    made = Containers(program, env, source)
    try:
        yield made
    finally:
        # What was begun is ended, also where secrets were never written.
        subprocess.run(
            [str(program), "--profile", "full", "down", "--volumes", "--timeout", "10"],
            env=env,
            capture_output=True,
            check=False,
            timeout=SECONDS,
        )


def _megabytes(text: str) -> float:
    units = {"GiB": 1024.0, "MiB": 1.0, "KiB": 1 / 1024, "B": 1 / 2**20}
    unit = next(each for each in units if text.strip().endswith(each))
    return float(text.strip().removesuffix(unit)) * units[unit]
