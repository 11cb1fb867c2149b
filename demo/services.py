"""Which processes make up the demo and the real thing: their commands, their environment, their ports.

How processes are kept is in ``stack``; what is told of them in ``story``.
"""

import sys
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from btc_store.ports import HOST
from demo.stack import Program

# The code location's name, as in workspace.yaml: sensors remember by it what they have seen.
LOCATION = "btc"


@dataclass(frozen=True, slots=True, kw_only=True)
class Services:
    """The processes, for these addresses.

    Attributes:
        root: The repository: DAGSTER_HOME, where dagster.yaml is.
        work: Folder for what is written: data, logs, the workspace file.
        database_url: None where the environment names the database.
        variables: For every process: addresses and clock.
        dagster_port: Of the web server.
        location_port: Of the code location.
        collector_port: Of /healthz and /metrics.
        api_port: Of REST and dashboard.
    """

    root: Path
    work: Path
    variables: Mapping[str, str]
    dagster_port: int
    location_port: int
    collector_port: int
    api_port: int

    def database(self, port: int) -> Program:
        """Return the embedded PostgreSQL; its data are in ``pg``."""
        command = _python("btc_store.embedded", "--data", str(self.work / "pg"), "--port", str(port))
        return self._program("database", *command, port=port)

    def exchange(self, port: int, *, seed: int, coins: str) -> Program:
        """Return the demo exchange with the made-up market."""
        options = ("--market", "--seed", str(seed), "--symbols", coins, "--port", str(port))
        return self._program("exchange", *_python("demo.serve", *options), port=port)

    def history(self, symbol: str) -> Path:
        """Return where the market's past is written for the import."""
        return self.work / f"history-{symbol}.csv"

    def importer(self, symbol: str) -> Program:
        """Return the import of the market's past; it ends by itself."""
        command = _python("btc_assets.cli", "import", str(self.history(symbol)), "--symbol", symbol, "--source", "demo")
        return self._program(f"import {symbol}", *command)

    def collector(self) -> Program:
        """Return the collector."""
        return self._program("collector", *_python("collector"), port=self.collector_port)

    def live(self) -> Program:
        """Return the live lane: it derives and decides as minutes are stored."""
        return self._program("live lane", *_python("live"))

    def api(self) -> Program:
        """Return the API with its dashboard."""
        return self._program("api", *_python("api"), port=self.api_port)

    def location(self) -> Program:
        """Return Dagster's code location: it holds the definitions and runs the runs."""
        options = ("api", "grpc", "-m", "btc_assets.definitions", "-h", HOST, "-p", str(self.location_port))
        options += ("--location-name", LOCATION, "--use-python-environment-entry-point")
        return self._program("dagster location", *_python("dagster", *options), port=self.location_port)

    def daemon(self) -> Program:
        """Return Dagster's daemon: it looks at the sensors and takes runs from the queue."""
        return self._program("dagster daemon", *_python("dagster._daemon", "run", "-w", str(self._workspace())))

    def webserver(self) -> Program:
        """Return Dagster's web server."""
        options = ("-w", str(self._workspace()), "-h", HOST, "-p", str(self.dagster_port))
        return self._program("dagster webserver", *_python("resources.webserver", *options), port=self.dagster_port)

    def write_workspace(self) -> None:
        """Write the file by which daemon and web server find the code location."""
        text = f"load_from:\n  - grpc_server: {{host: {HOST}, port: {self.location_port}, location_name: {LOCATION}}}\n"
        self._workspace().write_text(text, encoding="utf-8")

    def _workspace(self) -> Path:
        return self.work / "workspace.yaml"

    def _program(self, name: str, *command: str, port: int | None = None) -> Program:
        own = {"DAGSTER_HOME": str(self.root), "COLLECTOR_HTTP_PORT": str(self.collector_port)}
        own |= {"API_PORT": str(self.api_port), "DAGSTER_URL": f"http://{HOST}:{self.dagster_port}"}
        # Dagster's code location waits a minute for open calls by itself.
        own["DAGSTER_GRPC_SHUTDOWN_GRACE_PERIOD"] = "2"
        return Program(name=name, command=command, variables={**self.variables, **own}, port=port)


def _python(module: str, *options: str) -> tuple[str, ...]:
    return (sys.executable, "-m", module, *options)
