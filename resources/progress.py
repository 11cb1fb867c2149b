"""How far a run is, for whoever watches it: the command line draws a bar, Dagster's processes need none."""

from collections.abc import Callable
from dataclasses import dataclass


def _nobody_watches(_amount: float) -> None:
    """Do nothing."""


@dataclass(frozen=True)
class Progress:
    """Called with 1 for each partition that an asset is done with."""

    advance: Callable[[float], None] = _nobody_watches
