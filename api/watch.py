"""What an operator watches, read from the database: how new everything is, what is open, what failed.

The API answers for the whole pipeline, because it runs wherever something is to be watched, and because the live lane
and Dagster listen on no port. ``docs/monitoring.md`` lists the figures; bounded statements, ten seconds of memory.
"""

import asyncio
import time
from collections.abc import Iterator, Mapping
from contextlib import suppress
from datetime import datetime
from typing import Any

from prometheus_client.metrics_core import GaugeMetricFamily, Metric
from prometheus_client.registry import Collector

from api.database import Database
from api.disk import folder_of, room_of
from btc_core.errors import DatabaseError
from btc_core.model.interval import ONE_MINUTE, parse_interval
from btc_store.settings import Settings
from btc_store.statements import statement

# Two that look at the same time, or every second, ask the database once.
MEMORY_SECONDS = 10.0
# A network disk may hang.
DISK_SECONDS = 2.0
_STREAM = ("symbol", "interval")
_ACCOUNT = ("strategy", "symbol", "interval")
# What each figure is, and its labels.
FIGURES: Mapping[str, tuple[str, tuple[str, ...]]] = {
    "btc_database_up": ("1 where the database answers.", ()),
    "btc_database_bytes": ("Size of the whole database.", ()),
    "btc_candle_age_seconds": ("Market seconds since the close of the newest candle.", _STREAM),
    "btc_candle_overdue_seconds": ("Market seconds since the next candle closed; 0 before that.", _STREAM),
    "btc_minutes_last_day": ("Minutes of the last day by state.", ("symbol", "state")),
    "btc_decision_age_seconds": ("Market seconds since the close of the newest candle decided on.", _ACCOUNT),
    "btc_decision_overdue_seconds": ("Market seconds since the next candle to decide on closed.", _ACCOUNT),
    "btc_decision_lag_seconds": ("Market seconds from a candle's close to the newest decision.", _ACCOUNT),
    "btc_findings_open": ("Open findings.", ("kind", "severity")),
    "btc_backtests": ("Backtests by status.", ("status",)),
    "btc_live_age_seconds": ("Seconds since the live lane last looked.", ()),
    "btc_outbox_rows": ("What the live lane has reported and is not pruned.", ()),
    "btc_paper_equity": ("Worth of a paper account, quote currency.", _ACCOUNT),
    "btc_paper_drawdown": ("Below the highest worth of a paper account, as a fraction.", _ACCOUNT),
    "btc_paper_exposure": ("Position of a paper account / its worth, signed.", _ACCOUNT),
    "btc_dagster_daemon_age_seconds": ("Seconds since Dagster's daemon was last heard of.", ()),
    "btc_dagster_failed_runs_last_day": ("Runs of Dagster that failed in the last day.", ()),
    "btc_dagster_waiting_runs": ("Runs that Dagster has not started yet.", ()),
    "btc_lake_disk_bytes": ("Size of the disk that the lake is on.", ()),
    "btc_lake_disk_free_bytes": ("What is free of it for us.", ()),
}


class Page(Collector):
    """Values by figure, each with its labels; what is not known is not shown."""

    def __init__(self) -> None:
        self._values: dict[str, list[tuple[tuple[str, ...], float]]] = {}

    def add(self, name: str, labels: tuple[str, ...], value: float | None) -> None:
        """Add a value."""
        if value is not None:
            self._values.setdefault(name, []).append((labels, value))

    def add_ages(self, name: str, labels: tuple[str, ...], row: Mapping[str, Any], *, now: datetime) -> None:
        """Add how long ago a candle closed, and how long ago the one after it did."""
        interval = parse_interval(row["interval"])
        close = interval.close_of(row["time"])
        self.add(f"{name}_age_seconds", labels, (now - close).total_seconds())
        self.add(f"{name}_overdue_seconds", labels, max(0.0, (now - interval.close_of(close)).total_seconds()))

    def collect(self) -> Iterator[Metric]:
        """Return each figure with its values."""
        for name, values in self._values.items():
            text, labels = FIGURES[name]
            family = GaugeMetricFamily(name, text, labels=labels)
            for each, value in values:
                family.add_metric(each, value)
            yield family


class Watch:
    """The pipeline's figures for Prometheus."""

    def __init__(self, database: Database, settings: Settings) -> None:
        self._database = database
        self._settings = settings
        self._turn = asyncio.Lock()
        self._page = Page()
        self._asked_at = float("-inf")

    async def page(self) -> Page:
        """Return the figures, at most ten seconds old. Where the database is away, that is all it says of it."""
        async with self._turn:
            if time.monotonic() - self._asked_at >= MEMORY_SECONDS:
                self._page = await self._ask()
                self._asked_at = time.monotonic()
        return self._page

    async def _ask(self) -> Page:
        config, now = self._settings.config, self._settings.now()
        symbols = list(config.symbols)
        pairs = [(name, label) for name, entry in config.strategies.items() for label in entry.intervals]
        page = Page()
        await self._look_at_disk(page)
        try:
            async with self._database.acquire() as connection:
                candles = await connection.fetch(
                    statement("figures_candles"), symbols, [ONE_MINUTE.label, *config.intervals]
                )
                decisions = await connection.fetch(
                    statement("figures_decisions"), symbols, [p[0] for p in pairs], [p[1] for p in pairs]
                )
                minutes = await connection.fetch(statement("figures_minutes"), symbols, now)
                counts = await connection.fetch(statement("figures_counts"))
        except DatabaseError:
            page.add("btc_database_up", (), 0)
            return page
        page.add("btc_database_up", (), 1)
        for row in candles:
            page.add_ages("btc_candle", (row["symbol"], row["interval"]), row, now=now)
        for row in decisions:
            labels = (row["strategy"], row["symbol"], row["interval"])
            page.add_ages("btc_decision", labels, row, now=now)
            close = parse_interval(row["interval"]).close_of(row["time"])
            page.add("btc_decision_lag_seconds", labels, (row["decided_at"] - close).total_seconds())
        for row in minutes:
            page.add("btc_minutes_last_day", (row["symbol"], row["state"]), row["n_minutes"])
        for row in counts:
            page.add(row["name"], tuple(row["labels"]), row["value"])
        await self._ask_of_dagster(page)
        return page

    async def _look_at_disk(self, page: Page) -> None:
        """Add the room on the disk of the lake; nothing of an object store, or of a disk that does not answer."""
        folder = folder_of(self._settings.lake)
        if folder is None:
            return
        with suppress(OSError, TimeoutError):
            total, free = await asyncio.wait_for(asyncio.to_thread(room_of, folder), DISK_SECONDS)
            page.add("btc_lake_disk_bytes", (), total)
            page.add("btc_lake_disk_free_bytes", (), free)

    async def _ask_of_dagster(self, page: Page) -> None:
        """Add what may be known of Dagster; where it has never run, or the reader may not ask, nothing."""
        try:
            row = await self._database.fetchrow("figures_dagster")
        except DatabaseError:
            return
        if row is not None:
            page.add("btc_dagster_daemon_age_seconds", (), row["daemon_age_seconds"])
            page.add("btc_dagster_failed_runs_last_day", (), row["n_failed_day"])
            page.add("btc_dagster_waiting_runs", (), row["n_waiting"])
