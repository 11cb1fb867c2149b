"""How a figure lies over one or two parameters: what a heat map shows. Numbers only; pictures are drawn elsewhere."""

from collections.abc import Sequence
from dataclasses import dataclass

from btc_core.parameters import Number
from btc_core.sweep import SORTS, Axis, Grid, middle
from btc_core.sweep_trial import Arena, Trial
from btc_core.sweep_verdict import figure_of


@dataclass(frozen=True, slots=True, kw_only=True)
class Heat:
    """A figure over a grid of cells.

    Attributes:
        sort: Which figure.
        across: The parameter that runs from left to right.
        down: The one that runs from top to bottom; None where only one was varied: there is one row.
        columns, rows: What each cell's column and row hold, shortly: a value, or first and last of several.
        values: By row and column, the median of the trials there; None where none is defined.
        best: Row and column of the best trial.
        n_behind: How many parameters were varied beside these.
    """

    sort: str
    across: str
    down: str | None
    columns: tuple[str, ...]
    rows: tuple[str, ...]
    values: tuple[tuple[float | None, ...], ...]
    best: tuple[int, int]
    n_behind: int

    def warmth(self, value: float) -> float:
        """Return how good a value is beside the others, from -1 to 1.

        0 is the figure 0 where some are better and some are worse, else the median of them all.
        """
        known = [each for row in self.values for each in row if each is not None]
        low, high = min(known), max(known)
        zero = 0.0 if low < 0 < high else middle(known) or 0.0
        reach = high - zero if value > zero else zero - low
        share = (value - zero) / reach if reach > 0 else 0.0
        return share if SORTS[self.sort] else -share


def heat_of(
    grid: Grid, done: Sequence[Trial], best: Trial, sort: str, *, most: tuple[int, int], arena: Arena | None = None
) -> Heat | None:
    """Return a figure over the two parameters with the most values; None where none was varied.

    Args:
        grid: Where the trials have their places.
        done: All that are finished.
        best: The best of them, whose cell is named.
        sort: The figure.
        most: Rows and columns at most; where there are more values, some share a cell.
        arena: Trials of this one alone; None: of the best one's.
    """
    market = best.arena if arena is None else arena
    varied = sorted(
        (i for i, axis in enumerate(grid.axes) if len(axis.values) > 1), key=lambda i: -len(grid.axes[i].values)
    )
    if not varied:
        return None
    across, down = varied[0], varied[1] if len(varied) > 1 else None
    columns, rows = _bins(grid.axes[across], most[1]), _bins(grid.axes[down], most[0]) if down is not None else [""]
    found: dict[tuple[int, int], list[Number | None]] = {}

    def cell(trial: Trial) -> tuple[int, int]:
        row = 0 if down is None else _bin(trial.place[down], grid.axes[down], len(rows))
        return row, _bin(trial.place[across], grid.axes[across], len(columns))

    for trial in done:
        if trial.arena is market:
            found.setdefault(cell(trial), []).append(figure_of(trial, sort))
    return Heat(
        sort=sort,
        across=grid.axes[across].name,
        down=None if down is None else grid.axes[down].name,
        columns=tuple(columns),
        rows=tuple(rows),
        values=tuple(tuple(middle(found.get((i, j), ())) for j in range(len(columns))) for i in range(len(rows))),
        best=cell(best),
        n_behind=len(varied) - (1 if down is None else 2),
    )


def _bin(i: int, axis: Axis, n: int) -> int:
    return i * n // len(axis.values)


def _bins(axis: Axis, most: int) -> list[str]:
    """Return what each of at most so many cells of an axis holds."""
    n = min(most, len(axis.values))
    held: list[list[Number]] = [[] for _ in range(n)]
    for i, value in enumerate(axis.values):
        held[_bin(i, axis, n)].append(value)
    return [f"{each[0]:g}" if len(each) == 1 else f"{each[0]:g}…{each[-1]:g}" for each in held]
