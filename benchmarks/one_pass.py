"""Law 5 as a question to two databases: do the tables say what one pass over the same minutes says?

Trials and tests put their minutes into a database in whatever pieces they like; ``one_pass`` derives the same minutes
at once in another one, without lanes, runs or partitions, and ``differences_between`` holds the two side by side.
"""

from collections.abc import Mapping
from datetime import datetime

import polars as pl

from btc_core.check import Turn, load_checks
from btc_core.config import Config
from btc_core.model.timerange import MINUTE, TimeRange
from btc_store.derive import Provenance, derive_candles, derive_decisions, derive_indicators
from btc_store.evidence import EvidenceReader
from btc_store.frames import Frames, Value, open_frames
from btc_store.quality import Scope, judge
from live.plan import Plan, plan_of

# What the pipeline says in the end, without when and by whom it was said; of decisions the newest word.
OUTCOME = {
    "candles": """SELECT interval, time, open, high, low, close, volume, trades, minutes
FROM candles WHERE symbol = $1 AND interval <> '1m' ORDER BY interval, time""",
    "indicators": """SELECT interval, indicator_name, time, value, parameters::text
FROM indicators WHERE symbol = $1 ORDER BY interval, indicator_name, time""",
    "decisions": """SELECT interval, strategy, time, seq, signal, confidence, exposure, price, indicator_snapshot::text,
       parameters::text
FROM (SELECT *, max(revision) OVER (PARTITION BY interval, strategy, time) AS newest FROM decisions
      WHERE symbol = $1 AND backtest_id IS NULL) AS said
WHERE revision = newest ORDER BY interval, strategy, time, seq""",
    "findings": """SELECT interval, kind, start_time, end_time, details::text FROM data_quality
WHERE symbol = $1 AND resolved_at IS NULL AND details -> 'reconciliation' IS NULL
ORDER BY interval, kind, start_time, details ->> 'strategy'""",
}
# Findings that derivation and the checks of every run make. The daily checks ask the exchange. The others speak of how
# the minutes came (the collector's), of the present, or of what was said live before a correction: one pass has no such
# past.
DERIVED_KINDS = ("gap", "mismatch", "ohlc_invalid")
_MINUTES = """SELECT symbol, time, open, high, low, close, volume, trades, minutes, source, state FROM candles
WHERE symbol = $1 AND interval = '1m' ORDER BY time"""
# What the collector knows of minutes that are not there.
_ABSENT = """SELECT symbol, interval, kind, severity, start_time, end_time, details::text AS details FROM data_quality
WHERE symbol = $1 AND resolved_at IS NULL AND kind IN ('no_trade', 'unrecoverable')"""
_KEEP_ABSENT = """WITH kept AS (
  INSERT INTO data_quality (symbol, interval, kind, severity, start_time, end_time, details)
  SELECT symbol, interval, kind, severity, start_time, end_time, details::jsonb FROM pg_temp.incoming RETURNING 1)
SELECT count(*) FROM kept"""


def one_pass(url: str, into: str, *, config: Config, now: datetime) -> None:
    """Copy the minutes of a database, and what is known of absent ones, into a fresh one; derive all of it at once.

    Args:
        url: The database that was filled in pieces; it is only read.
        into: A migrated database without rows.
        config: What is derived.
        now: The present instant of the market, as at the end of the trial.
    """
    plan = plan_of(config)
    with open_frames(url) as source, open_frames(into) as frames:
        for symbol in config.symbols:
            minutes = query(source, _MINUTES, symbol)
            if not minutes.height:
                continue
            with frames.transaction():
                frames.put("incoming", minutes)
                frames.run("upsert_minutes")
                frames.put("incoming", query(source, _ABSENT, symbol))
                query(frames, _KEEP_ABSENT)
            # Before the first partition nothing is derived.
            known = TimeRange(minutes["time"][0], minutes["time"][-1] + MINUTE).clip(plan.history)
            if known:
                derive_all(frames, plan, symbol, known, now=now)
                check_all(frames, config, symbol, known, now=now)


def derive_all(frames: Frames, plan: Plan, symbol: str, minutes: TimeRange, *, now: datetime) -> None:
    """Derive every candle that holds one of the minutes and is closed, and all that hangs on it."""
    covers = {interval: interval.cover(minutes) for interval in plan.intervals}
    ends = {interval: min(cover.end, interval.floor(now)) for interval, cover in covers.items()}
    spans = {i: [TimeRange(cover.start, ends[i])] for i, cover in covers.items() if cover.start < ends[i]}
    derive_candles(frames, symbol, spans)
    by = Provenance(run_id="one pass", now=now)
    for interval, each in spans.items():
        if interval in plan.indicators:
            derive_indicators(frames, symbol, interval, each, plan.indicators[interval])
        for strategy in plan.strategies.get(interval, ()):
            derive_decisions(frames, symbol, interval, each, strategy, rule=plan.rule, by=by)


def check_all(frames: Frames, config: Config, symbol: str, minutes: TimeRange, *, now: datetime) -> None:
    """Make the checks of every run once, over everything."""
    # It brings Dagster along, and most of those who hold tables side by side need none.
    from btc_assets.quality import place_checks

    placed = place_checks(config, load_checks(config.quality)).values()
    scopes = [
        Scope(each.check, interval, interval.cover(minutes), each.strategy)
        for each in placed
        if each.check.rule.turn == Turn.EVERY_RUN
        for interval in each.intervals
    ]
    judge(EvidenceReader(frames=frames, symbol=symbol, now=now), scopes, within=minutes)


def differences_between(url: str, other: str, symbol: str) -> dict[str, str]:
    """Return where the tables of two databases differ, by table; empty when they say the same of a symbol."""
    with open_frames(url) as left, open_frames(other) as right:
        return differences(derived_outcome(left, symbol), derived_outcome(right, symbol))


def derived_outcome(frames: Frames, symbol: str) -> dict[str, pl.DataFrame]:
    """Return the outcome with the findings of derivation alone."""
    told = outcome(frames, symbol)
    return {**told, "findings": told["findings"].filter(pl.col("kind").is_in(DERIVED_KINDS))}


def outcome(frames: Frames, symbol: str) -> dict[str, pl.DataFrame]:
    """Return candles, indicators, newest decisions and open findings of a symbol."""
    return {name: query(frames, sql, symbol) for name, sql in OUTCOME.items()}


def differences(left: Mapping[str, pl.DataFrame], right: Mapping[str, pl.DataFrame]) -> dict[str, str]:
    """Return where two outcomes differ, by table, floats bit for bit; empty when they are equal."""
    found = {}
    for name, frame in left.items():
        if not frame.equals(right[name]):
            ours, theirs = set(frame.rows()), set(right[name].rows())
            found[name] = (
                f"{len(ours - theirs)} only left {sorted(map(str, ours - theirs))[:4]}, "
                f"{len(theirs - ours)} only right {sorted(map(str, theirs - ours))[:4]}"
            )
    return found


def query(frames: Frames, sql: str, *values: Value) -> pl.DataFrame:
    """Return what a statement of a trial answers: such statements are no files of btc_store."""
    with frames._connection.cursor() as cursor:
        cursor.execute(sql, values or None)
        return cursor.fetch_polars()
