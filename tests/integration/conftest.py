"""What tests of several endpoints share: an API over a market of three days."""

import pytest


@pytest.fixture
def market(settings_for, database_url):
    """Settings whose clock stands at the market's end, and its minutes, stored with all that is derived of them."""
    from tests.api_market import clock, store_market

    settings = settings_for(database_url, BTC_CLOCK=clock())
    return settings, store_market(settings)


@pytest.fixture
async def http(market):
    """A client of a running API over the market."""
    from tests.api_market import reading

    async with reading(market[0]) as client:
        yield client
