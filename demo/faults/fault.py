"""What a fault is: where it may stand between the exchange and its clients, and what it sees there.

Each kind is one small class with the parameters that a script can set; what it does is in the hooks that it overrides.
A fault is a frozen value. Once it is begun there is a ``Spell`` of it, which holds what changes.
"""

# ruff: noqa: ARG002 (a hook is given all that any fault may want to know)

import asyncio
import re
from collections.abc import Awaitable, Callable, Iterable
from random import Random
from typing import TYPE_CHECKING, Annotated

import msgspec

from demo.answer import Answer, Query
from demo.link import Link, Sending

if TYPE_CHECKING:
    from demo.faults.stage import Stage

# Market seconds. In a script also "90s", "5m", "2h", "4d".
Seconds = Annotated[float, msgspec.Meta(ge=0)]
# Of all frames or requests, this part is touched.
Share = Annotated[float, msgspec.Meta(gt=0, le=1)]
Count = Annotated[int, msgspec.Meta(ge=1)]
HttpError = Annotated[int, msgspec.Meta(ge=400, le=599)]

Ask = Callable[[Query], Awaitable[Answer]]


def _kind(class_name: str) -> str:
    return re.sub(r"(?<!^)(?=[A-Z])", "_", class_name).lower()


class Fault(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True, tag_field="kind", tag=_kind):
    """Base of all faults: it touches nothing.

    Attributes:
        at: When it begins, market seconds after the server's start. ``Exchange.begin`` does not look at it.
        for_: How long it lasts, market seconds; ``for`` in a script. None: until it is ended.
        coin: Only what concerns this coin; None: all.
        connection: Only the connection of this number, 1 for the first; None: all.
    """

    at: Seconds = 0
    for_: Seconds | None = msgspec.field(name="for", default=None)
    coin: str | None = None
    connection: Count | None = None

    @property
    def kind(self) -> str:
        """Its name in a script."""
        return str(self.__struct_config__.tag)

    @property
    def is_moment(self) -> bool:
        """Whether it is over as soon as it has begun."""
        return False

    def is_about(self, coin: str | None) -> bool:
        """Whether it touches what concerns a coin (None: no coin, or all of them)."""
        return self.coin is None or self.coin == coin

    def is_on(self, link: Link) -> bool:
        """Whether it touches a connection."""
        return self.connection is None or self.connection == link.number

    def begun(self, spell: "Spell") -> None:
        """Do what is to be done at the begin."""

    def ended(self, spell: "Spell") -> None:
        """Do what is to be done at the end."""

    def met(self, spell: "Spell", link: Link) -> None:
        """Take a connection: each open one at the begin, and each that is opened while the fault lasts."""

    async def admit(self, spell: "Spell", address: str) -> int | None:
        """Return the HTTP status that refuses a new connection, or None to let it pass."""
        return None

    def kills(self, spell: "Spell", coin: str) -> bool:
        """Return whether subscribing to a coin ends the socket."""
        return False

    def outgoing(self, spell: "Spell", link: Link, sending: Sending) -> Iterable[Sending]:
        """Return what becomes of a frame on its way to a client. A later ``at_ms`` holds it back."""
        return (sending,)

    async def answer(self, spell: "Spell", query: Query, ask: Ask) -> Answer:
        """Answer a request to REST; ``ask`` gives the answer that there would be without this fault."""
        return await ask(query)


class Moment(Fault, frozen=True):
    """Base of what strikes the connections that are open, once."""

    @property
    def is_moment(self) -> bool:
        """It is."""
        return True


class FrameFault(Fault, frozen=True):
    """Base of what happens to the candle frames of the feed.

    Attributes:
        share: Of the frames; which ones is drawn from the script's seed.
    """

    share: Share = 1

    def outgoing(self, spell: "Spell", link: Link, sending: Sending) -> Iterable[Sending]:
        """Leave alone what is no candle, of another coin or not drawn."""
        if sending.frame is None or not self.is_about(sending.coin):
            return (sending,)
        rng = spell.random(sending.coin, sending.frame.due_ms)
        return self.touched(spell, sending, rng) if rng.random() < self.share else (sending,)

    def touched(self, spell: "Spell", sending: Sending, rng: Random) -> Iterable[Sending]:
        """Return what becomes of a candle frame."""
        raise NotImplementedError


class Spell:
    """A fault that was begun.

    Attributes:
        fault: What it does.
        stage: Where it does it.
        begun_ms: When it began, market time in milliseconds since 1970.
        ended_ms: When it ended; None while it lasts.
        over: Set at its end, for whoever waits.
        n_uses: How often it has acted, where the fault counts.
        n_seen: Of how many requests it has heard.
    """

    def __init__(self, fault: Fault, stage: "Stage", begun_ms: float, number: int) -> None:
        self.fault = fault
        self.stage = stage
        self.begun_ms = begun_ms
        self.ended_ms: float | None = None
        self.over = asyncio.Event()
        self.n_uses = 0
        self.n_seen = 0
        self._number = number

    def random(self, *key: object) -> Random:
        """Return a generator of its own for whatever the key names: the same in every run of a script."""
        return Random(f"{self.stage.seed}:{self._number}:{self.fault.kind}:{key}")

    def later(self, at_ms: float, do: Callable[[], None]) -> None:
        """Do something at an instant, unless the fault is over by then."""
        self.stage.agenda.add(at_ms, lambda: None if self.over.is_set() else do())

    async def sleep(self, seconds: float) -> None:
        """Wait for so many market seconds."""
        await asyncio.sleep(self.stage.clock.real_seconds(seconds))

    def holds_at(self, ms: float) -> bool:
        """Return whether the fault was under way at an instant."""
        return self.begun_ms <= ms and (self.ended_ms is None or ms < self.ended_ms)
