"""Derived candles against the minutes they are made of."""

from collections.abc import Mapping

import polars as pl

from btc_core.check import Check, Evidence, Source, Subject, Turn, findings
from btc_core.parameters import Parameters
from btc_core.resample import close_time, open_time

PRICES = ("open", "high", "low", "close")
# Sums of floats in another order: 44,640 minutes of a month lose some 1e-12.
SUM_TOLERANCE = 1e-9


def differing(left: str, right: str, *, rtol: float = 0.0) -> pl.Expr:
    """Return whether two columns differ, beyond a relative tolerance; one that is null differs from a number."""
    ours, theirs = pl.col(left), pl.col(right)
    if not rtol:
        return ours.ne_missing(theirs)
    return (ours - theirs).abs() > rtol * pl.max_horizontal(ours.abs(), theirs.abs())


def pairs_that_differ(
    ours: pl.DataFrame, theirs: pl.DataFrame, rules: Mapping[str, float]
) -> tuple[pl.DataFrame, Mapping[str, pl.Expr]]:
    """Return the candles in both frames that differ in a column, and what to tell of them: "ours, not theirs".

    Args:
        ours: Candles by ``time``.
        theirs: What they should be.
        rules: The columns to compare, with a relative tolerance each.
    """
    both = ours.join(theirs, on="time", suffix="_expected")
    wrong = {name: differing(name, f"{name}_expected", rtol=rtol) for name, rtol in rules.items()}
    text = {
        name: pl.when(is_wrong).then(pl.format("{}, not {}", _shown(name), _shown(f"{name}_expected")))
        for name, is_wrong in wrong.items()
    }
    return both.filter(pl.any_horizontal(wrong.values())), text


def _shown(name: str) -> pl.Expr:
    return pl.col(name).cast(pl.String).fill_null("none")


def _find(evidence: Evidence, parameters: Parameters) -> pl.DataFrame:  # noqa: ARG001  # nothing to tune
    interval, minutes = evidence.interval, evidence[Source.MINUTES]
    traded = pl.col("volume") > 0
    # Written apart from the resampling, which it judges too.
    made = (
        minutes.group_by(open_time(pl.col("time"), interval).alias("candle"), maintain_order=True)
        .agg(
            open=pl.coalesce(pl.col("open").filter(traded).first(), pl.col("open").first()),
            high=pl.col("high").max(),
            low=pl.col("low").min(),
            close=pl.col("close").last(),
            volume=pl.col("volume").sum(),
            trades=pl.when(pl.col("trades").is_not_null().all()).then(pl.col("trades").cast(pl.Int64).sum()),
            minutes=pl.len(),
        )
        .rename({"candle": "time"})
    )
    # A minute that was written after this run began is derived, and judged, by the run that follows it.
    fresh = evidence[Source.WRITTEN_SINCE].select(open_time(pl.col("time"), interval)).unique()
    candles = evidence[Source.CANDLES].join(fresh, on="time", how="anti")
    rules = {**dict.fromkeys(PRICES, 0.0), "volume": SUM_TOLERANCE, "trades": 0.0, "minutes": 0.0}
    # Not strict: a sum that does not fit is unknown.
    counted = made.cast({"trades": pl.Int32, "minutes": pl.Int32}, strict=False)
    wrong, text = pairs_that_differ(candles, counted, rules)
    orphans = candles.join(made, on="time", how="anti").with_columns(orphan=pl.lit("none of its minutes is stored"))
    time = pl.col("time")
    known = {name: told.alias(name) for name, told in text.items()}
    parts = [
        findings(wrong, start=time, end=close_time(time, interval), severity="error", **known),
        findings(orphans, start=time, end=close_time(time, interval), severity="error", minutes=pl.col("orphan")),
    ]
    return pl.concat(parts)


CHECK = Check(
    description="Every derived candle is its minutes: open, high, low and close are copies of theirs, volume and "
    "trades their sums.",
    subject=Subject.CANDLES,
    sources=(Source.CANDLES, Source.MINUTES, Source.WRITTEN_SINCE),
    find=_find,
    kind="mismatch",
    turn=Turn.EVERY_RUN,
)
