"""``/api/v1/health``: what is well and what is not, each part with its age."""

import asyncio
import ssl
from datetime import datetime
from typing import Literal

import httpx
from fastapi import APIRouter, Request, Response
from pydantic import BaseModel

from api.disk import folder_of, look_at
from api.errors import ApiError
from api.query import config_of, json_answer
from btc_core.errors import BtcError, DatabaseError
from btc_core.model.timerange import MINUTE, format_time
from btc_store.settings import Settings

router = APIRouter(prefix="/api/v1/health", tags=["status"])

State = Literal["ok", "late", "down"]
# A minute is confirmed 15 s after its end: one that ended more than three minutes ago is late.
LATE_MINUTES = 3
ASK_SECONDS = 2.0
GIGABYTE = 10**9
# Ten years of minutes of a symbol, with all that is derived of them, are less.
LEAST_FREE_BYTES = 2 * GIGABYTE
_NO_CERTIFICATES = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)


class Part(BaseModel):
    """A part of the system; ``age_seconds`` is how long ago it was last heard of, on the market's clock."""

    name: str
    status: State
    age_seconds: float | None
    detail: str


class Health(BaseModel):
    """The worst of the parts, and each of them."""

    status: State
    now: datetime
    parts: list[Part]


@router.get("", response_model=Health)
async def health(request: Request) -> Response:
    """Ask every part how it is. It answers 200 in any case: that it answers is the API's own health."""
    settings: Settings = request.app.state.settings
    asked = await asyncio.gather(
        _data(request), _collector(settings), _dagster(request), _stream(request), _lake_disk(settings)
    )
    parts = [part for some in asked for part in some]
    worst = max((str(part["status"]) for part in parts), key=("ok", "late", "down").index)
    return json_answer({"status": worst, "now": settings.now(), "parts": parts})


async def _data(request: Request) -> list[dict[str, object]]:
    """The database, and the newest minute of each symbol."""
    settings: Settings = request.app.state.settings
    symbols = list(config_of(request).symbols)
    try:
        rows = await request.app.state.database.fetch("api_newest_minutes", symbols)
    except DatabaseError:
        return [_part("database", "down", None, "it does not answer")]
    now = settings.now()
    parts = [_part("database", "ok", 0.0, "it answers")]
    for row in sorted(rows, key=lambda row: symbols.index(row["symbol"])):
        if row["time"] is None:
            parts.append(_part(f"candles {row['symbol']}", "down", None, "no minute is stored yet"))
            continue
        age = (now - row["time"] - MINUTE).total_seconds()
        # One of the future says nothing of the present: a clock was wrong.
        state: State = "late" if abs(age) > LATE_MINUTES * 60 else "ok"
        newest = f"newest {format_time(row['time'])}{', in the future' if age < -LATE_MINUTES * 60 else ''}"
        parts.append(_part(f"candles {row['symbol']}", state, max(age, 0.0), newest))
    return parts


async def _collector(settings: Settings) -> list[dict[str, object]]:
    """The collector of this machine, by its own page."""
    url = f"{settings.collector_url}/healthz"
    try:
        # Plain HTTP to a neighbour: without proxies, and without 100 ms of reading certificates for each client.
        async with httpx.AsyncClient(timeout=ASK_SECONDS, trust_env=False, verify=_NO_CERTIFICATES) as client:
            answer = await client.get(url)
        said = answer.json()
        troubles = [*said.get("troubles", []), *(each.get("reason", "") for each in said.get("symbols", {}).values())]
    except (httpx.HTTPError, ValueError, AttributeError):
        return [_part("collector", "down", None, "it does not answer: python -m collector starts it")]
    return [_part("collector", "ok" if answer.is_success else "late", 0.0, "; ".join(map(str, troubles[:3])) or "well")]


async def _dagster(request: Request) -> list[dict[str, object]]:
    try:
        age = await request.app.state.dagster.daemon_age()
    except (ApiError, BtcError):
        return [_part("dagster", "down", None, "it does not answer: backtests cannot be started")]
    if age is None:
        return [_part("dagster", "late", None, "its daemon has not been heard of")]
    return [_part("dagster", "ok" if age < 120 else "late", age, "its daemon is alive")]


async def _stream(request: Request) -> list[dict[str, object]]:
    hub = request.app.state.hub
    n_streams = len(hub.subscribers)
    return [_part("stream", "ok" if hub.is_connected or not n_streams else "late", 0.0, f"{n_streams} connected")]


async def _lake_disk(settings: Settings) -> list[dict[str, object]]:
    """The disk that the lake is on; an object store has none. Its age is that of what was written last."""
    folder = folder_of(settings.lake)
    if folder is None:
        return []
    try:
        disk = await asyncio.wait_for(asyncio.to_thread(look_at, folder), ASK_SECONDS)
    except (OSError, TimeoutError):
        return [_part("lake disk", "down", None, "it cannot be looked at: is it mounted?")]
    free = f"{disk.free_bytes / GIGABYTE:,.1f} of {disk.total_bytes / GIGABYTE:,.1f} GB free"
    state: State = "ok" if disk.free_bytes >= LEAST_FREE_BYTES else "late" if disk.free_bytes else "down"
    if disk.written_at is None:
        return [_part("lake disk", state, None, f"{free}; nothing is archived here yet")]
    written = settings.clock.instant(disk.written_at)
    age = max((settings.now() - written).total_seconds(), 0.0)
    return [_part("lake disk", state, age, f"{free}; {disk.n_parts:,} parts, newest of {format_time(written)}")]


def _part(name: str, state: State, age: float | None, detail: str) -> dict[str, object]:
    return {"name": name, "status": state, "age_seconds": age, "detail": detail}
