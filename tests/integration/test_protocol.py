"""A client that does not read: dropped with a reason, and in the end without its help."""

import asyncio
import json

import pytest
import websockets

from api import protocol, subscriber
from tests.streams import MINUTE, START, listening, minute, serving, store, times

# Changes that are long to tell.
WIDE = """
    INSERT INTO candles (time, symbol, interval, open, high, low, close, volume, trades, minutes, source, state)
    SELECT unnest($1::timestamptz[]), 'BTC', '1m', 100, 102, 99, 101, $2, 3, 1, repeat('x', 2000), 'provisional'
    ON CONFLICT (symbol, interval, time) DO UPDATE SET volume = excluded.volume"""


@pytest.fixture
async def api(settings_for, database_url):
    """A running API: its port and its application."""
    async with serving(settings_for(database_url)) as running:
        yield running


@pytest.fixture
def port(api):
    """The port of a running API."""
    return api[0]


async def test_a_client_that_does_not_read_is_dropped_with_a_reason(port, connection, monkeypatch):
    """What waits for it is bounded; who reads is not disturbed."""
    monkeypatch.setattr(subscriber, "MAX_MESSAGES", 20)
    async with listening(port) as good:
        await good.subscribe()
        await good.hear("latest")
        async with websockets.connect(f"ws://127.0.0.1:{port}/api/v1/stream", max_queue=1) as stalled:
            await stalled.send(json.dumps({"action": "subscribe", "channel": "candles", "symbol": "BTC"}))
            # The system takes some hundred kilobytes for it first.
            for n in range(100):
                await connection.execute(WIDE, [START + i * MINUTE for i in range(40)], float(n))
                await good.hear("change")
            with pytest.raises(websockets.ConnectionClosed) as closed:
                while True:
                    await asyncio.wait_for(stalled.recv(), 10)
            assert closed.value.rcvd.code == 1013
            assert "too slow" in closed.value.rcvd.reason
        await store(connection, 100)
        assert minute(100) in times(await good.hear("change"))


async def test_a_client_that_never_reads_again_is_cut_off(api, connection, monkeypatch):
    """Nothing of it stays: neither its place nor what was meant for it."""
    monkeypatch.setattr(subscriber, "MAX_MESSAGES", 20)
    monkeypatch.setattr(protocol, "LINGER_SECONDS", 0.5)
    port, app = api
    async with websockets.connect(f"ws://127.0.0.1:{port}/api/v1/stream", max_queue=1) as stalled:
        await stalled.send(json.dumps({"action": "subscribe", "channel": "candles", "symbol": "BTC"}))
        async with asyncio.timeout(30):
            while not app.state.hub.subscribers:
                await asyncio.sleep(0.01)
            n = 0
            while app.state.hub.subscribers:
                n += 1
                await connection.execute(WIDE, [START + i * MINUTE for i in range(40)], float(n))
        with pytest.raises(websockets.ConnectionClosed):
            while True:
                await stalled.recv()


@pytest.mark.parametrize("line", [b"X-Long: ", b"X: y\r\n", b"GET /"])
async def test_the_head_of_a_request_is_bounded(port, line):
    """A client that sends headers without an end is refused, before they fill the memory."""
    reader, writer = await asyncio.open_connection("127.0.0.1", port)
    writer.write(b"" if line.startswith(b"GET") else b"GET / HTTP/1.1\r\nHost: x\r\n")
    writer.write(line + (b"x" * 2_000_000 if line != b"X: y\r\n" else line * 300_000))
    async with asyncio.timeout(20):
        assert (await reader.readline()).startswith(b"HTTP/1.1 431 ")
    writer.close()


async def test_what_is_no_request_is_refused_in_the_one_shape(port):
    """As every other answer that is none."""
    reader, writer = await asyncio.open_connection("127.0.0.1", port)
    writer.write(b"\x16\x03\x01\x02\x00\x01\x00")
    async with asyncio.timeout(20):
        head, _, body = (await reader.read()).partition(b"\r\n\r\n")
    assert head.startswith(b"HTTP/1.1 400 ")
    assert set(json.loads(body)) == {"error", "detail", "hint"}
    writer.close()


