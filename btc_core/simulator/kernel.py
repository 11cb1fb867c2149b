"""The simulated account, compiled: what a fill does to it, and what happens to it between fills.

Importing this module loads numba and takes a second: only what simulates does, and only when it does. Everything here
is scalar arithmetic in a fixed order, without fastmath, so that the bits are the same on any number of threads and
with compilation off. What fills when is prepared in ``btc_core.simulator.market``, and explained in docs/backtests.md.

A position's notional is ``exposure · leverage · (equity − fee)``, valued at the price of its fill, so that margin
(``notional / leverage``) and fee never exceed the equity. The rest of the equity is ``free``: a liquidation does not
touch it. Every fill sets the margin anew, as on an exchange where unrealised profit can be moved; funding is taken from
it. In spot mode an exposure is the share of the money that has been put in, and prices do not rebalance it.
"""

# numba knows no keyword-only arguments.
# ruff: noqa: PLR0917

import math

from btc_core.simulator.compiled import compiled
from btc_core.simulator.layout import Account, Floats, Indices, Log, Minutes, Quote, Stretches, Terms

# Places in layout.REASONS.
SIGNAL, LIQUIDATION, END, STOP, TARGET = 0, 1, 2, 3, 4
# A size this near to a whole lot (in lots) is one, a notional this near to the minimum (as a fraction) is it: 0.3 / 0.1
# is 2.9999999999999996.
_SLACK = 1e-9
# So many decisions are asked about together whether anything happens between them; no more than have bounds of funding
# together (market._TOGETHER), so that theirs are two of those at most.
_TOGETHER = 32


@compiled
def _side(held: float) -> float:
    """Return 1 for long, −1 for short, 0 for flat."""
    return 1.0 if held > 0 else -1.0 if held < 0 else 0.0


@compiled
def _worse(quote: Quote, direction: float, terms: Terms) -> float:
    """Return what a market order fills at: direction 1 buys, −1 sells.

    The share of the range stays within the minute's extremes; the basis points come on top.
    """
    reach = terms.slippage_range * (quote.high - quote.low)
    if direction > 0:
        price = min(quote.price + reach, max(quote.high, quote.price))
    else:
        price = max(quote.price - reach, min(quote.low, quote.price))
    return price * (1 + direction * terms.slippage)


@compiled
def is_lost(account: Account, cash: float, price: float, terms: Terms) -> bool:
    """Return whether a price leaves no more than the maintenance margin: ``cash + held · p − free ≤ l · |held| · p``.

    Solved for the price that is the exchange's liquidation price; asked without a division, because it is asked often.

    Source: https://hyperliquid.gitbook.io/hyperliquid-docs/trading/liquidations, "Computing Liquidation Price".
    """
    return cash + (account.held - terms.maintenance * abs(account.held)) * price <= account.free


@compiled
def _settle(account: Account, funding: float) -> None:
    """Pay the funding up to a cumulative value per unit; a long pays what is positive."""
    payment = account.held * (funding - account.settled)
    account.cash -= payment
    account.paid += payment
    account.settled = funding


@compiled
def _book(
    account: Account, log: Log, k: int, price: float, quantity: float, fee: float, reason: int, market: float
) -> None:
    """Take a fill into the account and write it down, with what it lost to the market's own price."""
    account.cash -= quantity * price + fee
    account.held += quantity
    fill = log[account.n_fills]
    fill.minute, fill.price, fill.quantity, fill.fee, fill.reason = k, price, quantity, fee, reason
    fill.slippage = (price - market) * quantity
    fill.cash, fill.held, fill.settled = account.cash, account.held, account.settled
    fill.funding, fill.low, fill.high = account.paid, account.low, account.high
    account.paid = 0.0
    account.n_fills += 1


@compiled
def _close(account: Account, log: Log, k: int, price: float, fee_rate: float, reason: int, market: float) -> None:
    """Sell or buy back all that is held; a position that cannot pay for that is lost instead."""
    fee = fee_rate * abs(account.held) * price
    if account.cash + account.held * price - fee < account.free:
        _liquidate(account, log, k)
    else:
        account.low, account.high = min(account.low, price), max(account.high, price)
        _book(account, log, k, price, -account.held, fee, reason, market)
        account.put_in = 0.0


