"""``/api/v1/stats``: the last 24 hours of a symbol."""

from datetime import datetime, timedelta

from fastapi import APIRouter, Request, Response
from pydantic import BaseModel

from api.query import Symbol, json_answer

router = APIRouter(prefix="/api/v1/stats", tags=["candles"])

MINUTES = 1_440


class Quality(BaseModel):
    """How whole the 24 hours are, in minutes."""

    expected: int
    stored: int
    provisional: int
    no_trade: int
    missing: int


class Stats(BaseModel):
    """24 hours. Fractions of the open; volatility is yearly; null where nothing is stored."""

    symbol: str
    start_time: datetime
    end_time: datetime
    newest: datetime | None
    open: float | None
    high: float | None
    low: float | None
    close: float | None
    change: float | None
    range: float | None
    volume: float | None
    volume_quote: float | None
    trades: int | None
    volatility: float | None
    quality: Quality


@router.get("", response_model=Stats)
async def stats(request: Request, symbol: Symbol) -> Response:
    """Return what happened in the 24 hours until now."""
    now = request.app.state.settings.now().replace(second=0, microsecond=0)
    row = await request.app.state.database.shared("api_stats", symbol, now)
    first = row["open"]
    known = row["n_minutes"] + row["n_no_trade"]
    return json_answer(
        {
            "symbol": symbol,
            "start_time": now - timedelta(minutes=MINUTES),
            "end_time": now,
            **{name: row[name] for name in ("newest", "open", "high", "low", "close")},
            "change": None if first is None else row["close"] / first - 1,
            "range": None if first is None else (row["high"] - row["low"]) / first,
            **{name: row[name] for name in ("volume", "volume_quote", "trades", "volatility")},
            "quality": {
                "expected": MINUTES,
                "stored": row["n_minutes"],
                "provisional": row["n_provisional"],
                "no_trade": row["n_no_trade"],
                "missing": max(MINUTES - known, 0),
            },
        }
    )
