"""The grid on the terminal: every cell its figure, the best in brackets, colours where they can be shown."""

import pytest

from btc_assets.sweep_grid import grid_text
from btc_core.sweep_heat import Heat

HEAT = Heat(
    sort="sharpe",
    across="fast",
    down="slow",
    columns=("5", "10"),
    rows=("20", "40…60"),
    values=((0.5, None), (-1.0, 2.0)),
    best=(1, 1),
    n_behind=0,
)


def test_a_cell_is_its_figure():
    """What was not tried is empty."""
    lines = grid_text(HEAT, title="sharpe on BTC 37m").plain.splitlines()
    assert lines[0] == "sharpe on BTC 37m: fast across, slow down, the best in brackets"
    assert [line.split() for line in lines[1:]] == [["5", "10"], ["20", "0.50"], ["40…60", "-1.00", "[2.00]"]]
    assert len({len(line) for line in lines[2:]}) == 1
    # Figures stand under the values of their column.
    assert lines[1].index("5") == lines[2].index("0.50") + 3


@pytest.mark.parametrize(("sort", "greener"), [("sharpe", 2.0), ("max_drawdown", -1.0)])
def test_the_better_one_is_greener(sort, greener):
    """Of a drawdown less is better."""
    heat = Heat(**{name: getattr(HEAT, name) for name in Heat.__slots__} | {"sort": sort})
    styles = {text.strip(" []"): style for text, style in pieces(grid_text(heat, title="…"))}
    shown = {"sharpe": ("2.00", "-1.00"), "max_drawdown": ("200.00%", "-100.00%")}[sort]
    best, worst = shown if greener == 2.0 else shown[::-1]
    assert styles[best].bgcolor.triplet.green > styles[best].bgcolor.triplet.red
    assert styles[worst].bgcolor.triplet.green < styles[worst].bgcolor.triplet.red


def pieces(text):
    """Return the styled pieces of a text."""
    return [(text.plain[span.start : span.end], span.style) for span in text.spans]
