"""Which symbols can be collected."""

from collector.exchange import Markets
from collector.symbols import resolve

MARKETS = Markets(
    {"BTC": "BTC", "kPEPE": "kPEPE", "UBTC/USDC": "@142", "MATIC": "MATIC", **{f"X{i}Q": f"X{i}Q" for i in range(300)}},
    frozenset({"MATIC"}),
)


def test_names_become_coins():
    """A perp is its own coin, a pair has a number, and the configuration may state the coin."""
    found = resolve({"BTC": None, "UBTC/USDC": None, "KPEPE": "kPEPE"}, MARKETS)
    assert found.coins == {"BTC": "BTC", "UBTC/USDC": "@142", "KPEPE": "kPEPE"}
    assert found.refused == {}


def test_an_unknown_symbol_is_refused_and_the_others_go_on():
    """An unknown coin ends the whole connection, so it is never subscribed to; near misses are named."""
    found = resolve({"CBBTC": None, "BTC": None}, MARKETS)
    assert found.coins == {"BTC": "BTC"}
    assert "'CBBTC'" in found.refused["CBBTC"]
    assert "BTC" in found.refused["CBBTC"]


def test_a_refusal_is_a_sentence_and_no_list_of_all_markets():
    """Where nothing is near, the names of hundreds of markets help nobody."""
    assert len(resolve({"QQQQWWWWEEEE": None}, MARKETS).refused["QQQQWWWWEEEE"]) < 300


def test_a_stated_coin_must_exist_in_its_exact_case():
    """``KPEPE`` on the wire would end the connection."""
    assert "kPEPE" in resolve({"KPEPE": "KPEPE"}, MARKETS).refused["KPEPE"]


def test_a_delisted_coin_is_refused():
    """It would be acknowledged and stay silent for ever."""
    assert "delisted" in resolve({"MATIC": None}, MARKETS).refused["MATIC"]


def test_two_symbols_of_one_market_are_not_collected_twice():
    """A candle names its coin, not our symbol: only one can have it."""
    found = resolve({"BTC": None, "XBT": "BTC"}, MARKETS)
    assert list(found.coins) == ["BTC"]
    assert "same market" in found.refused["XBT"]
