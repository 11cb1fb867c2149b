"""A symbol that cannot be worked on is left out, told, and tried again, later each time; the others go on."""

import math
import random
import time
from collections.abc import Collection, Iterator
from contextlib import contextmanager

import polars as pl

from btc_core.errors import LockedError, SymbolError

# Real seconds until a symbol is tried again, doubled each time. What the exchange corrects, it corrects within seconds.
FIRST_SECONDS, MOST_SECONDS = 5.0, 300.0


@contextmanager
def named(symbol: str) -> Iterator[None]:
    """Name the symbol in whatever ends the work on it.

    Raises:
        LockedError: If that was a lock.
        SymbolError: If it was anything else.
    """
    try:
        yield
    except LockedError:
        raise LockedError(symbol) from None
    # A panic of Polars is no ``Exception``.
    except (Exception, pl.exceptions.PanicException) as error:
        raise SymbolError(symbol, error) from error


class LeftOut:
    """Which symbols have failed, and when each is tried again."""

    def __init__(self) -> None:
        self._tries: dict[str, tuple[int, float]] = {}

    def add(self, symbol: str) -> float:
        """Leave a symbol out that has failed; return for how many seconds."""
        n_failed = self._tries.get(symbol, (0, 0.0))[0]
        seconds = random.uniform(0.5, 1.0) * min(FIRST_SECONDS * 2.0 ** min(n_failed, 16), MOST_SECONDS)
        self._tries[symbol] = (n_failed + 1, time.monotonic() + seconds)
        return seconds

    def keep(self, symbols: Collection[str]) -> None:
        """Forget all failures but those of some symbols: with the others all is well."""
        self._tries = {symbol: known for symbol, known in self._tries.items() if symbol in symbols}

    @property
    def waiting(self) -> set[str]:
        """The symbols that are not to be tried yet."""
        return {symbol for symbol, (_, at) in self._tries.items() if at > time.monotonic()}

    @property
    def seconds(self) -> float:
        """How long it is until the next symbol is to be tried again; below 0 where one is due."""
        return min((at for _, at in self._tries.values()), default=math.inf) - time.monotonic()
