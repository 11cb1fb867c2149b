"""What is different in the market itself: the stream and REST agree on it, and it stays true when the fault is over."""

# ruff: noqa: ARG002 (a hook is given all that any fault may want to know)

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from decimal import Decimal
from typing import Annotated, Literal

import msgspec

from demo.answer import Answer, Query, changed_answer
from demo.faults.fault import Ask, Fault, Seconds, Spell
from demo.tape import Change, Tape
from demo.wire import MINUTE_MS, Frame, Ohlcv, Row, decimal_text, minute_row, n_decimals

# How far back the last trade is looked for, where a minute without trades follows minutes without data.
MOST_MINUTES_BACK = 5_000
NOISE = Decimal("1e-10")

Minutes = Literal["traded", "flat", "absent"]


class MarketFault(Fault, frozen=True):
    """Base of what changes minutes: those that begin while the fault lasts."""

    def begun(self, spell: Spell) -> None:
        """Change the tape, for good."""
        tape = spell.stage.tape
        first_name = None if self.coin is None else tape.first_name(self.coin)
        tape.changes.append(self.change(spell, Place(tape, spell, first_name)))

    def change(self, spell: Spell, place: "Place") -> Change:
        """Return what becomes different."""
        raise NotImplementedError


@dataclass(frozen=True)
class Place:
    """Which minutes of which coin a change is about."""

    tape: Tape
    spell: Spell
    coin: str | None

    def holds(self, coin: str, minute: int) -> bool:
        """Return whether a minute is among them: it begins while the fault lasts."""
        return (self.coin is None or self.coin == coin) and self.spell.holds_at(minute * MINUTE_MS)


class NoTrades(MarketFault, frozen=True):
    """Minutes without trades: no frames; REST leaves them out at first, and has a flat row later.

    Attributes:
        after: So long after the minute's end the flat row appears, at the last close.
        flat: Whether it ever does.
    """

    after: Seconds = 600
    flat: bool = True

    def change(self, spell: Spell, place: Place) -> Change:
        """Return it."""
        return QuietMinutes(place, self.after * 1000 if self.flat else None)


class DelistedCoin(MarketFault, frozen=True):
    """A coin is delisted: acknowledged and silent, without new rows, and ``meta`` says so."""

    def change(self, spell: Spell, place: Place) -> Change:
        """Return it."""
        return QuietMinutes(place, None)

    async def answer(self, spell: Spell, query: Query, ask: Ask) -> Answer:
        """Mark it in ``meta``."""
        answer = await ask(query)
        return changed_answer(answer, self._marked) if query.kind == "meta" else answer

    def _marked(self, tree: dict[str, list[dict[str, object]]]) -> object:
        return {"universe": [{**coin, "isDelisted": True} if self._is(coin) else coin for coin in tree["universe"]]}

    def _is(self, coin: dict[str, object]) -> bool:
        return self.is_about(str(coin["name"]))


class Jump(MarketFault, frozen=True):
    """All prices are multiplied, from one trade to the next; at the end they come back.

    Attributes:
        factor: 1.3 is a jump of 30 %.
    """

    factor: Annotated[float, msgspec.Meta(gt=0)] = 1.3

    def change(self, spell: Spell, place: Place) -> Change:
        """Return it."""
        return PricesJump(place, self.factor)


class FloatNoise(MarketFault, frozen=True):
    """Volumes are written like ``3495670.8399999999``, on the stream and in REST."""

    def change(self, spell: Spell, place: Place) -> Change:
        """Return it."""
        return NoisyVolumes(place)


class ChangedRow(MarketFault, frozen=True):
    """The row of a closed minute changes, at the begin, in REST; no frame tells.

    Attributes:
        age: The minute is the last one that ended so long before.
        trades: How many more it has then; 0: as many, and other values.
    """

    age: Seconds = 3600
    trades: Annotated[int, msgspec.Meta(ge=0)] = 3

    @property
    def is_moment(self) -> bool:
        """It is."""
        return True

    def change(self, spell: Spell, place: Place) -> Change:
        """Return it."""
        minute = int(spell.begun_ms - self.age * 1000) // MINUTE_MS - 1
        return RowChange(place, minute, self.trades)


class RenamedPair(Fault, frozen=True):
    """A spot pair gets another index: ``spotMeta`` lists it under the new name, and the old one is silent.

    Attributes:
        coin: Its name so far (``@142``); required.
        to: Its new name, ``@`` and the index.
    """

    to: Annotated[str, msgspec.Meta(pattern=r"^@\d+$")]

    def __post_init__(self) -> None:
        if self.coin is None:
            raise ValueError("renamed_pair needs the coin that is renamed")

    def begun(self, spell: Spell) -> None:
        """Rename it on the tape."""
        assert self.coin is not None
        if self.coin in spell.stage.tape.coins:
            spell.stage.tape.rename(self.coin, self.to)

    def ended(self, spell: Spell) -> None:
        """Give it its name back."""
        assert self.coin is not None
        if self.to in spell.stage.tape.coins:
            spell.stage.tape.rename(self.to, self.coin)

    async def answer(self, spell: Spell, query: Query, ask: Ask) -> Answer:
        """Rename it in ``spotMeta``."""
        answer = await ask(query)
        return changed_answer(answer, self._renamed) if query.kind == "spotMeta" else answer

    def _renamed(self, tree: dict[str, list[dict[str, object]]]) -> object:
        new = {"name": self.to, "index": int(self.to[1:])}
        return {
            **tree,
            "universe": [{**pair, **new} if pair["name"] == self.coin else pair for pair in tree["universe"]],
        }


