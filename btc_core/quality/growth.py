"""How fast the database grows."""

import polars as pl

from btc_core.check import Check, Evidence, Source, Subject, Summary, findings
from btc_core.parameters import Parameter, Parameters

MEGABYTE = 1_000_000


def _find(evidence: Evidence, parameters: Parameters) -> pl.DataFrame:
    rows = pl.col("n_rows").clip(lower_bound=1)
    tables = evidence[Source.TABLES].with_columns(
        # A row's share of its table, indexes included, times the rows of the last day.
        megabytes_day=(pl.col("n_bytes") / rows * pl.col("n_rows_day")).fill_null(0) / MEGABYTE,
        megabytes=pl.col("n_bytes") / MEGABYTE,
    )
    total = tables.select(
        megabytes_day=pl.col("megabytes_day").sum(),
        megabytes=pl.col("megabytes").sum(),
        rows_day=pl.col("n_rows_day").sum(),
        largest=pl.col("name").sort_by("megabytes_day").last(),
    )
    is_fast = pl.col("megabytes_day") > parameters["megabytes_a_day"]
    return findings(
        total,
        start=pl.lit(evidence.now).dt.truncate("1d"),
        end=pl.lit(None),
        severity=pl.when(is_fast).then(pl.lit("warning")).otherwise(pl.lit("info")),
        megabytes=pl.col("megabytes").round(1),
        megabytes_a_day=pl.col("megabytes_day").round(3),
        rows_a_day=pl.col("rows_day"),
        fastest_table=pl.col("largest"),
    )


def _summarise(found: pl.DataFrame) -> Summary:
    if not found.height:
        return "no table was looked at", {}
    told = found["details"].str.json_decode(
        pl.Struct({"megabytes": pl.Float64, "megabytes_a_day": pl.Float64, "rows_a_day": pl.Int64})
    )[0]
    text = f"{told['megabytes']:g} MB, growing by {told['megabytes_a_day']:g} MB and {told['rows_a_day']} rows a day"
    return text, dict(told)


CHECK = Check(
    description="Our tables grow by no more than `megabytes_a_day`. The page plots the figures over time.",
    subject=Subject.MINUTES,
    sources=(Source.TABLES,),
    find=_find,
    # It is about the database and no symbol: the check's own history is where it is kept.
    kind=None,
    parameters={
        # A symbol with every configured interval and some indicators writes some 2 MB a day: 20 symbols are 40.
        "megabytes_a_day": Parameter(50.0, 0.0, 1_000_000, "growth that warns")
    },
    is_about_now=True,
    summarise=_summarise,
)
