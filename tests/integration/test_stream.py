"""What clients of the live stream say and hear, over a real server and real WebSockets."""

import asyncio
import json

import pytest
import websockets

from api import stream
from tests.streams import listening, minute, serving, store, times


@pytest.fixture
async def api(settings_for, database_url):
    """A running API: its port and its application."""
    async with serving(settings_for(database_url)) as running:
        yield running


@pytest.fixture
def port(api):
    """The port of a running API."""
    return api[0]


async def test_the_latest_row_comes_first_and_then_every_change(port, connection):
    """A new row, a changed row, rows of one transaction; nothing of another interval."""
    await store(connection, 0)
    await store(connection, 1)
    async with listening(port) as client:
        await client.subscribe()
        assert times(await client.hear("latest")) == [minute(1)]
        await store(connection, 1, interval="3m")
        await store(connection, 2)
        new = await client.hear("change")
        await store(connection, 2, close=100.5)
        changed = await client.hear("change")
        assert [(row["time"], row["close"], row["revision"]) for row in new["rows"]] == [(minute(2), 101.0, 0)]
        assert [(row["time"], row["close"], row["revision"]) for row in changed["rows"]] == [(minute(2), 100.5, 1)]
        async with connection.transaction():
            for n in (3, 4, 5):
                await store(connection, n)
        assert times(await client.hear("change")) == [minute(3), minute(4), minute(5)]
        assert {(m["symbol"], m["interval"]) for m in client.heard if m["type"] == "change"} == {("BTC", "1m")}


async def test_where_nothing_is_stored_the_latest_is_an_empty_list(port, connection):
    """The first row is a change."""
    async with listening(port) as client:
        await client.subscribe()
        assert times(await client.hear("latest")) == []
        await store(connection, 0)
        assert times(await client.hear("change")) == [minute(0)]


async def test_an_interval_may_be_written_in_another_way(port, connection):
    """60m is 1h, and btc is BTC."""
    await store(connection, 0, interval="1h")
    async with listening(port, "?channel=candles&symbol=btc&interval=60m") as client:
        latest = await client.hear("latest")
        assert (latest["symbol"], latest["interval"], times(latest)) == ("BTC", "1h", [minute(0)])


async def test_what_is_left_out_is_every_one(port, connection):
    """No interval: the newest row of each configured one, then changes of all."""
    async with listening(port) as client:
        await client.say(action="subscribe", channel="candles", symbol="BTC")
        answers = [await client.hear("latest") for _ in range(16)]
        assert {"1m", "37m", "148m", "1M"} <= {answer["interval"] for answer in answers}
        async with connection.transaction():
            await store(connection, 0)
            await store(connection, 0, interval="37m")
        assert {(await client.hear("change"))["interval"] for _ in range(2)} == {"1m", "37m"}


@pytest.mark.parametrize(
    ("message", "error", "said"),
    [
        (
            {"action": "subscribe", "channel": "candle", "symbol": "BTC", "interval": "37m"},
            "unknown_channel",
            "candles",
        ),
        ({"action": "subscribe", "channel": "candles", "symbol": "BTX", "interval": "37m"}, "unknown_symbol", "BTC"),
        ({"action": "subscribe", "channel": "candles", "symbol": "BTC", "interval": "36m"}, "unknown_interval", "37m"),
        ({"action": "subscribe", "channel": "candles", "symbol": "BTC", "interval": "x"}, "invalid_input", "37m, 2h"),
        ({"action": "subscripe", "channel": "candles"}, "unknown_action", "subscribe"),
        ({"action": "subscribe", "channel": "candles", "since": "5:4:"}, "invalid_input", "cursor"),
        ({"action": "subscribe", "channel": "candles", "sinse": "5:4:"}, "invalid_input", "sinse"),
        ({"action": "subscribe", "channel": "candles", "symbol": 5}, "invalid_input", "str"),
        ([], "invalid_input", "expected"),
    ],
)
async def test_what_cannot_be_meant_is_answered_and_the_connection_stays(port, connection, message, error, said):
    """With what was expected, and the near misses."""
    async with listening(port) as client:
        await client.socket.send(json.dumps(message))
        answer = await client.hear("error")
        assert answer["error"] == error
        assert said in answer["detail"] + answer["hint"]
        await client.subscribe()
        await client.hear("latest")


async def test_what_is_no_json_is_answered_too(port):
    """Text, bytes, broken characters."""
    async with listening(port) as client:
        for message in ("hello", b"\xff\xfe", ""):
            await client.socket.send(message)
            assert (await client.hear("error"))["error"] == "invalid_input"


async def test_who_unsubscribes_hears_no_more(port, connection):
    """The other subscription goes on."""
    async with listening(port) as client:
        for interval in ("1m", "3m"):
            await client.subscribe(interval=interval)
            await client.hear("latest")
        await client.say(action="unsubscribe", channel="candles", symbol="BTC", interval="1m")
        await client.hear("unsubscribed")
        await store(connection, 0)
        await store(connection, 0, interval="3m")
        assert (await client.hear("change"))["interval"] == "3m"


async def test_a_client_that_says_too_much_is_dropped_with_a_reason(port, monkeypatch):
    """So is one whose message is larger than any that has a meaning."""
    async with listening(port) as client:
        with pytest.raises(websockets.ConnectionClosed) as closed:
            while True:
                await client.say(action="ping")
                await asyncio.wait_for(client.hear("heartbeat"), 5)
        assert (closed.value.rcvd.code, "messages in" in closed.value.rcvd.reason) == (1008, True)
        assert sum(message["type"] == "heartbeat" for message in client.heard) == stream.MAX_ASKED
    async with listening(port) as client:
        with pytest.raises(websockets.ConnectionClosed) as closed:
            await client.say(action="x" * 5_000)
            while True:
                await client.hear("hello")
        assert closed.value.rcvd.code == 1009


async def test_as_many_clients_as_configured_and_no_more(settings_for, database_url, tmp_path):
    """The next one is told to come back; when one has left there is room."""
    config = tmp_path / "config.yaml"
    config.write_text("symbols: {BTC: {}}\nintervals: [3m]\nhistory_start: 2025-01-01\napi: {max_streams: 2}\n")
    async with serving(settings_for(database_url, BTC_CONFIG=str(config))) as (port, app):
        async with listening(port) as one, listening(port) as two:
            assert {(await client.hear("hello"))["type"] for client in (one, two)} == {"hello"}
            async with listening(port) as third:
                with pytest.raises(websockets.ConnectionClosed) as closed:
                    await third.hear("hello")
                assert (closed.value.rcvd.code, closed.value.rcvd.reason) == (
                    1013,
                    "2 streams are open: try again later",
                )
        while app.state.hub.subscribers:
            await asyncio.sleep(0.01)
        async with listening(port) as client:
            await client.hear("hello")


async def test_a_page_of_somebody_else_may_not_listen(port):
    """A browser lets any page open a WebSocket to this machine; our own pages and programs may."""
    url = f"ws://127.0.0.1:{port}/api/v1/stream"
    async with websockets.connect(url, origin=f"http://127.0.0.1:{port}") as ours:
        assert json.loads(await ours.recv())["type"] == "hello"
    async with websockets.connect(url, origin="https://elsewhere.example") as theirs:
        with pytest.raises(websockets.ConnectionClosed) as closed:
            await theirs.recv()
    assert closed.value.rcvd.code == 1008
