"""Small pictures for a materialisation's metadata, where looking beats reading."""

import base64
import io
import math
from collections.abc import Sequence
from datetime import timedelta
from typing import TYPE_CHECKING

import dagster as dg
import polars as pl

from btc_core.sweep_heat import Heat

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

# More candles than pixels only cost time.
MOST_POINTS = 400


def picture_of_decisions(candles: pl.DataFrame, averages: list[str], opens: pl.DataFrame) -> dg.MetadataValue:
    """Draw closes, moving averages and where positions were opened.

    Args:
        candles: ``time, close`` and a column for each average, ascending.
        averages: The columns to draw beside the close.
        opens: ``time, price, signal`` of the decisions that opened a position.
    """
    figure, axes = _figure()
    shown = candles.tail(MOST_POINTS)
    _date(axes, shown["time"])
    axes.plot(shown["time"].to_list(), shown["close"].to_list(), color="#3b4252", linewidth=1, label="close")
    for name, colour in zip(averages, ("#d08770", "#5e81ac", "#a3be8c"), strict=False):
        axes.plot(shown["time"].to_list(), shown[name].to_list(), color=colour, linewidth=1.2, label=name)
    visible = opens.filter(pl.col("time") >= shown["time"][0]) if shown.height else opens
    for signal, marker, colour in (("OPEN_LONG", "^", "#2e9e5b"), ("OPEN_SHORT", "v", "#c0392b")):
        each = visible.filter(pl.col("signal") == signal)
        axes.scatter(each["time"].to_list(), each["price"].to_list(), marker=marker, s=22, color=colour, zorder=3)
    axes.legend(loc="best", fontsize=7, framealpha=0.6)
    return _as_metadata(figure)


def picture_of_equity(equity: pl.DataFrame) -> dg.MetadataValue:
    """Draw an equity curve with its drawdown below.

    Args:
        equity: ``time, equity, drawdown``, ascending.
    """
    figure, axes = _figure()
    _date(axes, equity["time"])
    step = max(1, equity.height // (2 * MOST_POINTS))
    shown = equity.gather_every(step)
    times = shown["time"].to_list()
    axes.plot(times, shown["equity"].to_list(), color="#2e9e5b", linewidth=1.2, label="equity")
    below = axes.twinx()
    below.fill_between(times, [-100 * d for d in shown["drawdown"].to_list()], 0, color="#c0392b", alpha=0.2)
    # The drawdown hangs from the top third, whatever its size.
    deepest = max(100 * max(shown["drawdown"].to_list(), default=0.0), 1.0)
    below.set_ylim(-3 * deepest, 0)
    below.set_ylabel("drawdown %", fontsize=7)
    below.tick_params(labelsize=7)
    axes.legend(loc="best", fontsize=7, framealpha=0.6)
    return _as_metadata(figure)


def picture_of_heat(heat: Heat) -> dg.MetadataValue:
    """Draw a figure over two parameters as coloured cells, green is good; over one as a line. The best is marked."""
    figure, axes = _figure()
    down, across = heat.best
    if heat.down is None:
        heights = [math.nan if value is None else value for value in heat.values[0]]
        axes.plot(range(len(heights)), heights, color="#5e81ac", linewidth=1.2, marker=".", markersize=3)
        axes.plot(across, heights[across], "o", color="#2e9e5b", markersize=6)
        axes.set_ylabel(heat.sort.replace("_", " "), fontsize=7)
    else:
        warmth = [[math.nan if value is None else heat.warmth(value) for value in row] for row in heat.values]
        axes.grid(visible=False)
        axes.imshow(warmth, cmap="RdYlGn", vmin=-1, vmax=1, aspect="auto", interpolation="nearest")
        axes.plot(across, down, "s", markerfacecolor="none", markeredgecolor="black", markersize=8)
        axes.set_yticks(*_labels(heat.rows, most=8))
        axes.set_ylabel(heat.down, fontsize=7)
    axes.set_xticks(*_labels(heat.columns, most=12))
    axes.set_xlabel(heat.across, fontsize=7)
    value = heat.values[down][across]
    axes.set_title(f"{heat.sort.replace('_', ' ')}: best {value:.2f}" if value is not None else heat.sort, fontsize=7)
    return _as_metadata(figure)


def _labels(texts: Sequence[str], *, most: int) -> tuple[list[int], list[str]]:
    """Return places and texts of ticks, not more than can be read."""
    places = list(range(0, len(texts), -(-len(texts) // most)))
    return places, [texts[i] for i in places]


def _figure() -> "tuple[Figure, Axes]":
    # Imported here: it costs half a second, which a run that draws nothing should not pay.
    from matplotlib.figure import Figure

    figure = Figure(figsize=(7, 2.6), dpi=90, layout="tight")
    axes = figure.add_subplot()
    axes.tick_params(labelsize=7)
    axes.grid(visible=True, linewidth=0.3)
    axes.spines[["top", "right"]].set_visible(False)
    return figure, axes


def _date(axes: "Axes", times: pl.Series) -> None:
    """Let the picture begin and end with the times, and name few of them, shortly."""
    from matplotlib.dates import AutoDateLocator, ConciseDateFormatter

    first, last = times[0], times[-1]
    # One candle alone has no width.
    axes.set_xlim(first, max(last, first + timedelta(hours=1)))
    locator = AutoDateLocator(maxticks=8)
    axes.xaxis.set_major_locator(locator)
    axes.xaxis.set_major_formatter(ConciseDateFormatter(locator))


def _as_metadata(figure: "Figure") -> dg.MetadataValue:
    target = io.BytesIO()
    figure.savefig(target, format="png")
    return dg.MetadataValue.md(f"![picture](data:image/png;base64,{base64.b64encode(target.getvalue()).decode()})")
