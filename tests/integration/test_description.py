"""The OpenAPI document offers what is configured."""

from tests.api_market import reading


async def test_symbols_intervals_and_times_are_what_there_is(settings_for, database_url):
    """`/docs` shows a choice; what is asked with it is not refused."""
    async with reading(settings_for(database_url, BTC_SYMBOLS="BTC,ETH")) as http:
        told = (await http.get("/openapi.json")).json()
    schemas = {each["name"]: each["schema"] for each in told["paths"]["/api/v1/candles"]["get"]["parameters"]}
    assert schemas["symbol"] == {"type": "string", "enum": ["BTC", "ETH"]}
    assert schemas["interval"]["enum"][:2] == ["1m", "3m"]
    assert schemas["interval"]["default"] == "1m"
    assert {each["format"] for each in schemas["start"]["anyOf"]} == {"date-time", "date"}
