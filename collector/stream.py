"""The connections to the exchange's stream: one, and two for a moment while one takes over from the other."""

import asyncio
import logging
from collections.abc import Callable
from http import HTTPStatus
from typing import Protocol

from websockets.asyncio.client import ClientConnection, connect
from websockets.exceptions import ConnectionClosed, InvalidStatus, WebSocketException

from collector.alarms import Alarms
from collector.backoff import Backoff
from collector.budget import Budget
from collector.proxy import proxy_for
from collector.waits import Waits

logger = logging.getLogger(__name__)

# Real seconds. A network and a busy machine do not become faster because the market's clock does.
CLOSE_SECONDS = 2.0
# Messages that wait to be sent or read. A subscription is one message, and an address may have 1000.
QUEUE_MESSAGES = 2000
# What the exchange says when a connection has lived its 10,000 s (PROTOCOL.md, section 8).
EXPIRED = "Expired"


class Listener(Protocol):
    """Who is told about the connections. Nothing here waits for it."""

    def opened(self, number: int) -> None:
        """A connection is there; what is sent now goes to it."""

    def heard(self, number: int, message: bytes) -> None:
        """A message has come."""

    def closed(self, number: int, reason: str) -> None:
        """A connection is gone; the reason is a constant word."""


class Connection:
    """One connection. Neither sending nor dropping ever waits.

    Attributes:
        is_open: Whether it is there now.

    Args:
        number: Which one it is.
        listener: Whom to tell.
        network_seconds: How long the network may take for anything, in real seconds.
        gulp_seconds: How long to wait after a message before more is read, in real seconds.
    """

    def __init__(self, number: int, listener: Listener, network_seconds: float, gulp_seconds: float) -> None:
        self._number = number
        self._listener = listener
        self._network_seconds = network_seconds
        self._gulp_seconds = gulp_seconds
        self._is_resting = False
        self._socket: ClientConnection | None = None
        self._outbox: asyncio.Queue[str] = asyncio.Queue(QUEUE_MESSAGES)
        self._reason = ""
        self.is_open = False

    def send(self, text: str) -> None:
        """Send a message when the socket takes it; one that takes none for long is dropped."""
        try:
            self._outbox.put_nowait(text)
        except asyncio.QueueFull:
            self.drop("blocked")

    def drop(self, reason: str) -> None:
        """End the connection without a goodbye: whoever is silent would not answer it."""
        self._reason = self._reason or reason
        if self._socket is not None:
            self._socket.transport.abort()

    async def converse(self, url: str) -> str:
        """Hold the connection from its first to its last message; return why it ended, as a constant word.

        Raises:
            OSError, TimeoutError, WebSocketException: If it cannot be made.
        """
        # Our own pings keep it alive and watch it; a WebSocket ping would not be answered by the exchange's logic.
        opening = connect(
            url,
            proxy=proxy_for(url),
            open_timeout=self._network_seconds,
            close_timeout=CLOSE_SECONDS,
            ping_interval=None,
            compression=None,
            max_queue=QUEUE_MESSAGES,
        )
        async with opening as socket, asyncio.TaskGroup() as tasks:
            sender = tasks.create_task(self._send_outbox(socket))
            self._socket = socket
            try:
                self.is_open = True
                self._listener.opened(self._number)
                reason = await self._listen(socket)
            finally:
                self.is_open = False
                self._socket = None
                sender.cancel()
        return self._reason or reason

    async def _listen(self, socket: ClientConnection) -> str:
        try:
            while True:
                self._listener.heard(self._number, await socket.recv(decode=False))
                self._rest(socket)
        except ConnectionClosed as error:
            is_expired = error.rcvd is not None and error.rcvd.reason == EXPIRED
            return "expired" if is_expired else "closed"

    def _rest(self, socket: ClientConnection) -> None:
        """Leave the socket alone for a moment: most of a message's cost is to be woken for it."""
        if self._is_resting or not self._gulp_seconds:
            return

        def wake() -> None:
            self._is_resting = False
            socket.transport.resume_reading()

        self._is_resting = True
        socket.transport.pause_reading()
        asyncio.get_running_loop().call_later(self._gulp_seconds, wake)

    async def _send_outbox(self, socket: ClientConnection) -> None:
        while True:
            text = await self._outbox.get()
            try:
                async with asyncio.timeout(self._network_seconds):
                    await socket.send(text)
            except ConnectionClosed:
                return
            except TimeoutError:
                self.drop("blocked")
                return


