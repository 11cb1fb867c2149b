"""``workspace.yaml`` and ``dagster.yaml`` load as the web server loads them: our code in a process, over a database."""

import warnings

import dagster as dg
import pytest
from dagster._core.workspace.context import WorkspaceProcessContext
from dagster._core.workspace.load_target import WorkspaceFileTarget

from btc_store.settings import project_root

pytestmark = pytest.mark.e2e


def test_the_workspace_loads_as_the_web_server_loads_it(instance, monkeypatch):
    """The code location starts without an error and offers every asset, the job, the checks and the running sensor."""
    monkeypatch.delenv("PYTHONDONTWRITEBYTECODE", raising=False)
    target = WorkspaceFileTarget([str(project_root() / "workspace.yaml")])
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        with WorkspaceProcessContext(instance, target) as process:
            workspace = process.create_request_context()
            assert [str(error) for error in workspace.code_location_errors()] == []
            (repository,) = workspace.get_code_location("btc").get_repositories().values()
            assets = {node.asset_key.to_user_string() for node in repository.get_asset_node_snaps()}
            assert {"candles/1m", "candles/37m", "indicators/37m", "decisions/ma44", "backtests/ma44"} <= assets
            assert repository.has_job("derive")
            assert {sensor.name for sensor in repository.get_sensors()} >= {"new_candles"}
            assert [s.default_status for s in repository.get_sensors() if s.name == "new_candles"] == [
                dg.DefaultSensorStatus.RUNNING
            ]
