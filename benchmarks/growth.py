"""How fast the database grows: rows and bytes a day of our tables and of Dagster's, at the configuration as it is.

The whole house runs on a fast clock. What the market causes is counted over some market hours and scaled to 24:
minutes, derived rows, and the lane's reports with the events that Dagster makes of them. Bytes are what the tables and
their indexes grew by, after ``VACUUM``; tables whose rows are only written over do not count. Dagster's ticks follow
real time and are scaled by it: ``dagster.yaml`` keeps those that skip for a day, so a day of them is what stands there.
"""

import time
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

from psycopg2.sql import SQL, Identifier

from benchmarks.databases import connection
from benchmarks.figure import Figure
from benchmarks.stage import open_stage
from btc_core.model.clock import ClockScale

START = datetime(2025, 3, 4, tzinfo=UTC)
# The first hours are the exchange's history, and everybody's start.
SETTLE_HOURS, MEASURED_HOURS = 4, 12
RATE = 120.0
DAY_HOURS = 24
# So many tables are told, the fastest first.
N_TOLD = 6
# Dagster writes them by real time.
TICKS = "dagster.job_ticks"
# On a prototype a run of 30 events left 50 KB; 480 candles of 3m close in a day.
PEER_RUNS_MB = 24.0

_TABLES = """
SELECT schema.nspname, class.relname, pg_total_relation_size(class.oid) + coalesce(
         (SELECT sum(pg_total_relation_size(inhrelid)) FROM pg_inherits WHERE inhparent = class.oid), 0)::bigint
FROM pg_class AS class JOIN pg_namespace AS schema ON schema.oid = class.relnamespace
WHERE schema.nspname IN ('public', 'dagster') AND class.relkind = 'r'"""


@dataclass(frozen=True)
class Size:
    """A table at a moment."""

    n_rows: int
    n_bytes: int


def measure(url: str, folder: Path) -> Iterator[Figure]:
    """Measure on an empty database."""
    clock = ClockScale(START.timestamp(), time.time() + 10, RATE)
    with open_stage(folder / "growth", url, clock) as stage:
        stage.start_market()
        stage.start("live")
        stage.start_dagster()
        begun = clock.real + 3600 * SETTLE_HOURS / RATE
        ended = begun + 3600 * MEASURED_HOURS / RATE
        stage.wait("the hours that are not counted", lambda: time.time() >= begun, seconds=ended)
        before = sizes(url)
        stage.wait("the hours that are counted", lambda: time.time() >= ended, seconds=ended)
        after = sizes(url)
    real_hours = (ended - begun) / 3600
    grown = {name: _a_day(before.get(name), size, name, real_hours) for name, size in after.items()}
    yield from _figures({name: size for name, size in grown.items() if size.n_rows > 0})


def _figures(grown: Mapping[str, Size]) -> Iterator[Figure]:
    for what, schema in (("ours", "public."), ("dagster", "dagster.")):
        each = {name: size for name, size in grown.items() if name.startswith(schema) and name != TICKS}
        largest = dict(sorted(each.items(), key=lambda item: -item[1].n_bytes)[:N_TOLD])
        yield Figure(
            name=f"growth_{what}_a_day",
            value=round(sum(size.n_bytes for size in each.values()) / 1e6, 2),
            unit=f"MB a day, from {MEASURED_HOURS} market hours at {RATE:.0f}x: 1 symbol, live lane",
            beside={
                "rows": sum(size.n_rows for size in each.values()),
                "by_table": {name: [size.n_rows, round(size.n_bytes / 1e6, 3)] for name, size in largest.items()},
                **({"peer": "a run for every 3m candle", "peer_mb": PEER_RUNS_MB} if what == "dagster" else {}),
            },
        )
    ticks = grown.get(TICKS, Size(0, 0))
    yield Figure(
        name="ticks_that_stand",
        value=round(ticks.n_bytes / 1e6, 1),
        unit="MB of a day's ticks of Dagster's sensors; older ones are purged",
        beside={"rows": ticks.n_rows},
    )


def sizes(url: str) -> Mapping[str, Size]:
    """Return rows and bytes of every table of ours and of Dagster's, a hypertable with its chunks."""
    with connection(url) as opened, opened.cursor() as cursor:
        cursor.execute("VACUUM")
        cursor.execute(_TABLES)
        found: dict[str, Size] = {}
        for schema, table, n_bytes in cursor.fetchall():
            cursor.execute(SQL("SELECT count(*) FROM {}").format(Identifier(schema, table)))
            (n_rows,) = cursor.fetchone() or (0,)
            found[f"{schema}.{table}"] = Size(n_rows, n_bytes)
        return found


def _a_day(before: Size | None, after: Size, name: str, real_hours: float) -> Size:
    """Return what is added in a day."""
    before = before or Size(0, 0)
    scale = DAY_HOURS / (real_hours if name == TICKS else MEASURED_HOURS)
    return Size(round(scale * (after.n_rows - before.n_rows)), round(scale * (after.n_bytes - before.n_bytes)))