@dataclass(frozen=True)
class QuietMinutes:
    """Minutes without trades; their flat rows come ``after_ms`` after their end, or never (None)."""

    place: Place
    after_ms: float | None

    def frames(self, coin: str, minute: int, frames: Sequence[Frame]) -> Sequence[Frame]:
        """Return none."""
        return () if self.place.holds(coin, minute) else frames

    def row(self, coin: str, minute: int, row: Row | None, now_ms: float) -> Row | None:
        """Return the flat row in its time."""
        if not self.place.holds(coin, minute):
            return row
        if self.after_ms is None or now_ms < (minute + 1) * MINUTE_MS + self.after_ms:
            return None
        close = self._close_before(coin, minute)
        return None if close is None else minute_row(coin, minute, Ohlcv(close, close, close, close, 0.0, 0))

    def _close_before(self, coin: str, minute: int) -> float | None:
        first = max(-int(-self.place.spell.begun_ms // MINUTE_MS), minute - MOST_MINUTES_BACK)
        tape = self.place.tape
        earlier = range(first - 1, first - 1 - MOST_MINUTES_BACK, -1)
        # Changes that came later stand above this one and must not be asked about what lies below it.
        rows = (tape.final_row_below(coin, number, self) for number in earlier)
        return next((float(row.close) for row in rows if row is not None), None)


@dataclass(frozen=True)
class PricesJump:
    """Prices that jump inside the first minute, and back inside the first one after the last."""

    place: Place
    factor: float

    def frames(self, coin: str, minute: int, frames: Sequence[Frame]) -> Sequence[Frame]:
        """Return them with the other prices."""
        return [
            frame if (row := self._jumped(coin, minute, frame.row)) is frame.row else Frame(frame.due_ms, row)
            for frame in frames
        ]

    def row(self, coin: str, minute: int, row: Row | None, now_ms: float) -> Row | None:
        """Return it with the other prices."""
        return None if row is None else self._jumped(coin, minute, row)

    def _jumped(self, coin: str, minute: int, row: Row) -> Row:
        is_there, was_there = self.place.holds(coin, minute), self.place.holds(coin, minute - 1)
        if not (is_there or was_there):
            return row
        if row.trades == 0:
            was_there = is_there
        first = self._price(row.open) if was_there else row.open
        low, high, close = (self._price(price) if is_there else price for price in (row.low, row.high, row.close))
        return msgspec.structs.replace(
            row, open=first, low=min(low, first, key=float), high=max(high, first, key=float), close=close
        )

    def _price(self, text: str) -> str:
        return decimal_text(round(float(text) * self.factor, max(1, n_decimals(float(text)))))


@dataclass(frozen=True)
class NoisyVolumes:
    """Volumes that are a little below a round number."""

    place: Place

    def frames(self, coin: str, minute: int, frames: Sequence[Frame]) -> Sequence[Frame]:
        """Return them with noise."""
        if not self.place.holds(coin, minute):
            return frames
        return [Frame(frame.due_ms, self._noisy(frame.row)) for frame in frames]

    def row(self, coin: str, minute: int, row: Row | None, now_ms: float) -> Row | None:
        """Return it with noise."""
        return row if row is None or not self.place.holds(coin, minute) else self._noisy(row)

    def _noisy(self, row: Row) -> Row:
        return row if row.trades == 0 else msgspec.structs.replace(row, volume=f"{Decimal(row.volume) - NOISE:f}")


@dataclass(frozen=True)
class RowChange:
    """One minute whose row is another one once the fault has begun."""

    place: Place
    minute: int
    trades: int

    def frames(self, coin: str, minute: int, frames: Sequence[Frame]) -> Sequence[Frame]:
        """Return them as they were."""
        return frames

    def row(self, coin: str, minute: int, row: Row | None, now_ms: float) -> Row | None:
        """Return the other row."""
        is_it = minute == self.minute and (self.place.coin is None or self.place.coin == coin)
        return row if row is None or not is_it else other_row(row, self.trades)


def other_row(row: Row, n_more: int) -> Row:
    """Return a row with other values: so many more trades, more volume, and a close at one of its extremes."""
    volume = float(row.volume)
    decimals = max(1, n_decimals(volume))
    if row.trades + n_more > 0:
        volume = round(max(volume * 1.25, volume + 10.0**-decimals), decimals)
    close = row.high if row.close != row.high else row.low
    return msgspec.structs.replace(row, close=close, volume=decimal_text(volume), trades=row.trades + n_more)


def other_rows(rows: Iterable[Row], spell: Spell, coin: str | None) -> list[Row]:
    """Return rows, other ones at equal trades for the minutes that began while a fault lasted."""
    return [other_row(row, 0) if spell.holds_at(row.open_ms) and coin in (None, row.coin) else row for row in rows]