class _Place:
    """A place for one connection after the other."""

    def __init__(self, backoff: Backoff) -> None:
        self.backoff = backoff
        self.connection: Connection | None = None
        self.number = 0
        # Another place takes over: when this connection ends there is no next one here.
        self.is_leaving = False


class Connections:
    """Keeps a connection, over and over.

    Attributes:
        n_made: Connections made so far.

    Args:
        url: Where the exchange listens.
        listener: Whom to tell.
        make_backoff: Makes the waits between two tries.
        limit: Most connections in a minute.
        network_seconds: How long the network may take for anything, in real seconds.
        waits: The clock.
        alarms: The log.
        gulp_seconds: How long to wait after a message before more is read, in real seconds.
    """

    def __init__(
        self,
        url: str,
        listener: Listener,
        *,
        make_backoff: Callable[[], Backoff],
        limit: int,
        network_seconds: float,
        waits: Waits,
        alarms: Alarms,
        gulp_seconds: float = 0.0,
    ) -> None:
        self._url = url
        self._listener = listener
        self._make_backoff = make_backoff
        self._network_seconds = network_seconds
        self._gulp_seconds = gulp_seconds
        self._waits = waits
        self._alarms = alarms
        self._budget = Budget(limit)
        self._places: list[_Place] = []
        self._tasks: asyncio.TaskGroup | None = None
        self.n_made = 0

    @property
    def n_open(self) -> int:
        """How many connections there are now."""
        return sum(place.connection is not None and place.connection.is_open for place in self._places)

    async def run(self) -> None:
        """Keep connected, for ever."""
        async with asyncio.TaskGroup() as tasks:
            self._tasks = tasks
            self._take_place()
            await asyncio.Event().wait()

    def send(self, number: int, text: str) -> None:
        """Send a message on a connection, where it is still there."""
        place = self._place(number)
        if place is not None and place.connection is not None:
            place.connection.send(text)

    def drop(self, number: int, reason: str) -> None:
        """End a connection."""
        place = self._place(number)
        if place is not None and place.connection is not None:
            place.connection.drop(reason)

    def works(self, number: int) -> None:
        """Note that a connection has proved to be of use."""
        place = self._place(number)
        if place is not None:
            place.backoff.reset()

    def replace(self, number: int) -> None:
        """Make another connection beside this one, which is not made anew; one that is gone has another."""
        place = self._place(number)
        if place is not None and not place.is_leaving:
            place.is_leaving = True
            self._take_place()

    def _place(self, number: int) -> _Place | None:
        return next((place for place in self._places if place.number == number), None)

    def _take_place(self) -> None:
        assert self._tasks is not None
        place = _Place(self._make_backoff())
        self._places.append(place)
        self._tasks.create_task(self._keep(place))

    async def _keep(self, place: _Place) -> None:
        """Hold one connection after the other."""
        while not place.is_leaving:
            await self._afford()
            self.n_made += 1
            place.number = self.n_made
            place.connection = Connection(place.number, self._listener, self._network_seconds, self._gulp_seconds)
            reason, detail = await self._converse(place.connection)
            place.connection = None
            self._listener.closed(place.number, reason)
            # The end of a connection's life is no sign of trouble.
            wait = 0.0 if reason in ("expired", "rotated") else place.backoff.next_wait()
            fields = {"link": place.number, "reason": reason, "detail": detail, "wait_seconds": round(wait, 2)}
            self._alarms.warn("connection ended", fields)
            if not place.is_leaving:
                await self._waits.sleep(wait)
        self._places.remove(place)

    async def _converse(self, connection: Connection) -> tuple[str, str]:
        try:
            return await connection.converse(self._url), ""
        except InvalidStatus as error:
            status = error.response.status_code
            return "limited" if status == HTTPStatus.TOO_MANY_REQUESTS else "refused", f"HTTP {status}"
        except TimeoutError:
            return "timeout", "no answer to the handshake"
        except (OSError, WebSocketException) as error:
            return "unreachable", f"{type(error).__name__} {error}".strip()

    async def _afford(self) -> None:
        """Wait until another connection is within the limit; it counts from then on."""
        while (free := self._budget.free_at(1, self._waits.elapsed(), is_urgent=True)) > (now := self._waits.elapsed()):
            await self._waits.sleep(free - now)
        self._budget.spend(1, self._waits.elapsed(), is_urgent=True)
