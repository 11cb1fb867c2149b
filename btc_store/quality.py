"""Findings about the data: opened when seen, closed by themselves when healed."""

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass

import polars as pl

from btc_core.check import FINDING_SCHEMA, Evidence, NamedCheck, Source
from btc_core.errors import ExchangeError
from btc_core.gaps import gaps_between
from btc_core.model.interval import Interval
from btc_core.model.timerange import TimeRange
from btc_store.evidence import EvidenceReader, Wanted, accounted_minutes
from btc_store.frames import Frames

_TIME = pl.Datetime("us", "UTC")
_SKIP_SCHEMA = pl.Schema({"start_time": _TIME, "end_time": _TIME, "details": pl.String()})
_JUDGED_SCHEMA = pl.Schema(
    {"interval": pl.String(), "kind": pl.String(), "word": pl.String(), "start_time": _TIME, "end_time": _TIME}
)
_FOUND_SCHEMA = pl.Schema({**_JUDGED_SCHEMA, "details": pl.String(), "severity": pl.String()})


@dataclass(frozen=True, slots=True)
class Scope:
    """What a check is asked to judge: open times of an interval's candles, and whose decisions on them."""

    check: NamedCheck
    interval: Interval
    within: TimeRange
    strategy: str = ""

    @property
    def wanted(self) -> Wanted:
        """What is read for it: as far around as the check looks."""
        reach = self.check.reach
        # What is about the present is judged over all times, and nothing is around that.
        span = TimeRange(self.within.start - reach, self.within.end + reach) if reach else self.within
        return Wanted(self.interval, span, self.strategy)


@dataclass(frozen=True, slots=True, kw_only=True)
class Verdict:
    """What a check found in a scope, how many rows it looked at, and why it could not look where it could not."""

    scope: Scope
    found: pl.DataFrame
    n_seen: int
    fault: str | None = None


def judge(
    reader: EvidenceReader, scopes: Sequence[Scope], *, within: TimeRange, others: Sequence[NamedCheck] = ()
) -> tuple[list[Verdict], pl.DataFrame]:
    """Return what each check finds in its scope, and all that is open since; keep it: all findings or none.

    A finding that was open and is found no more is closed; those outside of the scopes stay. Where the exchange does
    not answer nothing is said, and nothing closed.

    Args:
        reader: Reads what the checks look at.
        scopes: What is judged.
        within: Where open findings are looked for, also those of earlier looks.
        others: Checks without a scope here, whose open findings are looked for too.

    Returns:
        A verdict for each scope; and the open findings of the kinds that the checks write: ``interval, kind, severity,
        start_time, end_time, details``.
    """
    kinds = {check.rule.kind for check in (*others, *(scope.check for scope in scopes)) if check.rule.kind is not None}
    with reader.frames.transaction():
        reader.read_minutes([each.wanted.span for each in scopes if Source.MINUTES in each.check.rule.sources])
        verdicts = [_judge(reader, scope) for scope in scopes]
        everywhere = [within, *(scope.within for scope in scopes)]
        hull = TimeRange(min(span.start for span in everywhere), max(span.end for span in everywhere))
        known = _open_findings(reader, kinds, hull)
        # Nothing found and nothing to close is what nearly every run of every few minutes sees.
        if known.height or any(verdict.found.height for verdict in verdicts):
            _keep(reader.frames, reader.symbol, verdicts)
            known = _open_findings(reader, kinds, within)
    return verdicts, known


def find_gaps(frames: Frames, symbol: str, within: TimeRange) -> list[TimeRange]:
    """Return the missing minutes that touch a range, whole, also where they reach over its ends.

    Only what lies between stored minutes is a gap: before the first and after the last there is nothing to miss yet.
    Nor is there anything to miss in a minute that is known to be without trades.
    """
    times = accounted_minutes(frames, symbol, within)
    return [] if times.is_empty() else gaps_between(times)


