"""The demo exchange: a server on loopback that speaks the exchange's protocol over WebSocket and REST.

``serve_exchange`` starts one from a feed. It serves 1m candles on the WebSocket; larger intervals and other channels
are acknowledged and silent. REST answers every interval. Faults have two seams: the switches of ``Exchange``
(``drop_connections``, ``outage``), and ``Link``, through which each frame of a connection goes.
"""

import asyncio
import logging
import time
from collections.abc import AsyncIterator, Awaitable, Callable, Iterable
from contextlib import asynccontextmanager, suppress
from http import HTTPStatus

import msgspec
from websockets.asyncio.connection import broadcast
from websockets.asyncio.server import Server, ServerConnection, serve
from websockets.exceptions import ConnectionClosed
from websockets.http11 import Request, Response

from btc_core.model.clock import ClockScale
from btc_core.model.timerange import to_ms
from demo import protocol
from demo.doorway import doorway_to
from demo.feeds import Feed
from demo.http import HttpRequest, serve_requests
from demo.info import Answer, answer_info, is_known, text_answer
from demo.playback import Playhead, frames_per_minute
from demo.protocol import Ping, Post, Subscribe, Subscription, Unreadable
from demo.wire import Frame

logger = logging.getLogger(__name__)

# A client that does not read gets so many bytes ahead of it, then loses the connection.
MOST_BACKLOG_BYTES = 8_000_000
# The exchange closes 90 to 155 ms after an unknown coin (PROTOCOL.md, section 7).
UNKNOWN_COIN_SECONDS = 0.1
# So far behind (real time), the frames inside a minute are skipped and only its best one is sent.
PATIENCE_SECONDS = 0.25
OUTAGE_PAGE = (
    "<html>\r\n<head><title>502 Bad Gateway</title></head>\r\n<body>\r\n"
    "<center><h1>502 Bad Gateway</h1></center>\r\n<hr><center>nginx</center>\r\n</body>\r\n</html>\r\n"
)


class Link:
    """One client's WebSocket connection, as the exchange sees it.

    Every frame to the client goes through ``deliver``: a fault script overrides it to hold back, drop, repeat or spoil
    frames, and gives its class to ``serve_exchange``.

    Attributes:
        number: 1 for the first connection since the server started.
        subscriptions: What the client has subscribed to.
    """

    def __init__(self, connection: ServerConnection, number: int) -> None:
        self.number = number
        self.subscriptions: set[Subscription] = set()
        self._connection = connection

    def deliver(self, text: str) -> None:
        """Send a frame without waiting for the client."""
        if self._connection.transport.get_write_buffer_size() > MOST_BACKLOG_BYTES:
            logger.warning("a client does not read: connection dropped", extra={"link": self.number})
            self.abort()
            return
        broadcast((self._connection,), text)

    def abort(self) -> None:
        """End the connection without a close frame: the client sees code 1006."""
        self._connection.transport.abort()

    async def close(self, code: int, reason: str) -> None:
        """End the connection with a close frame."""
        await self._connection.close(code, reason)


class Exchange:
    """A running demo exchange; ``serve_exchange`` makes one.

    Attributes:
        ws_url: Address of the WebSocket.
        api_url: Address of REST, up to and including ``/info``.
        outage: While true, REST answers 502 with a page of HTML, as the edge does.
        links: The open WebSocket connections, oldest first.
        n_links: How many WebSocket connections there were, the open ones included.
    """

    def __init__(self, feed: Feed, clock: ClockScale, make_link: Callable[[ServerConnection, int], Link]) -> None:
        self.ws_url = ""
        self.api_url = ""
        self.outage = False
        self.links: list[Link] = []
        self.n_links = 0
        self._feed = feed
        self._clock = clock
        self._make_link = make_link
        self._playheads: dict[str, Playhead] = {}
        self._changed = asyncio.Event()

    def now_ms(self) -> int:
        """Return the present instant on the exchange's clock, milliseconds since 1970."""
        return to_ms(self._clock.instant(time.time()))

    def drop_connections(self) -> None:
        """End every WebSocket connection at once, without a close frame."""
        for link in tuple(self.links):
            link.abort()

    async def answer(self, request: HttpRequest) -> Answer:
        """Answer a request to REST."""
        if self.outage:
            return Answer(HTTPStatus.BAD_GATEWAY, OUTAGE_PAGE.encode(), "text/html")
        if request.path != "/info":
            return Answer(HTTPStatus.NOT_FOUND)
        if request.method != "POST":
            return Answer(HTTPStatus.METHOD_NOT_ALLOWED)
        if request.headers.get("content-type", "").partition(";")[0].strip().lower() != "application/json":
            return text_answer(
                HTTPStatus.UNSUPPORTED_MEDIA_TYPE, "Expected request with `Content-Type: application/json`"
            )
        # Thousands of rows take a while; frames must not wait for them.
        return await asyncio.to_thread(answer_info, self._feed, request.body, now_ms=self.now_ms())

    async def talk(self, connection: ServerConnection) -> None:
        """Serve one WebSocket connection until it ends."""
        self.n_links += 1
        link = self._make_link(connection, self.n_links)
        self.links.append(link)
        try:
            with suppress(ConnectionClosed):
                async for message in connection:
                    self._follow(link, message)
        finally:
            self.links.remove(link)

    async def play(self) -> None:
        """Send frames when they are due, for ever."""
        while True:
            self._changed.clear()
            self._send_due()
            with suppress(TimeoutError):
                async with asyncio.timeout(self._seconds_to_next()):
                    await self._changed.wait()

    def _follow(self, link: Link, message: str | bytes) -> None:
        request = protocol.read_frame(message)
        match request:
            case Ping():
                link.deliver(protocol.PONG)
            case Unreadable():
                link.deliver(protocol.unreadable(message))
            case Post():
                link.deliver(self._post(request))
            case Subscribe():
                self._subscribe(link, request)

    def _subscribe(self, link: Link, request: Subscribe) -> None:
        wanted = request.subscription
        if not is_known(self._feed, wanted.coin):
            seconds = self._clock.real_seconds(UNKNOWN_COIN_SECONDS)
            asyncio.get_running_loop().call_later(seconds, link.abort)
            return
        if (wanted in link.subscriptions) == (request.method == "subscribe"):
            link.deliver(protocol.already(request))
            return
        link.subscriptions ^= {wanted}
        link.deliver(protocol.acknowledgement(request))
        self._changed.set()

    def _post(self, request: Post) -> str:
        answer = answer_info(self._feed, request.payload, now_ms=self.now_ms())
        if answer.content_type != "application/json":
            return protocol.post_answer(request.id, kind="", data=None)
        kind = msgspec.json.decode(request.payload)["type"]
        return protocol.post_answer(request.id, kind=kind, data=answer.body)

    def _send_due(self) -> None:
        now_ms = self.now_ms()
        audience = self._audience()
        self._playheads = {
            coin: self._playheads.get(coin)
            or Playhead(self._feed, coin, now_ms=now_ms, limit=frames_per_minute(self._clock.rate))
            for coin in audience
        }
        patience_ms = PATIENCE_SECONDS * 1000 * self._clock.rate
        due: list[Frame] = []
        for playhead in self._playheads.values():
            due += playhead.take(now_ms, patience_ms=patience_ms)
        for frame in sorted(due, key=lambda frame: frame.due_ms):
            text = frame.text()
            for link in audience[frame.row.coin]:
                link.deliver(text)

    def _audience(self) -> dict[str, list[Link]]:
        """Return who listens to the 1m candles of which coin."""
        audience: dict[str, list[Link]] = {}
        for link in self.links:
            for wanted in link.subscriptions:
                if wanted.type == "candle" and wanted.interval == "1m" and wanted.coin in self._feed.coins:
                    audience.setdefault(wanted.coin, []).append(link)
        return audience

    def _seconds_to_next(self) -> float | None:
        next_ms = min((playhead.next_due_ms for playhead in self._playheads.values()), default=None)
        return None if next_ms is None else self._clock.real_seconds(max(0, next_ms - self.now_ms()) / 1000)


