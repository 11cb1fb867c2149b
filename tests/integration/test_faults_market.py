"""What the market does, and which names the exchange has for it: one invariant (``tests/faulty.py``)."""

# ruff: noqa: ARG002 (a hook is given all that any fault may want to know)

import dataclasses
from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import asynccontextmanager
from datetime import timedelta
from functools import partial
from http import HTTPStatus
from pathlib import Path

import msgspec
import pytest

from btc_core.config import SymbolConfig
from btc_core.model.timerange import MINUTE
from btc_store.settings import Settings
from demo.answer import Answer, Query, changed_answer
from demo.faults.fault import Ask, Fault, Spell
from demo.faults.script import fault
from demo.market import Market
from tests.faulty import Play, Playing, figures, health, play, said
from tests.stalls import real_time

pytestmark = real_time

PAIR = "UBTC/USDC"
# What is no market, and what its refusal says: the hint, the reason, the near miss.
WHY = {"CBBTC": "cbBTC is not listed on Hyperliquid", "MATIC": "delisted", "BTD": "BTC"}


@pytest.fixture
def playing(database_url: str, settings_for: Callable[..., Settings], tmp_path: Path) -> Playing:
    """A play on a database of its own."""
    return partial(play, database_url, settings_for, tmp_path)


async def test_a_flat_row_that_appears_ten_minutes_later(playing, caplog):
    """Without trades the minute is ``no_trade``; once its row is there it is confirmed, and the finding is over."""
    async with playing(rate=300) as one, one.collecting():
        await one.reached(one.start + MINUTE)
        async with one.during(fault("no_trades", after=600)):
            await one.pass_time(timedelta(minutes=3))
        await one.until(lambda: _are_quiet(one, 1))
        found = [row for row in await one.findings("no_trade") if row["resolved_at"] is None]
        assert {row["symbol"]: row["severity"] for row in found} == {"BTC": "error", "ETH": "info"}
        await one.until(lambda: _are_quiet(one, 0))
        await one.heals()
        assert all(row["resolved_at"] for row in await one.findings("no_trade"))
        rows = await one.connection.fetch("SELECT * FROM candles WHERE time >= $1 AND volume = 0", one.start)
        assert {(row["symbol"], row["trades"], row["state"]) for row in rows} == {
            ("BTC", 0, "confirmed"),
            ("ETH", 0, "confirmed"),
        }
    # The perp of bitcoin always trades; others may rest.
    assert {record.symbol for record in said(caplog, "no trades in a market that always trades")} == {"BTC"}


async def _are_quiet(one: Play, n_minutes: int) -> bool:
    """Return whether so many minutes of each symbol, at least, are known to be without trades; none at all for 0."""
    counts = [await one.n_in_state(symbol, "no_trade") for symbol in one.coins]
    return min(counts) >= n_minutes if n_minutes else not any(counts)


