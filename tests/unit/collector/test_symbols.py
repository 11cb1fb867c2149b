"""Which symbols can be collected."""

import pytest

from collector.exchange import Markets
from collector.exchanges.hyperliquid import EXCHANGE
from collector.symbols import Resolution, resolve

MARKETS = Markets(
    {
        **{coin: coin for coin in ("BTC", "kPEPE", "MATIC", "PURR/USDC")},
        "UBTC/USDC": "@142",
        "feUSD/USDC": "@153",
        "UBTC/feUSD": "@164",
        **{f"X{i}Q": f"X{i}Q" for i in range(300)},
    },
    frozenset({"MATIC"}),
    {"TWIN/USDC": ("@7", "@8")},
)


def resolved(symbols: dict[str, str | None], remembered: dict[str, str] | None = None) -> Resolution:
    """Return what the symbols mean in these markets."""
    return resolve(symbols, MARKETS, EXCHANGE, remembered or {})


@pytest.mark.parametrize(
    ("symbol", "stated", "coin"),
    [
        ("BTC", None, "BTC"),
        ("UBTC/USDC", None, "@142"),
        ("PURR/USDC", None, "PURR/USDC"),
        ("KPEPE", "kPEPE", "kPEPE"),
        ("KPEPE", None, "kPEPE"),
        ("FEUSD/USDC", None, "@153"),
        ("TWIN/USDC", "@8", "@8"),
        ("BITCOIN", "@142", "@142"),
    ],
)
def test_names_become_coins(symbol, stated, coin):
    """A perp is its own coin, a pair has a number, case is the exchange's affair, and a stated coin is meant."""
    assert resolved({symbol: stated}) == Resolution({symbol: coin}, {})


@pytest.mark.parametrize(
    ("symbol", "stated", "words"),
    [
        ("CBBTC", None, ["'CBBTC'", "cbBTC is not listed on Hyperliquid", "UBTC/USDC"]),
        ("CBBTC/USDC", None, ["cbBTC is not listed on Hyperliquid", "UBTC/USDC"]),
        ("BITCOIN", "cbBTC", ["cbBTC is not listed on Hyperliquid", "UBTC/USDC"]),
        ("BTC/USDC", None, ["UBTC/USDC", "screen"]),
        ("XBT", None, ["BTC"]),
        ("UBT/USDC", None, ["no such market", "Did you mean", "UBTC/USDC"]),
        ("KPEPE", "KPEPE", ["no coin 'KPEPE'", "kPEPE"]),
        ("SPOT", "UBTC/USDC", ["'@142'"]),
        ("SPOT", "@143", ["no coin '@143'", "@142"]),
        ("MATIC", None, ["delisted"]),
        ("TWIN/USDC", None, ["several", "@7, @8", "`coin`"]),
        ("TWIN/USDC", "@9", ["no coin '@9'"]),
    ],
)
def test_what_is_not_one_live_market_is_refused_and_the_others_go_on(symbol, stated, words):
    """An unknown coin ends the whole connection and a dead one is silent for ever: the sentence says what to do."""
    found = resolved({symbol: stated, "BTC": None})
    assert found.coins == {"BTC": "BTC"}
    assert [word for word in words if word not in found.refused[symbol]] == []


def test_a_refusal_is_a_sentence_and_no_list_of_all_markets():
    """Where nothing is near, the names of hundreds of markets help nobody."""
    assert len(resolved({"QQQQWWWWEEEE": None}).refused["QQQQWWWWEEEE"]) < 300


def test_names_that_differ_in_case_alone_are_ambiguous_unless_one_is_exact():
    """Two tokens may be called so; none of them is taken by chance."""
    markets = Markets({"kPEPE": "kPEPE", "KpEPE": "KpEPE"})
    assert "several" in resolve({"KPEPE": None}, markets, EXCHANGE, {}).refused["KPEPE"]
    exact = Markets({"kPEPE": "kPEPE", "KPEPE": "KPEPE"})
    assert resolve({"KPEPE": None}, exact, EXCHANGE, {}).coins == {"KPEPE": "KPEPE"}


def test_two_symbols_of_one_market_are_not_collected_twice():
    """A candle names its coin, not our symbol: only one can have it."""
    found = resolved({"BTC": None, "XBT": "BTC"})
    assert list(found.coins) == ["BTC"]
    assert "same market as 'BTC'" in found.refused["XBT"]


def test_a_pair_whose_index_has_changed_is_an_alarm_and_no_silent_switch():
    """The candles of another instrument would stand under the old name; stating the new coin says it is the same."""
    before = {"UBTC/USDC": "@140", "BTC": "BTC"}
    found = resolved({"UBTC/USDC": None, "BTC": None}, before)
    assert found.coins == {"BTC": "BTC"}
    sentence = found.refused["UBTC/USDC"]
    assert [word for word in ("'@140'", "'@142'", 'coin: "@142"') if word not in sentence] == []
    assert resolved({"UBTC/USDC": "@142"}, before).coins == {"UBTC/USDC": "@142"}
    assert resolved({"UBTC/USDC": None}, {"UBTC/USDC": "@142"}).coins == {"UBTC/USDC": "@142"}
