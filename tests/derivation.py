"""What the tests of derivation share: made-up minutes, a way into the table, and what the tables say in the end."""

import random
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta

import polars as pl

from benchmarks.one_pass import query
from btc_core.decide import Completeness
from btc_core.indicator import NamedIndicator
from btc_core.model.interval import Interval, parse_interval
from btc_core.model.timerange import MINUTE, TimeRange
from btc_core.resample import CANDLE_SCHEMA
from btc_core.strategy import load_strategy
from btc_store.derive import Provenance, derive_candles, derive_decisions, derive_indicators
from btc_store.frames import Frames

RULE = Completeness(min_completeness=0.95, wait=timedelta(minutes=10))
# Longer ago than any waiting: to this clock all of the tests' data are history.
LATER = datetime(2030, 1, 1, tzinfo=UTC)
NO_MINUTES = pl.Series("time", dtype=pl.Datetime("us", "UTC"))


def minute(n: int, start: datetime, *, price: float = 100.0, volume: float = 1.0) -> dict[str, object]:
    """Return the n-th minute after ``start`` as a row: flat at a price."""
    return {"time": start + n * MINUTE, "open": price, "high": price, "low": price, "close": price} | {
        "volume": volume,
        "trades": 1 if volume else 0,
        "minutes": 1,
    }


def minutes_frame(rows: Sequence[Mapping[str, object]]) -> pl.DataFrame:
    """Return rows as a frame of 1m candles, ascending."""
    return pl.DataFrame(rows, schema=CANDLE_SCHEMA, orient="row").sort("time")


def candles_of_closes(closes: Sequence[float], interval: Interval, start: datetime) -> pl.DataFrame:
    """Return complete candles with the given closes, one after the other from ``start``."""
    rows = [
        minute(0, interval_start, price=close) | {"minutes": interval.n_minutes(interval_start)}
        for interval_start, close in zip(_opens(interval, start, len(closes)), closes, strict=True)
    ]
    return minutes_frame(rows)


def _opens(interval: Interval, start: datetime, n: int) -> list[datetime]:
    opens = [interval.floor(start)]
    while len(opens) < n:
        opens.append(interval.close_of(opens[-1]))
    return opens[:n]


def made_minutes(within: TimeRange, chance: random.Random, *, n_gaps: int, longest_gap: int = 400) -> pl.DataFrame:
    """Return minutes whose price moves by whole steps, and seldom: means equal closes often; with gaps and silence."""
    price, rows = 100, []
    for n in range(within.n_minutes):
        if chance.random() < 1 / 50:
            price = max(95, min(105, price + chance.choice([-1, 1])))
        silent = chance.random() < 0.1
        row = minute(n, within.start, price=float(price), volume=0.0 if silent else chance.random())
        rows.append(row | {"high": price + chance.random(), "low": price - chance.random()})
    for _ in range(n_gaps):
        first = chance.randrange(len(rows))
        del rows[first : first + chance.choice([1, 1, 2, 3, chance.randrange(1, longest_gap)])]
    return minutes_frame(rows)


def shared_minutes(frame: pl.DataFrame) -> pl.DataFrame:
    """Return a recorded candle file as 1m candles."""
    return frame.with_columns(minutes=1).select(CANDLE_SCHEMA.names()).cast(CANDLE_SCHEMA)


def store_minutes(frames: Frames, symbol: str, minutes: pl.DataFrame, *, source: str = "import:test") -> int:
    """Write 1m candles in a transaction, as an import does; returns how many were new or different."""
    with frames.transaction():
        return put_minutes(frames, symbol, minutes, source=source)


def put_minutes(frames: Frames, symbol: str, minutes: pl.DataFrame, *, source: str = "import:test") -> int:
    """Write 1m candles in the transaction that is open."""
    incoming = minutes.with_columns(symbol=pl.lit(symbol), source=pl.lit(source), state=pl.lit("confirmed"))
    frames.put("incoming", incoming)
    return frames.run("upsert_minutes")


def heal_minutes(frames: Frames, symbol: str, minutes: pl.DataFrame) -> None:
    """Write 1m candles as the collector does: what findings say of them is over."""
    with frames.transaction():
        put_minutes(frames, symbol, minutes)
        frames.read("heal_minutes", symbol, minutes["time"][0], minutes["time"][-1] + MINUTE)


