"""Frames that the exchange never meant. Each comes in addition to a true one, right after it."""

# ruff: noqa: ARG002 (a hook is given all that any fault may want to know)

from collections.abc import Iterable
from decimal import Decimal
from random import Random

import msgspec

from demo.faults.fault import FrameFault, Spell
from demo.link import Sending
from demo.wire import MINUTE_MS, Row

DAY_MS = 86_400_000
PRICES_AND_VOLUME = "ohlcv"

# A candle as a tree of plain values, by its keys on the wire.
Candle = dict[str, object]


class Garbage(FrameFault, frozen=True):
    """Base of all of them."""

    def touched(self, spell: Spell, sending: Sending, rng: Random) -> Iterable[Sending]:
        """Send the true frame, then the other."""
        assert sending.frame is not None
        text = self.text(sending.text, _candle(sending.frame.row), rng)
        return (sending, msgspec.structs.replace(sending, text=text, frame=None))

    def text(self, true: str, candle: Candle, rng: Random) -> str:
        """Return what else is sent; by default a candle frame with a changed candle."""
        return _frame(self.changed(candle))

    def changed(self, candle: Candle) -> object:
        """Return what stands in its place."""
        raise NotImplementedError


class BrokenJson(Garbage, frozen=True):
    """A frame that stops in the middle."""

    def text(self, true: str, candle: Candle, rng: Random) -> str:
        """Cut the true one anywhere."""
        return true[: rng.randrange(1, len(true))]


class NullFrame(Garbage, frozen=True):
    """``null``."""

    def text(self, true: str, candle: Candle, rng: Random) -> str:
        """It is."""
        return "null"


class ListFrame(Garbage, frozen=True):
    """A list where an object is expected."""

    def text(self, true: str, candle: Candle, rng: Random) -> str:
        """Put the true one into it."""
        return f"[{true}]"


class NumberFrame(Garbage, frozen=True):
    """A number where an object is expected."""

    def text(self, true: str, candle: Candle, rng: Random) -> str:
        """Take any."""
        return str(rng.randrange(1000))


class UnknownChannel(Garbage, frozen=True):
    """A channel that nobody has heard of."""

    def text(self, true: str, candle: Candle, rng: Random) -> str:
        """Put the true candle on it."""
        return _text({"channel": "candleV2", "data": candle})


class UnknownKeys(Garbage, frozen=True):
    """The true frame with more keys, inside and outside."""

    def text(self, true: str, candle: Candle, rng: Random) -> str:
        """Add them."""
        return _text({"channel": "candle", "seq": 7, "data": {**candle, "q": "1.5", "x": {"closed": True}}})


class DataAsList(Garbage, frozen=True):
    """``data`` is a list with the true candle, as the documentation has it."""

    def changed(self, candle: Candle) -> object:
        """Wrap it."""
        return [candle]


class NumbersForTexts(Garbage, frozen=True):
    """Prices and volume are numbers, as the documentation has them; the values are true."""

    def changed(self, candle: Candle) -> object:
        """Leave out the quotation marks."""
        return {**candle, **{key: float(str(candle[key])) for key in PRICES_AND_VOLUME}}


class Exponents(Garbage, frozen=True):
    """The candle as it stood after one trade of the volume ``1e-05``."""

    def changed(self, candle: Candle) -> object:
        """Lower than anything else in trades and volume, so it is true, and no news."""
        prices = dict.fromkeys("hlc", candle["o"])
        return {**candle, **prices, "v": "1e-05", "n": 1}


class NanPrice(Garbage, frozen=True):
    """The close is ``NaN``."""

    def changed(self, candle: Candle) -> object:
        """Put it in."""
        return {**candle, "c": "NaN"}


class NegativeVolume(Garbage, frozen=True):
    """The volume is below zero."""

    def changed(self, candle: Candle) -> object:
        """Turn the sign."""
        return {**candle, "v": f"-{candle['v']}"}


class WrongEnd(Garbage, frozen=True):
    """``T`` is not the last millisecond of the minute, and there are more trades than in truth."""

    def changed(self, candle: Candle) -> object:
        """Move it by a minute."""
        return {**_more(candle), "T": _ms(candle, "T") + MINUTE_MS}


class MisalignedMinute(Garbage, frozen=True):
    """``t`` is not the start of a minute, and there are more trades than in truth."""

    def changed(self, candle: Candle) -> object:
        """Move both ends by half a minute."""
        return _moved(_more(candle), MINUTE_MS // 2)


class FutureMinute(Garbage, frozen=True):
    """A candle of the same minute tomorrow."""

    def changed(self, candle: Candle) -> object:
        """Move both ends by a day."""
        return _moved(_more(candle), DAY_MS)


def _candle(row: Row) -> Candle:
    return msgspec.to_builtins(row)


def _ms(candle: Candle, key: str) -> int:
    value = candle[key]
    assert isinstance(value, int)
    return value


def _moved(candle: Candle, ms: int) -> Candle:
    return {**candle, "t": _ms(candle, "t") + ms, "T": _ms(candle, "T") + ms}


def _more(candle: Candle) -> Candle:
    """Return a candle that would win over the true one if anybody took it."""
    return {**candle, "n": _ms(candle, "n") + 1000, "v": f"{Decimal(str(candle['v'])) + 1000:f}"}


def _frame(data: object) -> str:
    return _text({"channel": "candle", "data": data})


def _text(value: object) -> str:
    return msgspec.json.encode(value).decode()
