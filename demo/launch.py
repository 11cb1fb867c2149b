"""Dagster over GraphQL, as its web page speaks to it: materialise an asset over partitions, ask for a run."""

from collections.abc import Mapping, Sequence
from typing import Any, cast

import httpx

from btc_core.errors import DataError

TIMEOUT_SECONDS = 30
# Dagster's job that materialises whatever assets it is given, and the repository of a location with definitions alone.
ASSET_JOB = "__ASSET_JOB"
REPOSITORY = "__repository__"
# A range of partitions as one run: what the page sends where the asset's backfill policy is a single run.
RANGE_TAGS = ("dagster/asset_partition_range_start", "dagster/asset_partition_range_end")

LAUNCH = """
mutation Launch($params: ExecutionParams!) {
  launchPipelineExecution(executionParams: $params) {
    __typename
    ... on LaunchRunSuccess { run { runId } }
    ... on PythonError { message }
    ... on RunConfigValidationInvalid { errors { message } }
    ... on InvalidSubsetError { message }
    ... on PipelineNotFoundError { message }
  }
}
"""
STATUS = """
query Status($id: ID!) {
  runOrError(runId: $id) {
    __typename
    ... on Run { status }
  }
}
"""
SUCCEEDED, ENDED_BADLY = "SUCCESS", ("FAILURE", "CANCELED")


async def launch_asset(url: str, *, location: str, asset: Sequence[str], first: str, last: str) -> str:
    """Materialise an asset for the partitions from ``first`` to ``last``; return the run's id.

    Raises:
        DataError: If Dagster refuses.
        httpx.HTTPError: If the web server is away.
    """
    selector = {
        "repositoryLocationName": location,
        "repositoryName": REPOSITORY,
        "jobName": ASSET_JOB,
        "assetSelection": [{"path": list(asset)}],
        "assetCheckSelection": [],
    }
    tags = [{"key": key, "value": value} for key, value in zip(RANGE_TAGS, (first, last), strict=True)]
    params = {"selector": selector, "mode": "default", "runConfigData": {}, "executionMetadata": {"tags": tags}}
    answer = (await _ask(url, LAUNCH, {"params": params}))["launchPipelineExecution"]
    if answer["__typename"] != "LaunchRunSuccess":
        raise DataError(f"Dagster does not launch {'/'.join(asset)}: {answer['__typename']} {_reason(answer)}")
    return str(answer["run"]["runId"])


async def status_of(url: str, run_id: str) -> str:
    """Return the status of a run (``QUEUED``, ``STARTED``, ``SUCCESS`` …), or ``NOT_FOUND``.

    Raises:
        httpx.HTTPError: If the web server is away.
    """
    answer = (await _ask(url, STATUS, {"id": run_id}))["runOrError"]
    return str(answer.get("status", "NOT_FOUND"))


async def _ask(url: str, query: str, variables: Mapping[str, object]) -> dict[str, Any]:
    async with httpx.AsyncClient(timeout=TIMEOUT_SECONDS, trust_env=False) as client:
        answer = await client.post(f"{url}/graphql", json={"query": query, "variables": variables})
    tree = cast("dict[str, Any]", answer.raise_for_status().json())
    if "errors" in tree:
        raise DataError(f"Dagster does not understand us: {tree['errors'][0]['message']}")
    return cast("dict[str, Any]", tree["data"])


def _reason(answer: Mapping[str, Any]) -> str:
    # The first line: a stack of the server's own follows.
    text = answer.get("message") or " ".join(error["message"] for error in answer.get("errors", ()))
    return str(text).strip().partition("\n")[0]
