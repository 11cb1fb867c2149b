"""What a client hears of its subscriptions, and coins that an exchange has no longer; after each, the invariant."""

from collections.abc import Callable
from contextlib import AbstractAsyncContextManager
from datetime import timedelta
from functools import partial
from pathlib import Path

import pytest

from btc_core.model.timerange import MINUTE
from btc_store.settings import Settings
from demo.faults.script import fault
from demo.link import Link, Sending
from demo.market import Market
from tests.faulty import Play, figures, play
from tests.stalls import real_time

pytestmark = real_time

# More minutes than anything here is away for.
N_HISTORY = 120
THREE = {"BTC": None, "ETH": None, "SOL": None}

Start = Callable[..., AbstractAsyncContextManager[Play]]


@pytest.fixture
def start(database_url: str, settings_for: Callable[..., Settings], tmp_path: Path, caplog) -> Start:
    """A function that starts a play: ``start(faults=[...], symbols={...})``; the collector's log is kept."""
    caplog.set_level("INFO", "collector")
    return partial(play, database_url, settings_for, tmp_path, n_history=N_HISTORY)


@pytest.fixture
def answered(monkeypatch) -> list[Sending]:
    """What the exchange has really said about subscriptions, oldest first."""
    written: list[Sending] = []
    put = Link.put

    def keep(link: Link, sending: Sending) -> None:
        if sending.channel in ("subscriptionResponse", "error"):
            written.append(sending)
        put(link, sending)

    monkeypatch.setattr(Link, "put", keep)
    return written


# Acknowledgements


@pytest.mark.parametrize(
    ("kind", "n_answers", "word"),
    [
        pytest.param("late_ack", 2, "subscriptionResponse", id="late"),
        pytest.param("no_ack", 0, "", id="never"),
        pytest.param("double_ack", 4, "subscriptionResponse", id="twice"),
        pytest.param("long_ack", 2, "nSigFigs", id="with extra keys"),
        pytest.param("already_subscribed", 2, "Already subscribed", id="Already subscribed"),
    ],
)
async def test_a_subscription_that_brings_candles_works(start, answered, caplog, monkeypatch, *, kind, n_answers, word):
    """However it is acknowledged, or not: its frames are there, and nobody leaves for it."""
    # An acknowledgement is waited for as long as the network may take: six minutes, where they last so long.
    monkeypatch.setattr("collector.parts.NETWORK_SECONDS", 0.6)
    parameters = {"seconds": 400} if kind == "late_ack" else {}
    async with start(faults=[fault(kind, **parameters)]) as one, one.collecting():
        await one.streams()
        await one.pass_time(timedelta(minutes=8))
        await one.streams()
        await one.heals()
        counted = await figures(caplog)
    assert counted['collector_reconnects_total{reason="no_ack"}'] == 0
    assert len(answered) == n_answers * one.exchange.n_links
    assert all(word in sending.text for sending in answered)


async def test_a_subscription_that_is_never_answered_costs_two_connections(start, caplog, monkeypatch):
    """No acknowledgement and no frame of one coin, twice: then it is left out, and the others run on."""
    monkeypatch.setattr("collector.parts.NETWORK_SECONDS", 0.3)
    deaf = [fault("no_ack", coin="ETH"), fault("stall", coin="ETH")]
    async with start(faults=deaf) as one, one.collecting():
        await one.until(lambda: says(caplog, "coin is in quarantine"))
        await one.streams()
        await one.heals()
        counted = await figures(caplog)
        assert counted['collector_reconnects_total{reason="no_ack"}'] >= 2
        await history_alone_brings(one, "ETH")
    assert said(caplog, "coin is in quarantine").coin == "ETH"


def said(caplog: pytest.LogCaptureFixture, event: str):
    """Return the first record of an event."""
    return next(record for record in caplog.records if record.message == event)


def says(caplog: pytest.LogCaptureFixture, event: str) -> bool:
    """Return whether there is a record of an event."""
    return any(record.message == event for record in caplog.records)


async def minutes(one: Play, symbol: str) -> list:
    """Return the stored minutes of the play."""
    sql = "SELECT time FROM candles WHERE symbol = $1 AND interval = '1m' AND time >= $2 ORDER BY time"
    return [row["time"] for row in await one.connection.fetch(sql, symbol, one.start)]


