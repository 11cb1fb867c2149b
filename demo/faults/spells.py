"""The faults under way: begun and ended in their time, and asked one after the other about everything that passes."""

from collections.abc import Awaitable, Callable, Iterable
from functools import partial

from demo.answer import Answer, Query
from demo.faults.answers import WeightLimit
from demo.faults.connections import IdleClose
from demo.faults.fault import Ask, Fault, Spell
from demo.faults.handshakes import ConnectionLimit, ConnectionRate
from demo.faults.stage import Stage
from demo.link import Link, Sending

# What the real exchange does to everybody. A fault of the same kind takes the place of one of these.
RULES: tuple[Fault, ...] = (IdleClose(), ConnectionLimit(), ConnectionRate(), WeightLimit())


class Spells:
    """The faults under way, in the order in which they began: the first one is asked first.

    Args:
        stage: Where they are.
    """

    def __init__(self, stage: Stage) -> None:
        self._stage = stage
        self._spells: list[Spell] = []
        self._n_begun = 0

    def schedule(self, faults: Iterable[Fault]) -> None:
        """Begin faults in their time, counted from now."""
        start_ms = self._stage.now_ms()
        for fault in faults:
            self._later(start_ms + fault.at * 1000, partial(self.begin, fault))

    def begin(self, fault: Fault, at_ms: float) -> None:
        """Begin a fault. A rule takes the place of the same rule."""
        if any(type(fault) is type(rule) for rule in RULES):
            self.finish(at_ms, type(fault))
        self._n_begun += 1
        spell = Spell(fault, self._stage, at_ms, self._n_begun)
        self._spells.append(spell)
        fault.begun(spell)
        for link in tuple(self._stage.links):
            if fault.is_on(link):
                fault.met(spell, link)
        if fault.is_moment:
            self._finish(spell, at_ms)
        elif fault.for_ is not None:
            self._later(at_ms + fault.for_ * 1000, partial(self._finish, spell))

    def end(self, fault: Fault, at_ms: float) -> None:
        """End the first fault under way that equals this one.

        Raises:
            ValueError: If there is none.
        """
        spell = next((spell for spell in self._spells if spell.fault == fault), None)
        if spell is None:
            raise ValueError(f"expected a fault that is under way, found {fault}")
        self._finish(spell, at_ms)

    def finish(self, at_ms: float, kind: type[Fault] = Fault) -> None:
        """End every fault, or every one of a kind."""
        for spell in tuple(self._spells):
            if isinstance(spell.fault, kind):
                self._finish(spell, at_ms)

    def meet(self, link: Link) -> None:
        """Show a new connection to all."""
        for spell in self._on(link):
            spell.fault.met(spell, link)

    def kill(self, link: Link, coin: str) -> bool:
        """Return whether subscribing to a coin ends the socket."""
        return any(spell.fault.kills(spell, coin) for spell in self._on(link))

    def pass_on(self, link: Link, sending: Sending) -> list[Sending]:
        """Return what becomes of a frame: none, one or several, now or later."""
        sendings = [sending]
        for spell in self._on(link):
            sendings = [out for each in sendings for out in spell.fault.outgoing(spell, link, each)]
        return sendings

    async def refusal(self, address: str) -> int | None:
        """Return the HTTP status that refuses a new connection, or None to let it pass."""
        for spell in tuple(self._spells):
            status = await spell.fault.admit(spell, address)
            if status is not None:
                return status
        return None

    def answer(self, query: Query, ask: Ask) -> Awaitable[Answer]:
        """Answer a request to REST; ``ask`` gives the answer without faults."""
        for spell in reversed(self._spells):
            ask = partial(spell.fault.answer, spell, ask=ask)
        return ask(query)

    def _on(self, link: Link) -> list[Spell]:
        return [spell for spell in self._spells if spell.fault.is_on(link)]

    def _later(self, at_ms: float, do: Callable[[float], None]) -> None:
        self._stage.agenda.add(at_ms, lambda: do(at_ms))

    def _finish(self, spell: Spell, at_ms: float) -> None:
        if not spell.over.is_set():
            self._spells.remove(spell)
            spell.ended_ms = at_ms
            spell.over.set()
            spell.fault.ended(spell)
