"""``/healthz`` for whoever restarts us and ``/metrics`` for whoever watches us: two pages of plain HTTP.

What the figures of ``/metrics`` are is in ``metrics.py``; here is what counts as healthy, and the little server.
"""

import asyncio
import logging
from collections.abc import AsyncIterator, Callable, Iterator, Mapping
from contextlib import asynccontextmanager
from datetime import datetime, timedelta
from http import HTTPStatus

import msgspec

from btc_core.errors import ConfigError
from btc_core.model.timerange import MINUTE, format_time

logger = logging.getLogger(__name__)

# A minute is confirmed 15 s after its end, so the newest confirmed one ended 15 to 75 s ago when all is well.
STALE_AFTER = timedelta(minutes=3)
# A fast market's three minutes may last less than a question and its answer: real seconds.
LEAST_STALE_SECONDS = 3.0
REQUEST_SECONDS = 5
REQUEST_BYTES = 16_384


class SymbolStatus(msgspec.Struct, frozen=True, kw_only=True):
    """What the process knows of one collected symbol.

    Attributes:
        coin: The exchange's name of it.
        newest: The newest stored minute.
        newest_confirmed: The newest minute up to which nothing is left to confirm (minutes without trades are settled).
        last_frame_at: Market time of its last candle frame.
        n_missing, n_provisional, n_no_trade: Minutes within the reach of REST that are not confirmed.
        trouble: What is wrong with this symbol alone, as a sentence without a full stop; None when all is well.
    """

    coin: str
    newest: datetime | None
    newest_confirmed: datetime | None
    last_frame_at: datetime | None
    n_missing: int
    n_provisional: int
    n_no_trade: int
    trouble: str | None


class Status(msgspec.Struct, frozen=True, kw_only=True):
    """What the process knows of itself.

    Attributes:
        now: The market clock.
        symbols: Every collected symbol.
        refused: Configured symbols that are not collected, and why.
        n_links: Open connections to the exchange's stream; two while one takes over from the other.
        n_buffered, n_spooled: Closed candles that wait for the database, in memory and on disk.
        rest_weight: What the requests of the last minute cost of the exchange's limit.
        rest_paused_until: Until when nothing is asked because the exchange limited us.
        clock_offset_seconds: How far our clock is ahead of the exchange's; None while it is not known.
        may_confirm: Whether our clock is right enough to tell a closed minute from an open one.
        is_database_away: Whether the last write failed.
        rate: Market seconds in a real one.
    """

    now: datetime
    symbols: Mapping[str, SymbolStatus]
    refused: Mapping[str, str]
    n_links: int
    n_buffered: int
    n_spooled: int
    rest_weight: int
    rest_paused_until: datetime | None
    clock_offset_seconds: float | None
    may_confirm: bool
    is_database_away: bool
    rate: float = 1.0

    @property
    def stale_after(self) -> timedelta:
        """How long ago the newest confirmed minute may have ended."""
        return max(STALE_AFTER, timedelta(seconds=LEAST_STALE_SECONDS * self.rate))


def age_seconds(time: datetime | None, now: datetime) -> float | None:
    """Return how many market seconds ago a minute ended; None for None."""
    return None if time is None else (now - time - MINUTE).total_seconds()


def healthz(status: Status) -> tuple[HTTPStatus, bytes]:
    """Return whether every collected symbol is confirmed up to 3 minutes ago, and for each the reason.

    A refused symbol is told and does not count, for no restart would help it; but to collect nothing is not healthy.
    """
    troubles = list(_troubles(status))
    symbols = {name: _health(symbol, status, troubles) for name, symbol in status.symbols.items()}
    is_healthy = bool(symbols) and all(health["ok"] for health in symbols.values())
    if not symbols:
        refused = "every configured symbol is refused" if status.refused else "the symbols' coins are not known yet"
        troubles.insert(0, f"nothing is collected: {refused}")
    body = {
        "status": "ok" if is_healthy else "unhealthy",
        "troubles": troubles,
        "n_connections": status.n_links,
        "symbols": symbols,
        "refused": status.refused,
    }
    return HTTPStatus.OK if is_healthy else HTTPStatus.SERVICE_UNAVAILABLE, msgspec.json.encode(body)


