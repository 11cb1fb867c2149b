"""Symbols whose minutes have stopped."""

import json

import polars as pl

from btc_core.check import Check, Evidence, Source, Subject, Summary, Turn, findings
from btc_core.model.timerange import MINUTE
from btc_core.parameters import Parameter, Parameters


def _find(evidence: Evidence, parameters: Parameters) -> pl.DataFrame:
    # A minute is there a few seconds after its close; an exchange that restarts is back within ten.
    close = pl.col("time") + MINUTE
    age = (pl.lit(evidence.now) - close).dt.total_seconds() / 60
    old = evidence[Source.NEWEST].with_columns(age=age).filter(pl.col("age") > parameters["warn_minutes"])
    # Who has only imported waits for no collector.
    is_error = (pl.col("age") > parameters["error_minutes"]) & ~pl.col("is_import")
    return findings(
        old,
        start=close,
        end=pl.lit(None),
        severity=pl.when(is_error).then(pl.lit("error")).otherwise(pl.lit("warning")),
        # Not the age: a finding that stays as it is is not written again every minute.
        newest_minute=pl.col("time").dt.strftime("%Y-%m-%dT%H:%MZ"),
        is_import=pl.when("is_import").then(pl.lit(value=True)),
    )


def _summarise(found: pl.DataFrame) -> Summary:
    if not found.height:
        return "nothing is wrong", {"findings": 0}
    is_import = json.loads(found["details"][0]).get("is_import")
    text = "the newest minute was imported, no collector has written since" if is_import else "no minute comes any more"
    return text, {"findings": found.height}


CHECK = Check(
    description="The newest minute is a few minutes old at most. Older than `warn_minutes` warns, older than "
    "`error_minutes` fails: the collector is down, or cut off. It only warns where the newest "
    "minute was imported: no collector has written since.",
    subject=Subject.MINUTES,
    sources=(Source.NEWEST,),
    find=_find,
    kind="stale",
    parameters={
        # The collector flushes every 30 s and reconnects within a minute: three missing ones are no jitter.
        "warn_minutes": Parameter(3.0, 0.5, 10_000, "age of the newest minute's close that warns"),
        "error_minutes": Parameter(15.0, 0.5, 100_000, "age that fails"),
    },
    is_about_now=True,
    turn=Turn.EVERY_MINUTE,
    summarise=_summarise,
)