@compiled
def _liquidate(account: Account, log: Log, k: int) -> None:
    """Lose the position with its whole margin, no fee beyond that.

    Pessimistic: it is booked out where the margin is used up. The exchange does not return the maintenance margin when
    its backstop takes the position, and may return some of it when the book does.
    """
    price = (account.free - account.cash) / account.held
    account.low, account.high = min(account.low, price), max(account.high, price)
    _book(account, log, k, price, -account.held, 0.0, LIQUIDATION, price)
    # The same sum without its rounding: nothing is left of an account that had staked everything.
    account.cash = account.free
    log[account.n_fills - 1].cash = account.free


@compiled
def _fill(account: Account, log: Log, k: int, price: float, quantity: float, terms: Terms, market: float) -> bool:
    """Open, enlarge or reduce the position by an order rounded towards less; False if it is too small to be sent."""
    size = abs(quantity)
    if terms.lots > 0:
        size = math.floor(size * terms.lots + _SLACK) / terms.lots
    if size == 0 or size * price < terms.min_notional * (1 - _SLACK):
        account.n_unfilled += 1
        return False
    direction = 1.0 if quantity > 0 else -1.0
    if account.held == 0:
        account.bought = account.spent = account.entry = 0.0
        account.best = account.low = account.high = market
    if account.held * direction >= 0:
        account.bought += size
        account.spent += size * price
        account.entry = account.spent / account.bought
    _book(account, log, k, price, direction * size, terms.taker * size * price, SIGNAL, market)
    if terms.lots > 0:
        # Lots add up in floats; the position stays a whole number of them, and the log knows it as that.
        account.held = math.floor(account.held * terms.lots + 0.5) / terms.lots
        log[account.n_fills - 1].held = account.held
    account.low = account.high = market
    return True


@compiled
def _margin_to(account: Account, log: Log, k: int, quote: Quote, wanted: float, terms: Terms) -> None:
    """Buy or sell until the notional is ``exposure · leverage · (equity − fee)``, all at the price of the fill.

    The fee is of what is bought or sold. Solved for the size once as an enlargement and once as a reduction; where
    neither is one, the costs outweigh the change and nothing fills.
    """
    side, exposure = _side(wanted), abs(wanted)
    leveraged, held = exposure * terms.leverage, abs(account.held)
    price = _worse(quote, side, terms)
    equity = account.cash + side * held * price
    size = leveraged * (equity + terms.taker * held * price) / (price * (1 + leveraged * terms.taker))
    if size <= held:
        price = _worse(quote, -side, terms)
        equity = account.cash + side * held * price
        size = leveraged * (equity - terms.taker * held * price) / (price * (1 - leveraged * terms.taker))
        size = max(size, 0.0)
        if size >= held:
            return
    if size == 0:
        _close(account, log, k, price, terms.taker, SIGNAL, quote.price)
    elif _fill(account, log, k, price, side * (size - held), terms, quote.price):
        account.free = (1 - exposure) * (account.cash + account.held * price)


@compiled
def _put_in(account: Account, log: Log, k: int, quote: Quote, wanted: float, terms: Terms) -> None:
    """Spend the wanted share of the money on coins, or sell the share of them that is too much.

    From a to b spends ``(b − a) / (1 − a)`` of the cash that is left: the same money for every step of the same size
    while nothing is sold. What an order too small to be sent would have spent goes with the next.
    """
    before = account.put_in
    if wanted > before:
        price = _worse(quote, 1.0, terms)
        quantity = account.cash * (wanted - before) / (1 - before) / (price * (1 + terms.taker))
    else:
        price = _worse(quote, -1.0, terms)
        quantity = -account.held * (before - wanted) / before if before > 0 else 0.0
    if quantity != 0 and _fill(account, log, k, price, quantity, terms, quote.price):
        account.put_in = wanted


