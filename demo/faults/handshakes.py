"""What happens to a client that asks for a new connection."""

# ruff: noqa: ARG002 (a hook is given all that any fault may want to know)

from demo.faults.fault import Count, Fault, HttpError, Spell
from demo.meter import n_minutes

TOO_MANY_REQUESTS = 429
SERVICE_UNAVAILABLE = 503


class RefusedHandshake(Fault, frozen=True):
    """New connections are answered with an HTTP status.

    Attributes:
        status: 403, 429, 502 …
    """

    status: HttpError = 502

    async def admit(self, spell: Spell, address: str) -> int | None:
        """Refuse."""
        return self.status


class HangingConnect(Fault, frozen=True):
    """TCP is accepted and the handshake is never answered."""

    async def admit(self, spell: Spell, address: str) -> int | None:
        """Say nothing; whoever still waits at the end is sent away."""
        await spell.over.wait()
        return SERVICE_UNAVAILABLE


class ConnectionLimit(Fault, frozen=True):
    """An address may have so many connections at once; the next one is answered 429. Always on.

    Attributes:
        most: As documented.
    """

    most: Count = 10

    async def admit(self, spell: Spell, address: str) -> int | None:
        """Refuse one too many."""
        return TOO_MANY_REQUESTS if spell.stage.n_open(address) >= self.most else None


class ConnectionRate(Fault, frozen=True):
    """An address may make so many new connections in a market minute; the next one is answered 429. Always on.

    Attributes:
        most: As documented.
    """

    most: Count = 30

    async def admit(self, spell: Spell, address: str) -> int | None:
        """Refuse one too many."""
        minutes = n_minutes(spell.stage.clock.rate)
        n_made = spell.stage.connects.spent(address, spell.stage.now_ms(), minutes)
        return TOO_MANY_REQUESTS if n_made > self.most * minutes else None
