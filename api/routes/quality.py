"""Endpoints about the data themselves: findings, whole days, ranges without minutes."""

from datetime import date, datetime, timedelta
from typing import Annotated, Any, Literal

from fastapi import APIRouter, Query, Request, Response
from pydantic import BaseModel

from api.query import FOREVER, Asked, Cursor, Limit, SomeInterval, Symbol, Within, bad_cursor, page
from btc_core.errors import TimeError
from btc_core.model.timerange import EPOCH

router = APIRouter(prefix="/api/v1/quality", tags=["quality"])

Kind = Literal[
    "gap",
    "no_trade",
    "ohlc_invalid",
    "quarantined",
    "conflict",
    "correction",
    "outlier",
    "stale",
    "mismatch",
    "parity",
    "unrecoverable",
]
DEFAULT_DAYS, MOST_DAYS = 366, 1_100
MAX_GAPS = 5_000


class Finding(BaseModel):
    """What a check found; resolved when it holds no more."""

    id: int
    detected_at: datetime
    symbol: str
    interval: str
    kind: Kind
    severity: Literal["info", "warning", "error"]
    start_time: datetime | None
    end_time: datetime | None
    details: dict[str, Any]
    resolved_at: datetime | None


class FindingPage(BaseModel):
    """Findings by their number."""

    items: list[Finding]
    next: str | None


class Day(BaseModel):
    """How whole a UTC day is. ``expected`` = stored + missing + no_trade + unrecoverable."""

    day: date
    expected: int
    stored: int
    provisional: int
    no_trade: int
    unrecoverable: int
    missing: int


class Days(BaseModel):
    """Days, ascending."""

    items: list[Day]
    next: None


class Gap(BaseModel):
    """Minutes that are not stored."""

    start_time: datetime
    end_time: datetime
    minutes: int
    state: Literal["missing", "no_trade", "unrecoverable"]


class Gaps(BaseModel):
    """Ranges, the newest first."""

    items: list[Gap]
    next: None


@router.get("", response_model=FindingPage)
async def list_findings(
    request: Request,
    symbol: Symbol,
    interval: SomeInterval,
    asked: Asked,
    *,
    kind: Annotated[list[Kind] | None, Query(description="Repeatable; default: all")] = None,
    open: Annotated[bool | None, Query(description="true: those that still hold; false: resolved ones")] = None,
    limit: Limit = 500,
    cursor: Cursor = None,
) -> Response:
    """Return findings that overlap [start, end)."""
    if cursor is not None and not (cursor.isascii() and cursor.isdigit() and len(cursor) < 19):
        raise bad_cursor(cursor)
    row = await request.app.state.database.fetchrow(
        "api_quality",
        *(symbol, interval and interval.label, kind, open, asked.start, asked.end),
        *(None if cursor is None else int(cursor), limit),
    )
    return page(row["items"], str(row["last"]) if row["n"] == limit else None)


@router.get("/days", response_model=Days)
async def list_days(request: Request, symbol: Symbol, asked: Asked) -> Response:
    """Return how whole each day is, from the first stored minute to now; by default of the last year."""
    now = request.app.state.settings.now().replace(second=0, microsecond=0)
    within = _bounded(asked, now)
    row = await request.app.state.database.shared("api_quality_days", symbol, within.start, within.end, now)
    return page(row["items"], None)


@router.get("/gaps", response_model=Gaps)
async def list_gaps(request: Request, symbol: Symbol, asked: Asked) -> Response:
    """Return the ranges without a stored minute, and whether it is known why; by default of the last year."""
    now = request.app.state.settings.now().replace(second=0, microsecond=0)
    within = _bounded(asked, now)
    row = await request.app.state.database.shared("api_quality_gaps", symbol, within.start, within.end, MAX_GAPS, now)
    return page(row["items"], None)


def _bounded(asked: Within, now: datetime) -> Within:
    """Return a range that can be counted within the time that a statement has.

    Raises:
        TimeError: If a longer one was asked for.
    """
    # Whatever comes later than tomorrow has not been expected yet.
    end = max(now + timedelta(days=1), asked.start) if asked.end == FOREVER else asked.end
    start = end - timedelta(days=DEFAULT_DAYS) if asked.start == EPOCH else asked.start
    if end - start > timedelta(days=MOST_DAYS):
        raise TimeError(f"expected a range of at most {MOST_DAYS} days, found {(end - start).days}: ask in parts")
    return Within(start, end)
