"""Dagster's web server as the API knows it, made up: a few runs in memory, and whatever a test wants it to answer."""

import asyncio
import json
from contextlib import asynccontextmanager, nullcontext
from uuid import uuid4

import httpx
import uvicorn

from btc_store.ports import free_port
from tests.streams import serving

STRATEGIES = [
    {
        "name": "ma",
        "description": "Above its average.",
        "parameters": [{"name": "period", "default": 44, "low": 2, "high": 1000, "meaning": "candles", "words": {}}],
    }
]


class DagsterWeb:
    """What it was asked to launch and to end.

    Attributes:
        runs: The newest first, as GraphQL tells them.
        says: Its whole answer to everything, where it is not None.
    """

    def __init__(self):
        self.runs, self.says, self.status, self.now = [], None, 200, 1_700_000_000.0

    def add(self, status, *, job="backtest", config=None, **tags):
        """Add a run; return its id."""
        self.now += 1
        run = {
            "runId": str(uuid4()),
            "status": status,
            "runConfig": {"ops": {"op": {"config": config or {}}}},
            "creationTime": self.now,
            "endTime": self.now + 1 if status in ("SUCCESS", "FAILURE", "CANCELED") else None,
            "tags": [{"key": key.replace("__", "/"), "value": value} for key, value in tags.items()],
            "jobName": job,
        }
        self.runs.insert(0, run)
        return run["runId"]

    def answer(self, query, variables):
        """Return what GraphQL answers to a question."""
        if "repositoriesOrError" in query:
            jobs = [{"name": name} for name in ("derive", "backtest", "remove_backtest")]
            node = {"name": "__repository__", "location": {"name": "btc"}, "pipelines": jobs}
            return {"repositoriesOrError": {"nodes": [node]}}
        if "pipelineOrError" in query:
            entry = {"label": "strategies", "jsonString": json.dumps(STRATEGIES)}
            return {"pipelineOrError": {"__typename": "Pipeline", "metadataEntries": [entry]}}
        if "launchRun" in query:
            run = variables["run"]
            tags = {tag["key"].replace("/", "__"): tag["value"] for tag in run["executionMetadata"]["tags"]}
            (op,) = run["runConfigData"]["ops"].values()
            run_id = self.add("QUEUED", job=run["selector"]["jobName"], config=op["config"], **tags)
            return {"launchRun": {"__typename": "LaunchRunSuccess", "run": {"runId": run_id}}}
        if "terminateRun" in query:
            for run in self.runs:
                if run["runId"] == variables["id"]:
                    run.update(status="CANCELED", endTime=self.now)
            return {"terminateRun": {"__typename": "TerminateRunSuccess"}}
        return {"runsOrError": {"__typename": "Runs", "results": self._wanted(variables)}}

    def _wanted(self, variables):
        wanted = variables["filter"]
        found = [
            run
            for run in self.runs
            if all(tag in run["tags"] for tag in wanted.get("tags", ()))
            and run["runId"] in wanted.get("runIds", [run["runId"]])
            and run["status"] in wanted.get("statuses", [run["status"]])
        ]
        return found[: variables["limit"]]

    async def __call__(self, _scope, receive, send):
        """Serve a request, as ASGI wants it."""
        body = b""
        while True:
            message = await receive()
            body += message.get("body", b"")
            if not message.get("more_body"):
                break
        asked = json.loads(body)
        said = self.says
        if said is None:
            said = json.dumps({"data": self.answer(asked["query"], asked["variables"])})
        await send({"type": "http.response.start", "status": self.status, "headers": []})
        await send({"type": "http.response.body", "body": said.encode()})


@asynccontextmanager
async def dagster_web():
    """Serve it for the time of a ``with`` block; yields it with its address."""
    web, port = DagsterWeb(), free_port()
    server = uvicorn.Server(
        uvicorn.Config(web, host="127.0.0.1", port=port, log_config=None, lifespan="off", timeout_graceful_shutdown=1)
    )
    server.capture_signals = nullcontext
    task = asyncio.create_task(server.serve())
    while not server.started:
        await asyncio.sleep(0.01)
        assert not task.done(), task.exception()
    try:
        yield web, f"http://127.0.0.1:{port}"
    finally:
        server.should_exit = True
        await task


@asynccontextmanager
async def api_with_dagster(settings_for, database_url, **environ):
    """Serve the API beside it for the time of a ``with`` block; yields a client of the API, and Dagster."""
    async with (
        dagster_web() as (web, url),
        serving(settings_for(database_url, DAGSTER_URL=url, **environ)) as (port, _),
        httpx.AsyncClient(base_url=f"http://127.0.0.1:{port}/api/v1") as http,
    ):
        yield http, web
