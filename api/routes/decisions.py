"""Endpoints about decisions: what strategies said, live or in a backtest, and on what they rest."""

from collections.abc import Sequence
from datetime import datetime
from typing import Annotated, Any, Literal
from uuid import UUID

from fastapi import APIRouter, Query, Request, Response
from pydantic import BaseModel

from api.query import Asked, Cursor, Limit, Order, SomeInterval, Symbol, bad_cursor, config_of, page, time_in
from btc_core.errors import UnknownNameError

router = APIRouter(prefix="/api/v1/decisions", tags=["decisions"])

Signal = Literal["OPEN_LONG", "OPEN_SHORT", "CLOSE_LONG", "CLOSE_SHORT", "HOLD"]
CHANGES = ("OPEN_LONG", "OPEN_SHORT", "CLOSE_LONG", "CLOSE_SHORT")
_PLACE = tuple[datetime, str, str, int, int]


class Decision(BaseModel):
    """What a strategy said at the close of the candle that opens at ``time``, with the snapshot that it saw."""

    time: datetime
    symbol: str
    interval: str
    strategy: str
    seq: int
    signal: Signal
    confidence: float
    exposure: float
    price: float
    indicator_snapshot: dict[str, Any]
    parameters: dict[str, Any]
    backtest_id: UUID | None
    revision: int
    run_id: str
    code_version: str
    data_revision: datetime | None
    decided_at: datetime


class DecisionPage(BaseModel):
    """Decisions in order of time."""

    items: list[Decision]
    next: str | None


@router.get("", response_model=DecisionPage)
async def list_decisions(
    request: Request,
    symbol: Symbol,
    interval: SomeInterval,
    asked: Asked,
    *,
    strategy: Annotated[str | None, Query(max_length=100, description="Default: all")] = None,
    backtest_id: Annotated[UUID | None, Query(description="Of a backtest instead of live; it knows its series")] = None,
    signal: Annotated[list[Signal] | None, Query(description="Repeatable; default: all")] = None,
    holds: Annotated[bool, Query(description="false leaves out HOLD")] = True,
    revision: Annotated[
        Literal["newest", "all"], Query(description="All that was ever said, or what holds")
    ] = "newest",
    limit: Limit = 500,
    order: Order = "asc",
    cursor: Cursor = None,
) -> Response:
    """Return decisions at candles that open in [start, end)."""
    database = request.app.state.database
    signals = signal if signal is not None else None if holds else list(CHANGES)
    place = _place(cursor)
    if backtest_id is not None:
        behind = (place[0], place[4]) if place else (None, None)
        row = await database.fetchrow(
            f"api_backtest_decisions_{order}", backtest_id, asked.start, asked.end, signals, *behind, limit
        )
    else:
        series = await _series(request, symbol, interval and interval.label, strategy)
        row = await database.fetchrow(
            f"api_decisions_{order}",
            *(symbol, [each[0] for each in series], [each[1] for each in series]),
            *(asked.start, asked.end, signals, revision == "all"),
            *(place or (None,) * 5),
            limit,
        )
    return page(row["items"], row["last"] if row["n"] == limit else None)


async def _series(request: Request, symbol: str, label: str | None, strategy: str | None) -> Sequence[tuple[str, str]]:
    """Return the pairs of interval and strategy that have decided and are asked for."""
    rows = await request.app.state.database.fetch("api_decision_series", symbol)
    stored = [(row["interval"], row["strategy"]) for row in rows]
    known = sorted({*config_of(request).strategies, *(each[1] for each in stored)})
    if strategy is not None and strategy not in known:
        raise UnknownNameError("strategy", strategy, known)
    return [each for each in stored if label in (None, each[0]) and strategy in (None, each[1])]


def _place(cursor: str | None) -> _PLACE | None:
    if cursor is None:
        return None
    parts = cursor.split("|")
    if len(parts) != 5 or not all(part.isascii() and part.isdigit() and len(part) < 6 for part in parts[3:]):
        raise bad_cursor(cursor)
    return time_in(parts[0]), parts[1], parts[2], int(parts[3]), int(parts[4])
