"""Connections on real sockets; between two tries the clock moves by itself."""

import asyncio
import socket
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager, suppress
from http import HTTPStatus

import pytest
from websockets.asyncio.server import Request, Response, ServerConnection, serve
from websockets.exceptions import ConnectionClosed

from collector.alarms import Alarms
from collector.backoff import Backoff
from collector.stream import QUEUE_MESSAGES, Connections
from tests.flying_waits import FlyingWaits

PATIENCE_SECONDS = 30
Talk = Callable[[ServerConnection], Awaitable[None]]


class Highest:
    """Dice that always show the most: every wait is its bound."""

    uniform = staticmethod(max)


class Listener:
    """Whom the connections tell; it can do something at once when it hears."""

    def __init__(self) -> None:
        self.events: list[tuple[int, str]] = []
        self.waits = FlyingWaits()
        self.opened_at: list[float] = []
        self.when_told: Callable[[int, str], None] | None = None
        self._told = asyncio.Event()

    def opened(self, number: int) -> None:
        """Note a connection."""
        self.opened_at.append(self.waits.elapsed())
        self._note(number, "opened")

    def heard(self, number: int, message: bytes) -> None:
        """Note a message."""
        self._note(number, message.decode())

    def closed(self, number: int, reason: str) -> None:
        """Note an end."""
        self._note(number, f"closed: {reason}")

    async def until(self, *event: object) -> None:
        """Wait for an event: a number and what came of it."""
        while event not in self.events:
            self._told.clear()
            await self._told.wait()

    def _note(self, number: int, what: str) -> None:
        self.events.append((number, what))
        self._told.set()
        if self.when_told is not None:
            self.when_told(number, what)


@asynccontextmanager
async def keeping(
    url: str, *, limit: int = 1000, network_seconds: float = PATIENCE_SECONDS
) -> AsyncIterator[tuple[Connections, Listener]]:
    """Hold connections to an address; the waits between them are 1, 2, 4 … market seconds."""
    listener = Listener()
    connections = Connections(
        url,
        listener,
        make_backoff=lambda: Backoff(first=1, cap=900, dice=Highest()),
        limit=limit,
        network_seconds=network_seconds,
        waits=listener.waits,
        alarms=Alarms(),
    )
    task = asyncio.create_task(connections.run())
    try:
        async with asyncio.timeout(PATIENCE_SECONDS):
            yield connections, listener
    finally:
        task.cancel()
        with suppress(asyncio.CancelledError):
            await task


@asynccontextmanager
async def talking(
    *talks: Talk, refusals: tuple[int, ...] = (), **keywords: float
) -> AsyncIterator[tuple[Connections, Listener]]:
    """Hold connections to a server whose n-th connection is led by the n-th talk, all further ones by the last.

    Before that it refuses some handshakes with these statuses.
    """
    statuses, turns = iter(refusals), iter(talks)

    def refuse(connection: ServerConnection, request: Request) -> Response | None:
        status = next(statuses, None)
        return None if status is None else connection.respond(HTTPStatus(status), "<html>no</html>")

    async def talk(connection: ServerConnection) -> None:
        with suppress(ConnectionClosed):
            await next(turns, talks[-1])(connection)

    async with (
        serve(talk, "127.0.0.1", 0, process_request=refuse) as server,
        keeping(address(server.sockets[0]), **keywords) as held,
    ):
        yield held


def address(listening: socket.socket) -> str:
    """Return the URL of a socket that listens."""
    return f"ws://127.0.0.1:{listening.getsockname()[1]}/ws"


async def stay(connection: ServerConnection) -> None:
    """Greet, then answer every message with itself."""
    await connection.send("hello")
    async for text in connection:
        await connection.send(text)


async def vanish(connection: ServerConnection) -> None:
    """Break the connection without a goodbye."""
    connection.transport.abort()


async def expire(connection: ServerConnection) -> None:
    """End it as the exchange does after 10,000 s."""
    await connection.close(1000, "Expired")


async def test_a_connection_is_told_from_its_first_to_its_last_message():
    """Opened, each message as bytes in its order, closed; the next connection has the next number."""

    async def say_two(connection: ServerConnection) -> None:
        await connection.send("one")
        await connection.send("two")

    async with talking(say_two, stay) as (connections, listener):
        await listener.until(2, "hello")
        assert connections.n_made == 2
        assert connections.n_open == 1
    first = [(1, "opened"), (1, "one"), (1, "two"), (1, "closed: closed")]
    assert listener.events == [*first, (2, "opened"), (2, "hello")]
    assert listener.waits.slept == [1]


