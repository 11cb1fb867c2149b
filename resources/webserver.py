"""``python -m resources.webserver``: Dagster's web server, closed to pages of others that are open in the same browser.

It has no login, and it takes a command from the address of a request alone: an image of another page, at
``/graphql?query=mutation…``, would delete runs. Options are those of ``dagster-webserver``.
"""

import sys
from collections.abc import Awaitable, Callable, MutableMapping
from http import HTTPStatus
from typing import Any
from urllib.parse import urlsplit

from dagster_webserver.webserver import DagsterWebserver
from starlette.middleware import Middleware
from starlette.responses import PlainTextResponse

Scope = MutableMapping[str, Any]
Receive = Callable[[], Awaitable[MutableMapping[str, Any]]]
Send = Callable[[MutableMapping[str, Any]], Awaitable[None]]
App = Callable[[Scope, Receive, Send], Awaitable[None]]

SAFE = ("GET", "HEAD", "OPTIONS")
# The close code of a WebSocket that breaks a rule of the house (RFC 6455, section 7.4.1).
POLICY_VIOLATION = 1008


def fault_of(scope: Scope) -> str | None:
    """Return why a request may not come in, None where it may.

    Browsers tell where a page is from that writes or opens a WebSocket; programs tell nothing, and may. Of a page that
    only reads browsers tell nothing, so that no command is taken from an address.
    """
    headers = {name.decode("latin-1").lower(): value.decode("latin-1") for name, value in scope["headers"]}
    if scope["type"] == "websocket" or scope["method"] not in SAFE:
        origin = headers.get("origin")
        # What a proxy was asked for; another page's script cannot set it without asking first.
        own = (headers.get("host"), headers.get("x-forwarded-host"))
        if origin is not None and urlsplit(origin).netloc not in own:
            return f"expected a request of this server's own pages, found one of {origin}"
    elif scope["path"].endswith("/graphql") and "text/html" not in headers.get("accept", ""):
        return "expected a question to GraphQL by POST, found it in the address"
    return None


class Guard:
    """Lets requests of this server's own pages, and of programs, through to ``app``."""

    def __init__(self, app: App) -> None:
        self._app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer a request, or let it through."""
        fault = fault_of(scope) if scope["type"] in ("http", "websocket") else None
        if fault is None:
            await self._app(scope, receive, send)
        elif scope["type"] == "websocket":
            await send({"type": "websocket.close", "code": POLICY_VIOLATION, "reason": fault[:100]})
        else:
            await PlainTextResponse(fault, HTTPStatus.FORBIDDEN)(scope, receive, send)


class GuardedWebserver(DagsterWebserver[Any, Any]):
    """Dagster's own, behind the guard."""

    def build_middleware(self) -> list[Middleware]:
        """Return the guard before what Dagster has."""
        return [Middleware(Guard), *super().build_middleware()]


def main() -> None:
    """Serve until told to stop, as ``dagster-webserver`` does."""
    from dagster_webserver import app, cli

    # Dagster 1.13 has no place to say which class it is to take.
    app.DagsterWebserver = GuardedWebserver  # pyright: ignore[reportPrivateImportUsage]
    cli.main()


if __name__ == "__main__":
    sys.exit(main())