async def test_minutes_without_trades_for_ever(playing, caplog):
    """No row is ever invented: they stay ``no_trade``, the finding stays open, and nothing waits for them."""
    caplog.set_level("INFO")
    async with playing(collector={"no_trade_hours": 0.1}) as one, one.collecting():
        await one.reached(one.start + MINUTE)
        async with one.during(fault("no_trades", flat=False)):
            await one.pass_time(timedelta(minutes=4))
        await one.until(lambda: _are_quiet(one, 3))
        await one.reached(one.now())
        await one.heals()
        await one.until(lambda: _has_no_doubt(caplog))
        n_quiet = await one.n_in_state("BTC", "no_trade")
        open_findings = [row for row in await one.findings("no_trade", symbol="BTC") if row["resolved_at"] is None]
        assert sum((row["end_time"] - row["start_time"]) // MINUTE for row in open_findings) == n_quiet >= 3
        await one.until(lambda: _is_healthy(caplog))


async def _has_no_doubt(log: pytest.LogCaptureFixture) -> bool:
    _, body = await health(log)
    return all(symbol["n_no_trade"] == 0 for symbol in body["symbols"].values())


async def _is_healthy(log: pytest.LogCaptureFixture) -> bool:
    code, _ = await health(log)
    return code == HTTPStatus.OK


async def test_a_jump_of_30_percent_is_real(playing):
    """Prices may jump: nothing is quarantined, and both jumps are confirmed as they were."""
    async with playing() as one, one.collecting():
        await one.reached(one.start + MINUTE)
        async with one.during(fault("jump", factor=1.3)):
            end = await one.pass_time(timedelta(minutes=3))
        await one.reached(end + 2 * MINUTE)
        await one.heals()
        assert not await one.findings("quarantined")
        jumps = await one.connection.fetch(
            "SELECT symbol FROM candles WHERE time >= $1 AND interval = '1m' AND high > 1.25 * low", one.start
        )
    # Up in its first minute, down in the first one after it.
    assert sorted(row["symbol"] for row in jumps) == ["BTC", "BTC", "ETH", "ETH"]


async def test_a_pair_is_found_by_its_index(playing):
    """UBTC/USDC is ``@142``, which stands third in the list: found by token and pair index, and remembered."""
    async with _spot(playing) as one, one.collecting():
        await one.reached(one.start + 4 * MINUTE)
        await one.heals()
        assert _subscribed(one) == {"BTC", "@142"}
        rows = await one.connection.fetch("SELECT symbol, coin FROM symbol_coins")
    assert dict(rows) == {"BTC": "BTC", PAIR: "@142"}


def _subscribed(one: Play) -> set[str]:
    return {wanted.coin for link in one.exchange.links for wanted in link.subscriptions}


async def test_a_renamed_pair_is_an_alarm_and_no_silent_switch(playing, caplog, monkeypatch):
    """The daily look refuses the symbol and names both coins; BTC runs on. With its old name the pair is back."""
    caplog.set_level("INFO")
    monkeypatch.setattr("collector.runner.MARKETS_EVERY_SECONDS", 300)
    renamed = fault("renamed_pair", coin="@142", to="@150")
    async with _spot(playing) as one, one.collecting():
        await one.reached(one.start + 3 * MINUTE, symbol=PAIR)
        one.exchange.begin(renamed)
        await one.until(lambda: said(caplog, "symbol refused"))
        (record,) = said(caplog, "symbol refused")
        assert (record.symbol, record.levelname) == (PAIR, "ERROR")
        assert "'@142'" in record.reason and "'@150'" in record.reason
        _, body = await health(caplog)
        assert set(body["refused"]) == {PAIR} and set(body["symbols"]) == {"BTC"}
        assert (await figures(caplog))['collector_events_total{event="symbol refused"}'] == 1
        refused_at = await one.pass_time(timedelta(minutes=5))
        assert _subscribed(one) == {"BTC"}
        assert await one.newest(PAIR) < refused_at - 5 * MINUTE
        one.exchange.end(renamed)
        await one.reached(refused_at, symbol=PAIR)
        await one.heals()


async def test_a_pair_renamed_while_nobody_collected(playing, caplog):
    """What was collected under another coin is remembered in the database: refused, until the owner states the coin."""
    renamed = fault("renamed_pair", coin="@142", to="@150")
    async with _spot(playing) as one:
        async with one.collecting():
            await one.reached(one.start + 3 * MINUTE, symbol=PAIR)
        newest = await one.newest(PAIR)
        one.exchange.begin(renamed)
        one.coins[PAIR] = "@150"
        async with one.collecting():
            await one.reached(one.now())
            await one.heals(symbols=["BTC"])
        assert await one.newest(PAIR) == newest
        (record,) = said(caplog, "symbol refused")
        assert "'@142'" in record.reason and "'@150'" in record.reason
        symbols = {"BTC": SymbolConfig(), PAIR: SymbolConfig(coin="@150")}
        config = msgspec.structs.replace(one.settings.config, symbols=symbols)
        async with one.collecting(dataclasses.replace(one.settings, config=config)):
            await one.reached(one.now(), symbol=PAIR)
            await one.heals()
        assert dict(await one.connection.fetch("SELECT symbol, coin FROM symbol_coins"))[PAIR] == "@150"


@pytest.mark.parametrize("symbol", WHY)
async def test_what_the_exchange_does_not_have_is_refused(playing, caplog, symbol):
    """It is never subscribed to, for that would end every connection; the others run on."""
    caplog.set_level("INFO")
    market = Market(seed=7, coins=["BTC"])
    symbols = {"BTC": None, symbol: None}
    async with playing(symbols=symbols, feed=market) as one, one.collecting():
        await one.reached(one.start + 4 * MINUTE)
        await one.heals(symbols=["BTC"])
        (record,) = said(caplog, "symbol refused")
        assert record.symbol == symbol and WHY[symbol] in record.reason
        assert _subscribed(one) == {"BTC"} and one.exchange.n_links == 1
        code, body = await health(caplog)
        assert code == 200 and WHY[symbol] in body["refused"][symbol]


class TwinPair(Fault, frozen=True):
    """``spotMeta`` lists another pair of the same two tokens."""

    async def answer(self, spell: Spell, query: Query, ask: Ask) -> Answer:
        """Add it."""
        answer = await ask(query)
        return changed_answer(answer, self._more) if query.kind == "spotMeta" else answer

    @staticmethod
    def _more(tree: dict[str, list[dict[str, object]]]) -> object:
        (pair,) = [pair for pair in tree["universe"] if pair["name"] == "@142"]
        return {**tree, "universe": [*tree["universe"], {**pair, "name": "@143", "index": 143}]}


async def test_a_pair_that_could_be_two_is_refused(playing, caplog):
    """Which one is meant is not for us to guess: the sentence names both, and BTC runs on."""
    async with _spot(playing, faults=[TwinPair()]) as one, one.collecting():
        await one.reached(one.start + 4 * MINUTE)
        await one.heals(symbols=["BTC"])
        (record,) = said(caplog, "symbol refused")
        assert record.symbol == PAIR and "@142, @143" in record.reason
        assert _subscribed(one) == {"BTC"}
        assert await one.newest(PAIR) is None


@asynccontextmanager
async def _spot(playing: Playing, *, faults: Sequence[Fault] = ()) -> AsyncIterator[Play]:
    """Play the perp and the spot pair of bitcoin; what the pair is called the collector has to find out."""
    market = Market(seed=7, coins=["BTC", "@142"])
    async with playing(faults=faults, symbols={"BTC": None, PAIR: None}, feed=market) as one:
        one.coins[PAIR] = "@142"
        yield one
