"""Endpoints about paper accounts: what following the live decisions has earned so far (docs/paper.md)."""

from datetime import datetime
from typing import Annotated, Any

import asyncpg
import msgspec
from fastapi import APIRouter, Depends, Path, Query, Request, Response
from pydantic import BaseModel, Field

from api.errors import Refusal, not_found
from api.query import Cursor, Limit, Order, Symbol, config_of, cursor_at, json_answer, time_in
from api.routes.backtests import Point, TradePage, number
from btc_core.errors import UnknownNameError, near_misses
from btc_core.model.interval import parse_interval

router = APIRouter(prefix="/api/v1/paper", tags=["paper"])

_UNKNOWN: dict[int | str, dict[str, Any]] = {404: {"model": Refusal}}


class PaperAccount(BaseModel):
    """An account that follows a strategy's live decisions. Money is quote currency, shares are fractions.

    ``equity``, ``drawdown``, ``exposure`` and ``price`` are of ``through``, the end of the newest minute that it has
    been through. ``present_price`` is the newest minute's close; ``present_equity`` and what follows are at that price.
    """

    strategy: Annotated[str, Field(examples=["ma44"])]
    symbol: Annotated[str, Field(examples=["BTC"])]
    interval: Annotated[str, Field(examples=["37m"])]
    started_at: datetime
    through: datetime
    config: dict[str, Any]
    cash: float
    equity: float
    drawdown: float
    exposure: float
    wanted: Annotated[float, Field(description="The exposure that the last decision wants")]
    quantity: Annotated[float, Field(description="Base units; negative is short, 0 flat")]
    entry_price: float | None
    entry_time: datetime | None
    price: float | None
    n_trades: Annotated[int, Field(description="That are over")]
    n_unfilled: Annotated[int, Field(description="Orders too small to be sent")]
    fees: float
    funding: Annotated[float, Field(description="Paid; negative is received")]
    n_restarts: Annotated[int, Field(description="How often other terms have opened it anew")]
    updated_at: datetime
    present_price: float | None
    present_equity: float
    total_return: float | None
    unrealized_pnl: Annotated[float | None, Field(description="Of the position, before costs; null while it is flat")]
    buy_and_hold_return: Annotated[float | None, Field(description="The market's since `started_at`, without costs")]


class PaperResults(BaseModel):
    """What an account has done since it was opened, as a backtest's results say it; null where nothing can be said."""

    max_drawdown: Annotated[float, Field(description="At decisions")]
    win_rate: float | None
    profit_factor: float | None
    expectancy: float | None
    avg_trade_return: float | None
    exposure_time: float | None


class PaperAccountResults(PaperAccount):
    """An account, and what it has done."""

    results: PaperResults


class PaperAccounts(BaseModel):
    """Paper accounts, by strategy, symbol and interval."""

    items: list[PaperAccount]
    next: None


class PaperPoint(Point):
    """What an account was worth at a decision, at the price of it, and which exposure the decision wanted."""

    wanted: float
    price: float


class PaperEquityPage(BaseModel):
    """The worth of an account, ascending."""

    items: list[PaperPoint]
    next: str | None


Label = Annotated[str | None, Query(max_length=20, description="Default: the first", examples=["37m"])]


@router.get("", response_model=PaperAccounts)
async def list_accounts(
    request: Request,
    *,
    strategy: Annotated[str | None, Query(pattern=r"^\w{1,100}$", examples=["ma44"])] = None,
    symbol: Annotated[str | None, Query(max_length=100)] = None,
    interval: Annotated[str | None, Query(max_length=20, examples=["37m"])] = None,
) -> Response:
    """List the paper accounts, with what each is worth now, and what buying and holding has earned meanwhile."""
    rows = await _rows(request, strategy, None if symbol is None else config_of(request).symbol(symbol), interval)
    if not rows and strategy is not None and strategy not in (known := await _strategies(request)):
        raise UnknownNameError("strategy", strategy, known)
    return json_answer({"items": [_told(row) for row in rows], "next": None})


