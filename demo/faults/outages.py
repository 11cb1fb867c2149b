"""The whole exchange is away: stream and REST."""

# ruff: noqa: ARG002 (a hook is given all that any fault may want to know)

from http import HTTPStatus

from demo.answer import Answer, Query, edge_answer
from demo.faults.fault import Ask, Spell
from demo.faults.market import MarketFault, Minutes, Place, QuietMinutes
from demo.tape import Change


class Outage(MarketFault, frozen=True):
    """All sockets are dropped, new ones and REST are answered 502.

    Attributes:
        minutes: What becomes of the minutes that begin meanwhile: ``traded`` (the chain went on: they can be asked for
            afterwards), ``flat`` (no trades: flat rows, 10 min after each minute's end) or ``absent`` (never a row).
        edge: Whether REST and handshakes are answered 502; else they are not answered at all.
    """

    minutes: Minutes = "traded"
    edge: bool = True

    def begun(self, spell: Spell) -> None:
        """Drop the sockets."""
        if self.minutes != "traded":
            super().begun(spell)
        for link in tuple(spell.stage.links):
            link.abort()

    def change(self, spell: Spell, place: Place) -> Change:
        """Return what becomes of the minutes."""
        return QuietMinutes(place, 600_000 if self.minutes == "flat" else None)

    async def admit(self, spell: Spell, address: str) -> int | None:
        """Refuse, or say nothing until the end."""
        if not self.edge:
            await spell.over.wait()
        return HTTPStatus.BAD_GATEWAY

    async def answer(self, spell: Spell, query: Query, ask: Ask) -> Answer:
        """Answer 502, or not at all."""
        if self.edge:
            return edge_answer(HTTPStatus.BAD_GATEWAY, HTTPStatus.BAD_GATEWAY.phrase)
        await spell.over.wait()
        raise ConnectionResetError
