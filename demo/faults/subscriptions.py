"""What a client hears of its subscriptions and its pings, and what it does not."""

# ruff: noqa: ARG002 (a hook is given all that any fault may want to know)

from collections.abc import Iterable

import msgspec

from demo.faults.fault import Fault, Seconds, Spell
from demo.link import Link, Sending
from demo.protocol import Subscribe, already

ACK = "subscriptionResponse"
# What the exchange adds on l2Book.
MORE_KEYS = {"nSigFigs": None, "mantissa": None, "fast": False}


class _Acknowledgement(msgspec.Struct):
    data: Subscribe


_read_acknowledgement = msgspec.json.Decoder(_Acknowledgement).decode


class LatePong(Fault, frozen=True):
    """A ping is answered late.

    Attributes:
        seconds: By so much.
    """

    seconds: Seconds = 12

    def outgoing(self, spell: Spell, link: Link, sending: Sending) -> Iterable[Sending]:
        """Hold back pongs."""
        return (_later(sending, self.seconds) if sending.channel == "pong" else sending,)


class AckFault(Fault, frozen=True):
    """Base of what happens to an acknowledgement."""

    def outgoing(self, spell: Spell, link: Link, sending: Sending) -> Iterable[Sending]:
        """Leave alone what is none, or of another coin."""
        is_touched = sending.channel == ACK and self.is_about(sending.coin)
        return self.touched(sending) if is_touched else (sending,)

    def touched(self, sending: Sending) -> Iterable[Sending]:
        """Return what becomes of it."""
        raise NotImplementedError


class LateAck(AckFault, frozen=True):
    """A subscription is acknowledged late; its frames come all the same.

    Attributes:
        seconds: By so much.
    """

    seconds: Seconds = 12

    def touched(self, sending: Sending) -> Iterable[Sending]:
        """Hold it back."""
        return (_later(sending, self.seconds),)


class NoAck(AckFault, frozen=True):
    """A subscription is never acknowledged; its frames come all the same."""

    def touched(self, sending: Sending) -> Iterable[Sending]:
        """Drop it."""
        return ()


class DoubleAck(AckFault, frozen=True):
    """A subscription is acknowledged twice."""

    def touched(self, sending: Sending) -> Iterable[Sending]:
        """Repeat it."""
        return (sending, sending)


class LongAck(AckFault, frozen=True):
    """An acknowledgement holds keys that the client did not send."""

    def touched(self, sending: Sending) -> Iterable[Sending]:
        """Add them."""
        tree = msgspec.json.decode(sending.text)
        tree["data"]["subscription"] = {**MORE_KEYS, **tree["data"]["subscription"]}
        return (msgspec.structs.replace(sending, text=msgspec.json.encode(tree).decode()),)


class AlreadySubscribed(AckFault, frozen=True):
    """A new subscription is answered as if it were the second one; its frames come all the same."""

    def touched(self, sending: Sending) -> Iterable[Sending]:
        """Say so instead."""
        text = already(_read_acknowledgement(sending.text).data)
        return (msgspec.structs.replace(sending, text=text, channel="error"),)


class UnknownCoin(Fault, frozen=True):
    """Subscribing to a coin ends the whole socket, although the exchange lists it."""

    def kills(self, spell: Spell, coin: str) -> bool:
        """Say which."""
        return self.is_about(coin)


def _later(sending: Sending, seconds: float) -> Sending:
    return msgspec.structs.replace(sending, at_ms=sending.at_ms + seconds * 1000)
