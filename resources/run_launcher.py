"""Whether a run is still alive: what Dagster's run monitoring asks, and its own launcher cannot say.

A process that is killed says nothing of its end. While its code location lives, that one notices; where both went (a
power cut, an out-of-memory kill, a killed ``btc derive``) the run would be "running" for ever, and two such runs would
fill the queue.
"""

import os
import socket
from collections.abc import Mapping
from typing import Any, cast

import grpc
from dagster._core.errors import DagsterUserCodeUnreachableError
from dagster._core.launcher import CheckRunHealthResult, DefaultRunLauncher, WorkerStatus
from dagster._core.storage.dagster_run import DagsterRun
from dagster._grpc.types import CanCancelExecutionRequest, CanCancelExecutionResult
from dagster._serdes import deserialize_value

# Where a run is executed that no code location started: host and process.
PROCESS_TAG = "btc/process"


def process_tag() -> dict[str, str]:
    """Return the tag of a run that is executed in this very process."""
    return {PROCESS_TAG: f"{socket.gethostname()}/{os.getpid()}"}


class WatchedRunLauncher(DefaultRunLauncher):
    """Dagster's own launcher, which also knows whether a run is alive."""

    @property
    def supports_check_run_worker_health(self) -> bool:
        """Say that the monitoring may ask."""
        return True

    def check_run_worker_health(self, run: DagsterRun) -> CheckRunHealthResult:
        """Ask the code location that started a run, or look for its process. In doubt it is alive."""
        client = self._get_grpc_client_for_termination(run.run_id)
        if client is None:
            return _health_of_process(run.tags)
        try:
            answer = client.can_cancel_execution(CanCancelExecutionRequest(run_id=run.run_id))
        except DagsterUserCodeUnreachableError as error:
            return _health_of_silence(error.__cause__)
        if deserialize_value(answer, CanCancelExecutionResult).can_cancel:
            return CheckRunHealthResult(WorkerStatus.RUNNING)
        return CheckRunHealthResult(WorkerStatus.FAILED, "its code location does not know it any more")


def _health_of_silence(cause: BaseException | None) -> CheckRunHealthResult:
    """Judge a code location that does not answer: one that is only slow says nothing about its runs."""
    if isinstance(cause, grpc.RpcError) and cast("Any", cause).code() == grpc.StatusCode.UNAVAILABLE:
        return CheckRunHealthResult(WorkerStatus.FAILED, "its code location has ended")
    return CheckRunHealthResult(WorkerStatus.RUNNING)


def _health_of_process(tags: Mapping[str, str]) -> CheckRunHealthResult:
    host, _, pid = tags.get(PROCESS_TAG, "").partition("/")
    if host != socket.gethostname() or _is_alive(int(pid)):
        return CheckRunHealthResult(WorkerStatus.RUNNING)
    return CheckRunHealthResult(WorkerStatus.FAILED, f"its process {pid} has ended")


def _is_alive(pid: int) -> bool:
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    except PermissionError:
        return True
    return True
