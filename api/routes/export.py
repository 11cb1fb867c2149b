"""``/api/v1/export/csv``: candles as a file, sent as it is read."""

from collections.abc import AsyncIterator

from fastapi import APIRouter, Request
from fastapi.responses import StreamingResponse

from api.database import Database
from api.query import MICROSECOND, Asked, OneInterval, Symbol, Within
from btc_core.model.interval import Interval

router = APIRouter(prefix="/api/v1/export", tags=["candles"])

# As `btc export` writes it and `btc import` reads it.
HEADER = "time,symbol,open,high,low,close,volume,trades,minutes\n"
ROWS = 5_000


@router.get("/csv", response_class=StreamingResponse, responses={200: {"content": {"text/csv": {}}}})
async def export_csv(request: Request, symbol: Symbol, interval: OneInterval, asked: Asked) -> StreamingResponse:
    """Return the candles that open in [start, end) as CSV, however many they are; `btc import` takes them.

    They are read in pieces as the client takes them: what is written meanwhile may be among the later ones.
    """
    database: Database = request.app.state.database
    first = await _piece(database, symbol, interval, asked)
    name = f"{symbol.replace('/', '-').replace(':', '-')}-{interval}.csv"
    return StreamingResponse(
        _lines(database, symbol, interval, first),
        media_type="text/csv",
        headers={"Content-Disposition": f'attachment; filename="{name}"'},
    )


async def _lines(
    database: Database, symbol: str, interval: Interval, piece: tuple[str, Within | None]
) -> AsyncIterator[str]:
    yield HEADER
    while True:
        lines, rest = piece
        if lines:
            yield lines + "\n"
        if rest is None:
            return
        piece = await _piece(database, symbol, interval, rest)


async def _piece(database: Database, symbol: str, interval: Interval, asked: Within) -> tuple[str, Within | None]:
    """Return the next lines, and what is left to read after them."""
    row = await database.fetchrow("api_export", symbol, interval.label, asked.start, asked.end, ROWS)
    assert row is not None, "an aggregate has a row"
    if row["n"] < ROWS:
        return row["lines"] or "", None
    rest = row["last"] + MICROSECOND
    return row["lines"], Within(rest, asked.end) if rest < asked.end else None