def respond(request: bytes, status: Status, metrics: Callable[[Status], bytes]) -> bytes:
    """Return the whole answer to a request, of which only the first line counts."""
    words = request.split(b"\r\n", 1)[0].split()
    path = words[1].split(b"?", 1)[0] if len(words) > 1 else b""
    if words[:1] not in ([b"GET"], [b"HEAD"]):
        code, body, kind = HTTPStatus.METHOD_NOT_ALLOWED, b'{"error":"only GET"}', "application/json"
    elif path == b"/healthz":
        (code, body), kind = healthz(status), "application/json"
    elif path == b"/metrics":
        code, body, kind = HTTPStatus.OK, metrics(status), "text/plain; version=0.0.4; charset=utf-8"
    else:
        code, body, kind = HTTPStatus.NOT_FOUND, b'{"error":"try /healthz or /metrics"}', "application/json"
    head = (
        f"HTTP/1.1 {code.value} {code.phrase}\r\nContent-Type: {kind}\r\nContent-Length: {len(body)}\r\n"
        "Connection: close\r\n\r\n"
    )
    return head.encode() + (b"" if words[:1] == [b"HEAD"] else body)


@asynccontextmanager
async def serve_health(
    port: int, status: Callable[[], Status], metrics: Callable[[Status], bytes]
) -> AsyncIterator[int]:
    """Answer on a port (0: any free one) for the time of a ``with`` block, which gets the port.

    Raises:
        ConfigError: If the port is taken.
    """

    async def answer(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            async with asyncio.timeout(REQUEST_SECONDS):
                request = await reader.readuntil(b"\r\n\r\n")
                writer.write(respond(request, status(), metrics))
                await writer.drain()
        except (OSError, TimeoutError, EOFError, asyncio.LimitOverrunError) as error:
            logger.debug("health request broken off", extra={"reason": str(error)})
            # Nobody reads what is left; a plain close would wait for it.
            writer.transport.abort()
        finally:
            writer.close()

    try:
        # All addresses: whoever watches a container comes from outside of it.
        server = await asyncio.start_server(answer, "0.0.0.0", port, limit=REQUEST_BYTES)  # noqa: S104
    except OSError as error:
        raise ConfigError(
            f"COLLECTOR_HTTP_PORT={port}: the port cannot be opened ({error.strerror or error}). "
            "Stop what uses it, perhaps another collector, or choose another port"
        ) from None
    async with server:
        yield server.sockets[0].getsockname()[1]


def _troubles(status: Status) -> Iterator[str]:
    """Say what keeps every symbol from being confirmed."""
    if status.n_links == 0:
        yield "there is no connection to the exchange's stream"
    if status.is_database_away:
        yield f"the database is away: {status.n_buffered} candles wait in memory, {status.n_spooled} on disk"
    if status.rest_paused_until is not None and status.rest_paused_until > status.now:
        yield f"REST is paused until {format_time(status.rest_paused_until)}: the exchange limited us (429)"
    if not status.may_confirm:
        offset = status.clock_offset_seconds
        clock = "has not been compared with the exchange's" if offset is None else f"is wrong by {abs(offset):.1f} s"
        yield f"our clock {clock}, so nothing is confirmed"


def _health(symbol: SymbolStatus, status: Status, troubles: list[str]) -> dict[str, str | bool | float | None]:
    age = age_seconds(symbol.newest_confirmed, status.now)
    is_ok = age is not None and age < status.stale_after.total_seconds()
    causes = [symbol.trouble] if symbol.trouble is not None else []
    return {
        "ok": is_ok,
        "reason": "; ".join([_confirmed_text(symbol, is_ok=is_ok), *causes, *([] if is_ok else troubles)]),
        "newest_minute": _time_text(symbol.newest),
        "newest_confirmed_minute": _time_text(symbol.newest_confirmed),
        "age_seconds": None if age is None else round(age, 3),
        "last_frame_at": _time_text(symbol.last_frame_at),
        "n_missing": symbol.n_missing,
        "n_provisional": symbol.n_provisional,
        "n_no_trade": symbol.n_no_trade,
    }


def _confirmed_text(symbol: SymbolStatus, *, is_ok: bool) -> str:
    if symbol.newest_confirmed is None:
        return "no minute is stored" if symbol.newest is None else "no minute is confirmed yet"
    until = format_time(symbol.newest_confirmed + MINUTE)
    return f"confirmed up to {until}" if is_ok else f"not confirmed since {until}"


def _time_text(time: datetime | None) -> str | None:
    return None if time is None else format_time(time)
