"""Endpoints about backtests: asked for, looked at, cancelled, removed. They are computed by Dagster."""

import gzip
from datetime import datetime
from typing import Annotated, Any, Literal
from uuid import UUID

import msgspec
from fastapi import APIRouter, Depends, Header, Query, Request, Response
from pydantic import BaseModel, Field

from api.backtest_request import MAX_KEY, BacktestRequest
from api.backtests import Backtests, answer_to
from api.door import writer
from api.errors import Refusal, not_found
from api.query import Cursor, Limit, Order, bad_cursor, config_of, cursor_at, json_answer, time_in
from btc_core.model.interval import parse_interval

router = APIRouter(prefix="/api/v1/backtests", tags=["backtests"])

_UNKNOWN: dict[int | str, dict[str, Any]] = {404: {"model": Refusal}}
_WRITES: dict[int | str, dict[str, Any]] = {status: {"model": Refusal} for status in (401, 403, 409)}

Status = Literal["queued", "running", "finished", "failed", "cancelled"]
# The page of a backtest is whole in itself: styles and drawings, nothing from elsewhere, no script.
_REPORT_POLICY = "default-src 'none'; style-src 'unsafe-inline'; img-src data:; frame-ancestors 'self'; sandbox"


class Part(BaseModel):
    """The backtest of one interval."""

    id: UUID
    interval: str


class Accepted(BaseModel):
    """Backtests that are going to be computed; ``id`` is the one of the first interval."""

    id: UUID
    status: str
    backtests: list[Part]


class Removed(BaseModel):
    """A backtest that is ``cancelling`` or ``removing``: soon it is cancelled, or is no more."""

    id: UUID
    status: Literal["cancelling", "removing"]


class Backtest(BaseModel):
    """A backtest; ``results`` when it is finished, ``error`` when it failed."""

    id: UUID
    strategy: str
    symbol: str
    interval: str
    start_time: datetime
    end_time: datetime
    status: Status
    progress: Annotated[float, Field(ge=0, le=1)]
    error: str | None
    config: dict[str, Any]
    results: dict[str, Any] | None
    created_at: datetime
    finished_at: datetime | None
    run_id: str | None
    has_report: bool


class Trade(BaseModel):
    """A position from flat to flat; the last four are null in backtests from before they were computed."""

    seq: int
    side: Literal["long", "short"]
    entry_time: datetime
    entry_price: float
    exit_time: datetime
    exit_price: float
    quantity: float
    pnl: float
    fees: float
    return_: Annotated[float, Field(alias="return")]
    exit_reason: str
    funding: float | None
    mae: float | None
    mfe: float | None
    missing_minutes: int | None


class Point(BaseModel):
    """What an account is worth at a candle's close."""

    time: datetime
    equity: float
    drawdown: float
    exposure: float


class BacktestPage(BaseModel):
    """Backtests, the newest first."""

    items: list[Backtest]
    next: str | None


class TradePage(BaseModel):
    """Trades by their number."""

    items: list[Trade]
    next: str | None


class EquityPage(BaseModel):
    """An equity curve, ascending."""

    items: list[Point]
    next: str | None


async def backtests(request: Request) -> Backtests:
    """Return what can be done with backtests."""
    found: Backtests = request.app.state.backtests
    return found


Store = Annotated[Backtests, Depends(backtests)]


@router.post(
    "",
    status_code=202,
    response_model=Accepted,
    dependencies=[Depends(writer)],
    responses={400: {"model": Refusal}, **_WRITES},
)
async def ask_for_backtests(
    asked: BacktestRequest,
    request: Request,
    store: Store,
    idempotency_key: Annotated[str | None, Header(max_length=MAX_KEY, description="Twice is once")] = None,
) -> Response:
    """Have a strategy simulated over stored minutes, one backtest for each interval; answers at once with their ids.

    Dagster computes them, one after the other in one run. `GET /api/v1/backtests/{id}` says how far each is.
    """
    settings = request.app.state.settings
    id_, intervals = await store.launch(asked, settings.config, key=idempotency_key, now=settings.now())
    answer = answer_to(id_, intervals, "queued")
    headers = {"Location": f"/api/v1/backtests/{id_}"}
    return Response(msgspec.json.encode(answer), status_code=202, headers=headers, media_type="application/json")


