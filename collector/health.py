"""``/healthz`` for whoever restarts us and ``/metrics`` for whoever watches us: two pages of plain HTTP."""

import asyncio
import logging
from collections.abc import AsyncIterator, Callable, Mapping
from contextlib import asynccontextmanager
from datetime import datetime, timedelta
from http import HTTPStatus

import msgspec

from btc_core.errors import ConfigError
from btc_core.model.timerange import MINUTE, format_time

logger = logging.getLogger(__name__)

# The newest minute is 3 to 63 s past its end when all is well; two minutes more may be without trades or late.
STALE_AFTER = timedelta(minutes=3)
REQUEST_SECONDS = 5


class Status(msgspec.Struct, frozen=True, kw_only=True):
    """What the process knows of itself.

    Attributes:
        now: The market clock.
        newest: The newest stored minute of every collected symbol.
        refused: Configured symbols that are not collected, and why.
        is_connected: Whether the exchange's stream is open.
        n_messages, n_stored, n_connections, n_buffered, rest_weight: Counts for ``/metrics``.
    """

    now: datetime
    newest: Mapping[str, datetime | None]
    refused: Mapping[str, str]
    is_connected: bool
    n_messages: int
    n_stored: int
    n_connections: int
    n_buffered: int
    rest_weight: int


def healthz(status: Status) -> tuple[HTTPStatus, bytes]:
    """Return whether every symbol has a fresh minute, and for each the reason."""
    symbols = {symbol: _health(time, status.now) for symbol, time in status.newest.items()}
    is_healthy = bool(symbols) and all(health["ok"] for health in symbols.values())
    body = {
        "status": "ok" if is_healthy else "unhealthy",
        "connected": status.is_connected,
        "symbols": symbols,
        "refused": status.refused,
    }
    return HTTPStatus.OK if is_healthy else HTTPStatus.SERVICE_UNAVAILABLE, msgspec.json.encode(body)


def metrics(status: Status) -> bytes:
    """Return the counts in the text format of Prometheus, version 0.0.4."""
    lines = [
        *_metric("collector_frames_total", "counter", "Messages of the stream.", status.n_messages),
        *_metric("collector_candles_stored_total", "counter", "Rows written.", status.n_stored),
        *_metric(
            "collector_reconnects_total", "counter", "Connections but the first.", max(0, status.n_connections - 1)
        ),
        *_metric("collector_connected", "gauge", "1 while the stream is open.", int(status.is_connected)),
        *_metric("collector_buffer_candles", "gauge", "Closed candles that wait.", status.n_buffered),
        *_metric("collector_rest_weight", "gauge", "Weight of the last minute's requests.", status.rest_weight),
        "# HELP collector_newest_minute_age_seconds Market seconds since the end of the newest stored minute.",
        "# TYPE collector_newest_minute_age_seconds gauge",
    ]
    for symbol, time in status.newest.items():
        if time is not None:
            age = (status.now - time - MINUTE).total_seconds()
            lines.append(f'collector_newest_minute_age_seconds{{symbol="{symbol}"}} {age:.3f}')
    return ("\n".join(lines) + "\n").encode()


def respond(request: bytes, status: Status) -> bytes:
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
async def serve_health(port: int, status: Callable[[], Status]) -> AsyncIterator[int]:
    """Answer on a port (0: any free one) for the time of a ``with`` block, which gets the port.

    Raises:
        ConfigError: If the port is taken.
    """

    async def answer(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            async with asyncio.timeout(REQUEST_SECONDS):
                request = await reader.readuntil(b"\r\n\r\n")
                writer.write(respond(request, status()))
                await writer.drain()
        except (OSError, TimeoutError, EOFError, asyncio.LimitOverrunError) as error:
            logger.debug("health request broken off", extra={"reason": str(error)})
        finally:
            writer.close()

    try:
        # All addresses: whoever watches a container comes from outside of it.
        server = await asyncio.start_server(answer, "0.0.0.0", port)  # noqa: S104
    except OSError as error:
        raise ConfigError(
            f"COLLECTOR_HTTP_PORT={port}: the port cannot be opened ({error.strerror or error}). "
            "Stop what uses it, perhaps another collector, or choose another port"
        ) from None
    async with server:
        yield server.sockets[0].getsockname()[1]


def _health(time: datetime | None, now: datetime) -> dict[str, str | bool | float | None]:
    if time is None:
        return {"ok": False, "newest_minute": None, "age_seconds": None, "reason": "no minute is stored"}
    age = now - time - MINUTE
    is_fresh = age < STALE_AFTER
    reason = "fresh" if is_fresh else f"the newest stored minute ended more than {STALE_AFTER.seconds} s ago"
    shown = round(age.total_seconds(), 3)
    return {"ok": is_fresh, "newest_minute": format_time(time), "age_seconds": shown, "reason": reason}


def _metric(name: str, kind: str, text: str, value: int) -> list[str]:
    return [f"# HELP {name} {text}", f"# TYPE {name} {kind}", f"{name} {value}"]
