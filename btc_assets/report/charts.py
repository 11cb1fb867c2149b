"""The charts of a report, as SVG inside of the page.

Drawn by matplotlib, which is here already: nothing is loaded, scripts are off, lines stay sharp in print, the text can
be searched, and colours are CSS variables, so one drawing serves light and dark. A script library that zooms would add
200 kB and a copy of its own to keep up to date.

A chart shows at most so many points as it has pixels. Lines keep the first, lowest, highest and last value of each
stretch, so no spike is lost; what is left out of scatters is said beside them.
"""

import io
import re
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import numpy as np
import polars as pl

from btc_assets.report.html import Html, element
from btc_core.metrics import Floats

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

# Stretches of a line; each has up to four points.
MOST_STRETCHES = 350
# Colours that stand for the page's own: matplotlib writes them, the style sheet says what they are.
INK, FAINT, GRID, MAIN, OTHER, UP, DOWN = ("#0a0a01", "#0a0a02", "#0a0a03", "#0a0a04", "#0a0a05", "#0a0a06", "#0a0a07")
_VARIABLES = {INK: "ink", FAINT: "faint", GRID: "grid", MAIN: "main", OTHER: "other", UP: "up", DOWN: "down"}
_WIDE, _HALF = 9.6, 5.0
# The sorted returns between these shares are drawn; what is beyond is in the outermost bars.
_TAILS = (0.005, 0.995)


def thinned(time: np.ndarray, value: Floats, *, n: int = MOST_STRETCHES) -> tuple[np.ndarray, Floats]:
    """Return first, lowest, highest and last of each of ``n`` stretches of a line, in their order."""
    if len(value) <= 4 * n:
        return time, value
    kept: list[int] = []
    for part in np.array_split(np.arange(len(value)), n):
        inside = value[part]
        kept += sorted({int(part[0]), int(part[inside.argmin()]), int(part[inside.argmax()]), int(part[-1])})
    return time[kept], value[kept]


def equity_chart(curve: pl.DataFrame, hold: pl.DataFrame, *, label: str) -> Html:
    """Draw equity against buy and hold, and the drawdown of the equity below.

    Args:
        curve: ``time, equity``, ascending, from the capital at the start.
        hold: ``time, equity`` of the same capital in the coin.
        label: What the chart shows, for those who do not see it.
    """
    figure, (above, below) = _figure(_WIDE, 4.6, rows=(3, 1))
    for frame, name, colour in ((hold, "buy and hold", OTHER), (curve, "equity", MAIN)):
        above.plot(*thinned(*_line(frame)), color=colour, linewidth=1.3, label=name)
    values = np.concatenate([curve["equity"].to_numpy(), hold["equity"].to_numpy()])
    if values.min() > 0 and values.max() / values.min() > 8:
        above.set_yscale("log")
        above.set_ylabel("logarithmic scale")
    above.yaxis.set_major_formatter("{x:,.0f}")
    above.yaxis.set_minor_formatter(lambda _value, _at: "")
    time, equity = _line(curve)
    time, depth = thinned(time, equity / np.maximum.accumulate(equity) - 1)
    below.fill_between(time, 100 * depth, 0, color=DOWN, alpha=0.35, linewidth=0)
    below.set_ylabel("drawdown %")
    _date(below, time)
    _legend(above)
    return _svg(figure, label)


def price_chart(candles: pl.DataFrame, trades: pl.DataFrame, *, label: str) -> Html:
    """Draw candles with trades: a triangle where one begins, a dot where it ends, a line between, coloured by its gain.

    Args:
        candles: ``time, open, high, low, close``, ascending.
        trades: ``side, entry_time, entry_price, exit_time, exit_price, pnl``.
        label: What the chart shows, for those who do not see it.
    """
    figure, (axes,) = _figure(_WIDE, 3.8)
    body = max(0.8, 0.65 * 640 / max(candles.height, 1))
    for is_up, colour in ((True, UP), (False, DOWN)):
        each = candles.filter((pl.col("close") >= pl.col("open")) == is_up)
        axes.plot(*_strokes(each, "time", "low", "time", "high"), color=colour, linewidth=0.6, alpha=0.55)
        axes.plot(
            *_strokes(each, "time", "open", "time", "close"),
            color=colour,
            linewidth=body,
            alpha=0.55,
            solid_capstyle="butt",
        )
    for has_won, colour in ((True, UP), (False, DOWN)):
        each = trades.filter((pl.col("pnl") > 0) == has_won)
        path = _strokes(each, "entry_time", "entry_price", "exit_time", "exit_price")
        axes.plot(*path, color=colour, linewidth=1.1)
    for side, marker, name in (("long", "^", "long"), ("short", "v", "short")):
        each = trades.filter(pl.col("side") == side)
        if each.height:
            points = (each["entry_time"].to_numpy(), each["entry_price"].to_numpy())
            axes.plot(*points, marker, color=INK, markersize=4, markeredgewidth=0, label=name)
    if trades.height:
        points = (trades["exit_time"].to_numpy(), trades["exit_price"].to_numpy())
        axes.plot(*points, "o", color=INK, markersize=2.2, markeredgewidth=0, label="exit")
        _legend(axes)
    axes.yaxis.set_major_formatter("{x:,.0f}" if candles.height and candles["close"][-1] >= 100 else "{x:,.6g}")
    _date(axes, candles["time"].to_numpy(), margin=0.01)
    return _svg(figure, label)


