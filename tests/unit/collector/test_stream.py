"""One connection at a time, on a real socket."""

import asyncio

import pytest
from websockets.asyncio.server import ServerConnection, serve

from collector.stream import QUEUE_MESSAGES, Stream

PATIENCE_SECONDS = 10


class Listener:
    """Whom a stream tells; it says hello and may drop the connection after so many messages."""

    def __init__(self, url: str, *, n_wanted: int | None = None) -> None:
        self.events: list[str] = []
        self.n_wanted = n_wanted
        self.stream = Stream(url, opened=self.opened, heard=self.heard, closed=lambda: self.events.append("closed"))

    def opened(self) -> None:
        """Say hello on the new connection."""
        self.events.append("opened")
        self.stream.send("hello")

    def heard(self, message: bytes) -> None:
        """Note a message."""
        self.events.append(message.decode())
        if len(self.events) - 1 == self.n_wanted:
            assert self.stream.is_open
            self.stream.drop("enough")


async def echo_twice(connection: ServerConnection) -> None:
    """Answer the first message twice, then leave."""
    text = await connection.recv()
    await connection.send(text)
    await connection.send(text)


async def echo_for_ever(connection: ServerConnection) -> None:
    """Answer every message, and stay."""
    async for text in connection:
        await connection.send(text)


async def test_a_connection_is_told_from_its_first_to_its_last_message():
    """Opened, each message as bytes, closed; and the next connection starts afresh."""
    async with serve(echo_twice, "127.0.0.1", 0) as server, asyncio.timeout(PATIENCE_SECONDS):
        listener = Listener(f"ws://127.0.0.1:{server.sockets[0].getsockname()[1]}")
        for _ in range(2):
            assert "1000" in await listener.stream.converse()
    assert listener.events == ["opened", "hello", "hello", "closed"] * 2
    assert listener.stream.n_connections == 2
    assert not listener.stream.is_open


async def test_a_dropped_connection_ends_at_once():
    """No goodbye is waited for."""
    async with serve(echo_for_ever, "127.0.0.1", 0) as server, asyncio.timeout(PATIENCE_SECONDS):
        listener = Listener(f"ws://127.0.0.1:{server.sockets[0].getsockname()[1]}", n_wanted=1)
        await listener.stream.converse()
    assert listener.events == ["opened", "hello", "closed"]


async def test_what_waits_to_be_sent_is_bounded():
    """A full outbox is an event: the connection is of no use."""
    listener = Listener("ws://127.0.0.1:1")
    for _ in range(QUEUE_MESSAGES + 1):
        listener.stream.send("hello")
    with pytest.raises(OSError, match=r"refused|Connect call failed"):
        await listener.stream.converse()
    assert listener.events == []
