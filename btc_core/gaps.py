"""Which minutes are missing (law 8: a gap is absent rows)."""

import polars as pl

from btc_core.model.timerange import MINUTE, TimeRange


def gaps_between(times: pl.Series, *, within: TimeRange | None = None) -> list[TimeRange]:
    """Return the ranges of missing minutes, ascending.

    Args:
        times: Open times of 1m candles, ascending and unique.
        within: The range to be complete. Without it, from the first time to the last.

    Returns:
        Half-open ranges of whole minutes; none when nothing is missing.
    """
    if within is not None:
        times = times.filter((times >= within.start) & (times < within.end))
        edges = pl.Series("time", [within.start - MINUTE, within.end], dtype=times.dtype)
        times = pl.concat([edges[:1], times, edges[1:]])
    pairs = pl.DataFrame({"before": times[:-1], "after": times[1:]})
    holes = pairs.filter(pl.col("after") - pl.col("before") > MINUTE)
    return [TimeRange(before + MINUTE, after) for before, after in holes.iter_rows()]
