"""How it is told whether a run is alive: by its code location, or by its process; in doubt it is."""

import socket
import subprocess
import sys

import dagster as dg
import pytest
from dagster._core.launcher import WorkerStatus

from resources.run_launcher import PROCESS_TAG, WatchedRunLauncher, process_tag

GRPC_INFO = ".dagster/grpc_info"


@pytest.fixture
def status_of():
    """A function that asks for a run with some tags."""
    with dg.DagsterInstance.ephemeral() as instance:
        launcher = WatchedRunLauncher()
        launcher.register_instance(instance)

        def ask(tags):
            run = dg.DagsterRun("derive", tags=tags, status=dg.DagsterRunStatus.STARTED)
            instance.add_run(run)
            return launcher.check_run_worker_health(run).status

        assert launcher.supports_check_run_worker_health
        yield ask


@pytest.fixture
def dead_pid():
    """A process that has ended."""
    process = subprocess.Popen([sys.executable, "-c", ""])
    process.wait()
    return process.pid


def test_a_run_in_this_process_is_alive(status_of):
    """As long as the process lives."""
    assert status_of(process_tag()) is WorkerStatus.RUNNING


def test_a_run_whose_process_is_gone_is_dead(status_of, dead_pid):
    """`btc derive` was killed: nobody else could say so."""
    assert status_of({PROCESS_TAG: f"{socket.gethostname()}/{dead_pid}"}) is WorkerStatus.FAILED


def test_a_process_of_another_host_is_in_doubt(status_of, dead_pid):
    """Its number means nothing here."""
    assert status_of({PROCESS_TAG: f"elsewhere/{dead_pid}"}) is WorkerStatus.RUNNING
    assert status_of({}) is WorkerStatus.RUNNING


def test_a_process_of_somebody_else_is_alive(status_of):
    """Process 1 is there on every machine, and not ours to signal where we are not root."""
    assert status_of({PROCESS_TAG: f"{socket.gethostname()}/1"}) is WorkerStatus.RUNNING


def test_a_run_whose_code_location_is_gone_is_dead(status_of):
    """Nobody listens at the address that the run was started at."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    info = f'{{"host": "127.0.0.1", "port": {port}}}'
    assert status_of({GRPC_INFO: info}) is WorkerStatus.FAILED