@asynccontextmanager
async def serve_exchange(
    feed: Feed,
    clock: ClockScale,
    *,
    host: str = "127.0.0.1",
    port: int = 0,
    make_link: Callable[[ServerConnection, int], Link] = Link,
) -> AsyncIterator[Exchange]:
    """Run a demo exchange while the context is open.

    Args:
        feed: What it plays.
        clock: Its clock; the client must run on the same one.
        host: Address to listen on.
        port: Port for both WebSocket and REST; 0 takes a free one.
        make_link: Makes the exchange's side of each connection: the place for a fault script.

    Raises:
        OSError: If the port is in use, or the address is not one of this machine.
    """
    exchange = Exchange(feed, clock, make_link)
    http_tasks: set[asyncio.Task[None]] = set()
    undecided: set[asyncio.BaseTransport] = set()

    async def answer_http(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        task = asyncio.current_task()
        assert task is not None
        http_tasks.add(task)
        try:
            await serve_requests(reader, writer, exchange.answer)
        except asyncio.CancelledError:
            writer.transport.abort()  # The server closes; the task ends here, so nobody needs to hear of it.
        finally:
            http_tasks.discard(task)

    async with _websocket_server(exchange, host, port, answer_http, undecided) as server:
        bound = next(iter(server.sockets)).getsockname()[1]
        exchange.ws_url, exchange.api_url = f"ws://{host}:{bound}/ws", f"http://{host}:{bound}/info"
        player = asyncio.create_task(exchange.play())
        player.add_done_callback(_report_death)
        try:
            yield exchange
        finally:
            # A player that died is raised here too.
            await _stop([player, *http_tasks])
            for transport in undecided:
                transport.close()


def _websocket_server(
    exchange: Exchange,
    host: str,
    port: int,
    answer_http: Callable[[asyncio.StreamReader, asyncio.StreamWriter], Awaitable[None]],
    undecided: set[asyncio.BaseTransport],
) -> Server:
    def refuse(connection: ServerConnection, request: Request) -> Response | None:
        path = request.path.partition("?")[0]
        if path == "/ws":
            return None
        refusal = connection.respond(HTTPStatus.METHOD_NOT_ALLOWED if path == "/info" else HTTPStatus.NOT_FOUND, "")
        del refusal.headers["Content-Type"]
        return refusal

    return serve(
        exchange.talk,
        host,
        port,
        process_request=refuse,
        create_connection=doorway_to(answer_http, undecided),
        # As measured: no compression is agreed on, and the exchange sends no WebSocket pings.
        compression=None,
        ping_interval=None,
        close_timeout=1,
    )


def _report_death(player: asyncio.Task[None]) -> None:
    if not player.cancelled() and player.exception() is not None:
        logger.error("the player died: no frames are sent any more", exc_info=player.exception())


async def _stop(tasks: Iterable[asyncio.Task[None]]) -> None:
    for task in tasks:
        task.cancel()
    for outcome in await asyncio.gather(*tasks, return_exceptions=True):
        if isinstance(outcome, Exception):
            raise outcome
