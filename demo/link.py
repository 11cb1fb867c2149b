"""One client's WebSocket connection as the exchange sees it: frames out, and the ways in which it can end."""

import logging
import socket
import struct
from collections.abc import Callable

import msgspec
from websockets.asyncio.connection import broadcast
from websockets.asyncio.server import ServerConnection
from websockets.frames import Opcode
from websockets.protocol import State

from demo.protocol import Subscription
from demo.wire import Frame

logger = logging.getLogger(__name__)

# A client that does not read gets so many bytes ahead of it, then loses the connection.
MOST_BACKLOG_BYTES = 8_000_000
# Closed at once with an RST and without what is still to be sent: SO_LINGER on, with 0 seconds.
RESET_LINGER = struct.pack("ii", 1, 0)


class Sending(msgspec.Struct, frozen=True, kw_only=True):
    """A frame on its way to one client.

    Attributes:
        text: What it says.
        at_ms: When it is sent, market time; of a candle frame when it was due.
        channel: ``candle``, ``pong``, ``subscriptionResponse``, ``error``, ``post``; empty for what is no such thing.
        coin: Whom it is about, where it is about a coin.
        frame: What it was made from, where it is a candle frame of the feed.
        is_binary: Sent as a binary frame.
        n_parts: How many WebSocket frames it is cut into.
    """

    text: str
    at_ms: float
    channel: str = ""
    coin: str | None = None
    frame: Frame | None = None
    is_binary: bool = False
    n_parts: int = 1


class Link:
    """One client's WebSocket connection, as the exchange sees it.

    Every frame to the client ends in ``deliver``; ``serve_exchange`` takes a class that overrides it.

    Attributes:
        number: 1 for the first connection since the server started.
        subscriptions: What the client has subscribed to.
        opened_ms: When it was opened, market time in milliseconds since 1970.
        sent_ms: When the exchange last meant to send something on it, and believed that it did.
        is_cut: Nothing comes through in either direction, and nobody is told.
    """

    def __init__(self, connection: ServerConnection, number: int) -> None:
        self.number = number
        self.subscriptions: set[Subscription] = set()
        self.opened_ms = self.sent_ms = 0
        self.is_cut = False
        self._is_over = False
        self._connection = connection

    @property
    def address(self) -> str:
        """The client's address."""
        return str((self._connection.remote_address or ("",))[0])

    def put(self, sending: Sending) -> None:
        """Write a frame in its shape: text or binary, in one piece or in several."""
        if self.is_cut or self._is_over:
            return
        if sending.n_parts > 1:
            self._write(lambda: self._put_parts(sending.text.encode(), sending.n_parts))
        elif sending.is_binary:
            self._write(lambda: self._connection.protocol.send_binary(sending.text.encode()))
        else:
            self.deliver(sending.text)

    def deliver(self, text: str) -> None:
        """Send a frame without waiting for the client."""
        if self._connection.transport.get_write_buffer_size() > MOST_BACKLOG_BYTES:
            logger.warning("a client does not read: connection dropped", extra={"link": self.number})
            self.abort()
            return
        broadcast((self._connection,), text)

    def ping(self) -> None:
        """Send a WebSocket ping."""
        if not self.is_cut:
            self._write(lambda: self._connection.protocol.send_ping(b"ping"))

    def abort(self) -> None:
        """End the connection without a close frame: the client sees code 1006. One that is cut cannot even do that."""
        if not self.is_cut:
            self._is_over = True
            self._connection.transport.abort()

    def reset(self, text: str) -> None:
        """Send the first half of a frame, then a TCP reset."""
        if self.is_cut or self._is_over:
            return
        self._is_over = True
        payload = text.encode()
        # FIN and text, then the length in two bytes: more than will come.
        head = bytes((0x80 | Opcode.TEXT, 126)) + (len(payload) + 126).to_bytes(2, "big")
        transport = self._connection.transport
        transport.write(head + payload[: len(payload) // 2])
        transport.get_extra_info("socket").setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, RESET_LINGER)
        transport.abort()

    def close(self, code: int, reason: str) -> None:
        """End the connection with a close frame; the client's answer ends it for good."""
        if not self.is_cut:
            self._write(lambda: self._connection.protocol.send_close(code, reason))

    def cut(self) -> None:
        """Cut the line, with both ends left in the belief that it is there."""
        self.is_cut = not self._is_over
        self._connection.transport.pause_reading()

    def mend(self) -> None:
        """End a cut: whoever speaks on the line again learns that nobody knows it."""
        if self.is_cut:
            self.is_cut = False
            self._is_over = True
            self._connection.transport.abort()

    def _put_parts(self, payload: bytes, n_parts: int) -> None:
        size = -(-len(payload) // n_parts)
        parts = [payload[i : i + size] for i in range(0, len(payload), size)]
        protocol = self._connection.protocol
        protocol.send_text(parts[0], fin=len(parts) == 1)
        for i, part in enumerate(parts[1:], start=2):
            protocol.send_continuation(part, fin=i == len(parts))

    def _write(self, produce: Callable[[], None]) -> None:
        """Do what the library has no word for: fill its protocol, then empty it into the socket."""
        if self._connection.protocol.state is State.OPEN:
            produce()
            self._connection.send_data()
