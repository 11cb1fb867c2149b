"""The demo exchange: a server on loopback that speaks the exchange's protocol over WebSocket and REST.

``serve_exchange`` starts one from a feed. It serves 1m candles on the WebSocket; larger intervals and other channels
are acknowledged and silent. REST answers every interval. Without a script it has no faults, and the limits of the real
one; what goes wrong is in ``demo/faults``, and every frame, handshake and answer passes by the faults under way.
"""

import asyncio
import logging
import time
from collections.abc import AsyncIterator, Awaitable, Callable, Iterable
from contextlib import asynccontextmanager, suppress
from functools import partial
from http import HTTPStatus

import msgspec
from websockets.asyncio.server import Server, ServerConnection, serve
from websockets.exceptions import ConnectionClosed
from websockets.http11 import Request, Response
from websockets.protocol import State

from btc_core.errors import ConfigError, near_misses
from btc_core.model.clock import ClockScale
from btc_core.model.timerange import to_ms
from demo import protocol
from demo.agenda import Agenda
from demo.answer import Answer, Query, read_query, text_answer, weight_of
from demo.doorway import doorway_to
from demo.faults.fault import Fault
from demo.faults.market import RenamedPair
from demo.faults.script import Script
from demo.faults.spells import RULES, Spells
from demo.faults.stage import Stage
from demo.feeds import Feed
from demo.http import HttpRequest, serve_requests
from demo.info import answer_info, is_known
from demo.link import Link, Sending
from demo.meter import Meter
from demo.playback import Playhead, frames_per_minute
from demo.protocol import Ping, Post, Subscribe, Unreadable
from demo.tape import Tape
from demo.wire import Frame, Row

logger = logging.getLogger(__name__)

# The exchange closes 90 to 155 ms after an unknown coin (PROTOCOL.md, section 7).
UNKNOWN_COIN_MS = 100
# So far behind (real time), the frames inside a minute are skipped and only its best one is sent.
PATIENCE_SECONDS = 0.25
# A handshake may take so long (real time): longer than any client waits for one that hangs.
HANDSHAKE_SECONDS = 60
NO_FAULTS = Script()


