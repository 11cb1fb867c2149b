"""How a connection ends, or lives on without being one."""

# ruff: noqa: ARG002 (a hook is given all that any fault may want to know)

from collections.abc import Iterable

from demo.faults.fault import Fault, Moment, Seconds, Spell
from demo.link import Link, Sending
from demo.protocol import PONG

NORMAL_CLOSURE = 1000
BAD_GATEWAY = 502
# "Expired": measured lives of 10,002 to 10,592 s (PROTOCOL.md, section 8).
SHORTEST_LIFE_SECONDS = 10_000.0
LONGEST_LIFE_SECONDS = 10_600.0


class Reset(Moment, frozen=True):
    """The first half of a frame, then a TCP reset."""

    def met(self, spell: Spell, link: Link) -> None:
        """Strike."""
        link.reset(PONG)


class Abort(Moment, frozen=True):
    """The connection ends without a close frame: code 1006."""

    def met(self, spell: Spell, link: Link) -> None:
        """Strike."""
        link.abort()


class Expire(Moment, frozen=True):
    """The connection is closed with code 1000 and reason ``Expired``, now."""

    def met(self, spell: Spell, link: Link) -> None:
        """Strike."""
        link.close(NORMAL_CLOSURE, "Expired")


class Lifetime(Fault, frozen=True):
    """Each connection is closed with code 1000 and reason ``Expired`` at an age between two.

    Attributes:
        youngest: Age in seconds.
        oldest: Age in seconds.
    """

    youngest: Seconds = SHORTEST_LIFE_SECONDS
    oldest: Seconds = LONGEST_LIFE_SECONDS

    def met(self, spell: Spell, link: Link) -> None:
        """Draw an age, and wait for it."""
        age = spell.random(link.number).uniform(self.youngest, self.oldest)
        spell.later(link.opened_ms + age * 1000, lambda: link.close(NORMAL_CLOSURE, "Expired"))


class Restart(Fault, frozen=True):
    """All sockets are dropped at once. As long as it lasts, new ones are answered 502."""

    @property
    def is_moment(self) -> bool:
        """Without a duration."""
        return self.for_ is None

    def begun(self, spell: Spell) -> None:
        """Drop them."""
        for link in tuple(spell.stage.links):
            link.abort()

    async def admit(self, spell: Spell, address: str) -> int | None:
        """Refuse."""
        return BAD_GATEWAY


class HalfOpen(Fault, frozen=True):
    """What the client sends vanishes and nothing comes; TCP stays up. At the end the connection is found to be dead."""

    def met(self, spell: Spell, link: Link) -> None:
        """Cut the line."""
        link.cut()

    def ended(self, spell: Spell) -> None:
        """Let it be found."""
        for link in tuple(spell.stage.links):
            if self.is_on(link):
                link.mend()


class Stall(Fault, frozen=True):
    """No candles come, of all coins or of one, and nobody is told.

    Attributes:
        pongs: Whether pings and subscriptions are still answered.
    """

    pongs: bool = True

    def outgoing(self, spell: Spell, link: Link, sending: Sending) -> Iterable[Sending]:
        """Keep it back for good."""
        is_kept = self.pongs and sending.channel != "candle"
        return (sending,) if is_kept or not self.is_about(sending.coin) else ()


class IdleClose(Fault, frozen=True):
    """The exchange drops a connection on which it has sent nothing for so long, with code 1006. Always on.

    Attributes:
        seconds: Measured 60.2 s.
        at_least: Real seconds: a network does not become faster because the market's clock does.
    """

    seconds: Seconds = 60
    at_least: float = 1

    def met(self, spell: Spell, link: Link) -> None:
        """Look when the time is up, and again if something was sent meanwhile."""
        if link not in spell.stage.links:
            return
        end_ms = link.sent_ms + 1000 * max(self.seconds, self.at_least * spell.stage.clock.rate)
        if end_ms <= spell.stage.now_ms():
            link.abort()
        else:
            spell.later(end_ms, lambda: self.met(spell, link))
