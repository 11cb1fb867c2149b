"""Dagster over HTTP when something is wrong with it; a real one is in tests/e2e/test_backtest_requests.py."""

import json

import pytest

from api.dagster import Dagster
from api.errors import ApiError
from btc_store.ports import free_port
from tests.dagster_web import dagster_web


@pytest.fixture
async def asked():
    """A web server and who asks it."""
    async with dagster_web() as (web, url):
        dagster = Dagster(url)
        yield web, dagster
        await dagster.close()


async def test_a_run_is_launched_found_and_ended(asked):
    """Its tags and its configuration come back as they were given."""
    _, dagster = asked
    run_id = await dagster.launch("backtest", "op", {"symbol": "BTC"}, {"btc/backtest_id": "1"})
    (run,) = await dagster.runs(limit=5, tags={"btc/backtest_id": "1"})
    assert (run.id, run.status, run.config, run.tags, run.is_ended) == (
        run_id,
        "QUEUED",
        {"symbol": "BTC"},
        {"btc/backtest_id": "1"},
        False,
    )
    await dagster.terminate(run_id)
    (run,) = await dagster.runs(limit=5, runIds=[run_id])
    assert (run.status, run.is_ended) == ("CANCELED", True)
    assert await dagster.runs(limit=5, tags={"btc/backtest_id": "2"}) == []


FAILED = {"__typename": "PythonError", "message": "Traceback: /home/x, password=secret"}


@pytest.mark.parametrize(
    "says",
    [
        "",
        "<html>a proxy</html>",
        "{}",
        json.dumps({"errors": [{"message": "secret"}]}),
        json.dumps({"data": {"repositoriesOrError": FAILED}}),
        json.dumps({"data": {"repositoriesOrError": {"message": "secret"}}}),
        json.dumps({"data": {"repositoriesOrError": {"nodes": []}}}),
    ],
)
async def test_whatever_is_wrong_with_it_is_one_sentence(asked, says):
    """503, what to do, and none of its secrets."""
    web, dagster = asked
    web.says = says
    with pytest.raises(ApiError) as refused:
        await dagster.launch("backtest", "op", {}, {})
    assert (refused.value.status, refused.value.error) == (503, "dagster_unavailable")
    assert refused.value.headers["Retry-After"]
    assert refused.value.hint
    assert "secret" not in str(refused.value)


async def test_a_refused_run_and_a_failing_server_are_too(asked):
    """After it the code location is looked for anew."""
    web, dagster = asked
    assert await dagster.metadata("backtest", "strategies")
    web.says = json.dumps({"data": {"launchRun": {"__typename": "PipelineNotFoundError"}}})
    with pytest.raises(ApiError, match="PipelineNotFoundError"):
        await dagster.launch("backtest", "op", {}, {})
    web.says, web.status = "x", 500
    with pytest.raises(ApiError, match="does not answer"):
        await dagster.runs(limit=1)
    web.says, web.status = None, 200
    assert await dagster.launch("backtest", "op", {}, {})


async def test_where_nobody_listens_it_does_not_answer():
    """Its web server is not started."""
    dagster = Dagster(f"http://127.0.0.1:{free_port()}")
    with pytest.raises(ApiError, match="does not answer"):
        await dagster.runs(limit=1)
    await dagster.close()