def record_skips(
    frames: Frames, symbol: str, interval: Interval, strategy: str, *, skipped: pl.DataFrame, within: TimeRange
) -> None:
    """Open a finding for each candle that was skipped for missing minutes, close those that were decided on since.

    Args:
        frames: The database.
        symbol: Whose candles.
        interval: The candles' interval.
        strategy: Who skipped.
        skipped: ``time, close_time, minutes, expected_minutes``.
        within: The candles that were evaluated; findings elsewhere stay.
    """
    details = pl.struct(
        pl.lit(strategy).alias("strategy"), pl.lit("decision skipped").alias("effect"), "minutes", "expected_minutes"
    )
    found = skipped.select(
        pl.col("time").alias("start_time"),
        pl.col("close_time").alias("end_time"),
        details.struct.json_encode().alias("details"),
    )
    found, about = found.cast(_SKIP_SCHEMA), (symbol, interval.label, "gap")
    frames.run("resolve_findings", *about, strategy, within.start, within.end, incoming=found)
    if found.height:
        frames.run("insert_findings", *about, "warning", incoming=found)


def record_corrections(frames: Frames, stream: tuple[str, str, str], decisions: pl.DataFrame) -> None:
    """Open a finding for each live decision that its re-derivation contradicts, close those that hold again.

    To be called behind ``insert_decisions`` in its transaction.

    Args:
        frames: The database.
        stream: Symbol, interval label and strategy.
        decisions: With the ``time`` and ``close_time`` of the candles that were decided on.
    """
    candles = decisions.select("time", "close_time").unique(maintain_order=True)
    frames.run("resolve_corrections", *stream, incoming=candles)
    frames.run("insert_corrections", *stream, incoming=candles)


def _judge(reader: EvidenceReader, scope: Scope) -> Verdict:
    check, wanted = scope.check, scope.wanted
    try:
        frames = {source: reader.read(source, wanted) for source in check.rule.sources}
    except ExchangeError as error:
        return Verdict(scope=scope, found=pl.DataFrame(schema=FINDING_SCHEMA), n_seen=0, fault=str(error))
    evidence = Evidence(
        symbol=reader.symbol, interval=scope.interval, within=scope.within, now=reader.now, frames=frames
    )
    return Verdict(scope=scope, found=check.find(evidence), n_seen=_n_within(frames[check.rule.sources[0]], scope))


def _open_findings(reader: EvidenceReader, kinds: Collection[str], within: TimeRange) -> pl.DataFrame:
    return reader.frames.read("open_findings_in", reader.symbol, within.start, within.end, ",".join(sorted(kinds)))


def _n_within(frame: pl.DataFrame, scope: Scope) -> int:
    """Return how many rows of a frame lie in what is judged."""
    if "time" not in frame.columns:
        return frame.height
    return frame.select(pl.col("time").is_between(scope.within.start, scope.within.end, closed="left").sum()).item()


def _keep(frames: Frames, symbol: str, verdicts: Sequence[Verdict]) -> None:
    """Write what was found, and close what was not found again in what was judged."""
    kept = [verdict for verdict in verdicts if verdict.fault is None and verdict.scope.check.rule.kind is not None]
    if not kept:
        return
    judged = [(*_about(v.scope).values(), v.scope.within.start, v.scope.within.end) for v in kept]
    found = [
        verdict.found.with_columns(**{name: pl.lit(value) for name, value in _about(verdict.scope).items()})
        for verdict in kept
        if verdict.found.height
    ]
    incoming = pl.concat(found).select(_FOUND_SCHEMA.names()) if found else pl.DataFrame(schema=_FOUND_SCHEMA)
    looked_at = pl.DataFrame(judged, schema=_JUDGED_SCHEMA, orient="row")
    # Ranges beside each other may both find what lies between them.
    incoming = incoming.unique(maintain_order=True)
    frames.run("resolve_judged", symbol, judged=looked_at, incoming=incoming)
    if found:
        frames.run("insert_judged", symbol, incoming=incoming)


def _about(scope: Scope) -> Mapping[str, str]:
    """Return what tells the findings of a check from others."""
    return {
        "interval": scope.interval.label,
        "kind": scope.check.rule.kind or "",
        "word": scope.check.word_of(scope.strategy),
    }
