"""The 148m candle against its four of 37m."""

import polars as pl

from btc_core.check import Check, Evidence, Source, Subject, Turn, findings
from btc_core.model.interval import parse_interval
from btc_core.parameters import Parameters
from btc_core.quality.sums import PRICES, SUM_TOLERANCE, pairs_that_differ
from btc_core.resample import close_time, open_time

QUARTERS = "candles/37m"


def _find(evidence: Evidence, parameters: Parameters) -> pl.DataFrame:  # noqa: ARG001  # nothing to tune
    whole = parse_interval("148m")
    opens, traded = open_time(pl.col("time"), whole), pl.col("volume") > 0
    made = (
        evidence[QUARTERS]
        .group_by(opens.alias("candle"), maintain_order=True)
        .agg(
            open=pl.coalesce(pl.col("open").filter(traded).first(), pl.col("open").first()),
            high=pl.col("high").max(),
            low=pl.col("low").min(),
            close=pl.col("close").last(),
            volume=pl.col("volume").sum(),
            # A quarter whose minutes are all missing is absent: the sum of minutes shows whether one is lacking.
            minutes=pl.col("minutes").sum(),
            n_quarters=pl.len(),
        )
        .rename({"candle": "time"})
    )
    fresh = evidence[Source.WRITTEN_SINCE].select(opens).unique()
    candles = evidence[Source.CANDLES].join(fresh, on="time", how="anti")
    # Where the 37m candles are not all stored yet there is nothing to compare: the other check looks at minutes.
    stored = made.filter(pl.col("n_quarters") == 4)
    rules = {**dict.fromkeys(PRICES, 0.0), "volume": SUM_TOLERANCE, "minutes": 0.0}
    wrong, text = pairs_that_differ(candles, stored, rules)
    time = pl.col("time")
    return findings(wrong, start=time, end=close_time(time, whole), severity="error", **text)


CHECK = Check(
    description="A 148m candle is exactly its four 37m candles, wherever both are stored.",
    subject=Subject.CANDLES,
    intervals=("148m",),
    sources=(Source.CANDLES, QUARTERS, Source.WRITTEN_SINCE),
    find=_find,
    kind="mismatch",
    turn=Turn.EVERY_RUN,
)
