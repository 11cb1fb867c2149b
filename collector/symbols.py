"""Which of the configured symbols the exchange knows. An unknown coin ends the whole connection: it is refused here."""

from collections.abc import Mapping
from textwrap import shorten

import msgspec

from btc_core.errors import near_misses
from collector.exchange import Markets

# An exchange has hundreds of markets; where no name is near, near_misses would list them all.
HINT_CHARACTERS = 200


class Resolution(msgspec.Struct, frozen=True):
    """The coin of every symbol that can be collected, and a sentence for every other one."""

    coins: Mapping[str, str]
    refused: Mapping[str, str]


def resolve(symbols: Mapping[str, str | None], markets: Markets) -> Resolution:
    """Return which coin each configured symbol means.

    Args:
        symbols: Our names, each with the coin that the configuration states, or None.
        markets: What the exchange has.
    """
    coins: dict[str, str] = {}
    refused: dict[str, str] = {}
    taken: dict[str, str] = {}
    for symbol, stated in symbols.items():
        fault = _fault(symbol, stated, markets)
        coin = stated or markets.coins.get(symbol, symbol)
        if fault is None and coin in taken:
            fault = f"symbol {symbol!r} is the same market as {taken[coin]!r}: keep one of them"
        if fault is None:
            coins[symbol] = coin
            taken[coin] = symbol
        else:
            refused[symbol] = fault
    return Resolution(coins, refused)


def _fault(symbol: str, stated: str | None, markets: Markets) -> str | None:
    """Return why a symbol cannot be collected, or None."""
    known = set(markets.coins.values())
    if stated is not None and stated not in known:
        hint = shorten(near_misses(stated, sorted(known)), HINT_CHARACTERS)
        return f"symbol {symbol!r}: the exchange has no coin {stated!r}. {hint}"
    if stated is None and symbol not in markets.coins:
        hint = shorten(near_misses(symbol, sorted(markets.coins)), HINT_CHARACTERS)
        return f"symbol {symbol!r}: the exchange has no such market. {hint}"
    if (stated or markets.coins[symbol]) in markets.delisted:
        return f"symbol {symbol!r}: the exchange has delisted it; take it out of the configuration"
    return None
