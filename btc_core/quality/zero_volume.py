"""Long stretches without a trade."""

from datetime import timedelta

import polars as pl

from btc_core.check import Check, Evidence, Source, Subject, findings
from btc_core.model.timerange import MINUTE
from btc_core.parameters import Parameter, Parameters


def _reach(parameters: Parameters) -> timedelta:
    # As far as it takes to see that a stretch which crosses the edge of a day is long enough.
    return int(parameters["minutes"]) * MINUTE


def _find(evidence: Evidence, parameters: Parameters) -> pl.DataFrame:
    stored, silent = evidence[Source.MINUTES], evidence[Source.SILENT]
    quiet = (
        pl.concat([stored.filter(pl.col("volume") == 0).select("time"), silent.select("time")]).unique().sort("time")
    )
    # Minutes that follow each other have the same distance to their own number.
    island = pl.col("time") - pl.int_range(pl.len()) * pl.duration(minutes=1)
    stretches = (
        quiet.group_by(island.alias("island"), maintain_order=True)
        .agg(start=pl.col("time").first(), end=pl.col("time").last() + MINUTE)
        .filter(pl.col("end") - pl.col("start") >= int(parameters["minutes"]) * MINUTE)
    )
    # A stretch is cut at midnight: what is found on a day does not depend on which days were looked at together.
    days = pl.date_ranges(pl.col("start").dt.date(), (pl.col("end") - pl.duration(microseconds=1)).dt.date())
    cut = (
        stretches.with_columns(day=days)
        .explode("day")
        .with_columns(midnight=pl.col("day").cast(pl.Datetime("us")).dt.replace_time_zone("UTC"))
        .with_columns(
            start=pl.max_horizontal("start", "midnight"),
            end=pl.min_horizontal("end", pl.col("midnight") + timedelta(days=1)),
        )
        # The frames end somewhere in the neighbouring days: these have a judgement of their own.
        .filter((pl.col("start") >= evidence.within.start) & (pl.col("end") <= evidence.within.end))
    )
    n_minutes = (pl.col("end") - pl.col("start")).dt.total_minutes()
    return findings(cut, start=pl.col("start"), end=pl.col("end"), severity="warning", n_minutes=n_minutes)


CHECK = Check(
    description="No stretch of `minutes` or more without a trade. A market that stands still is real on a small coin "
    "and the mark of an outage on a large one; nothing is left out for it.",
    subject=Subject.MINUTES,
    sources=(Source.MINUTES, Source.SILENT),
    find=_find,
    kind="outlier",
    parameters={
        # The 81 such minutes of BTC in 2021 are one outage; a liquid coin has none outside of one.
        "minutes": Parameter(30, 2, 720, "consecutive minutes without a trade")
    },
    reach=_reach,
    whole_days=True,
)
