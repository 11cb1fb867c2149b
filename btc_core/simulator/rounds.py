"""What the kernel's log says of each round: the fills from flat to flat. Sums over them, in their order."""

from typing import NamedTuple

import numpy as np

from btc_core.simulator.layout import Floats, Indices


class Rounds(NamedTuple):
    """One value for each round, ascending; money in quote currency.

    Attributes:
        first, last: Its first and its last fill, as indices of the log.
        side: 1 for long, −1 for short.
        quantity: Base units that opened or enlarged it.
        entered: Their notional.
        left: The notional of what reduced and closed it.
        fees: Of all its fills.
        funding: Paid while it lasted.
        pnl: What it gained, net of both.
    """

    first: Indices
    last: Indices
    side: Floats
    quantity: Floats
    entered: Floats
    left: Floats
    fees: Floats
    funding: Floats
    pnl: Floats


def rounds_of(log: np.ndarray) -> Rounds:
    """Return the rounds of a log of fills (``layout.FILL``) that begins and ends flat; none of an empty one."""
    if len(log) == 0:
        no_index, nothing = np.zeros(0, np.int64), np.zeros(0)
        return Rounds(no_index, no_index, *[nothing] * 7)
    first = np.flatnonzero(np.append(0.0, log["held"][:-1]) == 0)
    last = np.append(first[1:], len(log)) - 1
    side = np.sign(log["quantity"][first])
    notional = log["quantity"] * log["price"] * np.repeat(side, last - first + 1)
    grows = notional > 0
    quantity = np.add.reduceat(np.where(grows, np.abs(log["quantity"]), 0.0), first)
    entered = np.add.reduceat(np.where(grows, notional, 0.0), first)
    left = np.add.reduceat(np.where(grows, 0.0, -notional), first)
    fees, funding = np.add.reduceat(log["fee"], first), np.add.reduceat(log["funding"], first)
    return Rounds(first, last, side, quantity, entered, left, fees, funding, side * (left - entered) - fees - funding)
