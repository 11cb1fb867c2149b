"""Live decisions against a backtest over the same candles (law 7): the same words, or a difference and its cause."""

from datetime import timedelta

import polars as pl

from btc_core.check import Check, Evidence, Source, Subject, findings
from btc_core.parameters import Parameter, Parameters
from btc_core.version import CODE_VERSION

# A recursive indicator is the same within this (law 5).
TOLERANCE = 1e-9
# What was written so shortly ago may be on its way through the lanes: it is judged on the next day.
ON_ITS_WAY = timedelta(minutes=15)
_TIME = pl.Datetime("us", "UTC")
# What one side says of a candle: `words`, `confidence`; `accounted`: minutes that it had, or knew to be without trades.
WORD_SCHEMA = pl.Schema({"time": _TIME, "words": pl.String(), "confidence": pl.Float64(), "accounted": pl.Int64()})
# Of the live side beside that: which code said it, and the newest write that it had seen.
LIVE_SCHEMA = pl.Schema({**WORD_SCHEMA, "code_version": pl.String(), "data_revision": _TIME})


def words_of(decisions: pl.DataFrame) -> pl.DataFrame:
    """Return decisions (a row a signal, ascending) as a row a candle: what is said, in words, and the confidence."""
    said = pl.concat_str("signal", "exposure", "price", separator=" ")
    return decisions.group_by("time", maintain_order=True).agg(
        words=said.str.join(", then "), confidence=pl.col("confidence").last()
    )


def compare(live: pl.DataFrame, again: pl.DataFrame) -> pl.DataFrame:
    """Return where live decisions and those of a backtest differ: a row for each run of candles that do.

    What follows a difference often follows from it, so the first candle of a run tells.

    Args:
        live: In ``LIVE_SCHEMA``.
        again: In ``WORD_SCHEMA``, over the same candles; one that the backtest skips has no words.

    Returns:
        ``time, last_time, n_candles``, and of the first candle ``live, backtest, accounted_live, accounted,
        confidence_live, confidence, code_version, data_revision``.
    """
    both = live.join(again, on="time", how="full", suffix="_again", coalesce=True).sort("time")
    apart = (pl.col("confidence") - pl.col("confidence_again")).abs() > TOLERANCE
    differs = pl.col("words").ne_missing(pl.col("words_again")) | apart.fill_null(value=False)
    return (
        both.with_columns(differs=differs)
        .with_columns(run=pl.col("differs").rle_id())
        .filter("differs")
        .group_by("run", maintain_order=True)
        .agg(
            pl.col("time").first(),
            last_time=pl.col("time").last(),
            n_candles=pl.len(),
            live=pl.col("words").first(),
            backtest=pl.col("words_again").first(),
            accounted_live=pl.col("accounted").first(),
            accounted=pl.col("accounted_again").first(),
            confidence_live=pl.col("confidence").first(),
            confidence=pl.col("confidence_again").first(),
            code_version=pl.col("code_version").first(),
            data_revision=pl.col("data_revision").first(),
        )
        .drop("run")
    )


def _find(evidence: Evidence, _parameters: Parameters) -> pl.DataFrame:
    found, interval = evidence[Source.PARITY], evidence.interval
    is_revised = pl.col("written_at") > pl.col("data_revision")
    # A revised decision is derived anew within seconds; until then it is nobody's fault.
    found = found.filter(~(is_revised & pl.col("is_recent")).fill_null(value=False))
    ends = pl.Series("end", [interval.close_of(time) for time in found["last_time"]], _TIME)
    cause = (
        pl.when(pl.col("accounted_live") != pl.col("accounted"))
        .then(pl.lit("other minutes are there, or known to be without trades, than when it was decided"))
        .when(is_revised | pl.col("data_revision").is_null())
        .then(pl.lit("data were revised since"))
        .when(pl.col("code_version") != CODE_VERSION)
        .then(pl.lit("another version of the code decided"))
        .otherwise(pl.lit("unexplained"))
    )
    found = found.with_columns(ends, cause=cause)
    return findings(
        found,
        start=pl.col("time"),
        end=pl.col("end"),
        severity=pl.when(pl.col("cause") == "unexplained").then(pl.lit("error")).otherwise(pl.lit("warning")),
        n_candles=pl.col("n_candles"),
        cause=pl.col("cause"),
        live=pl.col("live").fill_null("nothing"),
        backtest=pl.col("backtest").fill_null("nothing"),
        minutes_live=pl.col("accounted_live"),
        minutes=pl.col("accounted"),
        code_version=pl.col("code_version"),
        data_revision=pl.col("data_revision").dt.to_string(),
        written_at=pl.col("written_at").dt.to_string(),
    )


CHECK = Check(
    description="The live decisions of the last `days` are those of a backtest over the same minutes, row for row. A "
    "difference names its first candle, both words and the cause.",
    subject=Subject.DECISIONS,
    sources=(Source.DECISIONS, Source.PARITY),
    find=_find,
    kind="parity",
    parameters={"days": Parameter(30, 1, 3_650, "days before each day with a new minute that are compared again")},
    backward=lambda parameters: timedelta(days=float(parameters["days"])),
)
