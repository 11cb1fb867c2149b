"""One port for WebSocket and REST: the first byte of a connection tells them apart.

A WebSocket begins with a GET, which the WebSocket library reads; it refuses every other method before anybody is
asked, and REST is POST. So a connection that does not begin with a G goes to a reader of plain HTTP.
"""

import asyncio
from collections.abc import Awaitable, Callable
from typing import cast

from websockets.asyncio.server import Server, ServerConnection
from websockets.server import ServerProtocol

HttpHandler = Callable[[asyncio.StreamReader, asyncio.StreamWriter], Awaitable[None]]


class Doorway(ServerConnection):
    """A WebSocket connection that has not begun until its first byte is a G.

    Subclasses say what happens to the others; see ``doorway_to``.
    """

    http_handler: HttpHandler
    waiting: "set[asyncio.BaseTransport]"

    def __init__(self, protocol: ServerProtocol, server: Server, **options: object) -> None:
        super().__init__(protocol, server, **options)  # type: ignore[arg-type]
        self._undecided: asyncio.BaseTransport | None = None

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Wait for the first byte."""
        self._undecided = transport
        self.waiting.add(transport)

    def data_received(self, data: bytes) -> None:
        """Decide by the first byte, then hand on everything."""
        if self._undecided is not None:
            transport, self._undecided = self._undecided, None
            self.waiting.discard(transport)
            if not data.startswith(b"G"):
                self._hand_over(cast("asyncio.Transport", transport), data)
                return
            super().connection_made(transport)
        super().data_received(data)

    def eof_received(self) -> None:
        """Close a connection that ends before it began."""
        if self._undecided is None:
            super().eof_received()

    def connection_lost(self, exc: Exception | None) -> None:
        """Forget a connection that was lost before it began."""
        if self._undecided is None:
            super().connection_lost(exc)
        else:
            self.waiting.discard(self._undecided)

    def _hand_over(self, transport: asyncio.Transport, data: bytes) -> None:
        reader = asyncio.StreamReader()
        protocol = asyncio.StreamReaderProtocol(reader, self.http_handler)
        transport.set_protocol(protocol)
        protocol.connection_made(transport)
        protocol.data_received(data)


def doorway_to(handler: HttpHandler, waiting: "set[asyncio.BaseTransport]") -> type[Doorway]:
    """Return the class of connections that give plain HTTP to ``handler``.

    Args:
        handler: Answers the requests of a connection.
        waiting: Holds the connections that have sent nothing yet, for whoever closes the server.
    """

    class _Doorway(Doorway):
        http_handler = staticmethod(handler)

    _Doorway.waiting = waiting
    return _Doorway
