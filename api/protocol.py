"""The WebSocket protocol of the server: uvicorn's own, which keeps little for a client that does not read.

uvicorn waits for such a client without an end, and cannot tell it anything: its close frame waits for room as every
message does.
"""

import asyncio
import socket
from asyncio.transports import BaseTransport
from typing import Any, cast

from starlette.websockets import WebSocket, WebSocketState
from uvicorn.protocols.websockets.websockets_sansio_impl import WebSocketsSansIOProtocol
from websockets.http11 import Request

# Of what was sent and not taken: in our memory, and in the system's, which would grow its part to megabytes.
BUFFER_BYTES = 64 * 1024
# How long a client that did not read has to find out why it was dropped.
LINGER_SECONDS = 120.0
_EXTENSION = "btc.protocol"


class StreamProtocol(WebSocketsSansIOProtocol):
    """A WebSocket that can be dropped whether its client reads or not."""

    def connection_made(self, transport: BaseTransport) -> None:
        """Bound what is kept for the client."""
        super().connection_made(transport)
        self.lost = asyncio.Event()
        self.transport.set_write_buffer_limits(high=BUFFER_BYTES)
        self.transport.get_extra_info("socket").setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, BUFFER_BYTES)

    def connection_lost(self, exc: Exception | None) -> None:
        """Note that nobody is there any more."""
        super().connection_lost(exc)
        self.lost.set()

    def handle_connect(self, event: Request) -> None:
        """Let the application reach us."""
        super().handle_connect(event)
        if self.response.status_code == 101:
            cast("dict[str, Any]", self.scope)["extensions"][_EXTENSION] = self

    def drop(self, code: int, reason: str) -> None:
        """Close behind whatever the client has not taken yet; it has some seconds to take it."""
        if not self.close_sent and not self.transport.is_closing():
            self.conn.send_close(code, reason)
            self.transport.write(b"".join(self.conn.data_to_send()))
            self.close_sent = True
        if self.read_paused:
            # Its answer to the close frame is waited for.
            self.read_paused = False
            self.transport.resume_reading()
        self.close_timer = self.loop.call_later(LINGER_SECONDS, self.transport.abort)


async def drop(websocket: WebSocket, code: int, reason: str) -> None:
    """Close a connection with a reason, and return when it is gone; one that does not read is gone after a while."""
    if websocket.client_state is WebSocketState.DISCONNECTED:
        return
    protocol: StreamProtocol | None = websocket.scope.get("extensions", {}).get(_EXTENSION)
    if protocol is None:
        await websocket.close(code, reason)
        return
    protocol.drop(code, reason)
    await protocol.lost.wait()
