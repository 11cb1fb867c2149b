"""One connection to the exchange's stream at a time: the socket, and the messages that wait to be sent on it."""

import asyncio
import logging
from collections.abc import Callable

from websockets.asyncio.client import ClientConnection, connect
from websockets.exceptions import ConnectionClosed

logger = logging.getLogger(__name__)

# Real seconds. A network and a busy machine do not become faster because the market's clock does.
NETWORK_SECONDS = 10.0
CLOSE_SECONDS = 2.0
# Messages that wait to be sent or read. A subscription is one message, and an address may have 1000.
QUEUE_MESSAGES = 2000


class Stream:
    """The connection, and whom to tell about it. Neither sending nor dropping ever waits.

    Attributes:
        n_connections: Connections made so far.

    Args:
        url: Where the exchange listens.
        opened: Called when a connection is there; what it sends goes to that connection.
        heard: Called with each message.
        closed: Called when the connection is gone.
    """

    def __init__(
        self, url: str, *, opened: Callable[[], None], heard: Callable[[bytes], None], closed: Callable[[], None]
    ) -> None:
        self._url = url
        self._opened = opened
        self._heard = heard
        self._closed = closed
        self._socket: ClientConnection | None = None
        self._outbox: asyncio.Queue[str] = asyncio.Queue(QUEUE_MESSAGES)
        self.n_connections = 0

    @property
    def is_open(self) -> bool:
        """Whether there is a connection."""
        return self._socket is not None

    def send(self, text: str) -> None:
        """Send a message when the socket takes it; one that takes none for long is dropped."""
        try:
            self._outbox.put_nowait(text)
        except asyncio.QueueFull:
            self.drop("the exchange takes no messages")

    def drop(self, reason: str) -> None:
        """End the connection without a goodbye: whoever is silent would not answer it."""
        logger.warning("connection dropped", extra={"reason": reason})
        if self._socket is not None:
            self._socket.transport.abort()

    async def converse(self) -> str:
        """Hold one connection from its first to its last message; return why it ended.

        Raises:
            OSError, TimeoutError, WebSocketException: If it cannot be made.
        """
        # Our own pings keep it alive and watch it; a WebSocket ping would not be answered by the exchange's logic.
        opening = connect(
            self._url,
            open_timeout=NETWORK_SECONDS,
            close_timeout=CLOSE_SECONDS,
            ping_interval=None,
            compression=None,
            max_queue=QUEUE_MESSAGES,
        )
        async with opening as socket, asyncio.TaskGroup() as tasks:
            sender = tasks.create_task(self._send_outbox(socket))
            try:
                self._socket = socket
                self.n_connections += 1
                logger.info("connected", extra={"address": self._url})
                self._opened()
                return await self._listen(socket)
            finally:
                self._socket = None
                self._outbox = asyncio.Queue(QUEUE_MESSAGES)
                self._closed()
                sender.cancel()

    async def _listen(self, socket: ClientConnection) -> str:
        try:
            while True:
                self._heard(await socket.recv(decode=False))
        except ConnectionClosed as error:
            return str(error)

    async def _send_outbox(self, socket: ClientConnection) -> None:
        # Each connection has an outbox of its own: what was meant for the last one means nothing to the next.
        outbox = self._outbox
        while True:
            text = await outbox.get()
            try:
                async with asyncio.timeout(NETWORK_SECONDS):
                    await socket.send(text)
            except ConnectionClosed:
                return
            except TimeoutError:
                self.drop("a message was not taken in time")
                return