async def test_what_is_sent_when_a_connection_opens_reaches_it():
    """A subscription goes to the connection that it was meant for, in order; to one that is gone, nowhere."""
    async with talking(stay) as (connections, listener):
        await listener.until(1, "hello")
        connections.send(7, "lost")
        for text in ("a", "b"):
            connections.send(1, text)
        await listener.until(1, "b")
    assert listener.events == [(1, "opened"), (1, "hello"), (1, "a"), (1, "b")]


@pytest.mark.parametrize("what", ["opened", "hello"])
async def test_a_dropped_connection_ends_at_once_with_the_first_reason_given(what):
    """No goodbye is waited for, also where the order comes in the middle of being told something."""
    async with talking(stay) as (connections, listener):
        listener.when_told = lambda number, told: (
            connections.drop(1, "silence") if (number, told) == (1, what) else None
        )
        await listener.until(1, "closed: silence")
        connections.drop(1, "silence")
        await listener.until(2, "hello")
    assert listener.events.count((1, "closed: silence")) == 1


async def test_a_broken_connection_is_closed():
    """1006: no close frame, as the exchange does when it restarts or does not know a coin."""
    async with talking(vanish, stay) as (_, listener):
        await listener.until(2, "opened")
    assert listener.events[:2] == [(1, "opened"), (1, "closed: closed")]


async def test_an_expired_connection_is_made_anew_at_once():
    """Its life of 10,000 s is no failure; another end with code 1000 is one."""

    async def leave(connection: ServerConnection) -> None:
        await connection.close(1000, "OK")

    async with talking(expire, leave, stay) as (_, listener):
        await listener.until(3, "opened")
    assert [event for event in listener.events if "closed" in event[1]] == [
        (1, "closed: expired"),
        (2, "closed: closed"),
    ]
    assert listener.waits.slept == [0, 1]


@pytest.mark.parametrize(("is_of_use", "waits"), [(False, [1, 2, 4, 8]), (True, [1, 2, 1, 2])])
async def test_the_waits_grow_until_a_connection_is_of_use(is_of_use, waits):
    """It is not enough that the handshake works: a server that drops everybody at once is not to be hurried."""
    async with talking(vanish, refusals=(502, 502)) as (connections, listener):
        listener.when_told = lambda number, _: connections.works(number) if is_of_use and number == 3 else None
        await listener.until(4, "closed: closed")
    assert listener.waits.slept[:4] == waits


@pytest.mark.parametrize(("status", "reason"), [(403, "refused"), (429, "limited"), (502, "refused"), (200, "refused")])
async def test_a_refused_handshake_is_tried_again(status, reason, caplog):
    """Whatever the edge of the exchange says: the reason is a constant word, the log has the status."""
    async with talking(stay, refusals=(status,)) as (connections, listener):
        await listener.until(2, "opened")
        assert connections.n_made == 2
    assert listener.events[0] == (1, f"closed: {reason}")
    ended = next(record for record in caplog.records if record.message == "connection ended")
    assert (ended.reason, ended.detail) == (reason, f"HTTP {status}")


async def test_a_server_that_is_away_is_tried_again():
    """Nobody listens."""
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        async with keeping(address(taken)) as (_, listener):
            await listener.until(5, "closed: unreachable")
    assert listener.waits.slept[:4] == [1, 2, 4, 8]


