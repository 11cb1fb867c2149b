"""Candles that contradict themselves."""

import polars as pl

from btc_core.check import Check, Evidence, Source, Subject, Turn, findings
from btc_core.model.candle import MOST_TRADES, MOST_VOLUME, TOO_FINE, TOO_HIGH, TOO_MANY, TOO_MUCH
from btc_core.model.timerange import MINUTE
from btc_core.parameters import Parameters
from btc_core.ticks import is_too_fine, is_too_high


def _find(evidence: Evidence, parameters: Parameters) -> pl.DataFrame:  # noqa: ARG001  # nothing to tune
    low, high, volume, trades = pl.col("low"), pl.col("high"), pl.col("volume"), pl.col("trades")
    prices = ("open", "high", "low", "close")
    reason = (
        pl.when(~pl.all_horizontal([(pl.col(name) > 0) & pl.col(name).is_finite() for name in prices]))
        .then(pl.lit("a price is not a positive finite number"))
        .when(pl.any_horizontal([is_too_high(pl.col(name)) for name in prices]))
        .then(pl.lit(TOO_HIGH))
        .when(pl.any_horizontal([is_too_fine(pl.col(name)) for name in prices]))
        .then(pl.lit(TOO_FINE))
        .when((low > pl.min_horizontal("open", "close")) | (pl.max_horizontal("open", "close") > high))
        .then(pl.lit("open, high, low and close contradict each other"))
        .when(~(volume.is_finite() & (volume >= 0)))
        .then(pl.lit("the volume is not a finite number of at least 0"))
        .when(volume > MOST_VOLUME)
        .then(pl.lit(TOO_MUCH))
        .when(trades > MOST_TRADES)
        .then(pl.lit(TOO_MANY))
        # Where trades are not counted (null) the comparison is null too, and nothing is said.
        .when((trades < 0) | ((trades == 0) != (volume == 0)))
        .then(pl.lit("volume and number of trades contradict each other"))
    )
    wrong = evidence[Source.MINUTES].with_columns(reason=reason).filter(pl.col("reason").is_not_null())
    values = {name: pl.col(name).cast(pl.String) for name in (*prices, "volume", "trades")}
    time = pl.col("time")
    return findings(wrong, start=time, end=time + MINUTE, severity="error", reason=pl.col("reason"), **values)


CHECK = Check(
    description="Every minute is possible: low ≤ open and close ≤ high, prices above 0 and countable, and trades where "
    "there is volume. The way in refuses what is not; this looks at what is stored, whoever wrote it.",
    subject=Subject.MINUTES,
    sources=(Source.MINUTES,),
    find=_find,
    kind="ohlc_invalid",
    turn=Turn.EVERY_RUN,
)
