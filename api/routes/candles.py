"""Endpoints about candles."""

from datetime import datetime
from typing import Literal

from fastapi import APIRouter, Request, Response
from pydantic import BaseModel, ConfigDict

from api.errors import Refusal, not_found
from api.query import MICROSECOND, Asked, Cursor, Limit, OneInterval, Order, Symbol, as_utc, cursor_at, page, time_in
from btc_core.model.timerange import format_time

router = APIRouter(prefix="/api/v1/candles", tags=["candles"])


class Candle(BaseModel):
    """A candle; ``time`` is its open, ``minutes`` of how many 1m candles it was made."""

    model_config = ConfigDict(
        json_schema_extra={
            "examples": [
                {
                    "time": "2025-01-31T00:14:00Z",
                    "symbol": "BTC",
                    "interval": "37m",
                    "open": 104512.0,
                    "high": 104730.0,
                    "low": 104401.0,
                    "close": 104688.0,
                    "volume": 312.52,
                    "trades": 10412,
                    "minutes": 37,
                    "source": "derived",
                    "state": "confirmed",
                    "revision": 0,
                    "ingested_at": "2025-01-31T00:51:15.204Z",
                }
            ]
        }
    )

    time: datetime
    symbol: str
    interval: str
    open: float
    high: float
    low: float
    close: float
    volume: float
    trades: int | None
    minutes: int
    source: str
    state: Literal["provisional", "confirmed"]
    revision: int
    ingested_at: datetime


class CandlePage(BaseModel):
    """Candles in order of time."""

    items: list[Candle]
    next: str | None


@router.get("", response_model=CandlePage)
async def list_candles(
    request: Request,
    symbol: Symbol,
    interval: OneInterval,
    asked: Asked,
    *,
    limit: Limit = 500,
    order: Order = "asc",
    cursor: Cursor = None,
) -> Response:
    """Return candles that open in [start, end)."""
    start, end = asked.start, asked.end
    if cursor is not None:
        place = time_in(cursor)
        start, end = (max(start, place + MICROSECOND), end) if order == "asc" else (start, min(end, place))
    row = await request.app.state.database.shared(f"api_candles_{order}", symbol, interval.label, start, end, limit)
    return page(row["items"], cursor_at(row["last"]) if row["n"] == limit else None)


@router.get("/latest", response_model=Candle, responses={404: {"model": Refusal}})
async def latest_candle(request: Request, symbol: Symbol, interval: OneInterval) -> Response:
    """Return the newest candle."""
    row = await request.app.state.database.shared("api_latest_candle", symbol, interval.label)
    if row is None:
        now = format_time(request.app.state.settings.now())
        raise not_found(f"No {interval} candle of {symbol} is stored ({now}).", hint="/api/v1/health says why.")
    return Response(as_utc(row["item"]), media_type="application/json")