def returns_chart(returns: Floats, *, label: str) -> Html:
    """Draw how the returns of trades are distributed; the outermost bars hold all that is beyond them."""
    figure, (axes,) = _figure(_HALF, 3.0)
    low, high = np.quantile(returns, _TAILS) * 100
    edges = np.linspace(low, high, 42) if high > low else np.array([low - 0.5, low + 0.5])
    # A bar is all gain or all loss.
    edges += (edges[np.abs(edges).argmin()] * -1) if edges[0] < 0 < edges[-1] else 0
    counts, _ = np.histogram(np.clip(returns * 100, edges[0], edges[-1]), edges)
    centres = (edges[:-1] + edges[1:]) / 2
    axes.bar(centres, counts, width=np.diff(edges) * 0.9, color=[UP if x > 0 else DOWN for x in centres], alpha=0.75)
    mean = float(returns.mean()) * 100
    axes.axvline(mean, color=INK, linewidth=1, linestyle="--", label=f"mean {mean:+.3f} %".replace("-", "\u2212"))
    axes.set_xlabel("return of a trade, %")
    axes.set_ylabel("trades")
    _legend(axes)
    return _svg(figure, label)


def excursion_chart(trades: pl.DataFrame, *, label: str) -> Html:
    """Draw how far the price went against each trade and with it (``mae, mfe, pnl``)."""
    figure, (axes,) = _figure(_HALF, 3.0)
    for has_won, name, colour in ((True, "won", UP), (False, "lost", DOWN)):
        each = trades.filter((pl.col("pnl") > 0) == has_won)
        points = (each["mae"].to_numpy() * 100, each["mfe"].to_numpy() * 100)
        axes.plot(*points, "o", color=colour, markersize=2.6, markeredgewidth=0, alpha=0.6, label=name)
    axes.set_xlabel("against it (MAE), %")
    axes.set_ylabel("with it (MFE), %")
    _legend(axes)
    return _svg(figure, label)


def exposure_chart(equity: pl.DataFrame, *, label: str) -> Html:
    """Draw how much was held long and short on average, over stretches of equally many candles."""
    figure, (axes,) = _figure(_HALF, 3.0)
    time, exposure = equity["time"].to_numpy(), equity["exposure"].to_numpy()
    parts = np.array_split(np.arange(len(time)), min(len(time), 90))
    middle = np.array([time[part[0]] for part in parts] + [time[-1]])
    for side, name, colour in ((1, "long", UP), (-1, "short", DOWN)):
        held = [side * float(np.maximum(side * exposure[part], 0).mean()) for part in parts]
        axes.fill_between(middle, [*held, held[-1]], 0, step="post", color=colour, alpha=0.55, linewidth=0, label=name)
    axes.axhline(0, color=FAINT, linewidth=0.8)
    axes.set_ylabel("position ÷ equity, mean")
    _date(axes, time, most=5)
    _legend(axes)
    return _svg(figure, label)


