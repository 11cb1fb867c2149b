"""What tests of several endpoints share: an API over a market of three days."""

from urllib.parse import urlsplit

import pytest

from tests.conftest import _execute


@pytest.fixture(scope="session")
def stored_market(server, template, settings_for):
    """A database that holds the market, which nobody is connected to, and the market's minutes."""
    from tests.api_market import clock, store_market

    name = f"{template}_market"
    _execute(server.url, f"CREATE DATABASE {name} TEMPLATE {template} STRATEGY file_copy")
    minutes = store_market(settings_for(server.url_of(name), BTC_CLOCK=clock()))
    _execute(
        server.url,
        f"ALTER DATABASE {name} WITH ALLOW_CONNECTIONS false",
        f"SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE datname = '{name}'",
    )
    yield name, minutes
    _execute(server.url, f"DROP DATABASE {name} WITH (FORCE)")


@pytest.fixture
def market(server, stored_market, settings_for, database_url):
    """Settings whose clock stands at the market's end, and its minutes, stored with all that is derived of them."""
    from tests.api_market import clock

    source, minutes = stored_market
    # A copy in the place of the empty database: deriving it anew would take longer than the test.
    name = urlsplit(database_url).path.removeprefix("/")
    _execute(
        server.url,
        f"DROP DATABASE {name} WITH (FORCE)",
        f"CREATE DATABASE {name} TEMPLATE {source} STRATEGY file_copy",
    )
    return settings_for(database_url, BTC_CLOCK=clock()), minutes


@pytest.fixture
async def http(market):
    """A client of a running API over the market."""
    from tests.api_market import reading

    async with reading(market[0]) as client:
        yield client
