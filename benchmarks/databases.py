"""Databases of a benchmark's server: new ones, and years of minutes in them as if they had always been there."""

import io
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import timedelta
from urllib.parse import urlsplit

import polars as pl
import psycopg2
import psycopg2.extensions

from benchmarks.market import SYMBOL, YEAR, minutes
from benchmarks.processes import program, run
from btc_core.model.timerange import TimeRange
from btc_store.frames import open_frames
from btc_store.schema import upgrade

# Written when it happened: nothing of this is news to a sensor.
_COPY = (
    "COPY candles (time, open, high, low, close, volume, trades, symbol, interval, minutes, source, state, ingested_at)"
)


def another_database(url: str, name: str) -> str:
    """Create a migrated database on the same server; return its address."""
    with connection(url) as opened, opened.cursor() as cursor:
        cursor.execute(f"CREATE DATABASE {name}")
    another = urlsplit(url)._replace(path=f"/{name}").geturl()
    upgrade(another)
    return another


@contextmanager
def connection(url: str) -> Iterator[psycopg2.extensions.connection]:
    """Open a connection that commits every statement, for the time of a ``with`` block."""
    opened = psycopg2.connect(url)
    opened.autocommit = True
    try:
        yield opened
    finally:
        opened.close()


def store_settled(url: str, year: pl.DataFrame, span: TimeRange) -> None:
    """Store the minutes of a range: those of a year, one time after the other. All were written when they happened."""
    length = YEAR.end - YEAR.start
    with connection(url) as opened:
        for n in range((span.start - YEAR.start) // length, (span.end - YEAR.start) // length + 1):
            shifted = year.with_columns(pl.col("time") + n * length)
            _copy(opened, shifted.filter(pl.col("time").is_between(span.start, span.end, closed="left")))


def store_arrived(url: str, span: TimeRange) -> None:
    """Store the minutes of a range as the collector does, now."""
    frame = minutes(span).with_columns(symbol=pl.lit(SYMBOL), source=pl.lit("ws"), state=pl.lit("provisional"))
    with open_frames(url) as frames, frames.transaction():
        frames.put("incoming", frame)
        frames.run("upsert_minutes")


def derive_settled(url: str, span: TimeRange) -> None:
    """Derive a range as a user does; then let the planner know what is there, as autovacuum will have done."""
    told = ("--symbol", SYMBOL, "--start", span.start.isoformat(), "--end", span.end.isoformat())
    run(program("python"), "-m", "btc_assets.cli", "derive", *told, env={"DATABASE_URL": url})
    with connection(url) as opened, opened.cursor() as cursor:
        cursor.execute("VACUUM (ANALYZE)")


def _copy(opened: psycopg2.extensions.connection, frame: pl.DataFrame) -> None:
    rows = frame.select(
        *("time", "open", "high", "low", "close", "volume", "trades"),
        symbol=pl.lit(SYMBOL),
        interval=pl.lit("1m"),
        minutes=pl.lit(1),
        source=pl.lit("import:bench"),
        state=pl.lit("confirmed"),
        ingested_at=pl.col("time") + timedelta(minutes=1),
    )
    with opened.cursor() as cursor:
        cursor.copy_expert(
            f"{_COPY} FROM STDIN (FORMAT csv)", io.BytesIO(rows.write_csv(include_header=False).encode())
        )