@router.get("", response_model=BacktestPage)
async def list_backtests(
    store: Store,
    request: Request,
    *,
    strategy: Annotated[str | None, Query(pattern=r"^\w{1,100}$")] = None,
    symbol: Annotated[str | None, Query(max_length=100)] = None,
    interval: Annotated[str | None, Query(max_length=20)] = None,
    status: Status | None = None,
    limit: Limit = 500,
    cursor: Cursor = None,
) -> Response:
    """List backtests, the newest first; those whose run has not begun are known by their id alone."""
    filters = {
        "strategy": strategy,
        "symbol": None if symbol is None else config_of(request).symbol(symbol),
        "interval": None if interval is None else parse_interval(interval).label,
        "status": status,
    }
    items = await store.page(filters, _place(cursor), limit)
    last = items[-1] if len(items) == limit else None
    return json_answer({"items": items, "next": last and f"{cursor_at(last['created_at'])}|{last['id']}"})


@router.get("/{id}", response_model=Backtest, responses=_UNKNOWN)
async def get_backtest(id: UUID, store: Store) -> Response:
    """Say how far a backtest is, and what came of it."""
    return json_answer(await store.get(id))


@router.delete(
    "/{id}", status_code=202, response_model=Removed, dependencies=[Depends(writer)], responses=_WRITES | _UNKNOWN
)
async def delete_backtest(id: UUID, store: Store) -> Response:
    """Cancel a backtest that is under way (with the others of its request), or remove one that is over.

    Dagster does it: soon the backtest is `cancelled`, or is no more.
    """
    answer = msgspec.json.encode({"id": id, "status": await store.delete(id)})
    return Response(answer, status_code=202, media_type="application/json")


@router.get("/{id}/trades", response_model=TradePage, responses=_UNKNOWN)
async def get_trades(
    id: UUID,
    request: Request,
    store: Store,
    *,
    limit: Limit = 500,
    cursor: Cursor = None,
    order: Order = "asc",
) -> Response:
    """Return the trades of a backtest; none while it is not finished."""
    behind = None if cursor is None else number(cursor)
    rows = await request.app.state.database.fetch("api_backtest_trades", id, behind, order == "desc", limit)
    if not rows:
        await store.get(id)
    return json_answer(
        {"items": [dict(row) for row in rows], "next": str(rows[-1]["seq"]) if len(rows) == limit else None}
    )


@router.get("/{id}/equity", response_model=EquityPage, responses=_UNKNOWN)
async def get_equity(
    id: UUID,
    request: Request,
    store: Store,
    *,
    limit: Limit = 500,
    cursor: Cursor = None,
    points: Annotated[int | None, Query(ge=4, le=5_000, description="The whole curve in so many at most")] = None,
) -> Response:
    """Return the equity of a backtest at each candle's close, or the whole curve as an eye sees it."""
    database = request.app.state.database
    if points is not None:
        rows = await database.fetch("api_backtest_curve", id, points)
    else:
        rows = await database.fetch("api_backtest_equity", id, None if cursor is None else time_in(cursor), limit)
    if not rows:
        await store.get(id)
    is_whole = points is not None or len(rows) < limit
    next_ = None if is_whole else cursor_at(rows[-1]["time"])
    return json_answer({"items": [dict(row) for row in rows], "next": next_})


@router.get("/{id}/report", response_class=Response, responses=_UNKNOWN | {200: {"content": {"text/html": {}}}})
async def get_report(id: UUID, request: Request, store: Store) -> Response:
    """Return the page of a backtest: HTML that needs no network."""
    row = await request.app.state.database.fetchrow("api_backtest_report", id)
    if row is None:
        backtest = await store.get(id)
        raise not_found(f"Backtest {id} has no page.", hint=f"It is {backtest['status']}; a finished one has a page.")
    headers = {"Content-Security-Policy": _REPORT_POLICY, "Vary": "Accept-Encoding"}
    if "gzip" not in request.headers.get("accept-encoding", ""):
        return Response(gzip.decompress(row["html"]), headers=headers, media_type="text/html")
    return Response(row["html"], headers={**headers, "Content-Encoding": "gzip"}, media_type="text/html")


def number(cursor: str) -> int:
    """Return the number that a cursor names.

    Raises:
        InputError: If it is none.
    """
    if not (cursor.isascii() and cursor.isdigit() and len(cursor) < 10):
        raise bad_cursor(cursor)
    return int(cursor)


def _place(cursor: str | None) -> tuple[datetime, UUID] | None:
    if cursor is None:
        return None
    time, _, id_ = cursor.partition("|")
    try:
        return time_in(time), UUID(id_)
    except ValueError:
        raise bad_cursor(cursor) from None
