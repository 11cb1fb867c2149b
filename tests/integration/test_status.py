"""``/``: it asks nobody."""

from tests.api_market import reading


async def test_it_says_what_this_is_without_a_database(settings_for):
    """It answers while everything else is away."""
    async with reading(settings_for("postgresql://nobody@127.0.0.1:1/none")) as http:
        told = (await http.get("/")).json()
    assert told["name"] == "btc-data"
    assert told["links"]["dashboard"] == "/dashboard"