async def _account(
    request: Request,
    strategy: Annotated[str, Path(pattern=r"^\w{1,100}$", examples=["ma44"])],
    symbol: Symbol,
    interval: Label = None,
) -> asyncpg.Record:
    """Return the account that an address names.

    Raises:
        ApiError: 404 where there is none, with the near misses or with what opens it.
    """
    rows = await _rows(request, strategy, symbol, interval)
    if rows:
        return rows[0]
    known = await _strategies(request)
    if strategy not in known:
        raise not_found(f"There is no strategy {strategy!r}.", hint=near_misses(strategy, known))
    place = symbol if interval is None else f"{symbol} {parse_interval(interval)}"
    others = [row["interval"] for row in await _rows(request, strategy, symbol, None)]
    hint = f"It has one on {', '.join(others)}." if others else "Its first live decision opens one."
    raise not_found(f"Strategy {strategy} has no paper account on {place}.", hint=hint)


Account = Annotated[asyncpg.Record, Depends(_account)]


@router.get("/{strategy}", response_model=PaperAccountResults, responses=_UNKNOWN)
async def get_account(request: Request, account: Account) -> Response:
    """Return an account and what it has done since it was opened."""
    results = await request.app.state.database.fetchrow("api_paper_results", *_key(account))
    return json_answer({**_told(account), "results": dict(results or {})})


@router.get("/{strategy}/trades", response_model=TradePage, responses=_UNKNOWN)
async def list_trades(
    request: Request, account: Account, *, limit: Limit = 500, cursor: Cursor = None, order: Order = "asc"
) -> Response:
    """Return the trades of an account that are over; the one that is not is the account's position."""
    behind = None if cursor is None else number(cursor)
    rows = await request.app.state.database.fetch("api_paper_trades", *_key(account), behind, order == "desc", limit)
    next_ = str(rows[-1]["seq"]) if len(rows) == limit else None
    return json_answer({"items": [dict(row) for row in rows], "next": next_})


@router.get("/{strategy}/equity", response_model=PaperEquityPage, responses=_UNKNOWN)
async def list_equity(
    request: Request,
    account: Account,
    *,
    limit: Limit = 500,
    cursor: Cursor = None,
    points: Annotated[int | None, Query(ge=4, le=5_000, description="The whole curve in so many at most")] = None,
) -> Response:
    """Return what an account was worth at each decision, or the whole curve as an eye sees it."""
    database, key = request.app.state.database, _key(account)
    if points is not None:
        rows = await database.fetch("api_paper_curve", *key, points)
    else:
        rows = await database.fetch("api_paper_equity", *key, None if cursor is None else time_in(cursor), limit)
    is_whole = points is not None or len(rows) < limit
    next_ = None if is_whole else cursor_at(rows[-1]["time"])
    return json_answer({"items": [dict(row) for row in rows], "next": next_})


async def _rows(
    request: Request, strategy: str | None, symbol: str | None, interval: str | None
) -> list[asyncpg.Record]:
    """Return stored accounts, the intervals in the order of the configuration."""
    label = None if interval is None else parse_interval(interval).label
    rows: list[asyncpg.Record] = await request.app.state.database.fetch("api_paper_accounts", strategy, symbol, label)
    places = {each: i for i, each in enumerate(config_of(request).intervals)}
    return sorted(
        rows,
        key=lambda row: (row["strategy"], row["symbol"], places.get(row["interval"], len(places)), row["interval"]),
    )


async def _strategies(request: Request) -> list[str]:
    """Return the names of those that decide, and of those that once did."""
    return sorted(
        {*config_of(request).strategies, *(row["strategy"] for row in await _rows(request, None, None, None))}
    )


def _key(account: asyncpg.Record) -> tuple[str, str, str]:
    return account["strategy"], account["symbol"], account["interval"]


def _told(account: asyncpg.Record) -> dict[str, Any]:
    return {**account, "config": msgspec.Raw(account["config"].encode())}
