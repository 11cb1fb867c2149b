"""What is asked of Dagster over GraphQL, against the schema that is installed and against canned answers."""

import httpx
import pytest

from btc_core.errors import DataError
from demo import launch


def answering(monkeypatch, data, **rest):
    """Have every request answered with this, and return the requests."""
    asked = []

    def answer(request: httpx.Request) -> httpx.Response:
        asked.append(request)
        return httpx.Response(200, json={"data": data, **rest})

    client = httpx.AsyncClient
    monkeypatch.setattr(httpx, "AsyncClient", lambda **_: client(transport=httpx.MockTransport(answer)))
    return asked


async def launched():
    """Launch a backtest."""
    return await launch.launch_asset(
        "http://dagster", location="btc", asset=["backtests", "ma44"], first="2024-10-01|BTC", last="2025-01-01|BTC"
    )


@pytest.mark.parametrize("query", [launch.LAUNCH, launch.STATUS])
def test_the_installed_schema_knows_what_is_asked(query):
    """Every field and type of ours exists in this version of Dagster."""
    from dagster_graphql.schema import create_schema
    from graphql import parse, validate

    assert validate(create_schema().graphql_schema, parse(query)) == []


async def test_a_launch_names_the_partitions_as_the_page_does(monkeypatch):
    """One run for a range of partitions, by Dagster's own tags."""
    from dagster._core.storage import tags

    asked = answering(
        monkeypatch, {"launchPipelineExecution": {"__typename": "LaunchRunSuccess", "run": {"runId": "7"}}}
    )
    assert await launched() == "7"
    assert launch.RANGE_TAGS == (tags.ASSET_PARTITION_RANGE_START_TAG, tags.ASSET_PARTITION_RANGE_END_TAG)
    text = asked[0].content.decode()
    assert asked[0].url == "http://dagster/graphql"
    assert all(word in text for word in (*launch.RANGE_TAGS, "2024-10-01|BTC", "2025-01-01|BTC", "backtests"))


@pytest.mark.parametrize(
    ("answer", "reason"),
    [
        (
            {"__typename": "PipelineNotFoundError", "message": "no such job\n  stack"},
            "PipelineNotFoundError no such job$",
        ),
        (
            {"__typename": "RunConfigValidationInvalid", "errors": [{"message": "bad"}]},
            "RunConfigValidationInvalid bad$",
        ),
        ({"__typename": "UnauthorizedError"}, "UnauthorizedError"),
    ],
)
async def test_a_refusal_says_why(monkeypatch, answer, reason):
    """In a line."""
    answering(monkeypatch, {"launchPipelineExecution": answer})
    with pytest.raises(DataError, match=reason):
        await launched()


async def test_a_query_that_dagster_does_not_understand(monkeypatch):
    """Another version's schema is an error with Dagster's words."""
    answering(monkeypatch, None, errors=[{"message": "Cannot query field"}])
    with pytest.raises(DataError, match="Cannot query field"):
        await launch.status_of("http://dagster", "7")


@pytest.mark.parametrize(
    ("answer", "status"),
    [({"__typename": "Run", "status": "STARTED"}, "STARTED"), ({"__typename": "RunNotFoundError"}, "NOT_FOUND")],
)
async def test_the_status_of_a_run(monkeypatch, answer, status):
    """As Dagster calls it."""
    answering(monkeypatch, {"runOrError": answer})
    assert await launch.status_of("http://dagster", "7") == status
