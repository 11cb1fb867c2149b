"""What a sweep tries, and how what it found is judged: values of parameters, their grid, a draw of it, neighbours.

Pure arithmetic on positions in a grid; a trial itself is in ``btc_core.sweep_trial``.
"""

import itertools
import math
import random
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from decimal import Decimal, InvalidOperation
from statistics import median

from btc_core.errors import InputError, UnknownNameError
from btc_core.parameters import Number, Parameter, resolve_parameters
from btc_core.simulator.outcome import Outcome

# More runs than this are a slip of the pen: at 10 ms each they take a quarter of an hour.
MAX_TRIALS = 100_000
# What a sweep may be sorted by, and whether more of it is better.
SORTS: Mapping[str, bool] = {name: name not in {"max_drawdown", "n_liquidations"} for name in Outcome.__struct_fields__}

Place = tuple[int, ...]


@dataclass(frozen=True, slots=True)
class Axis:
    """The values of one parameter.

    Attributes:
        name: Of the parameter.
        values: In the order in which they were given.
        is_ordered: Whether values that stand beside each other are near each other: a range, not a list.
    """

    name: str
    values: tuple[Number, ...]
    is_ordered: bool


def axes_of(owner: str, known: Mapping[str, Parameter], given: Mapping[str, str]) -> list[Axis]:
    """Return the axes that a person named: ``first:last:step`` with both ends, values apart by commas, or one value.

    Args:
        owner: Whose parameters they are ("strategy ma").
        known: The parameters that it has.
        given: What was written, by name.

    Raises:
        UnknownNameError: If there is no such parameter.
        InputError: If a range cannot be read or is empty, or a value is out of range.
    """
    for name in given:
        if name not in known:
            raise UnknownNameError(f"parameter of {owner}", name, known)
    return [_axis(owner, name, known[name], text) for name, text in given.items()]


def _axis(owner: str, name: str, parameter: Parameter, text: str) -> Axis:
    is_range = ":" in text
    written = _steps(name, text) if is_range else [part.strip() for part in text.split(",")]
    values = (resolve_parameters(owner, {name: parameter}, {name: each})[name] for each in written)
    return Axis(name, tuple(dict.fromkeys(values)), is_ordered=is_range)


def _steps(name: str, text: str) -> list[str]:
    """Return the values of a range as text: decimals, so that 0.1 is added without rounding."""
    wanted = f"--param {name}={text}: expected first:last:step, such as {name}=5:400:5"
    try:
        first, last, step = map(Decimal, text.split(":"))
    except (InvalidOperation, ValueError):
        raise InputError(f"{wanted}, found {text!r}") from None
    if not (first.is_finite() and last.is_finite() and step.is_finite() and step > 0):
        raise InputError(f"{wanted}; the step must be above 0")
    if last < first:
        raise InputError(f"--param {name}={text}: the range is empty, {last} is below {first}")
    n = int((last - first) / step) + 1
    if n > MAX_TRIALS:
        raise InputError(
            f"--param {name}={text}: expected at most {MAX_TRIALS:,} values, found {n:,}: take a larger step"
        )
    return [format(first + step * i, "f") for i in range(n)]


@dataclass(frozen=True, slots=True)
class Grid:
    """Every combination of some axes' values."""

    axes: Sequence[Axis]

    @property
    def n(self) -> int:
        """How many there are; without an axis there is one, of defaults."""
        return math.prod(len(axis.values) for axis in self.axes)

    def parameters(self, place: Place) -> dict[str, Number]:
        """Return the values at a place."""
        return {axis.name: axis.values[i] for axis, i in zip(self.axes, place, strict=True)}

    def places(self, *, draw: int | None, seed: int) -> list[Place]:
        """Return all places, or so many that are drawn without repetition, in the order of the grid.

        Args:
            draw: How many; None: all of them.
            seed: The same one draws the same places.
        """
        if draw is None or draw >= self.n:
            return list(itertools.product(*(range(len(axis.values)) for axis in self.axes)))
        return [self._place(i) for i in sorted(random.Random(seed).sample(range(self.n), draw))]

    def are_neighbours(self, one: Place, other: Place) -> bool:
        """Return whether two places are at most one step apart in each range and the same in everything else."""
        steps = [(abs(a - b), axis.is_ordered) for a, b, axis in zip(one, other, self.axes, strict=True)]
        return one != other and all(step == 0 or (step == 1 and is_ordered) for step, is_ordered in steps)

    def _place(self, i: int) -> Place:
        """Return the i-th place, the last axis running first."""
        place: list[int] = []
        for axis in reversed(self.axes):
            i, k = divmod(i, len(axis.values))
            place.append(k)
        return tuple(reversed(place))


def ranked(found: Iterable[tuple[Number | None, int]], *, is_more_better: bool) -> list[int]:
    """Return numbers of trials, best first; without a figure last, of equals the first.

    Args:
        found: Figure and number of each.
        is_more_better: Whether a higher figure is.
    """
    sign = -1 if is_more_better else 1
    return [i for _is_unknown, _figure, i in sorted((f is None, 0 if f is None else sign * f, i) for f, i in found)]


def middle(figures: Iterable[Number | None]) -> float | None:
    """Return the median of the figures that are defined; None without one."""
    known = [figure for figure in figures if figure is not None]
    return float(median(known)) if known else None
