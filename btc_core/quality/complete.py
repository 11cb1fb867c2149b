"""Candles that lack minutes: the check that guards decisions (law 4). What is known to be without trades is there."""

import polars as pl

from btc_core.check import Check, Evidence, Source, Subject, Turn, findings
from btc_core.gaps import with_no_trade
from btc_core.parameters import Parameter, Parameters
from btc_core.resample import close_time, expected_minutes


def _find(evidence: Evidence, parameters: Parameters) -> pl.DataFrame:
    time = pl.col("time")
    wait = pl.duration(microseconds=round(parameters["wait_minutes"] * 60_000_000))
    silent = pl.col("no_trade_minutes")
    short = (
        with_no_trade(evidence[Source.CANDLES], evidence[Source.SILENT]["time"], evidence.interval)
        .with_columns(
            expected=expected_minutes(time, evidence.interval), close_time=close_time(time, evidence.interval)
        )
        .filter(pl.col("minutes") + silent < pl.col("expected"))
    )
    may_still_come = pl.col("close_time") > pl.lit(evidence.now) - wait
    return findings(
        short,
        start=time,
        end=pl.col("close_time"),
        severity=pl.when(may_still_come).then(pl.lit("error")).otherwise(pl.lit("warning")),
        minutes=pl.col("minutes"),
        no_trade_minutes=pl.when(silent > 0).then(silent),
        of=pl.col("expected"),
    )


CHECK = Check(
    description="Every candle has all its minutes but those without trades. Minutes that may still come hold the "
    "decisions back (ERROR); minutes that will not come are flagged, and each decision follows the completeness rule "
    "(WARN).",
    subject=Subject.INDICATORS,
    sources=(Source.CANDLES, Source.SILENT),
    find=_find,
    # The finding of a candle that was skipped for it is the strategy's, and names it.
    kind=None,
    parameters={"wait_minutes": Parameter(10.0, 0, 100_000, "how long missing minutes may still come")},
    turn=Turn.WITH_ASSET,
    blocking=True,
)
