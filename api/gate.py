"""Around every request: how many, how large, from where, with which headers it goes out, and what is told of a fault.

Pure ASGI, without Starlette's base class: that one would put a task and a queue between each answer and its client.
"""

import logging
import time
from collections.abc import Awaitable, Callable, MutableMapping
from http import HTTPStatus
from ipaddress import IPv6Address
from typing import Any

from limits import RateLimitItemPerMinute
from limits.storage import MemoryStorage
from limits.strategies import FixedWindowRateLimiter

from api.door import address_of
from api.errors import answer, internal_error
from api.figures import Figures
from btc_core.config import ApiConfig

logger = logging.getLogger(__name__)

Scope = MutableMapping[str, Any]
Receive = Callable[[], Awaitable[MutableMapping[str, Any]]]
Send = Callable[[MutableMapping[str, Any]], Awaitable[None]]
App = Callable[[Scope, Receive, Send], Awaitable[None]]

MOST_BYTES = 65_536
# Pages and scripts of the dashboard: one look at it asks for dozens.
_UNCOUNTED = ("/dashboard", "/docs", "/openapi.json")
POLICY = (
    "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' data:; font-src 'self'; "
    "connect-src 'self'; manifest-src 'self'; base-uri 'none'; form-action 'self'; frame-ancestors 'none'"
)
_HEADERS = {
    b"content-security-policy": POLICY.encode(),
    b"x-content-type-options": b"nosniff",
    b"referrer-policy": b"no-referrer",
    b"x-frame-options": b"DENY",
    b"cross-origin-opener-policy": b"same-origin",
    b"cross-origin-resource-policy": b"same-origin",
    b"cache-control": b"no-store",
}


class Gate:
    """The application, behind its gate.

    Args:
        app: What answers.
        config: How much is given, and to whom.
        figures: Where requests are counted.
    """

    def __init__(self, app: App, config: ApiConfig, figures: Figures) -> None:
        self._app = app
        self._figures = figures
        self._limiter = FixedWindowRateLimiter(MemoryStorage())
        self._rate = RateLimitItemPerMinute(config.requests_a_minute)
        self._loopback_rate = RateLimitItemPerMinute(config.loopback_requests_a_minute)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer a request, or let it through."""
        if scope["type"] != "http":
            return await self._app(scope, receive, send)
        began, status, is_begun = time.perf_counter(), HTTPStatus.INTERNAL_SERVER_ERROR.value, False

        async def sent(message: MutableMapping[str, Any]) -> None:
            nonlocal status, is_begun
            if message["type"] == "http.response.start":
                is_begun = True
                status = message["status"]
                given = message.setdefault("headers", [])
                known = {name.lower() for name, _ in given}
                given.extend((name, value) for name, value in _HEADERS.items() if name not in known)
            await send(message)

        try:
            refused = self._refusal(scope)
            if refused is not None:
                await refused(scope, receive, sent)
            else:
                await self._app(scope, _bounded(receive), sent)
        except Exception as error:  # whatever it was, the next request is served
            # Its words and its traceback may hold SQL, paths and addresses: they are for --debug.
            logger.error("a request failed", extra={"kind": type(error).__name__})  # noqa: TRY400 (as it says above)
            logger.debug("this way", exc_info=True)
            # One that breaks off is left without its end: the server cuts the connection, so that it looks like that.
            if not is_begun:
                await internal_error()(scope, receive, sent)
        finally:
            route = getattr(scope.get("route"), "path", "other")
            self._figures.count(route, status, time.perf_counter() - began)

    def _refusal(self, scope: Scope) -> Any:
        """Return the answer to a request that is too large or one too many; None lets it through."""
        length = next((value for name, value in scope["headers"] if name == b"content-length"), b"0")
        if not length.isdigit() or int(length) > MOST_BYTES:
            return answer(
                413, "too_large", f"A request has at most {MOST_BYTES} bytes.", hint="Nothing here takes more."
            )
        if scope["path"].startswith(_UNCOUNTED):
            return None
        host = scope["client"][0] if scope.get("client") else ""
        client, is_loopback = _client_of(host)
        rate = self._loopback_rate if is_loopback else self._rate
        if self._limiter.hit(rate, client):
            return None
        reset = self._limiter.get_window_stats(rate, client).reset_time
        seconds = str(max(1, round(reset - time.time())))
        return answer(
            429,
            "too_many_requests",
            f"More than {rate.amount} requests in a minute came from {client or 'this client'}.",
            hint="Ask for longer pages (limit), or take the live stream (/api/v1/stream).",
            headers={"Retry-After": seconds},
        )


def _client_of(host: str) -> tuple[str, bool]:
    """Return who an address counts as, and whether that is this machine.

    A household has a network of IPv6 to itself, 2**64 addresses: together they are one client.
    """
    address = address_of(host)
    if isinstance(address, IPv6Address) and not address.is_loopback:
        return f"{IPv6Address(int(address) >> 64 << 64)}/64", False
    return str(address or host), address is not None and address.is_loopback


def _bounded(receive: Receive) -> Receive:
    """Return the receiving end of a request whose length nobody has said: it ends where it becomes too long."""
    n_bytes = 0

    async def received() -> MutableMapping[str, Any]:
        nonlocal n_bytes
        message = await receive()
        n_bytes += len(message.get("body", b""))
        return message if n_bytes <= MOST_BYTES else {"type": "http.disconnect"}

    return received
