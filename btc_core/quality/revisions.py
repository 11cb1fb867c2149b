"""Days on which many stored minutes were changed."""

from datetime import timedelta

import polars as pl

from btc_core.check import Check, Evidence, Source, Subject, findings
from btc_core.parameters import Parameter, Parameters

DAY = timedelta(days=1)


def _find(evidence: Evidence, parameters: Parameters) -> pl.DataFrame:
    day = pl.col("time").dt.truncate("1d").alias("day")
    stored = evidence[Source.MINUTES].group_by(day).agg(n_minutes=pl.len())
    revised = evidence[Source.REVISIONS].group_by(day).agg(n_revised=pl.len(), n_revisions=pl.col("n_revisions").sum())
    share = pl.col("n_revised") / pl.col("n_minutes")
    many = (
        stored.join(revised, on="day")
        .with_columns(share=share)
        .filter((pl.col("share") > parameters["share"]) & (pl.col("n_revised") >= parameters["least"]))
    )
    return findings(
        many,
        start=pl.col("day"),
        end=pl.col("day") + DAY,
        severity="warning",
        n_revised=pl.col("n_revised"),
        n_minutes=pl.col("n_minutes"),
        n_revisions=pl.col("n_revisions"),
        share=pl.col("share").round(4),
    )


CHECK = Check(
    description="No day has more than `share` of its minutes revised after they were stored. Single revisions are the "
    "exchange's late trades; many are a lossy connection or a restated history.",
    subject=Subject.MINUTES,
    sources=(Source.MINUTES, Source.REVISIONS),
    find=_find,
    kind="correction",
    parameters={
        # A stream that is confirmed by history changes a few minutes a day around reconnects: 1 % are 14.
        "share": Parameter(0.01, 0.0, 1.0, "share of a day's minutes"),
        "least": Parameter(5, 1, 1_440, "revised minutes below which a short day is not held against its share"),
    },
    whole_days=True,
)
