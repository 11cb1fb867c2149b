"""A sweep over two parameters as a small grid on the terminal: each cell its figure, green where it is good."""

from rich.color import Color
from rich.console import Console
from rich.style import Style
from rich.text import Text

from btc_assets.swept import SHOWN, shown
from btc_core.sweep_heat import Heat, heat_of
from btc_store.sweep_run import Sweep

# More rows and columns do not fit beside what else is said; values that lie together share a cell.
MOST_CELLS = (16, 10)
_RED, _MIDDLE, _GREEN = (226, 120, 104), (250, 244, 212), (112, 188, 122)
# A draw that leaves more of the cells empty shows no field.
_LEAST_FILLED = 0.5


def grid_of_sweep(found: Sweep, *, is_terminal: bool) -> str | None:
    """Return the grid of the best one's market; None where fewer than two parameters were varied, or few cells tried.

    Args:
        found: A sweep of which something is finished.
        is_terminal: Whether it is read on one; else there are no colours.
    """
    best = found.done[found.order[0]]
    heat = heat_of(found.prepared.plan.grid, found.done, best, found.sort, most=MOST_CELLS)
    if heat is None or heat.down is None:
        return None
    known = [value is not None for row in heat.values for value in row]
    if sum(known) < _LEAST_FILLED * len(known):
        return None
    text = grid_text(heat, title=f"{found.sort} on {best.arena.symbol} {best.arena.interval}")
    console = Console(force_terminal=is_terminal, width=max(map(len, text.plain.splitlines())))
    with console.capture() as captured:
        console.print(text, soft_wrap=True)
    return captured.get().rstrip("\n")


def grid_text(heat: Heat, *, title: str) -> Text:
    """Return a heat over two parameters as styled text; the best is in brackets."""
    pattern = SHOWN[heat.sort]
    cells = [["" if value is None else shown(value, pattern) for value in row] for row in heat.values]
    width = max(len(each) for each in [*heat.columns, *(cell for row in cells for cell in row)]) + 2
    beside = max(len(each) for each in [*heat.rows, str(heat.down)])
    more = "; medians over the other parameters" if heat.n_behind else ""
    text = Text(f"{title}: {heat.across} across, {heat.down} down, the best in brackets{more}\n")
    text.append(" " * beside + "".join(f"{column:>{width - 1}} " for column in heat.columns))
    for i, (row, values) in enumerate(zip(cells, heat.values, strict=True)):
        text.append(f"\n{heat.rows[i]:>{beside}}")
        for j, (cell, value) in enumerate(zip(row, values, strict=True)):
            is_best = (i, j) == heat.best
            written = f"[{cell}]" if is_best else f"{cell} "
            style = None if value is None else _style(heat.warmth(value), is_best=is_best)
            text.append(f"{written:>{width}}", style=style)
    return text


def _style(warmth: float, *, is_best: bool) -> Style:
    end, share = _GREEN if warmth > 0 else _RED, min(abs(warmth), 1.0)
    red, green, blue = (round(m + (e - m) * share) for m, e in zip(_MIDDLE, end, strict=True))
    return Style(color="black", bgcolor=Color.from_rgb(red, green, blue), bold=is_best)