@compiled
def _move(account: Account, log: Log, k: int, quote: Quote, wanted: float, terms: Terms) -> None:
    """Bring the position to an exposure at a minute's open.

    A reversal is a close and an open. A position that the price has already liquidated is not saved by the fill: it is
    taken first, and the new exposure is opened with what is left.
    """
    if account.held != 0:
        side = _side(account.held)
        out = _worse(quote, -side, terms)
        worth = account.cash + account.held * out - terms.taker * abs(account.held) * out
        if is_lost(account, account.cash, quote.price, terms) or worth < account.free:
            _liquidate(account, log, k)
        elif side != _side(wanted):
            _close(account, log, k, out, terms.taker, SIGNAL, quote.price)
    if wanted != 0:
        if terms.is_spot:
            _put_in(account, log, k, quote, wanted, terms)
        else:
            _margin_to(account, log, k, quote, wanted, terms)


@compiled
def _stop_price(account: Account, side: float, best: float, terms: Terms) -> float:
    """Return the nearer of the stop below the entry price and the one that trails the best price (short: above)."""
    fixed = account.entry * (1 - side * terms.stop)
    trailing = best * (1 - side * terms.trail)
    return side * max(side * fixed, side * trailing)


@compiled
def _may_end(account: Account, low: float, high: float, funding_low: float, funding_high: float, terms: Terms) -> bool:
    """Return whether a liquidation, a stop or a target may be reached in a stretch; if not, its minutes are not read.

    Takes numbers, not the arrays: those are counted references, and this is called for every candle.
    """
    side = _side(account.held)
    adverse, favourable = (low, high) if side > 0 else (high, low)
    funding = funding_high if side > 0 else funding_low
    cash = account.cash - account.held * (funding - account.settled)
    best = side * max(side * account.best, side * favourable)
    return (
        is_lost(account, cash, adverse, terms)
        or side * adverse <= side * _stop_price(account, side, best, terms)
        or side * favourable >= side * (account.entry * (1 + side * terms.target))
    )


@compiled
def _see(account: Account, low: float, high: float) -> None:
    """Remember the extremes of what a position was held through."""
    account.low, account.high = min(account.low, low), max(account.high, high)
    account.best = max(account.best, high) if account.held > 0 else min(account.best, low)


@compiled
def _walk(account: Account, log: Log, start: int, stop: int, minutes: Minutes, terms: Terms) -> None:
    """Take a position through the minutes of a stretch, up to what ends it.

    Pessimistic where a minute leaves the order open: the adverse extreme comes before the favourable one, and a
    trailing stop follows a minute's best price from the next minute on. A price that opens beyond the stop fills there,
    one that opens beyond the liquidation price is lost; a target rests in the book and fills at its price.
    """
    side = _side(account.held)
    for k in range(start, stop):
        opened = minutes.open[k]
        adverse = minutes.low[k] if side > 0 else minutes.high[k]
        favourable = minutes.high[k] if side > 0 else minutes.low[k]
        cash = account.cash - account.held * (minutes.funding[k + 1] - account.settled)
        level = side * _stop_price(account, side, account.best, terms)
        target = account.entry * (1 + side * terms.target)
        # A stop that lies where the position is lost already does not save it.
        is_reached = side * adverse <= level
        stops_first = is_reached and not is_lost(account, cash, side * level, terms)
        if is_lost(account, cash, opened, terms) or (is_lost(account, cash, adverse, terms) and not stops_first):
            _settle(account, minutes.funding[k + 1])
            _liquidate(account, log, k)
            return
        if is_reached:
            _settle(account, minutes.funding[k + 1])
            price = side * min(side * opened, level)
            quote = Quote(price, minutes.low[k], minutes.high[k])
            _close(account, log, k, _worse(quote, -side, terms), terms.taker, STOP, price)
            return
        if side * favourable >= side * target:
            _settle(account, minutes.funding[k + 1])
            _close(account, log, k, target, terms.maker, TARGET, target)
            return
        _see(account, minutes.low[k], minutes.high[k])


@compiled
def _hold(
    account: Account, log: Log, first: int, end: int, minutes: Minutes, stretches: Stretches, terms: Terms
) -> None:
    """Take a position through stretches one after the other, up to what ends it."""
    for i in range(first, end):
        if account.held != 0:
            low, high, k = stretches.low[i], stretches.high[i], i // stretches.funding_together
            if _may_end(account, low, high, stretches.funding_low[k], stretches.funding_high[k], terms):
                _walk(account, log, stretches.at[i], stretches.at[i + 1], minutes, terms)
            else:
                _see(account, low, high)


