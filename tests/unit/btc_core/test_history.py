"""Sources of history: what may be written in config.yaml, and how far back the exchange itself reaches."""

from datetime import UTC, datetime

import pytest

from btc_core.config import parse_config
from btc_core.errors import ConfigError, InputError
from btc_core.history import EXCHANGE_DEPTH, HistorySource, oldest_available, parse_history_source
from collector.exchanges.hyperliquid import EXCHANGE

REST = {"intervals": ["1d"], "history_start": "2017-01-01"}


@pytest.mark.parametrize(
    ("text", "source"),
    [
        ("hyperliquid", HistorySource()),
        ("ccxt:binance", HistorySource("binance")),
        ("ccxt:binance/BTC/USDT", HistorySource("binance", "BTC/USDT")),
        ("ccxt:okx/BTC/USDT:USDT", HistorySource("okx", "BTC/USDT:USDT")),
    ],
)
def test_a_source_is_read_and_written_alike(text, source):
    """What is printed can be given."""
    assert parse_history_source(text) == source
    assert str(source) == text


@pytest.mark.parametrize(
    "text", ["", "binance", "ccxt:", "ccxt:Binance", "ccxt:binance/", "ccxt:binance/BTC", "HTTP:x"]
)
def test_what_is_no_source(text):
    """The sentence says what would be one."""
    with pytest.raises(InputError, match="expected hyperliquid, ccxt:<exchange>"):
        parse_history_source(text)


def test_candles_are_stored_under_the_exchange_s_name():
    """Whatever the market is called there."""
    assert parse_history_source("ccxt:binance/BTC/USDT").import_name == "ccxt-binance"


def test_the_exchange_has_5000_minutes():
    """The open minute is one of them; the collector counts alike."""
    now = datetime(2026, 3, 4, 12, 0, 30, tzinfo=UTC)
    assert oldest_available(now) == datetime(2026, 3, 1, 0, 41, tzinfo=UTC)
    assert EXCHANGE.history_depth == EXCHANGE_DEPTH


def test_a_symbol_s_history_is_configured():
    """By default it is the exchange itself; a wrong one is refused with its key."""
    config = parse_config({**REST, "symbols": {"BTC": {"history": "ccxt:binance"}, "ETH": {}}})
    assert [symbol.history for symbol in config.symbols.values()] == ["ccxt:binance", "hyperliquid"]
    with pytest.raises(ConfigError, match=r"symbols\.<name>: history: 'binance' is no source of history"):
        parse_config({**REST, "symbols": {"BTC": {"history": "binance"}}})