async def history_alone_brings(one: Play, symbol: str) -> None:
    """No stored minute of a symbol came by the stream. The collector goes on: the second look may see more."""
    stored = await minutes(one, symbol)
    assert (await one.without_stream(symbol, since=one.start))[: len(stored)] == stored


# Coins that the exchange does not know, or no longer


@pytest.mark.parametrize(
    ("symbols", "more"),
    [
        pytest.param(THREE, [], id="one of three"),
        pytest.param(THREE, [fault("late_ack", seconds=5)], id="one of three that are all unconfirmed"),
        pytest.param({"ETH": None}, [], id="alone"),
    ],
)
async def test_a_coin_that_kills_the_socket_is_left_out(start, caplog, symbols, more):
    """Which one it is is found out, and history brings it; the others run on. After its quarantine it is tried anew."""
    killer = fault("unknown_coin", coin="ETH")
    brief = {"quarantine_seconds": 300}
    async with start(faults=[killer, *more], symbols=symbols, collector=brief) as one, one.collecting():
        await one.until(lambda: says(caplog, "coin is in quarantine"))
        for symbol in symbols.keys() - {"ETH"}:
            await one.streams(symbol)
        await one.heals()
        await history_alone_brings(one, "ETH")
        one.exchange.end(killer)
        await one.streams("ETH")
        await one.heals()
    quarantine = said(caplog, "coin is in quarantine")
    assert (quarantine.coin, quarantine.name) == ("ETH", "collector.alarms")


async def test_a_coin_that_goes_on_killing_costs_few_connections(start, caplog):
    """Again and again: one connection each time that its quarantine is over."""
    killer = fault("unknown_coin", coin="ETH")
    async with start(faults=[killer], symbols=THREE, collector={"quarantine_seconds": 300}) as one, one.collecting():
        await one.pass_time(timedelta(minutes=13))
        await one.heals()
        counted = await figures(caplog)
    assert counted['collector_events_total{event="coin is in quarantine"}'] in (2, 3, 4)
    assert one.exchange.n_links <= 8
    assert one.exchange.connects.most <= 4


async def test_a_symbol_that_is_not_listed_is_refused_alone(start, caplog):
    """It is named with what was probably meant, before anything is subscribed to; the others run on."""
    async with start(symbols={"BTC": None, "CBBTC": None}, feed=Market(seed=7, coins=["BTC"])) as one, one.collecting():
        await one.streams()
        await one.heals(symbols=["BTC"])
    refused = said(caplog, "symbol refused")
    assert refused.symbol == "CBBTC"
    assert "cbBTC is not listed" in refused.reason
    assert "UBTC" in refused.reason
    assert one.exchange.n_links == 1


async def test_a_delisted_coin_is_refused_alone(start, caplog):
    """Delisted before the start: it would be acknowledged and silent for ever."""
    delisted = fault("delisted_coin", coin="ETH")
    async with start(faults=[delisted]) as one, one.collecting():
        await one.streams()
        await one.heals(symbols=["BTC"])
        assert await minutes(one, "ETH") == []
    assert said(caplog, "symbol refused").symbol == "ETH"
    assert "delisted" in said(caplog, "symbol refused").reason
    assert one.exchange.n_links == 1


async def test_a_coin_may_be_delisted_while_it_is_collected(start, caplog, monkeypatch):
    """It falls silent, and history has no rows: no fault of the connection. The next look at the markets ends it."""
    monkeypatch.setattr("collector.runner.MARKETS_EVERY_SECONDS", 900)
    async with start() as one, one.collecting():
        await one.streams("ETH")
        one.exchange.begin(fault("delisted_coin", coin="ETH"))
        await one.until(lambda: says(caplog, "symbol refused"))
        await one.streams()
        await one.heals(unsettled=["missing"])
        counted = await figures(caplog)
        assert (await minutes(one, "ETH"))[-1] < one.now() - 5 * MINUTE
        assert await one.complaints("ETH", end=(await minutes(one, "ETH"))[-1]) == []
    assert said(caplog, "symbol refused").symbol == "ETH"
    assert counted['collector_reconnects_total{reason="silent_coin"}'] == 0
    assert one.exchange.n_links == 1
