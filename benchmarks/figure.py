"""One figure, as a JSON line: what, how much, and beside which limit or peer."""

import resource
from typing import Any

import msgspec


class Figure(msgspec.Struct, frozen=True, kw_only=True):
    """A measured figure.

    Attributes:
        name: What was measured.
        value: How much.
        unit: Of what.
        beside: The limit or peer of the same run, and the ratio to it, where there is one.
    """

    name: str
    value: float
    unit: str
    beside: dict[str, Any] | None = None

    def line(self) -> str:
        """Return the figure as one JSON line."""
        return msgspec.json.encode(self).decode()


def peak_memory_mb() -> float:
    """Return the largest resident set of this process so far, in MB."""
    return round(resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024, 1)
