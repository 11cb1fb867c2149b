"""The asset ``funding``: months from the exchange into the table, in one run."""

import asyncio
import time
import warnings
from datetime import UTC, datetime

import dagster as dg
import psycopg2

from btc_core.model.clock import ClockScale
from btc_core.model.timerange import TimeRange
from demo.exchange import serve_exchange
from demo.market import Market
from tests.dagster_runs import run_asset

NOW = datetime(2025, 3, 3, 12, tzinfo=UTC)
MONTHS = TimeRange(datetime(2025, 1, 1, tzinfo=UTC), datetime(2025, 3, 1, tzinfo=UTC))


def rows(url, sql):
    """Return the answer to a question."""
    connection = psycopg2.connect(url)
    try:
        with connection.cursor() as cursor:
            cursor.execute(sql)
            return cursor.fetchall()
    finally:
        connection.close()


async def test_a_launch_of_months_fetches_each_of_their_hours_once(settings_for, database_url):
    """Twice is once; every month says how many; the terms of the coin come with it."""
    clock = ClockScale(sim=NOW.timestamp(), real=time.time(), rate=1)
    async with asyncio.timeout(120), serve_exchange(Market(seed=7, coins=("BTC",)), clock) as exchange:
        settings = settings_for(
            database_url,
            HYPERLIQUID_API_URL=exchange.api_url,
            HYPERLIQUID_WS_URL=exchange.ws_url,
            BTC_CLOCK=f"{clock.sim},{clock.real},1",
        )

        def launch():
            with warnings.catch_warnings():
                warnings.simplefilter("ignore")
                with dg.DagsterInstance.ephemeral() as instance:
                    result = run_asset(settings, instance, ["funding"], MONTHS)
            assert result.success
            return [
                event.step_materialization_data.materialization.metadata["rows written"].value
                for event in result.get_asset_materialization_events()
            ]

        first = await asyncio.to_thread(launch)
        second = await asyncio.to_thread(launch)
    assert sum(first) == 59 * 24
    assert second == [0, 0]
    assert rows(database_url, "SELECT count(*), count(DISTINCT date_trunc('hour', time)) FROM funding") == [
        (59 * 24, 59 * 24)
    ]
    assert rows(database_url, "SELECT symbol, sz_decimals FROM instruments") == [("BTC", 5)]
