"""Which of the configured symbols the exchange has. An unknown coin ends the whole connection: it is refused here."""

from collections.abc import Iterable, Mapping, Sequence
from textwrap import shorten

import msgspec

from btc_core.errors import near_misses
from collector.exchange import Exchange, Markets

# An exchange has hundreds of markets; where no name is near, near_misses would list them all.
HINT_CHARACTERS = 200


class Resolution(msgspec.Struct, frozen=True):
    """The coin of every symbol that can be collected, and a sentence for every other one."""

    coins: Mapping[str, str]
    refused: Mapping[str, str]


def resolve(
    symbols: Mapping[str, str | None], markets: Markets, exchange: Exchange, remembered: Mapping[str, str]
) -> Resolution:
    """Return which coin each configured symbol means.

    Args:
        symbols: Our names, each with the coin that the configuration states, or None.
        markets: What the exchange has.
        exchange: Knows what others call its markets.
        remembered: The coin with which each symbol was collected last. It does not become another one silently: the
            candles of two instruments would stand under one name.
    """
    coins: dict[str, str] = {}
    refused: dict[str, str] = {}
    for symbol, stated in symbols.items():
        meanings = [stated] if stated is not None else _meanings(symbol, markets)
        if len(meanings) == 1:
            coin = meanings[0]
            before = coin if stated is not None else remembered.get(symbol, coin)
            fault = _fault(coin, markets, exchange) or _moved(coin, before) or _duplicate(coin, coins)
        else:
            coin, fault = "", _unknown(symbol, meanings, markets, exchange)
        if fault is None:
            coins[symbol] = coin
        else:
            refused[symbol] = f"symbol {symbol!r}: {fault}"
    return Resolution(coins, refused)


def _meanings(symbol: str, markets: Markets) -> list[str]:
    """Return the coins that a symbol may mean: those of its name, else of names that differ from it in case alone."""
    names = {*markets.coins, *markets.ambiguous}
    # Ours are upper-case, the exchange's are not (kPEPE).
    alike = [symbol] if symbol in names else [name for name in names if name.casefold() == symbol.casefold()]
    return sorted({coin for name in alike for coin in markets.ambiguous.get(name) or (markets.coins[name],)})


def _unknown(symbol: str, meanings: Sequence[str], markets: Markets, exchange: Exchange) -> str:
    """Return why a name does not lead to one coin."""
    if meanings:
        coins = ", ".join(meanings)
        return f"the exchange has several markets of that name ({coins}): state one of them as `coin` in config.yaml"
    return f"the exchange has no such market. {_hint(symbol, markets.coins, exchange)}"


def _fault(coin: str, markets: Markets, exchange: Exchange) -> str | None:
    """Return why a coin cannot be collected, or None."""
    known = {*markets.coins.values(), *(coin for meant in markets.ambiguous.values() for coin in meant)}
    if coin in markets.delisted:
        return "the exchange has delisted it; take it out of the configuration"
    if coin in known:
        return None
    if coin in markets.coins:
        return f"the coin of {coin!r} is {markets.coins[coin]!r}: state that as `coin` in config.yaml, or none"
    return f"the exchange has no coin {coin!r}. {_hint(coin, known, exchange)}"


def _hint(name: str, known: Iterable[str], exchange: Exchange) -> str:
    return exchange.hint(name) or shorten(near_misses(name, sorted(known)), HINT_CHARACTERS)


def _moved(coin: str, before: str) -> str | None:
    """Return why a coin is not the one that was collected so far, or None."""
    if coin == before:
        return None
    return (
        f"it was collected as {before!r}, and now the exchange calls {coin!r} so. If that is the same instrument, "
        f'state `coin: "{coin}"` in config.yaml'
    )


def _duplicate(coin: str, coins: Mapping[str, str]) -> str | None:
    """Return which symbol has the coin already, or None: a candle names its coin, so only one can have it."""
    taken = next((symbol for symbol, known in coins.items() if known == coin), None)
    return f"it is the same market as {taken!r}: keep one of them" if taken is not None else None
