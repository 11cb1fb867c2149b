"""What is wrong now, as far as the database and the disks know: rows and figures become sightings.

Each question is about what is open or recent, and has an index: a look costs the same after ten years.
"""

from collections.abc import Iterable, Mapping, Sequence
from datetime import datetime, timedelta
from itertools import groupby
from pathlib import Path
from typing import Any

import asyncpg

from btc_core.alerts import AlertsConfig, by_severity, severity_of
from btc_core.config import Config
from btc_core.incidents import Incident, Sighting
from btc_core.model.timerange import MINUTE, format_time
from btc_store.connection import Connection
from btc_store.disks import disks_of
from btc_store.statements import statement

# Minutes that were missed longer ago are the past: nobody waits for them, and they hide no new gap.
RECENT = timedelta(days=2)
# So long the collector asks for a missing minute (`daily_check_hours`); then it is given up.
LONGEST = timedelta(hours=80)
_ABSENT = ("gap", "unrecoverable")
_CONTRADICTIONS = ("mismatch", "conflict", "parity", "ohlc_invalid")
_GIGABYTE = 1e9
# Dagster's own name for what a person launches without a job.
_JOBS: Mapping[str, str] = {"__ASSET_JOB": "assets that were launched by hand"}


async def see(connection: Connection, config: Config, known: Sequence[Incident], *, now: datetime) -> list[Sighting]:
    """Return what is wrong in the database.

    Args:
        connection: The database.
        config: The symbols, and the rules.
        known: Open incidents: a gap is followed as long as it is told.
        now: The present instant of the market.
    """
    newest = await connection.fetch(statement("alert_newest"), list(config.symbols))
    findings = await connection.fetch(statement("alert_findings"), now - RECENT, [*_ABSENT, *_CONTRADICTIONS, "stale"])
    told_since = {each.subject: each.started_at for each in known if each.kind == "gap"}
    seen = [each for row in newest if (each := _stale(row, config.alerts, now))]
    for row in newest:
        start = max(min(now - RECENT, told_since.get(row["symbol"], now)), now - LONGEST)
        gap = await connection.fetchrow(statement("alert_gaps"), row["symbol"], start, min(row["time"] + MINUTE, now))
        seen += [_gap(row["symbol"], dict(gap), config.alerts)] if gap and gap["n_ranges"] else []
    seen += _of_findings(findings, {row["symbol"] for row in newest}, config.alerts)
    return seen + await _failed_runs(connection, config.alerts, now)


async def lost_minutes(connection: Connection, incident: Incident) -> int:
    """Return how many minutes of a gap that is told no more are not there all the same."""
    last = incident.details.get("until")
    if incident.kind != "gap" or not isinstance(last, str):
        return 0
    symbol = incident.subject.partition(",")[0]
    end = datetime.fromisoformat(last)
    start = max(incident.started_at, end - LONGEST)
    return await connection.fetchval(statement("alert_lost"), symbol, start, end) or 0


def low_disks(folders: Iterable[Path], config: AlertsConfig, *, now: datetime) -> list[Sighting]:
    """Return the disks of some folders that have too little room; a folder that is not there is nobody's."""
    low = [disk for disk in disks_of(folders) if disk.free < config.disk_free]
    return [
        Sighting(
            kind="disk",
            subject=disk.folder,
            # Half of it: whoever has not acted by now is to be woken.
            severity=severity_of(config, "disk", "error" if disk.free < config.disk_free / 2 else "warning"),
            since=now,
            size=round(1 - disk.free, 3),
            details={
                "free_percent": round(100 * disk.free, 1),
                "free_gb": round(disk.free_bytes / _GIGABYTE, 1),
                "total_gb": round(disk.total_bytes / _GIGABYTE, 1),
            },
        )
        for disk in low
    ]


def _stale(row: asyncpg.Record, config: AlertsConfig, now: datetime) -> Sighting | None:
    """Return that a symbol's minutes have stopped. Who has only imported waits for no collector."""
    end = row["time"] + MINUTE
    if now - end <= timedelta(minutes=config.stale_minutes) or row["source"].startswith("import:"):
        return None
    return Sighting(
        kind="stale", subject=row["symbol"], severity=severity_of(config, "stale", "error"), since=end, details={}
    )


def _gap(subject: str, row: Mapping[str, Any], config: AlertsConfig, *, is_news: bool = True) -> Sighting:
    return Sighting(
        kind="gap",
        subject=subject,
        severity=severity_of(config, "gap", "error"),
        since=row["first"],
        size=row["minutes"],
        details={
            "n_ranges": row["n_ranges"],
            "last": format_time(row["last"]),
            "until": row["last"].isoformat(),
        },
        is_news=is_news,
    )


def _of_findings(rows: Sequence[asyncpg.Record], known: set[str], config: AlertsConfig) -> list[Sighting]:
    """Return what open findings tell; of symbols that have minutes, the minutes tell what is recent."""
    seen: list[Sighting] = []
    for symbol, found in groupby(rows, key=lambda row: row["symbol"]):
        each = list(found)
        for row in each:
            if row["kind"] in _ABSENT and row["last"] is not None and (row["is_past"] or symbol not in known):
                subject = f"{symbol}, past" if row["is_past"] else symbol
                gap = {**row, "n_ranges": row["n_findings"]}
                seen.append(_gap(subject, gap, config, is_news=row["is_news"]))
            elif row["kind"] == "stale" and symbol not in known:
                severity = severity_of(config, "stale", row["severity"])
                seen.append(Sighting(kind="stale", subject=symbol, severity=severity, since=row["first"]))
        if wrong := [row for row in each if row["kind"] in _CONTRADICTIONS]:
            seen.append(_reconciliation(symbol, wrong, config))
    return seen


def _reconciliation(symbol: str, rows: Sequence[asyncpg.Record], config: AlertsConfig) -> Sighting:
    counts: dict[str, int] = {}
    intervals: dict[str, set[str]] = {}
    for row in rows:
        counts[row["kind"]] = counts.get(row["kind"], 0) + row["n_findings"]
        intervals.setdefault(row["kind"], set()).update(row["intervals"].split(", "))
    return Sighting(
        kind="reconciliation",
        subject=symbol,
        severity=severity_of(config, "reconciliation", by_severity([row["severity"] for row in rows])),
        since=min(row["first"] for row in rows),
        size=sum(counts.values()),
        details={kind: f"{n} ({', '.join(sorted(intervals[kind]))})" for kind, n in counts.items()},
        is_news=any(row["is_news"] for row in rows),
    )


async def _failed_runs(connection: Connection, config: AlertsConfig, now: datetime) -> list[Sighting]:
    """Return the jobs whose runs fail; none where Dagster keeps its tables elsewhere, or has never run."""
    if not await connection.fetchval(statement("has_dagster")):
        return []
    return [
        Sighting(
            kind="run_failed",
            subject=_JOBS.get(row["job"], row["job"]) + (f" ({row['symbols']})" if row["symbols"] else ""),
            severity=severity_of(config, "run_failed", "warning"),
            since=now,
            size=row["n_failed"],
            details={"run_id": row["run_id"]},
        )
        for row in await connection.fetch(statement("alert_runs"))
    ]
