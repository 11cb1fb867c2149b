"""What happens to true frames on their way: lost, late, doubled, in another order or in another shape."""

# ruff: noqa: ARG002 (a hook is given all that any fault may want to know)

from collections.abc import Iterable
from random import Random

import msgspec

from demo.faults.fault import Count, Fault, FrameFault, Seconds, Share, Spell
from demo.link import Link, Sending
from demo.wire import MINUTE_MS, Frame, best_frame


class Loss(FrameFault, frozen=True):
    """Frames are lost; by default every second one."""

    share: Share = 0.5

    def touched(self, spell: Spell, sending: Sending, rng: Random) -> Iterable[Sending]:
        """Lose it."""
        return ()


class LostTail(FrameFault, frozen=True):
    """The last frames of each minute are lost.

    Attributes:
        n: How many of the frames that the feed has of a minute.
    """

    n: Count = 1

    def touched(self, spell: Spell, sending: Sending, rng: Random) -> Iterable[Sending]:
        """Lose what comes late in its minute. Of a coin's thinned frames the last one always does."""
        assert sending.frame is not None
        frames = _frames(spell, sending.frame)
        tail = sorted(frames, key=lambda frame: frame.row.rank)[-self.n :]
        return () if sending.frame.row.rank >= tail[0].row.rank else (sending,)


class Duplicates(FrameFault, frozen=True):
    """Frames come more than once.

    Attributes:
        copies: How many more.
    """

    copies: Count = 1

    def touched(self, spell: Spell, sending: Sending, rng: Random) -> Iterable[Sending]:
        """Repeat it."""
        return (sending,) * (1 + self.copies)


class Reordered(FrameFault, frozen=True):
    """Frames of a minute come in another order; what was in time stays in time.

    Attributes:
        seconds: A frame is late by up to so much.
    """

    seconds: Seconds = 10

    def touched(self, spell: Spell, sending: Sending, rng: Random) -> Iterable[Sending]:
        """Hold it back, but not beyond its minute."""
        end_ms = _end_ms(sending)
        late_ms = sending.at_ms + rng.uniform(0, self.seconds * 1000)
        return (_at(sending, min(late_ms, end_ms - 1) if sending.at_ms < end_ms else sending.at_ms),)


class LateFrames(FrameFault, frozen=True):
    """Frames are late; by default a quarter of them, by up to 30 s.

    Attributes:
        seconds: By up to so much.
    """

    share: Share = 0.25
    seconds: Seconds = 30

    def touched(self, spell: Spell, sending: Sending, rng: Random) -> Iterable[Sending]:
        """Hold it back."""
        return (_at(sending, sending.at_ms + rng.uniform(0, self.seconds * 1000)),)


class AfterNext(FrameFault, frozen=True):
    """The last frame of a minute comes after the first one of the next.

    Attributes:
        seconds: So long after the minute's end. A busy coin's next minute has begun for the client after 8 s.
    """

    seconds: Seconds = 10

    def touched(self, spell: Spell, sending: Sending, rng: Random) -> Iterable[Sending]:
        """Hold back the best one."""
        assert sending.frame is not None
        best = best_frame(_frames(spell, sending.frame))
        is_last = best is not None and sending.frame.row.rank >= best.row.rank
        return (_at(sending, _end_ms(sending) + self.seconds * 1000),) if is_last else (sending,)


class FirstAfterEnd(FrameFault, frozen=True):
    """No frame of a minute comes before the minute's end.

    Attributes:
        seconds: So long after it they come.
    """

    seconds: Seconds = 0.5

    def touched(self, spell: Spell, sending: Sending, rng: Random) -> Iterable[Sending]:
        """Hold it back."""
        return (_at(sending, max(sending.at_ms, _end_ms(sending) + self.seconds * 1000)),)


class Bursts(Fault, frozen=True):
    """A slow network: whatever the exchange sends is held back, then comes all at once.

    Attributes:
        seconds: Between two bursts.
    """

    seconds: Seconds = 20

    def outgoing(self, spell: Spell, link: Link, sending: Sending) -> Iterable[Sending]:
        """Hold it back."""
        period_ms = max(1.0, self.seconds * 1000)
        n_periods = -(-(sending.at_ms - spell.begun_ms) // period_ms)
        return (_at(sending, spell.begun_ms + n_periods * period_ms),)


class Fragments(Fault, frozen=True):
    """Each message is cut into several WebSocket frames.

    Attributes:
        parts: How many.
    """

    parts: Count = 3

    def outgoing(self, spell: Spell, link: Link, sending: Sending) -> Iterable[Sending]:
        """Cut it."""
        return (msgspec.structs.replace(sending, n_parts=self.parts),)


class BinaryFrames(Fault, frozen=True):
    """Messages come in binary WebSocket frames."""

    def outgoing(self, spell: Spell, link: Link, sending: Sending) -> Iterable[Sending]:
        """Mark it."""
        return (msgspec.structs.replace(sending, is_binary=True),)


class ServerPings(Fault, frozen=True):
    """The exchange sends WebSocket pings.

    Attributes:
        seconds: Between two.
    """

    seconds: Seconds = 10

    def met(self, spell: Spell, link: Link) -> None:
        """Ping, and again later."""
        if link in spell.stage.links:
            link.ping()
            spell.later(spell.stage.now_ms() + max(1.0, self.seconds * 1000), lambda: self.met(spell, link))


def _frames(spell: Spell, frame: Frame) -> list[Frame]:
    return list(spell.stage.tape.frames(frame.row.coin, frame.minute))


def _end_ms(sending: Sending) -> float:
    assert sending.frame is not None
    return (sending.frame.minute + 1) * MINUTE_MS


def _at(sending: Sending, at_ms: float) -> Sending:
    return msgspec.structs.replace(sending, at_ms=at_ms)