class Exchange:
    """A running demo exchange; ``serve_exchange`` makes one.

    Attributes:
        ws_url: Address of the WebSocket.
        api_url: Address of REST, up to and including ``/info``.
        n_links: How many WebSocket connections there were, the open ones included.
    """

    def __init__(
        self, feed: Feed, clock: ClockScale, make_link: Callable[[ServerConnection, int], Link] = Link, *, seed: int = 0
    ) -> None:
        self.ws_url = ""
        self.api_url = ""
        self.n_links = 0
        self._clock = clock
        self._make_link = make_link
        self._tape = Tape(feed)
        self._changed = asyncio.Event()
        self._agenda = Agenda(self._changed.set)
        self._stage = Stage(
            clock=clock, now_ms=self.now_ms, n_open=self._n_open, agenda=self._agenda, tape=self._tape, seed=seed
        )
        self._spells = Spells(self._stage)
        self._guests: set[ServerConnection] = set()
        self._playheads: dict[str, Playhead] = {}

    @property
    def links(self) -> list[Link]:
        """The open WebSocket connections, oldest first."""
        return self._stage.links

    @property
    def connects(self) -> Meter:
        """The attempts to connect, by address, the refused ones included."""
        return self._stage.connects

    @property
    def weights(self) -> Meter:
        """The weight of requests to REST, by address."""
        return self._stage.weights

    def now_ms(self) -> int:
        """Return the present instant on the exchange's clock, milliseconds since 1970."""
        return to_ms(self._clock.instant(time.time()))

    def truth(self, coin: str, minute: int) -> Row | None:
        """Return what REST says of a minute in the end, with the changes of the faults that were begun so far.

        Args:
            coin: Its name now.
            minute: Its number since 1970.
        """
        return self._tape.final_row(coin, minute)

    def schedule(self, faults: Iterable[Fault]) -> None:
        """Begin faults in their time, counted from now."""
        self._spells.schedule(faults)

    def begin(self, fault: Fault) -> None:
        """Begin a fault now; it ends after its own duration, or by ``end``. A rule takes the place of the same rule."""
        self._spells.begin(fault, self.now_ms())

    def end(self, fault: Fault) -> None:
        """End a fault that is under way.

        Raises:
            ValueError: If it is not.
        """
        self._spells.end(fault, self.now_ms())

    async def answer(self, request: HttpRequest) -> Answer:
        """Answer a request to REST."""
        if request.path != "/info":
            return Answer(HTTPStatus.NOT_FOUND)
        if request.method != "POST":
            return Answer(HTTPStatus.METHOD_NOT_ALLOWED)
        if request.headers.get("content-type", "").partition(";")[0].strip().lower() != "application/json":
            return text_answer(
                HTTPStatus.UNSUPPORTED_MEDIA_TYPE, "Expected request with `Content-Type: application/json`"
            )
        query = read_query(request.body, now_ms=self.now_ms(), address=request.address)
        answer = await self._spells.answer(query, self._true_answer)
        # Noted for when it was asked: that is what the client can keep a budget of.
        if answer.status != HTTPStatus.TOO_MANY_REQUESTS:
            self.weights.add(query.address, query.now_ms, weight_of(query.kind, answer.n_rows))
        return answer

    async def admit(self, connection: ServerConnection, request: Request) -> Response | None:
        """Return the answer that refuses a handshake, or None to go on with it."""
        path = request.path.partition("?")[0]
        if path != "/ws":
            refusal = connection.respond(HTTPStatus.METHOD_NOT_ALLOWED if path == "/info" else HTTPStatus.NOT_FOUND, "")
            del refusal.headers["Content-Type"]
            return refusal
        address = _address(connection)
        self.connects.add(address, self.now_ms(), 1)
        status = await self._spells.refusal(address)
        if status is not None:
            return connection.respond(HTTPStatus(status), "")
        self._guests.add(connection)
        return None

    async def talk(self, connection: ServerConnection) -> None:
        """Serve one WebSocket connection until it ends."""
        self.n_links += 1
        link = self._make_link(connection, self.n_links)
        link.opened_ms = link.sent_ms = self.now_ms()
        self.links.append(link)
        self._spells.meet(link)
        try:
            with suppress(ConnectionClosed):
                async for message in connection:
                    self._follow(link, message)
        finally:
            self.links.remove(link)
            self._guests.discard(connection)

    async def play(self) -> None:
        """Send frames when they are due, and do what is on the agenda, for ever."""
        while True:
            self._changed.clear()
            self._advance()
            with suppress(TimeoutError):
                async with asyncio.timeout(self._seconds_to_next()):
                    await self._changed.wait()

    def finish(self) -> None:
        """End every fault, so that nobody waits for its end."""
        self._spells.finish(self.now_ms())

    async def _true_answer(self, query: Query) -> Answer:
        # Thousands of rows take a while; frames must not wait for them.
        return await asyncio.to_thread(
            answer_info, self._tape, query.body, now_ms=query.now_ms, most_candles=query.most_candles
        )

    def _n_open(self, address: str) -> int:
        # A client that left during its handshake is not heard of again.
        self._guests = {guest for guest in self._guests if guest.protocol.state is not State.CLOSED}
        n_cut = sum(link.is_cut and link.address == address for link in self.links)
        return sum(_address(guest) == address for guest in self._guests) - n_cut

    def _follow(self, link: Link, message: str | bytes) -> None:
        request = protocol.read_frame(message)
        match request:
            case Ping():
                self._reply(link, "pong", protocol.PONG)
            case Unreadable():
                self._reply(link, "error", protocol.unreadable(message))
            case Post():
                self._reply(link, "post", self._post(link, request))
            case Subscribe():
                self._subscribe(link, request)

    def _subscribe(self, link: Link, request: Subscribe) -> None:
        wanted = request.subscription
        if self._spells.kill(link, wanted.coin) or not is_known(self._tape, wanted.coin):
            self._agenda.add(self.now_ms() + UNKNOWN_COIN_MS, link.abort)
            return
        if (wanted in link.subscriptions) == (request.method == "subscribe"):
            self._reply(link, "error", protocol.already(request), wanted.coin)
            return
        link.subscriptions ^= {wanted}
        self._reply(link, "subscriptionResponse", protocol.acknowledgement(request), wanted.coin)
        self._changed.set()

    def _post(self, link: Link, request: Post) -> str:
        now_ms = self.now_ms()
        answer = answer_info(self._tape, request.payload, now_ms=now_ms)
        if answer.content_type != "application/json":
            return protocol.post_answer(request.id, kind="", data=None)
        kind = msgspec.json.decode(request.payload)["type"]
        self.weights.add(link.address, now_ms, weight_of(kind, answer.n_rows))
        return protocol.post_answer(request.id, kind=kind, data=answer.body)

    def _reply(self, link: Link, channel: str, text: str, coin: str | None = None) -> None:
        self._send(link, Sending(text=text, at_ms=self.now_ms(), channel=channel, coin=coin))

    def _send(self, link: Link, sending: Sending) -> None:
        """Send a frame past the faults under way."""
        link.sent_ms = self.now_ms()
        for each in self._spells.pass_on(link, sending):
            if each.at_ms > sending.at_ms:
                self._agenda.add(each.at_ms, partial(link.put, each))
            else:
                link.put(each)

    def _advance(self) -> None:
        """Do what is due, in the order of market time, however late the machine is."""
        now_ms = self.now_ms()
        while (due := self._agenda.take(now_ms)) is not None:
            at_ms, do = due
            self._send_due(at_ms - 1)
            do()
        self._send_due(now_ms)

    def _send_due(self, now_ms: float) -> None:
        audience = self._audience()
        self._playheads = {
            coin: self._playheads.get(coin)
            or Playhead(self._tape, coin, now_ms=int(now_ms), limit=frames_per_minute(self._clock.rate))
            for coin in audience
        }
        patience_ms = PATIENCE_SECONDS * 1000 * self._clock.rate
        due: list[Frame] = []
        for playhead in self._playheads.values():
            due += playhead.take(int(now_ms), patience_ms=patience_ms)
        for frame in sorted(due, key=lambda frame: frame.due_ms):
            coin = frame.row.coin
            sending = Sending(text=frame.text(), at_ms=frame.due_ms, channel="candle", coin=coin, frame=frame)
            for link in audience[coin]:
                self._send(link, sending)

    def _audience(self) -> dict[str, list[Link]]:
        """Return who listens to the 1m candles of which coin."""
        coins = self._tape.coins
        audience: dict[str, list[Link]] = {}
        for link in self.links:
            for wanted in link.subscriptions:
                if wanted.type == "candle" and wanted.interval == "1m" and wanted.coin in coins:
                    audience.setdefault(wanted.coin, []).append(link)
        return audience

    def _seconds_to_next(self) -> float | None:
        instants: list[float] = [playhead.next_due_ms for playhead in self._playheads.values()]
        if self._agenda.next_ms is not None:
            instants.append(self._agenda.next_ms)
        return self._clock.real_seconds(max(0, min(instants) - self.now_ms()) / 1000) if instants else None


