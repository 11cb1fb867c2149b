"""History of another exchange: a server on loopback that speaks Binance's protocol, and ccxt's own client of it."""

import builtins
import sys
from datetime import UTC, datetime, timedelta

import pytest

from btc_core.errors import ExchangeError, UnknownNameError
from btc_core.history import parse_history_source
from btc_core.model.candle import State
from btc_core.model.timerange import MINUTE, TimeRange
from resources.ccxt_history import PAGE_ROWS, TRIES, open_market
from tests.kline_server import serve_klines

START = datetime(2021, 4, 25, tzinfo=UTC)
NOW = datetime(2026, 3, 4, tzinfo=UTC)
FLAT = (100.0, 101.0, 99.0, 100.5, 2.5)
SOURCE = parse_history_source("ccxt:elsewhere")


def minutes(*numbers, row=FLAT):
    """Return minutes after START, all alike."""
    return {START + n * MINUTE: row for n in numbers}


def span(first, last):
    """Return the range from one minute after START to another, the last not included."""
    return TimeRange(START + first * MINUTE, START + last * MINUTE)


@pytest.fixture
def elsewhere(monkeypatch):
    """A function that starts the other exchange with some minutes of BTC/USDT."""
    with serve_klines({"BTCUSDT": {}}, monkeypatch) as exchange:

        def start(candles):
            exchange.candles["BTCUSDT"] = candles
            return exchange

        yield start


@pytest.fixture
def waits():
    """The seconds that were slept, in order; nobody really sleeps."""
    return []


@pytest.fixture
def ask(waits):
    """A function that opens the market and returns all pages of a range."""

    def pages(within, *, source=SOURCE, symbol="BTC", now=NOW):
        with open_market(source, symbol, now=lambda: now, sleep=waits.append) as market:
            return list(market.pages(within))

    return pages


