"""How long the indicators take: a year of minutes at once, and the last candle alone as the live lane asks for it."""

import time
from collections.abc import Iterator
from pathlib import Path

import polars as pl

from benchmarks.figure import Figure
from btc_core.indicator import NamedIndicator, load_indicator, with_indicators
from btc_core.parameters import resolve_parameters
from btc_core.plugins import plugin_names

N_TIMES = 3
# Of all of them over a year of minutes.
LIMIT_SECONDS = 10.0


def measure(year: Path) -> Iterator[Figure]:
    """Measure each indicator with its default parameters; the best of some times."""
    candles = pl.read_parquet(year)
    total = 0.0
    for name in plugin_names("btc_core.indicators"):
        known = load_indicator(name).parameters
        indicator = NamedIndicator(name, name, resolve_parameters(name, known, {}))
        seconds = best(candles, indicator)
        total += seconds
        yield Figure(name=f"indicator {name}, {candles.height} candles", value=round(seconds * 1e3, 1), unit="ms")
        last = best(candles.tail(indicator.look_back + 1), indicator)
        look_back = {"look_back": indicator.look_back}
        yield Figure(name=f"indicator {name}, the last value", value=round(last * 1e3, 2), unit="ms", beside=look_back)
    limit = {"limit": LIMIT_SECONDS, "ratio": round(total / LIMIT_SECONDS, 3)}
    yield Figure(name=f"all indicators, {candles.height} candles", value=round(total, 3), unit="s", beside=limit)


def best(candles: pl.DataFrame, indicator: NamedIndicator) -> float:
    """Return the seconds of the quickest of some runs."""
    found: list[float] = []
    for _ in range(N_TIMES):
        started = time.perf_counter()
        with_indicators(candles, [indicator])
        found.append(time.perf_counter() - started)
    return min(found)