@asynccontextmanager
async def serve_exchange(
    feed: Feed,
    clock: ClockScale,
    *,
    host: str = "127.0.0.1",
    port: int = 0,
    make_link: Callable[[ServerConnection, int], Link] = Link,
    faults: Script = NO_FAULTS,
    rules: Iterable[Fault] = RULES,
) -> AsyncIterator[Exchange]:
    """Run a demo exchange while the context is open.

    Args:
        feed: What it plays.
        clock: Its clock; the client must run on the same one.
        host: Address to listen on.
        port: Port for both WebSocket and REST; 0 takes a free one.
        make_link: Makes the exchange's side of each connection.
        faults: What goes wrong when; the time line starts now.
        rules: What is always on.

    Raises:
        ConfigError: If a fault names a coin that there is not.
        OSError: If the port is in use, or the address is not one of this machine.
    """
    _check_coins(feed, faults)
    exchange = Exchange(feed, clock, make_link, seed=faults.seed)
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
        exchange.schedule((*rules, *faults.faults))
        player = asyncio.create_task(exchange.play())
        player.add_done_callback(_report_death)
        try:
            yield exchange
        finally:
            exchange.finish()
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
    return serve(
        exchange.talk,
        host,
        port,
        process_request=exchange.admit,
        create_connection=doorway_to(answer_http, undecided),
        # As measured: no compression is agreed on, and the exchange sends no WebSocket pings.
        compression=None,
        ping_interval=None,
        open_timeout=HANDSHAKE_SECONDS,
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


def _address(connection: ServerConnection) -> str:
    return str((connection.remote_address or ("",))[0])


def _check_coins(feed: Feed, script: Script) -> None:
    """Refuse a script that would do nothing, because it names a coin that nobody plays."""
    later = {fault.to for fault in script.faults if isinstance(fault, RenamedPair)}
    for fault in script.faults:
        if fault.coin is not None and fault.coin not in later and not is_known(feed, fault.coin):
            raise ConfigError(f"{fault.kind}: unknown coin {fault.coin!r}. {near_misses(fault.coin, feed.coins)}")
