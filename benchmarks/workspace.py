"""How long ``workspace.yaml`` takes to load, as the web server and the daemon load it."""

import os
import time
import warnings
from collections.abc import Iterator

from benchmarks.figure import Figure
from benchmarks.processes import ROOT

LIMIT_SECONDS = 5


def measure(url: str) -> Iterator[Figure]:
    """Start the code location of the file in a process of its own and ask it for its definitions."""
    import dagster as dg
    from dagster._core.workspace.context import WorkspaceProcessContext
    from dagster._core.workspace.load_target import WorkspaceFileTarget

    # Processes that Dagster starts are told by the environment alone.
    os.environ["DATABASE_URL"] = url
    os.environ.pop("PYTHONDONTWRITEBYTECODE", None)
    warnings.simplefilter("ignore")
    with dg.DagsterInstance.from_config(str(ROOT)) as instance:
        started = time.monotonic()
        with WorkspaceProcessContext(instance, WorkspaceFileTarget([str(ROOT / "workspace.yaml")])) as process:
            (repository,) = process.create_request_context().get_code_location("btc").get_repositories().values()
            n_assets = len(list(repository.get_asset_node_snaps()))
            seconds = time.monotonic() - started
    yield Figure(
        name="workspace_load_seconds",
        value=round(seconds, 2),
        unit=f"s, workspace.yaml → a process with {n_assets} assets that answers",
        beside={"limit": LIMIT_SECONDS},
    )