def sharpe_chart(time: np.ndarray, ratios: Sequence[float | None], *, label: str) -> Html:
    """Draw the Sharpe ratio of the last days at each day; where it is undefined there is no line."""
    figure, (axes,) = _figure(_HALF, 3.0)
    values = np.array([np.nan if ratio is None else ratio for ratio in ratios])
    step = max(1, len(values) // 700)
    axes.plot(time[::step], values[::step], color=MAIN, linewidth=1.2)
    axes.axhline(0, color=FAINT, linewidth=0.8)
    axes.set_ylabel("Sharpe ratio, 90 days")
    _date(axes, time, most=5)
    return _svg(figure, label)


def _line(frame: pl.DataFrame) -> tuple[np.ndarray, Floats]:
    return frame["time"].to_numpy(), frame["equity"].to_numpy()


def _strokes(frame: pl.DataFrame, x1: str, y1: str, x2: str, y2: str) -> tuple[np.ndarray, Floats]:
    """Return a line from the first point to the second of each row: one path for all, which keeps the file small."""
    x, y = np.full((frame.height, 3), np.datetime64("NaT", "us")), np.full((frame.height, 3), np.nan)
    x[:, 0], x[:, 1] = frame[x1].to_numpy(), frame[x2].to_numpy()
    x[:, 2] = x[:, 1]
    y[:, 0], y[:, 1] = frame[y1].to_numpy(), frame[y2].to_numpy()
    return x.ravel(), y.ravel()


def _figure(width: float, height: float, *, rows: Sequence[int] = (1,)) -> "tuple[Figure, list[Axes]]":
    """Return a figure of so many inches with axes below each other, rows as high as said."""
    # Imported here: it costs half a second, which a command without a report should not pay.
    from matplotlib.figure import Figure

    figure = Figure(figsize=(width, height), layout="constrained", facecolor="none")
    made: list[Axes] = list(np.ravel(figure.subplots(len(rows), sharex=True, height_ratios=rows)))
    for axes in made:
        axes.set_facecolor("none")
        axes.grid(visible=True, linewidth=0.5, color=GRID)
        axes.set_axisbelow(True)
        axes.spines[["top", "right"]].set_visible(False)
        axes.spines[["left", "bottom"]].set_color(GRID)
        axes.tick_params(labelsize=9, color=GRID, labelcolor=FAINT, which="both")
        for axis in (axes.xaxis, axes.yaxis):
            axis.label.set(color=FAINT, fontsize=9)
        axes.margins(x=0.01)
    return figure, made


def _legend(axes: "Axes") -> None:
    axes.legend(
        loc="lower left",
        bbox_to_anchor=(0, 1),
        ncols=4,
        fontsize=9,
        frameon=False,
        labelcolor=INK,
        borderaxespad=0.2,
        markerscale=1.6,
    )


def _date(axes: "Axes", time: np.ndarray, *, most: int = 9, margin: float = 0.0) -> None:
    """Name few times, shortly; one alone has no width. The margin is a share of it, on both sides."""
    from matplotlib.dates import AutoDateLocator, ConciseDateFormatter

    if len(time):
        last = max(time[-1], time[0] + np.timedelta64(1, "h"))
        axes.set_xlim(time[0] - (last - time[0]) * margin, last + (last - time[0]) * margin)
    locator = AutoDateLocator(minticks=2, maxticks=most)
    axes.xaxis.set_major_locator(locator)
    axes.xaxis.set_major_formatter(ConciseDateFormatter(locator))
    axes.xaxis.get_offset_text().set(color=FAINT, fontsize=9)


def _svg(figure: "Figure", label: str) -> Html:
    """Return a figure as an element: the same bytes for the same figure."""
    from matplotlib import rc_context

    target = io.StringIO()
    settings: dict[Any, Any] = {"svg.fonttype": "none", "svg.hashsalt": "btc", "path.simplify": False}
    with rc_context(settings):
        figure.savefig(target, format="svg", metadata={"Date": None, "Creator": None, "Format": None, "Type": None})
    text = target.getvalue()
    inside = text[text.index(">", text.index("<svg")) + 1 : text.rindex("</svg>")]
    inside = re.sub(r"<metadata>.*?</metadata>|<style.*?</style>|<!--.*?-->", "", inside, flags=re.S)
    # Names that repeat from chart to chart, and digits below a hundredth of a point.
    inside = re.sub(r' id="[A-Za-z0-9.]+_\d+"', "", inside)
    inside = re.sub(r'(?<=[ "])(-?\d+\.\d\d)\d+(?=[ "\n])', r"\1", inside).replace("xlink:href", "href")
    for colour, variable in _VARIABLES.items():
        inside = inside.replace(colour, f"var(--{variable})")
    width, height = (72 * inches for inches in figure.get_size_inches())
    return element(
        "svg", Html(inside), viewBox=f"0 0 {width:g} {height:g}", role="img", aria_label=label, class_="chart"
    )
