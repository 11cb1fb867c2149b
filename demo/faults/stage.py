"""What a fault can see and touch of the exchange."""

from collections.abc import Callable
from dataclasses import dataclass, field

from btc_core.model.clock import ClockScale
from demo.agenda import Agenda
from demo.link import Link
from demo.meter import Meter
from demo.tape import Tape


@dataclass(kw_only=True)
class Stage:
    """The exchange from behind.

    Attributes:
        clock: Its clock.
        now_ms: The present instant on it.
        agenda: What is to be done when.
        tape: What is played.
        seed: Of everything that is drawn.
        links: The open connections, oldest first.
        n_open: How many connections an address has, those included that are being opened.
        connects: New connections, by address; refused ones count.
        weights: The weight of requests to REST, by address.
    """

    clock: ClockScale
    now_ms: Callable[[], int]
    n_open: Callable[[str], int]
    agenda: Agenda
    tape: Tape
    seed: int = 0
    links: list[Link] = field(default_factory=list[Link])
    connects: Meter = field(default_factory=Meter)
    weights: Meter = field(default_factory=Meter)
