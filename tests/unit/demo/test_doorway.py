"""The first byte of a connection decides who reads it. Real sockets on loopback: the library has no other way in."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from websockets.asyncio.client import connect
from websockets.asyncio.server import ServerConnection, serve

from demo.doorway import doorway_to

PATIENCE_SECONDS = 10


@asynccontextmanager
async def door(waiting: set[asyncio.BaseTransport]) -> AsyncIterator[int]:
    """Serve an echo over WebSocket and a fixed text over anything else; yield the port."""

    async def echo(connection: ServerConnection) -> None:
        async for message in connection:
            await connection.send(message)

    async def shout(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        writer.write((await reader.readline()).upper())
        writer.close()

    async with (
        asyncio.timeout(PATIENCE_SECONDS),
        serve(echo, "127.0.0.1", 0, create_connection=doorway_to(shout, waiting)) as server,
    ):
        yield next(iter(server.sockets)).getsockname()[1]


async def test_a_get_is_a_websocket():
    """The WebSocket library has the connection from its first byte."""
    async with door(set()) as port, connect(f"ws://127.0.0.1:{port}/") as client:
        await client.send("hello")
        assert await client.recv() == "hello"


async def test_anything_else_goes_to_the_other_reader():
    """With everything that was sent, the first byte included."""
    async with door(set()) as port:
        reader, writer = await asyncio.open_connection("127.0.0.1", port)
        writer.write(b"post me\n")
        assert await reader.read() == b"POST ME\n"
        writer.close()
        await writer.wait_closed()


async def test_a_connection_that_says_nothing_is_forgotten_when_it_ends():
    """Who closes the server must know the silent ones, and nobody else keeps them."""
    waiting: set[asyncio.BaseTransport] = set()
    async with door(waiting) as port:
        reader, writer = await asyncio.open_connection("127.0.0.1", port)
        while not waiting:
            await asyncio.sleep(0)
        writer.write_eof()
        assert await reader.read() == b""
        writer.close()
        await writer.wait_closed()
        assert waiting == set()