def times_of(pages):
    """Return the numbers of the minutes in pages."""
    return [(candle.time - START) // MINUTE for page in pages for candle in page.candles]


def test_a_row_becomes_a_confirmed_import_without_trades(elsewhere, ask):
    """Nobody counted trades: that is None and not 0. Volume 0 is what the exchange said."""
    elsewhere({**minutes(0), **minutes(1, row=(100.0, 100.0, 100.0, 100.0, 0.0))})
    first, second = ask(span(0, 2))[0].candles
    assert (first.open, first.high, first.low, first.close, first.volume) == FLAT
    assert (first.time, first.symbol, first.source) == (START, "BTC", "import:ccxt-elsewhere")
    assert (first.trades, first.state) == (None, State.CONFIRMED)
    assert (second.volume, second.trades) == (0, None)


def test_pages_follow_each_other_to_the_end_of_the_range(elsewhere, ask):
    """No page is larger than the exchange allows, and no row lies outside of the range."""
    exchange = elsewhere(minutes(*range(-5, 2 * PAGE_ROWS + 100)))
    pages = ask(span(0, 2 * PAGE_ROWS + 10))
    assert times_of(pages) == list(range(2 * PAGE_ROWS + 10))
    assert [limit for _, limit in exchange.asked] == [PAGE_ROWS, PAGE_ROWS, 10]
    spans = [page.span for page in pages]
    assert [one.end for one in spans[:-1]] == [one.start for one in spans[1:]]
    assert (spans[0].start, spans[-1].end) == (START, START + (2 * PAGE_ROWS + 10) * MINUTE)


def test_a_minute_without_a_row_stays_absent(elsewhere, ask):
    """Nothing is invented for it, and an outage of days is passed over in one step."""
    exchange = elsewhere(minutes(0, 2, *range(5000, 8000)))
    assert times_of(ask(span(0, 6000))) == [0, 2, *range(5000, 6000)]
    assert len(exchange.asked) == 2


def test_a_range_without_rows_ends(elsewhere, ask):
    """An exchange that has nothing there is asked until the end of the range."""
    elsewhere({})
    pages = ask(span(0, 2500))
    assert times_of(pages) == []
    assert pages[-1].span.end == START + 2500 * MINUTE


def test_the_open_candle_is_left_out(elsewhere, ask):
    """A minute counts when it ended 15 s before the request."""
    elsewhere(minutes(0, 1, 2))
    assert times_of(ask(span(0, 5), now=START + 2 * MINUTE + timedelta(seconds=15))) == [0, 1]
    assert times_of(ask(span(0, 5), now=START + 2 * MINUTE + timedelta(seconds=14))) == [0]


def test_rows_that_contradict_themselves_are_refused(elsewhere, ask):
    """Each with its reason; the others are taken."""
    elsewhere({**minutes(0), **minutes(1, row=(100.0, 90.0, 99.0, 100.0, 1.0)), **minutes(2, row=(1.0, 1, 0, 1, 1))})
    (page,) = ask(span(0, 3))
    assert times_of([page]) == [0]
    assert page.refused == {
        "open, high, low and close contradict each other": 1,
        "a price is not a positive finite number": 1,
    }


def test_a_failure_that_passes_is_waited_for(elsewhere, ask, waits):
    """Too many requests, an outage: asked again, each time after a longer wait."""
    exchange = elsewhere(minutes(0))
    exchange.faults = [(429, '{"code":-1003,"msg":"Too many requests"}'), (503, "<html>")]
    assert times_of(ask(span(0, 1))) == [0]
    assert len(exchange.asked) == 3
    assert 0.5 <= waits[0] <= 1 <= waits[1] <= 2


def test_a_failure_that_stays_is_said(elsewhere, ask, waits):
    """After a bounded number of tries; one sentence, of bounded length."""
    exchange = elsewhere(minutes(0))
    exchange.faults = [(503, "x" * 10_000)] * TRIES
    with pytest.raises(ExchangeError, match=r"ExchangeNotAvailable of elsewhere .*try again$") as caught:
        ask(span(0, 1))
    assert (len(waits), len(str(caught.value)) < 400) == (TRIES - 1, True)


def test_a_failure_that_does_not_pass_is_not_repeated(elsewhere, ask, waits):
    """A refused request is refused again."""
    exchange = elsewhere(minutes(0))
    exchange.faults = [(400, '{"code":-1100,"msg":"Illegal characters"}')]
    with pytest.raises(ExchangeError, match="Illegal characters"):
        ask(span(0, 1))
    assert waits == []


@pytest.mark.parametrize(
    ("markets", "text", "symbol", "found"),
    [
        (["BTCUSDC", "BTCUSDT"], "ccxt:elsewhere", "BTC", "BTC/USDT"),
        (["BTCUSDC", "ETHUSDT"], "ccxt:elsewhere", "BTC", "BTC/USDC"),
        (["BTCUSDT", "ETHBUSD"], "ccxt:elsewhere", "ETH/BUSD", "ETH/BUSD"),
        (["BTCUSDT", "WBTCUSDT"], "ccxt:elsewhere/BTC/USDT", "UBTC/USDC", "BTC/USDT"),
    ],
)
def test_the_market_of_a_symbol(monkeypatch, markets, text, symbol, found):
    """The one that is stated, else the symbol against the first known quote that the exchange has."""
    with (
        serve_klines({name: {} for name in markets}, monkeypatch),
        open_market(parse_history_source(text), symbol, now=lambda: NOW) as market,
    ):
        assert market.source.market == found


def test_a_market_that_is_not_there(elsewhere, ask):
    """The sentence names what was looked for and where to say another."""
    elsewhere({})
    with pytest.raises(ExchangeError, match=r"KPEPE/USDT or KPEPE/USD or .*symbols\.KPEPE\.history: ccxt:elsewhere/"):
        ask(span(0, 1), symbol="KPEPE")


def test_an_exchange_that_ccxt_does_not_know(ask):
    """Near misses lead to it."""
    with pytest.raises(UnknownNameError, match="Did you mean binance"):
        ask(span(0, 1), source=parse_history_source("ccxt:binanse"))


def test_without_ccxt_the_sentence_says_how_to_install_it(ask, monkeypatch):
    """It is an optional extra."""
    real = builtins.__import__

    def without(name, *args, **kwargs):
        if name == "ccxt":
            raise ModuleNotFoundError(name)
        return real(name, *args, **kwargs)

    monkeypatch.delitem(sys.modules, "ccxt", raising=False)
    monkeypatch.setattr(builtins, "__import__", without)
    with pytest.raises(ExchangeError, match=r"`uv sync --extra history`"):
        ask(span(0, 1))
