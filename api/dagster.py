"""Dagster over HTTP: which strategies its code location has, and runs: launched, looked at, ended.

The API never imports Dagster. It asks the web server, in GraphQL; what is not answered in time is a refusal with 503.
"""

import logging
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from http import HTTPStatus
from typing import Any

import httpx
import msgspec

from api.errors import RETRY_SECONDS, ApiError

logger = logging.getLogger(__name__)

TIMEOUT_SECONDS = 10.0
# A run in one of them does nothing more.
ENDED = ("SUCCESS", "FAILURE", "CANCELED")

_JOBS = """query { repositoriesOrError { ... on RepositoryConnection {
  nodes { name location { name } pipelines { name } } } ... on PythonError { message } } }"""
_METADATA = """query($job: PipelineSelector!) { pipelineOrError(params: $job) { __typename
  ... on Pipeline { metadataEntries { label ... on JsonMetadataEntry { jsonString } } }
  ... on PythonError { message } ... on PipelineNotFoundError { message } } }"""
_RUNS = """query($filter: RunsFilter!, $limit: Int!) { runsOrError(filter: $filter, limit: $limit) { __typename
  ... on Runs { results { runId status runConfig creationTime endTime tags { key value } } }
  ... on PythonError { message } ... on InvalidPipelineRunsFilterError { message } } }"""
_LAUNCH = """mutation($run: ExecutionParams!) { launchRun(executionParams: $run) { __typename
  ... on LaunchRunSuccess { run { runId } } ... on PythonError { message }
  ... on RunConfigValidationInvalid { errors { message } } } }"""
_TERMINATE = """mutation($id: String!) { terminateRun(runId: $id, terminatePolicy: SAFE_TERMINATE) { __typename
  ... on TerminateRunFailure { message } ... on PythonError { message } } }"""


_HEARTBEATS = """query { instance { daemonHealth { allDaemonStatuses { lastHeartbeatTime } } } }"""


@dataclass(frozen=True, slots=True, kw_only=True)
class Run:
    """A run of Dagster's.

    Attributes:
        id: Dagster's.
        status: In Dagster's words: ``QUEUED``, ``STARTED``, ``FAILURE`` …
        config: Of its one op.
        tags: By key.
        created_at, ended_at: The second is None while it goes on.
    """

    id: str
    status: str
    config: Mapping[str, Any]
    tags: Mapping[str, str]
    created_at: datetime
    ended_at: datetime | None

    @property
    def is_ended(self) -> bool:
        """Whether it does nothing more."""
        return self.status in ENDED


