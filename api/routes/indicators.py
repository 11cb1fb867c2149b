"""Endpoints about indicators."""

from datetime import datetime
from typing import Annotated, Any

from fastapi import APIRouter, Query, Request, Response
from pydantic import BaseModel

from api.query import Asked, Cursor, Limit, OneInterval, Order, Symbol, bad_cursor, config_of, cursor_at, page, time_in
from btc_core.errors import UnknownNameError
from btc_core.readings import READINGS

router = APIRouter(prefix="/api/v1/indicators", tags=["indicators"])


class IndicatorValue(BaseModel):
    """What an indicator is at the candle that opens at ``time``."""

    time: datetime
    symbol: str
    interval: str
    indicator_name: str
    value: float
    parameters: dict[str, Any]


class IndicatorPage(BaseModel):
    """Values in order of time, then of names."""

    items: list[IndicatorValue]
    next: str | None


@router.get("", response_model=IndicatorPage)
async def list_indicators(
    request: Request,
    symbol: Symbol,
    interval: OneInterval,
    asked: Asked,
    *,
    name: Annotated[list[str] | None, Query(description="`ma44`, `macd.signal`; repeatable; default: all")] = None,
    limit: Limit = 500,
    order: Order = "asc",
    cursor: Cursor = None,
) -> Response:
    """Return indicator values of candles that open in [start, end)."""
    names = await names_of(request, symbol, interval.label, name)
    time, _, last = cursor.partition("|") if cursor else ("", "", None)
    if cursor and not time:
        raise bad_cursor(cursor)
    place = time_in(time) if time else None
    database = request.app.state.database
    row = await database.shared(
        f"api_indicators_{order}", symbol, interval.label, names, asked.start, asked.end, place, last, limit
    )
    return page(row["items"], f"{cursor_at(row['time'])}|{row['name']}" if row["n"] == limit else None)


async def names_of(request: Request, symbol: str, label: str, wanted: list[str] | None) -> tuple[str, ...]:
    """Return the stored names that are wanted; all where none is named.

    Raises:
        UnknownNameError: If a name is neither stored nor configured.
    """
    rows = await request.app.state.database.fetch("api_indicator_names", symbol, label)
    stored = [row["indicator_name"] for row in rows]
    if wanted is None:
        return tuple(stored)
    configured = [
        name + suffix
        for name, entry in config_of(request).indicators.items()
        for suffix in (READINGS[entry.function].outputs if entry.function in READINGS else ("",))
    ]
    known = sorted({*stored, *configured})
    for each in wanted:
        if each not in known:
            raise UnknownNameError("indicator", each, known)
    return tuple(wanted)
