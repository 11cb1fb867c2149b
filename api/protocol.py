"""The protocols of the server: uvicorn's own, which keep little for a client that sends or that does not read.

uvicorn waits for such a client without an end, and cannot tell it anything: its close frame waits for room as every
message does.
"""

import asyncio
import socket
from asyncio.transports import BaseTransport
from http import HTTPStatus
from typing import Any, cast

import msgspec
from starlette.websockets import WebSocket, WebSocketState
from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol
from uvicorn.protocols.websockets.websockets_sansio_impl import WebSocketsSansIOProtocol
from websockets.http11 import Request

# Of what was sent and not taken: in our memory, and in the system's, which would grow its part to megabytes.
BUFFER_BYTES = 64 * 1024
# Of a request's first line and headers together; uvicorn would keep as many as come.
HEAD_BYTES = 64 * 1024
# How long a request, head and body, has to come in; both are small.
REQUEST_SECONDS = 20.0
# How long a client that did not read has to find out why it was dropped.
LINGER_SECONDS = 120.0
_EXTENSION = "btc.protocol"


class HeadProtocol(HttpToolsProtocol):
    """HTTP whose requests have a head of a bounded size, and are there within a bounded time."""

    # Bytes of the head that is coming in; None behind its end.
    _n_head: int | None = 0
    # Whether some of a request has come, and not all of it.
    _is_partial = False
    _timer: asyncio.TimerHandle | None = None

    def connection_made(self, transport: asyncio.Transport) -> None:  # pyright: ignore[reportIncompatibleMethodOverride]
        """Begin to wait for a request."""
        super().connection_made(transport)
        self._wait()

    def connection_lost(self, exc: Exception | None) -> None:
        """Wait no more."""
        super().connection_lost(exc)
        self._wait_no_more()

    def on_message_begin(self) -> None:
        """Begin to count."""
        super().on_message_begin()
        self._n_head = 0
        self._is_partial = True

    def on_headers_complete(self) -> None:
        """Stop counting: bodies are the gate's."""
        super().on_headers_complete()
        self._n_head = None

    def on_message_complete(self) -> None:
        """Note that a request is there."""
        super().on_message_complete()
        self._is_partial = False

    def handle_websocket_upgrade(self) -> None:
        """Hand the connection over."""
        self._wait_no_more()
        super().handle_websocket_upgrade()

    def data_received(self, data: bytes) -> None:
        """Refuse a head that has not ended by now; give what is not whole yet its time."""
        n_before = self._n_head
        # Blank lines too: they are before a request.
        self._is_partial = True
        super().data_received(data)
        if self.transport.is_closing():
            return
        if not self._is_partial:
            self._wait_no_more()
        elif self._timer is None:
            self._wait()
        # What came with the end of another request is counted from the next piece on.
        if n_before is None or self._n_head is None:
            return
        self._n_head += len(data)
        if self._n_head > HEAD_BYTES:
            self._refuse(431, "too_large", f"The head of a request has at most {HEAD_BYTES} bytes.")

    def send_400_response(self, msg: str) -> None:
        """Refuse what is no request."""
        self._refuse(400, "invalid_input", msg)

    def _wait(self) -> None:
        self._timer = self.loop.call_later(REQUEST_SECONDS, self._give_up)

    def _wait_no_more(self) -> None:
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None

    def _give_up(self) -> None:
        """Close a connection whose request has not come in whole by now."""
        self._timer = None
        if self.transport.is_closing():
            return
        is_head = self._n_head is not None
        if self.flow.read_paused or (is_head and self.cycle and not self.cycle.response_complete):
            # It is we who do not read, or the request before it is being answered.
            self._wait()
        elif self._is_partial and (is_head or not self.cycle.response_started):
            self._refuse(408, "too_slow", f"A request has {REQUEST_SECONDS:.0f} s to come in.")
        else:
            # Its answer is there already, or it has not begun: browsers open connections in advance, and would take an
            # answer to nothing for that to what they ask next.
            self.transport.close()

    def _refuse(self, status: int, error: str, detail: str) -> None:
        """Answer what is no request for the application, and close."""
        body = msgspec.json.encode({"error": error, "detail": detail, "hint": "/docs lists what may be asked."})
        head = f"HTTP/1.1 {status} {HTTPStatus(status).phrase}\r\ncontent-type: application/json\r\n"
        ends = f"content-length: {len(body)}\r\nconnection: close\r\n\r\n"
        self.transport.write(f"{head}{ends}".encode() + body)
        self.transport.close()


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
