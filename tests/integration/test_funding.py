"""The asset ``funding``: months from the exchange into the table, in one run."""

import asyncio
import json
import time
import warnings
from datetime import UTC, datetime

import dagster as dg
import polars as pl
import psycopg2
from click.testing import CliRunner

from btc_assets.cli import main
from btc_assets.funding import store_terms
from btc_core.model.clock import ClockScale
from btc_core.model.timerange import TimeRange
from btc_store.frames import open_frames
from btc_store.funding import SCHEMA, store_funding
from demo.exchange import serve_exchange
from demo.market import Market
from resources.exchange_funding import ExchangeFunding
from resources.timescale import Timescale
from sensors.funding import build_funding_sensor
from sensors.requests import RANGE_END, RANGE_START
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


def test_all_symbols_are_asked_for_since_the_newest_settlement(settings_for, database_url):
    """One run, by the market's clock, of what is stored; soon after the collector has begun, and then not again."""
    with open_frames(database_url) as frames:
        stamp = datetime(2025, 1, 30, 12, tzinfo=UTC)
        store_funding(frames, "BTC", pl.DataFrame([(stamp, 0.1, None)], schema=SCHEMA, orient="row"), "rest")
    settings = settings_for(database_url, BTC_CLOCK=f"{NOW.timestamp()},{time.time()},1")
    sensor = build_funding_sensor("fetch_funding", ["BTC", "ETH"])

    def look(cursor):
        with warnings.catch_warnings(), dg.DagsterInstance.ephemeral() as instance:
            warnings.simplefilter("ignore")
            context = dg.build_sensor_context(
                instance=instance, cursor=cursor, resources={"timescale": Timescale(settings)}
            )
            return sensor(context)

    before = look(None)
    assert (bool(before.run_requests), bool(before.skip_reason)) == (False, True)
    with open_frames(database_url) as frames, frames.transaction():
        frames.run("remember_coin", "BTC", "BTC")
    first = look(before.cursor)
    (asked,) = first.run_requests
    assert asked.tags == {RANGE_START: "2025-01-01|BTC", RANGE_END: "2025-03-01|ETH"}
    assert not look(first.cursor).run_requests
    assert sensor.default_status is dg.DefaultSensorStatus.RUNNING


async def test_a_symbol_has_the_coin_that_was_collected_and_a_spot_pair_pays_nothing(settings_for, database_url):
    """The exchange does not know our upper-case names, and has no funding of pairs: neither fails the others' run."""
    with open_frames(database_url) as frames, frames.transaction():
        for symbol, coin in (("KPEPE", "kPEPE"), ("UBTC", "@142")):
            frames.run("remember_coin", symbol, coin)
    clock = ClockScale(sim=NOW.timestamp(), real=time.time(), rate=1)
    feed = Market(seed=7, coins=("kPEPE", "@142"))
    async with asyncio.timeout(120), serve_exchange(feed, clock) as exchange:
        settings = settings_for(
            database_url,
            BTC_SYMBOLS="KPEPE,UBTC",
            HYPERLIQUID_API_URL=exchange.api_url,
            HYPERLIQUID_WS_URL=exchange.ws_url,
            BTC_CLOCK=f"{clock.sim},{clock.real},1",
        )

        def perpetuals():
            with open_frames(database_url) as frames:
                return store_terms(frames, ExchangeFunding(settings), settings.config)

        assert await asyncio.to_thread(perpetuals) == {"KPEPE": "kPEPE"}
        words = ["funding", "--symbol=UBTC", "--start=2025-03-01"]
        told = await asyncio.to_thread(lambda: CliRunner().invoke(main, words, obj=settings))
        assert told.exit_code == 1
        assert "expected a perpetual of the exchange, found none" in told.stderr
        words = ["funding", "--symbol=KPEPE", "--start=2025-03-03", "--end=2025-03-03T10:00Z", "--json"]
        told = await asyncio.to_thread(lambda: CliRunner().invoke(main, words, obj=settings))
    assert json.loads(told.stdout)["n_written"] == 10
    assert rows(database_url, "SELECT symbol, coin FROM instruments") == [("KPEPE", "kPEPE")]
