"""The processes of the house on a server, as `make up` has them: started, waited for, ended one by one."""

import signal
import subprocess
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from os import killpg
from pathlib import Path

import httpx

from benchmarks.databases import connection
from benchmarks.processes import ROOT, clean_environment, program
from btc_core.model.clock import ClockScale
from btc_store.ports import HOST, free_port
from demo.services import Services

# How often a condition is looked at.
LOOK_SECONDS = 0.05
START_SECONDS = 90
STOP_SECONDS = 30
DAGSTER = ("location", "daemon", "webserver")

_RUNS = """
SELECT count(*) FILTER (WHERE status = 'SUCCESS'),
       count(*) FILTER (WHERE status NOT IN ('SUCCESS', 'FAILURE', 'CANCELED'))
FROM dagster.runs"""
_SHOWN = """
query Shown($key: AssetKeyInput!, $partition: String!, $after: String!) {
  assetOrError(assetKey: $key) {
    ... on Asset {
      assetMaterializations(partitions: [$partition], afterTimestampMillis: $after, limit: 1) { timestamp }
    }
  }
}"""


@dataclass
class Stage:
    """Processes of a trial; all end with it.

    Attributes:
        services: Their commands.
        url: Of the database.
        env: What all of them are told.
        running: By name.
    """

    services: Services
    url: str
    env: dict[str, str]
    exchange_port: int = field(default_factory=free_port)
    running: dict[str, subprocess.Popen[bytes]] = field(default_factory=dict[str, subprocess.Popen[bytes]])

    def start(self, name: str) -> subprocess.Popen[bytes]:
        """Start a process by its name; what it says goes to ``<name>.log``."""
        with (self.services.work / f"{name}.log").open("ab") as said:
            self.running[name] = subprocess.Popen(
                self._command(name),
                env={**clean_environment(), **self.env},
                cwd=ROOT,
                stdout=said,
                stderr=said,
                # With the runs that a code location starts it is ended as one.
                start_new_session=True,
            )
        return self.running[name]

    def start_dagster(self) -> None:
        """Start Dagster's three processes; returns when the web server answers."""
        self.services.write_workspace()
        self.start("location")
        self.wait("the code location", lambda: "Started Dagster code server" in self.log("location"))
        self.start("daemon")
        self.start("webserver")
        self.wait("the web server", self._is_served)

    def start_market(self) -> None:
        """Start the demo exchange and the collector."""
        self.start("exchange")
        self.wait("the exchange", lambda: "HYPERLIQUID_API_URL=" in self.log("exchange"))
        self.start("collector")

    def wait(
        self, what: str, condition: Callable[[], bool], *, seconds: float = START_SECONDS, look: float = LOOK_SECONDS
    ) -> None:
        """Wait until a condition holds.

        Raises:
            RuntimeError: If it does not within the time, or a process ends meanwhile.
        """
        deadline = time.monotonic() + seconds
        while not condition():
            self.check()
            if time.monotonic() > deadline:
                said = "\n".join(f"--- {name}\n{self.log(name)[-1000:]}" for name in self.running)
                raise RuntimeError(f"{what} did not come within {seconds} s: {said}")
            time.sleep(look)

    def check(self) -> None:
        """Do nothing where every process runs.

        Raises:
            RuntimeError: If one has ended by itself; the message is what it said.
        """
        for name, process in self.running.items():
            if process.poll() is not None:
                raise RuntimeError(f"{name} ended with {process.returncode}: {self.log(name)[-1000:]}")

    def stop(self, name: str, number: int = signal.SIGTERM) -> None:
        """Send a process a signal and wait for its end; one that does not end is killed."""
        process = self.running.pop(name)
        process.send_signal(number)
        with suppress(subprocess.TimeoutExpired):
            process.wait(timeout=STOP_SECONDS)
        # What it started, and left.
        with suppress(ProcessLookupError):
            killpg(process.pid, signal.SIGKILL)
        process.wait()

    def log(self, name: str) -> str:
        """Return what a process said so far."""
        return (self.services.work / f"{name}.log").read_text(errors="replace")

    def has_run(self) -> bool:
        """Return whether a run has succeeded and none is under way."""
        n_done, n_open = self.n_runs()
        return n_done > 0 and n_open == 0

    def n_runs(self) -> tuple[int, int]:
        """Return how many of Dagster's runs have succeeded, and how many are under way."""
        with connection(self.url) as opened, opened.cursor() as cursor:
            cursor.execute(_RUNS)
            n_done, n_open = cursor.fetchone() or (0, 0)
        return n_done, n_open

    def is_shown(self, asset: str, partition: str, *, after: float) -> bool:
        """Return whether the web server tells of a materialisation after a Unix time."""
        variables = {"key": {"path": asset.split("/")}, "partition": partition, "after": str(int(1e3 * after))}
        answer = httpx.post(f"{self._page}/graphql", json={"query": _SHOWN, "variables": variables}, trust_env=False)
        return bool(answer.raise_for_status().json()["data"]["assetOrError"].get("assetMaterializations"))

    @property
    def _page(self) -> str:
        return f"http://{HOST}:{self.services.dagster_port}"

    def _is_served(self) -> bool:
        with suppress(httpx.HTTPError):
            return httpx.get(f"{self._page}/server_info", trust_env=False).is_success
        return False

    def _command(self, name: str) -> tuple[str, ...]:
        commands = {
            "exchange": lambda: self.services.exchange(self.exchange_port, seed=7, coins="BTC").command,
            "collector": lambda: self.services.collector().command,
            "live": lambda: (program("python"), "-m", "live"),
            "location": lambda: self.services.location().command,
            "daemon": lambda: self.services.daemon().command,
            "webserver": lambda: self.services.webserver().command,
        }
        return tuple(commands[name]())


@contextmanager
def open_stage(folder: Path, url: str, clock: ClockScale, **env: str) -> Iterator[Stage]:
    """Yield a stage on which nothing runs yet; end what is left on it."""
    folder.mkdir(parents=True, exist_ok=True)
    services = Services(
        root=ROOT,
        work=folder,
        variables={},
        dagster_port=free_port(),
        location_port=free_port(),
        collector_port=free_port(),
        api_port=free_port(),
    )
    stage = Stage(services, url, {})
    # What the collector leaves on disk lies beside its configuration.
    config = folder / "config.yaml"
    config.write_text((ROOT / "config.yaml").read_text(encoding="utf-8"), encoding="utf-8")
    stage.env |= {
        "DATABASE_URL": url,
        "DAGSTER_HOME": str(ROOT),
        "DAGSTER_GRPC_SHUTDOWN_GRACE_PERIOD": "2",
        "BTC_CONFIG": str(config),
        "BTC_SYMBOLS": "BTC",
        "COLLECTOR_HTTP_PORT": str(services.collector_port),
        "HYPERLIQUID_WS_URL": f"ws://{HOST}:{stage.exchange_port}/ws",
        "HYPERLIQUID_API_URL": f"http://{HOST}:{stage.exchange_port}/info",
        **env,
    }
    if clock != ClockScale():
        stage.env["BTC_CLOCK"] = f"{clock.sim!r},{clock.real!r},{clock.rate!r}"
    try:
        yield stage
    finally:
        for name in reversed(list(stage.running)):
            stage.stop(name)
