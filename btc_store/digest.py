"""The figures of a daily digest, as the database and the disks know them."""

from collections.abc import Iterable, Sequence
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

import asyncpg

from btc_core.digest import Account, Decided, Figures, Minutes, Wrong
from btc_core.model.interval import parse_interval
from btc_core.model.timerange import floor_minute
from btc_store.connection import Connection
from btc_store.disks import disks_of
from btc_store.statements import statement

_DAY = timedelta(days=1)
# No candle is longer than a month.
_LONGEST = timedelta(days=31)


async def read_figures(
    connection: Connection, symbols: Sequence[str], folders: Iterable[Path], *, now: datetime
) -> Figures:
    """Return what a digest tells of the last 24 hours.

    Args:
        connection: The database.
        symbols: The configured ones.
        folders: Whose disks are told of.
        now: The present instant of the market.
    """
    # The newest minute may not be there yet.
    end = floor_minute(now) - timedelta(minutes=1)
    minutes = await connection.fetch(statement("digest_minutes"), list(symbols), end - _DAY, end)
    findings: dict[str, int] = {}
    for row in await connection.fetch(statement("open_findings")):
        if row["severity"] != "info":
            findings[row["kind"]] = findings.get(row["kind"], 0) + row["n_findings"]
    return Figures(
        minutes=[Minutes(**row) for row in minutes],
        decided=_decided(await _rows(connection, "digest_decisions", now - _DAY, now - _DAY - _LONGEST), now - _DAY),
        wrong=[Wrong(**row) for row in await _rows(connection, "digest_incidents", now - _DAY)],
        findings=sorted(findings.items()),
        accounts=[Account(**row) for row in await _rows(connection, "digest_accounts")],
        disks=disks_of(folders),
    )


def _decided(rows: Iterable[asyncpg.Record], since: datetime) -> list[Decided]:
    """Return the decisions on candles that closed since an instant, counted: the derived past is no news."""
    decided: dict[tuple[str, str, str], Decided] = {}
    for strategy, symbol, interval, time, signal in rows:
        if parse_interval(interval).close_of(time) > since:
            key = strategy, symbol, interval
            n_before = decided[key].n_decisions if key in decided else 0
            decided[key] = Decided(strategy, symbol, interval, n_before + 1, signal)
    return list(decided.values())


async def _rows(connection: Connection, name: str, *values: object) -> list[Any]:
    return await connection.fetch(statement(name), *values)
