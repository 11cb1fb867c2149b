"""The feed with its changes; what changes do is in ``faults/test_market.py``."""

# ruff: noqa: ARG002 (a change is asked about everything)

from collections.abc import Sequence

import msgspec

from demo.market import Market
from demo.tape import Tape
from demo.wire import Frame, Row

MINUTE = 29_040_480
MARKET = Market(seed=7, coins=("BTC", "@142"))


class Trades:
    """Adds to the trades of every row."""

    def __init__(self, n: int) -> None:
        self.n = n

    def frames(self, coin: str, minute: int, frames: Sequence[Frame]) -> Sequence[Frame]:
        """Leave out the first one."""
        return frames[1:]

    def row(self, coin: str, minute: int, row: Row | None, now_ms: float) -> Row | None:
        """Add."""
        return None if row is None else msgspec.structs.replace(row, trades=row.trades * 10 + self.n)


def test_without_a_change_a_tape_is_its_feed():
    """Coins, span, frames and rows."""
    tape = Tape(MARKET)
    assert (dict(tape.coins), tape.span) == (dict(MARKET.coins), None)
    assert tape.frames("BTC", MINUTE) == MARKET.frames("BTC", MINUTE)
    now_ms = MINUTE * 60_000 + 30_000
    assert tape.row("BTC", MINUTE, now_ms) == MARKET.row("BTC", MINUTE, now_ms)


def test_changes_stand_above_each_other():
    """The later one sees what the earlier one made; one can ask what lies below it."""
    tape = Tape(MARKET)
    first, second = Trades(1), Trades(2)
    tape.changes += [first, second]
    n = MARKET.values("BTC", MINUTE).trades
    assert tape.final_row("BTC", MINUTE).trades == n * 100 + 12
    assert tape.final_row_below("BTC", MINUTE, second).trades == n * 10 + 1
    assert tape.final_row_below("BTC", MINUTE, first).trades == n
    assert len(tape.frames("BTC", MINUTE)) == len(MARKET.frames("BTC", MINUTE)) - 2


def test_a_coin_with_another_name_is_the_same_coin():
    """Its past has the new name too, and the old name is gone."""
    tape = Tape(MARKET)
    tape.rename("@142", "@1142")
    assert set(tape.coins) == {"BTC", "@1142"}
    assert tape.coins["@1142"].name == "@1142"
    assert {frame.row.coin for frame in tape.frames("@1142", MINUTE)} == {"@1142"}
    assert tape.final_row("@1142", MINUTE).close == MARKET.row("@142", MINUTE, 10**15).close
    assert tape.first_name("@1142") == "@142"
