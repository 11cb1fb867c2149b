"""Symbols that are left out, and when they are tried again."""

import math

import polars as pl
import pytest

from btc_core.errors import LockedError, SymbolError
from live import left_out
from live.left_out import LeftOut, named


@pytest.mark.parametrize("error", [ValueError("two\n lines"), pl.exceptions.PanicException("two\n lines")])
def test_whatever_ends_the_work_on_a_symbol_names_it(error):
    """A panic of the engine, too, which no ``except Exception`` sees."""
    with pytest.raises(SymbolError, match=r"^ETH cannot be worked on: .*: two lines$") as caught, named("ETH"):
        raise error
    assert caught.value.symbol == "ETH"


def test_a_lock_and_a_cancelled_statement_stay_what_they_are():
    """Of a lock nobody is to blame, and who cancels is to be heard."""
    with pytest.raises(LockedError) as caught, named("ETH"):
        raise LockedError
    assert caught.value.symbol == "ETH"
    with pytest.raises(KeyboardInterrupt), named("ETH"):
        raise KeyboardInterrupt


def test_a_symbol_is_tried_again_later_each_time(monkeypatch):
    """Up to a bound; and at once when all was well in between."""
    now = 1000.0
    monkeypatch.setattr(left_out.time, "monotonic", lambda: now)
    failed, waits = LeftOut(), []
    for _ in range(30):
        waits.append(failed.add("BTC"))
        assert failed.waiting == {"BTC"}
        assert failed.seconds == pytest.approx(waits[-1])
        now += waits[-1]
        assert (failed.waiting, failed.seconds) == (set(), 0)
    assert waits[0] <= left_out.FIRST_SECONDS < waits[3] <= max(waits) <= left_out.MOST_SECONDS
    failed.keep({"ETH"})
    assert failed.seconds == math.inf
    assert failed.add("BTC") <= left_out.FIRST_SECONDS