HEAD = (
    b"POST /api/v1/backtests HTTP/1.1\r\nHost: 127.0.0.1\r\nContent-Type: application/json\r\nContent-Length: 900\r\n"
)


@pytest.mark.parametrize("first", [HEAD, HEAD + b"\r\n", b"\r\n"], ids=["head", "body", "blank lines"])
async def test_a_request_that_trickles_in_is_given_up(port, monkeypatch, first):
    """However busy its client looks; others are answered meanwhile."""
    monkeypatch.setattr(protocol, "REQUEST_SECONDS", 0.5)
    reader, writer = await asyncio.open_connection("127.0.0.1", port)
    writer.write(first)

    async def trickle():
        while True:
            writer.write(b"\r\n" if first == b"\r\n" else b"x")
            await asyncio.sleep(0.05)

    task = asyncio.create_task(trickle())
    async with asyncio.timeout(20):
        # One piece: who goes on sending to a connection that is closed has it reset.
        told = await reader.read(10_000)
    task.cancel()
    assert told.startswith(b"HTTP/1.1 408 ")
    assert b"too_slow" in told
    writer.close()


async def test_a_request_that_is_refused_before_it_is_whole_has_one_answer(port, monkeypatch):
    """Nothing is said behind it, however long the rest takes."""
    monkeypatch.setattr(protocol, "REQUEST_SECONDS", 0.3)
    reader, writer = await asyncio.open_connection("127.0.0.1", port)
    writer.write(HEAD.replace(b"900", b"900000") + b"\r\nx")
    async with asyncio.timeout(20):
        told = await reader.read()
    assert told.startswith(b"HTTP/1.1 413 ")
    assert told.count(b"HTTP/1.1") == 1
    writer.close()


async def test_a_connection_that_says_nothing_is_closed_without_a_word(port, monkeypatch):
    """Browsers open some in advance, and would take a word for the answer to what they ask next."""
    monkeypatch.setattr(protocol, "REQUEST_SECONDS", 0.2)
    reader, writer = await asyncio.open_connection("127.0.0.1", port)
    async with asyncio.timeout(20):
        assert await reader.read() == b""
    writer.close()


async def test_an_answer_that_takes_longer_is_not_cut(api, monkeypatch):
    """The time is the request's; one that has begun to come in behind it waits for its turn, and has its time then."""
    port, app = api
    may_answer = asyncio.Event()

    @app.get("/slow")
    async def slow():
        await may_answer.wait()
        return "done"

    monkeypatch.setattr(protocol, "REQUEST_SECONDS", 0.2)
    reader, writer = await asyncio.open_connection("127.0.0.1", port)
    writer.write(b"GET /slow HTTP/1.1\r\nHost: x\r\n\r\n" + b"GET / HTTP/1.1\r\n")
    with pytest.raises(TimeoutError):
        await asyncio.wait_for(reader.read(1), 1)
    may_answer.set()
    async with asyncio.timeout(20):
        assert b'"done"' in await reader.readuntil(b'"done"')
        assert (await reader.read()).startswith(b"HTTP/1.1 408 ")
    writer.close()


async def test_requests_one_after_the_other_are_each_bounded_alone(port):
    """What went through a connection before does not count."""
    reader, writer = await asyncio.open_connection("127.0.0.1", port)
    head = b"GET / HTTP/1.1\r\nHost: x\r\nX: " + b"y" * (protocol.HEAD_BYTES // 2) + b"\r\n\r\n"
    for _ in range(4):
        writer.write(head)
        async with asyncio.timeout(20):
            answer = await reader.readuntil(b"}}")
        assert b"HTTP/1.1 200 " in answer
    writer.close()