def note_no_trade(frames: Frames, symbol: str, ranges: Sequence[TimeRange]) -> None:
    """Say of minutes that nobody traded in them."""
    insert = (
        "WITH said AS (INSERT INTO data_quality (symbol, interval, kind, severity, start_time, end_time)"
        " VALUES ($1, '1m', 'no_trade', 'info', $2, $3) RETURNING 1) SELECT count(*) FROM said"
    )
    with frames.transaction():
        for each in ranges:
            query(frames, insert, symbol, each.start, each.end)


def copy_no_trade(frames: Frames, symbol: str, to: str) -> None:
    """Say of another symbol's minutes what is known of these."""
    known = (
        "SELECT start_time, end_time FROM data_quality"
        " WHERE symbol = $1 AND kind = 'no_trade' AND resolved_at IS NULL ORDER BY start_time"
    )
    note_no_trade(frames, to, [TimeRange(*row) for row in query(frames, known, symbol).rows()])


@dataclass(frozen=True)
class Pipeline:
    """A small house: what is derived, and a run of it."""

    intervals: Sequence[Interval] = field(
        default_factory=lambda: [parse_interval(label) for label in ("5m", "37m", "148m", "1w", "1M")]
    )
    # Interval label → periods of the moving averages, as indicators and as strategies.
    periods: Mapping[str, Sequence[int]] = field(default_factory=lambda: {"5m": [20], "37m": [3], "148m": [2, 9]})

    def derive(
        self, frames: Frames, symbol: str, spans: Mapping[Interval, Sequence[TimeRange]], *, now: datetime
    ) -> int:
        """Do what the assets do with spans of candles: candles, indicators, decisions; count changes."""
        changed = sum(each.n_written for each in derive_candles(frames, symbol, spans).values())
        for interval, each in spans.items():
            changed += self.derive_opinions(frames, symbol, interval, each, now=now)
        return changed

    def derive_opinions(
        self, frames: Frames, symbol: str, interval: Interval, spans: Sequence[TimeRange], *, now: datetime
    ) -> int:
        """Derive the indicators and decisions of one interval."""
        periods = self.periods.get(interval.label, ())
        if not periods:
            return 0
        indicators = [NamedIndicator(f"ma{period}", "sma", {"period": period}) for period in periods]
        changed = derive_indicators(frames, symbol, interval, spans, indicators).n_written
        for period in periods:
            strategy = load_strategy("ma", {"period": period})
            named = type(strategy)(f"ma{period}", strategy.rule, strategy.parameters)
            by = Provenance(run_id="test", now=now)
            changed += derive_decisions(frames, symbol, interval, spans, named, rule=RULE, by=by).n_written
        return changed

    def derive_minutes(self, frames: Frames, symbol: str, touched: Sequence[TimeRange], *, now: datetime) -> int:
        """Derive what hangs on the given minutes: all of their candles that are closed, in one go."""
        return self.derive(
            frames,
            symbol,
            {i: spans for i in self.intervals if (spans := closed_spans(i, touched, now=now))},
            now=now,
        )


def closed_spans(interval: Interval, touched: Sequence[TimeRange], *, now: datetime) -> list[TimeRange]:
    """Return the candles that hold the minutes and are closed by now."""
    covers = [interval.cover(minutes) for minutes in touched]
    ends = [(cover.start, min(cover.end, interval.floor(now))) for cover in covers]
    return [TimeRange(start, end) for start, end in ends if start < end]


# Everything a repeated run must not touch.
WRITTEN = {
    "candles": "SELECT * FROM candles WHERE symbol = $1 ORDER BY interval, time",
    "indicators": "SELECT * FROM indicators WHERE symbol = $1 ORDER BY interval, indicator_name, time",
    "decisions": "SELECT * FROM decisions WHERE symbol = $1 ORDER BY interval, strategy, time, revision, seq",
    "data_quality": "SELECT * FROM data_quality WHERE symbol = $1 ORDER BY id",
}


def written(frames: Frames, symbol: str) -> dict[str, pl.DataFrame]:
    """Return every row of a symbol with revision and date."""
    return {name: query(frames, sql, symbol) for name, sql in WRITTEN.items()}