@compiled
def advance(account: Account, log: Log, minutes: Minutes, stretches: Stretches, exposure: Floats, terms: Terms) -> None:
    """Take an account through every change of exposure and to the end of the minutes, where it stays as it is.

    Reads one record per decision; minutes only where something may have ended the position between two. The account can
    be taken further later: where the minutes are cut changes no bit, because extremes are the same in any grouping.
    """
    i, n = 0, len(exposure)
    while i < n:
        first, start = i, stretches.at[i]
        i += 1
        if start == stretches.at[i]:
            continue
        if exposure[first] != account.wanted:
            account.wanted = exposure[first]
            _settle(account, stretches.funding[first])
            quote = Quote(stretches.open[first], stretches.fill_low[first], stretches.fill_high[first])
            _move(account, log, start, quote, account.wanted, terms)
        if account.held == 0:
            continue
        # What the extremes of many stretches do not reach is reached in none of them. An empty one is not among them:
        # its minutes are those of a later one, which says what is wanted then.
        low, high = stretches.low[first], stretches.high[first]
        last, wanted = min(first + _TOGETHER, n), account.wanted
        while i < last and exposure[i] == wanted and (stretches.is_full or stretches.at[i] != stretches.at[i + 1]):
            low, high = min(low, stretches.low[i]), max(high, stretches.high[i])
            i += 1
        k, m = first // stretches.funding_together, (i - 1) // stretches.funding_together
        funding_low = min(stretches.funding_low[k], stretches.funding_low[m])
        funding_high = max(stretches.funding_high[k], stretches.funding_high[m])
        if _may_end(account, low, high, funding_low, funding_high, terms):
            _hold(account, log, first, i, minutes, stretches, terms)
        else:
            _see(account, low, high)


@compiled
def follow(account: Account, log: Log, minutes: Minutes, stretches: Stretches, exposure: Floats, terms: Terms) -> None:
    """Take an account through every change of exposure and to the end of the minutes, where it is closed.

    Args:
        account: Begins with its capital as ``cash`` and ``free`` (spot: −inf), all else 0.
        log: Gets the fills, ascending; at least ``most_fills(exposure)`` long.
        minutes: The market.
        stretches: Which minutes follow which decision. An empty stretch: a later decision waits for the same minute.
        exposure: The wanted one after each decision, in [−1, 1]; at least 0 in spot mode.
        terms: Costs and rules.
    """
    advance(account, log, minutes, stretches, exposure, terms)
    n = len(minutes.open)
    if account.held != 0:
        _settle(account, minutes.funding[n])
        side = _side(account.held)
        last = Quote(minutes.last_close, minutes.low[n - 1], minutes.high[n - 1])
        _close(account, log, n, _worse(last, -side, terms), terms.taker, END, last.price)


@compiled
def mark(
    equity: Floats,
    exposure: Floats,
    log: Log,
    fill_time: Indices,
    time: Indices,
    price: Floats,
    funding: Floats,
    cash: float,
    held: float,
    settled: float,
) -> None:
    """Value the account at every decision: what happened before its time, at the price of its candle.

    Args:
        equity: Gets the values, quote currency.
        exposure: Gets position ÷ equity, 0 where nothing is left; an empty one gets nothing.
        log: The fills.
        fill_time: When they were, microseconds since 1970.
        time: When the decisions were known, ascending, likewise.
        price: What the position is valued at.
        funding: Cumulative funding per unit before each.
        cash: The account before the first fill: its money,
        held: its position, base units,
        settled: and the cumulative funding up to which that is paid.
    """
    n = 0
    for i in range(len(time)):
        while n < len(fill_time) and fill_time[n] < time[i]:
            cash, held, settled = log[n].cash, log[n].held, log[n].settled
            n += 1
        position = held * price[i]
        equity[i] = cash - held * (funding[i] - settled) + position
        if len(exposure) > 0:
            exposure[i] = position / equity[i] if equity[i] > 0 else 0.0