class Dagster:
    """The web server of Dagster.

    Raises:
        ApiError: From every method, 503, where it does not answer or cannot do what is asked.
    """

    def __init__(self, url: str) -> None:
        # The web server closes a connection that was idle for five seconds, perhaps while we send.
        limits = httpx.Limits(keepalive_expiry=2)
        # A neighbour: a proxy to the world does not lead to it.
        self._client = httpx.AsyncClient(base_url=url, timeout=TIMEOUT_SECONDS, limits=limits, trust_env=False)
        self._repository: dict[str, str] | None = None

    async def close(self) -> None:
        """Close all connections."""
        await self._client.aclose()

    async def metadata(self, job: str, label: str) -> Any:
        """Return a metadata value of a job that is JSON."""
        selector = {"pipelineName": job, **await self._selector(job)}
        found = await self._ask(_METADATA, {"job": selector})
        for entry in found["pipelineOrError"].get("metadataEntries", ()):
            if entry["label"] == label:
                return msgspec.json.decode(entry["jsonString"])
        raise _unusable(f"its job {job} does not say {label}")

    async def launch(self, job: str, op: str, config: Mapping[str, object], tags: Mapping[str, str]) -> str:
        """Put a run of a job of one op into Dagster's queue; return its id."""
        run = {
            "selector": {"jobName": job, **await self._selector(job)},
            "runConfigData": {"ops": {op: {"config": config}}},
            "executionMetadata": {"tags": [{"key": key, "value": value} for key, value in tags.items()]},
        }
        answer = (await self._ask(_LAUNCH, {"run": run}))["launchRun"]
        if "run" not in answer:
            self._repository = None
            logger.error("run refused by Dagster", extra={"job": job, "answer": answer["__typename"]})
            raise _unusable(f"it refuses the run ({answer['__typename']})")
        run_id: str = answer["run"]["runId"]
        return run_id

    async def runs(self, *, limit: int, **filter_: object) -> list[Run]:
        """Return runs, the newest first: of a ``tags`` mapping, or by ``runIds``."""
        if isinstance(tags := filter_.get("tags"), Mapping):
            filter_["tags"] = [{"key": key, "value": value} for key, value in tags.items()]
        answer = (await self._ask(_RUNS, {"filter": filter_, "limit": limit}))["runsOrError"]
        return [_run(found) for found in answer.get("results", ())]

    async def terminate(self, run_id: str) -> None:
        """Ask a run to end; one that has ended already is left as it is."""
        await self._ask(_TERMINATE, {"id": run_id})

    async def daemon_age(self) -> float | None:
        """Return how long ago the daemon was last heard of, seconds; None where it never was."""
        found = await self._ask(_HEARTBEATS, {})
        beats = [each["lastHeartbeatTime"] for each in found["instance"]["daemonHealth"]["allDaemonStatuses"]]
        newest = max((beat for beat in beats if beat is not None), default=None)
        return None if newest is None else max(datetime.now(UTC).timestamp() - newest, 0.0)

    async def _selector(self, job: str) -> dict[str, str]:
        """Return which code location has a job."""
        if self._repository is None:
            found = (await self._ask(_JOBS, {}))["repositoriesOrError"]
            for node in found["nodes"]:
                if any(pipeline["name"] == job for pipeline in node["pipelines"]):
                    self._repository = {
                        "repositoryName": node["name"],
                        "repositoryLocationName": node["location"]["name"],
                    }
                    break
            else:
                raise _unusable("its code location does not load, or is of another version")
        return self._repository

    async def _ask(self, query: str, variables: Mapping[str, object]) -> dict[str, Any]:
        """Return the data of an answer."""
        try:
            response = await self._client.post("/graphql", json={"query": query, "variables": variables})
            response.raise_for_status()
            answer = msgspec.json.decode(response.content)
        except (httpx.HTTPError, msgspec.DecodeError) as error:
            logger.warning("Dagster does not answer", extra={"reason": type(error).__name__})
            raise _away() from error
        data: dict[str, Any] | None = answer.get("data")
        if not data or answer.get("errors"):
            logger.error("Dagster refuses a question", extra={"answer": str(answer.get("errors"))[:500]})
            raise _unusable("it does not understand the question: it may be of another version")
        for part in data.values():
            if part.get("__typename") == "PythonError" or set(part) == {"message"}:
                logger.error("Dagster failed", extra={"answer": str(part.get("message"))[:500]})
                raise _unusable("it failed; its log says why")
        return data


def _run(found: Mapping[str, Any]) -> Run:
    ops = found["runConfig"].get("ops", {}).values()
    return Run(
        id=found["runId"],
        status=found["status"],
        config=next((op.get("config", {}) for op in ops), {}),
        tags={tag["key"]: tag["value"] for tag in found["tags"]},
        created_at=datetime.fromtimestamp(found["creationTime"], UTC),
        ended_at=datetime.fromtimestamp(found["endTime"], UTC) if found["endTime"] else None,
    )


def _away() -> ApiError:
    return _unavailable(
        "Dagster, which computes backtests, does not answer.", "Start its web server and daemon, or check DAGSTER_URL."
    )


def _unusable(why: str) -> ApiError:
    return _unavailable(f"Dagster cannot do this: {why}.", "Dagster's own pages show what is wrong.")


def _unavailable(detail: str, hint: str) -> ApiError:
    headers = {"Retry-After": str(RETRY_SECONDS)}
    return ApiError(HTTPStatus.SERVICE_UNAVAILABLE, "dagster_unavailable", detail, hint=hint, headers=headers)
