"""What the kernel's log says of each round: the fills from flat to flat. Sums over them, in their order."""

from typing import Any, NamedTuple

import numpy as np

from btc_core.simulator.layout import Floats, Indices, Log


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
    # Loads numba: only what simulates pays for it.
    from btc_core.simulator import tally

    most = len(log) // 2 + 1
    columns: list[Any] = [np.empty(most, np.int64 if name in {"first", "last"} else float) for name in Rounds._fields]
    fills: Log = log.view(np.recarray)
    n = tally.add_rounds(fills, len(log), *columns)
    return Rounds(*(column[:n] for column in columns))
