"""Funding rates in and out of the table: what a perpetual pays for being held, by settlement."""

from datetime import datetime

import polars as pl

from btc_core.model.timerange import TimeRange
from btc_store.frames import Frames

FROM_EXCHANGE = "rest"
SCHEMA = pl.Schema({"time": pl.Datetime("us", "UTC"), "rate": pl.Float64(), "premium": pl.Float64()})


def read_funding(frames: Frames, symbol: str, range_: TimeRange) -> pl.DataFrame:
    """Return what is known of a range, as ``simulate`` and ``prepare`` take it: ``time, funding_rate``, ascending."""
    return frames.read("read_funding", symbol, range_.start, range_.end)


def store_funding(frames: Frames, symbol: str, rates: pl.DataFrame, source: str) -> int:
    """Store rates, all of them or none; return how many were new or different. Twice is once.

    Args:
        frames: The database.
        symbol: Whose.
        rates: In ``SCHEMA``; ``rate`` is a fraction of the notional for each settlement, a long pays what is positive.
        source: ``FROM_EXCHANGE``, or ``import:<name>``, which does not replace what the exchange said.
    """
    # An hour is settled once: where a source repeats one, its last word counts.
    once = rates.unique(pl.col("time").dt.truncate("1h"), keep="last", maintain_order=True)
    if not once.height:
        return 0
    with frames.transaction():
        return frames.run("upsert_funding", symbol, source, incoming=once)


def edges_of_funding(frames: Frames, symbol: str) -> tuple[datetime, datetime] | None:
    """Return the first and the last stored settlement of a symbol; None where there is none."""
    first, last = frames.read("edges_of_funding", symbol).row(0)
    return None if first is None else (first, last)
