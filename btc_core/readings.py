"""What an indicator's values say in words, and where a chart draws them. Plain part: the API has no Polars.

The words are those of the textbooks (J. Murphy, Technical Analysis of the Financial Markets, 1999); they describe, and
decide nothing. A test holds the outputs to those of ``btc_core.indicators``.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Literal

# Its values by suffix ("" is the indicator itself), and the close of the same candle.
Says = Callable[[Mapping[str, float], float], str]


@dataclass(frozen=True, slots=True)
class Reading:
    """How an indicator is read.

    Attributes:
        outputs: Its suffixes: ``""`` for the indicator itself, ``.signal`` for a further output.
        drawn: ``overlay`` on the prices, or in a ``pane`` of its own.
        says: Its newest values in words.
    """

    outputs: tuple[str, ...]
    drawn: Literal["overlay", "pane"]
    says: Says


def _beside(what: str) -> Says:
    """Return how a line among the prices is read: where the close is."""

    def says(values: Mapping[str, float], close: float) -> str:
        line = values[""]
        if close == line:
            return f"The close is on the {what}."
        return f"The close is {abs(close / line - 1):.2%} {'above' if close > line else 'below'} the {what}."

    return says


def _between(what: str) -> Says:
    """Return how a band around the prices is read: outside of it, or where inside."""

    def says(values: Mapping[str, float], close: float) -> str:
        upper, lower = values[".upper"], values[".lower"]
        if close > upper:
            return f"The close is above the upper {what}."
        if close < lower:
            return f"The close is below the lower {what}."
        if upper == lower:
            return f"The {what}s have no width."
        return f"The close is at {(close - lower) / (upper - lower):.0%} of the way from the lower to the upper {what}."

    return says


def _points(*, low: float, high: float) -> Says:
    """Return how an oscillator from 0 to 100 is read."""

    def says(values: Mapping[str, float], _close: float) -> str:
        value = values[""]
        if value >= high:
            return f"Overbought: {value:.1f} of 100, at {high:g} or above."
        return (
            f"Oversold: {value:.1f} of 100, at {low:g} or below." if value <= low else f"Neutral: {value:.1f} of 100."
        )

    return says


def _sign(above: str, below: str, level: str) -> Says:
    """Return how a value around zero is read."""

    def says(values: Mapping[str, float], _close: float) -> str:
        value = values[""]
        return level if value == 0 else above.format(value) if value > 0 else below.format(value)

    return says


def _macd(values: Mapping[str, float], _close: float) -> str:
    gap = values[".histogram"]
    side = "on" if gap == 0 else "above" if gap > 0 else "below"
    return f"The line is {side} its signal; the trend is {'up' if values[''] > 0 else 'down'}."


def _adx(values: Mapping[str, float], _close: float) -> str:
    strength = "no trend" if values[""] < 20 else "a trend begins" if values[""] < 25 else "a trend"
    return (
        f"{strength.capitalize()} ({values['']:.1f} of 100), {'up' if values['.plus'] > values['.minus'] else 'down'}."
    )


def _supertrend(values: Mapping[str, float], close: float) -> str:
    way = "Up" if values[".direction"] > 0 else "Down"
    return f"{way}; it would turn at {values['']:,.2f}, {abs(close / values[''] - 1):.2%} away."


READINGS: Mapping[str, Reading] = {
    "adx": Reading(("", ".plus", ".minus"), "pane", _adx),
    "atr": Reading(
        ("",), "pane", lambda v, close: f"A candle ranges over {v['']:,.2f}, {v[''] / close:.2%} of the close."
    ),
    "bollinger": Reading(("", ".upper", ".lower"), "overlay", _between("band")),
    "donchian": Reading(("", ".upper", ".lower"), "overlay", _between("edge of the channel")),
    "ema": Reading(("",), "overlay", _beside("average")),
    "keltner": Reading(("", ".upper", ".lower"), "overlay", _between("edge of the channel")),
    "macd": Reading(("", ".signal", ".histogram"), "pane", _macd),
    "obv": Reading(
        ("",),
        "pane",
        _sign(
            "Since the month began {:,.2f} more was traded in rising candles.",
            "Since the month began {:,.2f} less was traded in rising candles.",
            "Rises and falls were traded alike.",
        ),
    ),
    "realised_volatility": Reading(
        ("",), "pane", lambda v, _: f"Prices moved by {v['']:.2%} over the window, in the mean."
    ),
    "roc": Reading(
        ("",), "pane", _sign("{:.2%} above the earlier close.", "{:.2%} against the earlier close.", "Unchanged.")
    ),
    "rsi": Reading(("",), "pane", _points(low=30, high=70)),
    "sma": Reading(("",), "overlay", _beside("average")),
    "stochastic": Reading(("", ".signal"), "pane", _points(low=20, high=80)),
    "supertrend": Reading(("", ".direction"), "overlay", _supertrend),
    "vwap": Reading(("",), "overlay", _beside("day's volume-weighted price")),
    "zscore": Reading(
        ("",),
        "pane",
        _sign("{:+.2f} deviations from the average.", "{:+.2f} deviations from the average.", "On the average."),
    ),
}
