"""What a log and a curve add up to, compiled: a sweep asks thousands of times. Sums are taken fill by fill."""

# numba knows no keyword-only arguments.
# ruff: noqa: PLR0917

from btc_core.simulator.compiled import compiled
from btc_core.simulator.layout import Floats, Indices, Log


@compiled
def add_rounds(
    log: Log,
    n_fills: int,
    first: Indices,
    last: Indices,
    side: Floats,
    quantity: Floats,
    entered: Floats,
    left: Floats,
    fees: Floats,
    funding: Floats,
    pnl: Floats,
) -> int:
    """Write the rounds of a log that begins and ends flat into columns, and return how many there are.

    The columns are those of ``btc_core.simulator.rounds.Rounds``, long enough for half as many rounds as fills.
    """
    n, held = 0, 0.0
    for i in range(n_fills):
        fill = log[i]
        if held == 0:
            first[n] = i
            side[n] = 1.0 if fill.quantity > 0 else -1.0
            quantity[n] = entered[n] = left[n] = fees[n] = funding[n] = 0.0
        notional = fill.quantity * fill.price * side[n]
        if notional > 0:
            quantity[n] += abs(fill.quantity)
            entered[n] += notional
        else:
            left[n] -= notional
        fees[n] += fill.fee
        funding[n] += fill.funding
        held = fill.held
        if held == 0 or i == n_fills - 1:
            last[n] = i
            pnl[n] = side[n] * (left[n] - entered[n]) - fees[n] - funding[n]
            n += 1
    return n


@compiled
def add_days(
    daily: Floats,
    midnights: Indices,
    log: Log,
    fill_time: Indices,
    time: Indices,
    price: Floats,
    funding: Floats,
    capital: float,
    final: float,
) -> float:
    """Value an account as ``kernel.mark`` does, keep what it is worth at midnights, and return its deepest fall.

    The fall is ``metrics.max_drawdown`` to the bit: it divides only at a new lowest value since the highest. A curve of
    100,000 values is not written to memory for 3,000 days.

    ``daily`` gets a value for each of ``midnights``, which are ascending: 0 is the capital, then come the decisions,
    then what is left at the end. The rest is what ``kernel.mark`` takes.
    """
    n, n_fills, n_days = len(time), len(fill_time), len(midnights)
    fill, day, deepest = 0, 0, 0.0
    worth = peak = low = cash = capital
    held = settled = 0.0
    for i in range(n + 2):
        if i > n:
            worth = final
        elif i > 0:
            while fill < n_fills and fill_time[fill] < time[i - 1]:
                cash, held, settled = log[fill].cash, log[fill].held, log[fill].settled
                fill += 1
            worth = cash - held * (funding[i - 1] - settled) + held * price[i - 1]
        if worth > peak:
            peak = low = worth
        elif worth < low:
            low = worth
            deepest = max(deepest, 1 - low / peak)
        while day < n_days and midnights[day] == i:
            daily[day] = worth
            day += 1
    return deepest