@pytest.mark.parametrize(
    "said", [b"", b"\x00\xff\x16\x03", b"HTTP/1.1 101 Switching Protocols\r\n\r\n", b"HTTP/1.1 200"]
)
async def test_an_answer_that_is_no_handshake_is_one_more_try(said):
    """Closed without a word, noise, a handshake without its keys, one that is cut."""

    async def answer(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.readuntil(b"\r\n\r\n")
        writer.write(said)
        writer.close()

    async with (
        await asyncio.start_server(answer, "127.0.0.1", 0) as server,
        keeping(address(server.sockets[0])) as (_, listener),
    ):
        await listener.until(2, "closed: unreachable")


async def test_a_hanging_handshake_ends_in_time():
    """A server that accepts and then says nothing."""
    with socket.create_server(("127.0.0.1", 0)) as silent:
        async with keeping(address(silent), network_seconds=0.05) as (connections, listener):
            await listener.until(2, "closed: timeout")
            assert connections.n_open == 0


async def test_a_connection_that_takes_no_message_is_dropped():
    """A peer that does not read: what waits to be sent is bounded in time."""
    end = asyncio.Event()

    async def stop_reading(connection: ServerConnection) -> None:
        connection.transport.pause_reading()
        await end.wait()
        connection.transport.abort()

    blocked = asyncio.Event()
    async with talking(stop_reading, network_seconds=0.3) as (connections, listener):

        def send_much(number: int, told: str) -> None:
            if told == "opened":
                for _ in range(60):
                    connections.send(number, "x" * 1_000_000)
            elif told == "closed: blocked":
                blocked.set()

        listener.when_told = send_much
        await blocked.wait()
        end.set()


async def test_more_messages_than_can_wait_drop_the_connection():
    """Also in number: an address may have 1000 subscriptions."""
    async with talking(stay) as (connections, listener):
        await listener.until(1, "opened")
        for _ in range(QUEUE_MESSAGES + 1):
            connections.send(1, "x")
        await listener.until(1, "closed: blocked")


async def test_there_are_at_most_so_many_connections_in_a_minute():
    """However soon the exchange ends them: a restart of all its sockets must not make us exceed its limit."""
    async with talking(expire, limit=3) as (_, listener):
        await listener.until(8, "opened")
    assert listener.opened_at[:8] == [0, 0, 0, 60, 60, 60, 120, 120]


async def test_failed_tries_count_as_connections_too():
    """The exchange counts what it refuses."""
    async with talking(expire, refusals=(429, 429), limit=3) as (_, listener):
        await listener.until(5, "opened")
    assert listener.opened_at[:3] == [3, 60, 61]


async def test_a_connection_is_replaced_by_one_beside_it():
    """For a moment there are two, and each message goes where it belongs; the old one is not made anew."""
    async with talking(stay) as (connections, listener):
        await listener.until(1, "hello")
        connections.replace(1)
        await listener.until(2, "hello")
        assert connections.n_open == 2
        connections.send(1, "to the old one")
        connections.send(2, "to the new one")
        await listener.until(1, "to the old one")
        await listener.until(2, "to the new one")
        connections.drop(1, "rotated")
        await listener.until(1, "closed: rotated")
        assert (connections.n_open, connections.n_made) == (1, 2)
        connections.drop(2, "silence")
        await listener.until(3, "hello")
        assert connections.n_open == 1
    assert listener.waits.slept == [1]


async def test_an_old_connection_that_ends_before_the_new_one_is_there_is_not_made_anew():
    """There is one place to fill, not two."""
    release = asyncio.Event()

    async def leave_when_told(connection: ServerConnection) -> None:
        await release.wait()
        await connection.close(1000, "Expired")

    async with talking(leave_when_told, vanish, stay) as (connections, listener):
        await listener.until(1, "opened")
        connections.replace(1)
        await listener.until(3, "hello")
        release.set()
        await listener.until(1, "closed: expired")
        connections.drop(3, "silence")
        await listener.until(4, "hello")
        assert connections.n_open == 1
    assert connections.n_made == 4


async def test_a_connection_that_is_gone_is_not_replaced():
    """It has been made anew already: a second one would stay for ever. Nor is one replaced twice."""
    async with talking(vanish, stay) as (connections, listener):
        await listener.until(2, "hello")
        connections.replace(1)
        connections.replace(2)
        connections.replace(2)
        await listener.until(3, "hello")
        connections.drop(2, "rotated")
        await listener.until(2, "closed: rotated")
        connections.drop(3, "silence")
        await listener.until(4, "hello")
        assert (connections.n_open, connections.n_made) == (1, 4)


async def test_the_end_of_the_process_closes_the_connection():
    """The exchange counts connections by address: none may stay behind."""
    left = asyncio.Event()

    async def wait_for_the_end(connection: ServerConnection) -> None:
        await connection.wait_closed()
        left.set()

    async with serve(wait_for_the_end, "127.0.0.1", 0) as server:
        async with keeping(address(server.sockets[0])) as (_, listener):
            await listener.until(1, "opened")
        async with asyncio.timeout(PATIENCE_SECONDS):
            await left.wait()
