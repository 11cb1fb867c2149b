"""When an isolated position is taken by the exchange, and what is left of it."""


def liquidation_price(entry_price: float, *, side: int, leverage: float, maintenance: float) -> float:
    """Return the price at which an isolated position is down to its maintenance margin.

    The exchange writes ``price − side · margin_available / size / (1 − l · side)``, where ``l`` is the maintenance
    fraction and ``margin_available`` of an isolated position is its margin less the maintenance margin. With the
    margin ``size · entry / leverage`` of an untouched position that is ``entry · (1 − side / leverage) /
    (1 − side · l)``. A long without leverage gets 0: it is never liquidated.

    Args:
        entry_price: Price at which the margin was set, quote currency.
        side: 1 is long, −1 short.
        leverage: Notional ÷ margin at the entry.
        maintenance: Maintenance margin as a fraction of the notional, below ``1 / leverage``.

    Source: https://hyperliquid.gitbook.io/hyperliquid-docs/trading/liquidations, "Computing Liquidation Price".
    """
    return entry_price * (1 - side / leverage) / (1 - side * maintenance)


def bankruptcy_price(entry_price: float, *, side: int, leverage: float) -> float:
    """Return the price at which the whole margin of an isolated position is lost.

    A liquidated position is booked out here, pessimistically: the exchange does not return the maintenance margin
    when its backstop takes the position, and may return some of it when the book does.

    Source: https://hyperliquid.gitbook.io/hyperliquid-docs/trading/liquidations.
    """
    return entry_price * (1 - side / leverage)
