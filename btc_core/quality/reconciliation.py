"""Our candles against the exchange's own."""

import polars as pl

from btc_core.check import Check, Evidence, Source, Subject, findings
from btc_core.gaps import with_no_trade
from btc_core.parameters import Parameter, Parameters
from btc_core.quality.sums import PRICES, pairs_that_differ
from btc_core.resample import close_time, expected_minutes, open_time


def _find(evidence: Evidence, parameters: Parameters) -> pl.DataFrame:
    interval, time = evidence.interval, pl.col("time")
    # An imported minute is another market's, or another print: only what the exchange itself said is held against it.
    foreign = pl.concat([evidence[Source.IMPORTED], evidence[Source.WRITTEN_SINCE]])
    ours = evidence[Source.CANDLES].join(foreign.select(open_time(time, interval)).unique(), on="time", how="anti")
    ours = with_no_trade(ours, evidence[Source.SILENT]["time"], interval)
    rules = {**dict.fromkeys(PRICES, 0.0), "volume": parameters["volume_rtol"], "trades": 0.0}
    wrong, text = pairs_that_differ(ours, evidence[Source.EXCHANGE], rules)
    # What lacks minutes cannot be equal, and has findings of its own: gaps, or the day on which we began to collect.
    is_short = pl.col("minutes") + pl.col("no_trade_minutes") < expected_minutes(time, interval)
    severity = pl.when(is_short).then(pl.lit("info")).otherwise(pl.lit("error"))
    return findings(
        wrong, start=time, end=close_time(time, interval), severity=severity, **text, minutes=pl.col("minutes")
    )


CHECK = Check(
    description="Our candles equal the exchange's own, asked for by REST: prices exactly, volume to `volume_rtol`. "
    "Candles with imported minutes are left out, and so is what the exchange has no longer; one that lacks minutes is "
    "told and does not fail. While it does not answer the check warns, and says nothing of the candles.",
    subject=Subject.CANDLES,
    intervals=("1h", "1d"),
    sources=(Source.CANDLES, Source.EXCHANGE, Source.IMPORTED, Source.WRITTEN_SINCE, Source.SILENT),
    find=_find,
    kind="mismatch",
    parameters={
        # The exchange sums decimals and we sum floats: 1,440 of them lose some 1e-13.
        "volume_rtol": Parameter(1e-9, 0.0, 0.1, "relative difference of volumes that is none")
    },
)
