"""Which strategies can be simulated, as Dagster's code location says it."""

import pytest

from tests.dagster_web import api_with_dagster


@pytest.fixture
async def api(settings_for, database_url):
    """A client of a running API, and the Dagster that it asks."""
    async with api_with_dagster(settings_for, database_url) as running:
        yield running


async def test_strategies_come_from_the_code_location(api):
    """With what each is tuned by."""
    http, _ = api
    (strategy,) = (await http.get("/strategies")).json()["items"]
    assert (strategy["name"], strategy["parameters"][0]["default"]) == ("ma", 44)
