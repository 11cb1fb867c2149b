"""The demo exchange over a real WebSocket and real HTTP on loopback, on a scaled clock."""

import asyncio
import csv
import gzip
import json
import time
from collections.abc import AsyncIterator, Iterable
from contextlib import asynccontextmanager
from itertools import pairwise
from pathlib import Path

import httpx
import pytest
from websockets.asyncio.client import ClientConnection, connect
from websockets.exceptions import ConnectionClosedError, InvalidStatus

from btc_core.model.clock import ClockScale
from demo.exchange import Exchange, serve_exchange
from demo.faults.answers import RestError
from demo.faults.connections import Restart
from demo.feeds import Feed, open_candle_file, open_recording
from demo.link import Link
from demo.market import Market
from demo.wire import MINUTE_MS

PATIENCE_SECONDS = 30
MINUTE = 29_040_480
DAY_START = 1_739_491_200
DAY_SECONDS = 16 * 3600


def clock_at(seconds: float, rate: float) -> ClockScale:
    """Return a clock that shows this instant now and runs from there."""
    return ClockScale(sim=seconds, real=time.time(), rate=rate)


@asynccontextmanager
async def served(feed: Feed, clock: ClockScale, **options: object) -> AsyncIterator[Exchange]:
    """Run an exchange for at most half a minute."""
    async with asyncio.timeout(PATIENCE_SECONDS), serve_exchange(feed, clock, **options) as exchange:
        yield exchange


@asynccontextmanager
async def market_exchange(*coins: str, rate: float = 1440) -> AsyncIterator[Exchange]:
    """Run the demo market, a day in a minute."""
    async with served(Market(seed=7, coins=coins or ("BTC",)), clock_at(MINUTE * 60, rate)) as exchange:
        yield exchange


def request(method: str, coin: object = "BTC", interval: str = "1m") -> str:
    """Return a subscribe or unsubscribe frame."""
    return json.dumps({"method": method, "subscription": {"type": "candle", "coin": coin, "interval": interval}})


async def subscribed(client: ClientConnection, *coins: str) -> None:
    """Subscribe to coins; the acknowledgements are left to be received."""
    for coin in coins:
        await client.send(request("subscribe", coin))


async def next_of(client: ClientConnection, channel: str) -> dict[str, object]:
    """Return the next frame of a channel."""
    while True:
        frame = json.loads(await client.recv())
        if frame["channel"] == channel:
            return frame


async def candles_until(client: ClientConnection, end_ms: int) -> list[dict[str, object]]:
    """Return the candles of every frame until one of a minute at or after ``end_ms`` comes."""
    found: list[dict[str, object]] = []
    while True:
        candle = (await next_of(client, "candle"))["data"]
        if candle["t"] >= end_ms:
            return found
        found.append(candle)


def best_of(candles: Iterable[dict[str, object]]) -> dict[int, dict[str, object]]:
    """Return the candle with the highest (n, v) of each minute."""
    best: dict[int, dict[str, object]] = {}
    for candle in candles:
        held = best.get(candle["t"])
        if held is None or (candle["n"], float(candle["v"])) > (held["n"], float(held["v"])):
            best[candle["t"]] = candle
    return best


async def snapshot(exchange: Exchange, coin: str = "BTC", start_ms: int = 0) -> list[dict[str, object]]:
    """Return what REST holds of a coin."""
    async with httpx.AsyncClient(timeout=PATIENCE_SECONDS) as client:
        window = {"coin": coin, "interval": "1m", "startTime": start_ms}
        answer = await client.post(exchange.api_url, json={"type": "candleSnapshot", "req": window})
    assert answer.status_code == 200
    return answer.json()


async def test_a_client_that_follows_the_stream_has_what_rest_says():
    """Two coins at a market day a minute: no minute is missing and each one's best frame is its row."""
    async with market_exchange("BTC", "ETH") as exchange:
        async with connect(exchange.ws_url) as client:
            await subscribed(client, "BTC", "ETH")
            candles = await candles_until(client, (MINUTE + 40) * MINUTE_MS)
        rows = {coin: {row["t"]: row for row in await snapshot(exchange, coin)} for coin in ("BTC", "ETH")}
    for coin in rows:
        # The first minute may have been half over, and the last one's late frame may still have been to come.
        best = list(best_of(candle for candle in candles if candle["s"] == coin).values())[1:-1]
        assert [after["t"] - before["t"] for before, after in pairwise(best)] == [MINUTE_MS] * (len(best) - 1)
        assert len(best) > 30
        assert best == [rows[coin][candle["t"]] for candle in best]


async def test_frames_of_a_minute_are_the_whole_candle_so_far():
    """In due order, open fixed, high and low widening, trades and volume growing; nothing says it is closed."""
    async with market_exchange(rate=300) as exchange, connect(exchange.ws_url) as client:
        await subscribed(client, "BTC")
        candles = await candles_until(client, (MINUTE + 5) * MINUTE_MS)
    assert len(candles) > 20
    for before, after in pairwise(candles):
        assert after["t"] >= before["t"]
        assert after["T"] == after["t"] + 59_999
        assert set(after) == {"t", "T", "s", "i", "o", "c", "h", "l", "v", "n"}
        if after["t"] == before["t"]:
            assert after["o"] == before["o"]
            assert float(after["h"]) >= float(before["h"])
            assert float(after["l"]) <= float(before["l"])
            assert (after["n"], float(after["v"])) > (before["n"], float(before["v"]))


async def test_answers_to_requests():
    """Acknowledgements in another key order, both ``Already``, a parse error, pong: the socket stays open."""
    async with market_exchange("BTC", rate=1) as exchange, connect(exchange.ws_url) as client:
        channels = []
        for sent in (
            request("subscribe"),
            request("subscribe"),
            request("unsubscribe"),
            request("unsubscribe"),
            request("subscribe", ["BTC", "ETH"]),
            '{"method":"ping"}',
        ):
            await client.send(sent)
            frame = json.loads(await client.recv())
            channels.append((frame["channel"], str(frame.get("data", ""))[:20]))
            if frame["channel"] == "subscriptionResponse":
                assert list(frame["data"]["subscription"]) == ["type", "interval", "coin"]
    assert [channel for channel, _ in channels] == [
        *("subscriptionResponse", "error", "subscriptionResponse", "error", "error", "pong")
    ]
    assert [text for channel, text in channels if channel == "error"] == [
        *("Already subscribed: ", "Already unsubscribed", "Error parsing JSON i")
    ]


async def test_an_info_request_over_the_socket():
    """The answer is that of REST, in an envelope with the client's number."""
    async with market_exchange() as exchange, connect(exchange.ws_url) as client:
        await client.send('{"method":"post","id":7,"request":{"type":"info","payload":{"type":"meta"}}}')
        answer = (await next_of(client, "post"))["data"]
    assert answer["id"] == 7
    assert answer["response"]["payload"]["data"]["universe"][0]["name"] == "BTC"


async def test_an_unknown_coin_ends_the_socket_without_a_word():
    """Code 1006, no error frame, about 100 ms after, and every other subscription dies with it."""
    async with market_exchange(rate=1) as exchange, connect(exchange.ws_url) as client:
        await subscribed(client, "BTC", "btc")
        started = time.monotonic()
        with pytest.raises(ConnectionClosedError) as closed:
            while True:
                assert json.loads(await client.recv())["channel"] != "error"
        assert closed.value.rcvd is None
        assert 0.05 < time.monotonic() - started < 5


async def test_a_delisted_coin_is_acknowledged_and_silent():
    """So is an interval that is not played; the coin beside it goes on."""
    async with market_exchange() as exchange, connect(exchange.ws_url) as client:
        await subscribed(client, "MATIC", "BTC")
        await client.send(request("subscribe", "BTC", "5m"))
        for _ in range(3):
            await next_of(client, "subscriptionResponse")
        candles = await candles_until(client, (MINUTE + 5) * MINUTE_MS)
    assert {(candle["s"], candle["i"]) for candle in candles} == {("BTC", "1m")}


async def test_unsubscribing_ends_the_frames_of_one_coin():
    """After the acknowledgement nothing of it comes; the other coin and the other client go on."""
    async with (
        market_exchange("BTC", "ETH") as exchange,
        connect(exchange.ws_url) as client,
        connect(exchange.ws_url) as other,
    ):
        await subscribed(client, "BTC", "ETH")
        await subscribed(other, "BTC")
        await next_of(client, "candle")
        await client.send(request("unsubscribe"))
        while (await next_of(client, "subscriptionResponse"))["data"]["method"] != "unsubscribe":
            pass
        after = [(await next_of(client, "candle"))["data"]["s"] for _ in range(10)]
        assert set(after) == {"ETH"}
        assert (await next_of(other, "candle"))["data"]["s"] == "BTC"


async def test_dropped_connections_can_come_back():
    """Every client sees an abnormal end at once; a new connection gets frames again, and no history."""
    async with market_exchange() as exchange:
        async with connect(exchange.ws_url) as client:
            await subscribed(client, "BTC")
            first = (await next_of(client, "candle"))["data"]["t"]
            exchange.begin(Restart())
            with pytest.raises(ConnectionClosedError):
                while True:
                    await client.recv()
        async with connect(exchange.ws_url) as client:
            await subscribed(client, "BTC")
            assert (await next_of(client, "candle"))["data"]["t"] >= first
        assert exchange.n_links == 2


async def test_a_fault_script_can_stand_in_each_connection():
    """``make_link`` gives every connection a side of its own: here each second frame is lost."""

    class Lossy(Link):
        n_frames = 0

        def deliver(self, text: str) -> None:
            self.n_frames += 1
            if self.n_frames % 2 or "candle" not in text:
                super().deliver(text)

    feed = Market(seed=7, coins=("BTC",))
    async with (
        served(feed, clock_at(MINUTE * 60, 1440), make_link=Lossy) as exchange,
        connect(exchange.ws_url) as client,
    ):
        await subscribed(client, "BTC")
        n_received = len(await candles_until(client, (MINUTE + 5) * MINUTE_MS))
        assert n_received < exchange.links[0].n_frames < 3 * n_received + 6


async def test_rest_over_a_kept_connection_and_through_an_outage():
    """Bad requests, an outage and its end on one connection; GET is refused without a body."""
    async with market_exchange() as exchange, httpx.AsyncClient(timeout=PATIENCE_SECONDS) as client:
        status = await client.post(exchange.api_url, json={"type": "exchangeStatus"})
        assert status.json()["specialStatuses"] is None
        assert (await client.post(exchange.api_url, json={"type": "dance"})).status_code == 422
        assert (await client.post(exchange.api_url, content=b"{}")).status_code == 415
        exchange.begin(RestError(status=502))
        outage = await client.post(exchange.api_url, json={"type": "meta"})
        assert (outage.status_code, outage.headers["content-type"]) == (502, "text/html")
        exchange.end(RestError(status=502))
        assert (await client.post(exchange.api_url, json={"type": "meta"})).status_code == 200
        got = await client.get(exchange.api_url)
        assert (got.status_code, got.content) == (405, b"")


async def test_a_websocket_has_one_address():
    """Any other path is not found."""
    async with market_exchange() as exchange:
        with pytest.raises(InvalidStatus):
            await connect(exchange.ws_url.replace("/ws", "/socket"))


async def test_an_open_client_does_not_keep_the_exchange_from_closing():
    """A kept-alive REST connection, a silent one and a WebSocket are all ended with it."""
    async with httpx.AsyncClient() as kept:
        async with market_exchange() as exchange:
            client = await connect(exchange.ws_url)
            await kept.post(exchange.api_url, json={"type": "meta"})
            port = int(exchange.ws_url.rpartition(":")[2].removesuffix("/ws"))
            _, silent = await asyncio.open_connection("127.0.0.1", port)
        await client.wait_closed()
        silent.close()
        await silent.wait_closed()


async def test_a_file_plays_to_its_exact_values(shared):
    """The stream and REST end in the file's values; minutes that the file does not have never appear."""
    import polars as pl

    path = shared / "data/candles/binance_btcusdt_1m_2021-04_earlier_print.parquet"
    wanted = {int(row["time"].timestamp() * 1000): row for row in pl.read_parquet(path).iter_rows(named=True)}
    first_ms, *_, last_ms = sorted(wanted)
    feed = open_candle_file(path, "BTC")
    # The file has a hole of 23 hours: a client that never pings would be dropped as idle in it.
    async with (
        served(feed, clock_at(first_ms / 1000 - 60, 60_000), rules=()) as exchange,
        connect(exchange.ws_url) as client,
    ):
        await subscribed(client, "BTC")
        candles = await candles_until(client, last_ms)
        rows = {row["t"]: row for row in await snapshot(exchange)}
    # At this rate a minute lasts a millisecond: the one in which the subscription fell may have been half over.
    after_first = [t for t in sorted(wanted) if candles[0]["t"] < t < last_ms]
    best = best_of(candle for candle in candles if candle["t"] > candles[0]["t"])
    assert list(best) == after_first
    assert len(after_first) > len(wanted) / 2
    assert sorted(rows) == [t for t in sorted(wanted) if t <= last_ms][-len(rows) :]
    for t, candle in best.items():
        values = [float(candle[key]) for key in "ohlcv"]
        assert values == [wanted[t][name] for name in ("open", "high", "low", "close", "volume")]
        assert rows[t] == candle


def recorded_finals(path: Path) -> dict[int, dict[str, str]]:
    """Return the derived result of the recorded day: its whole minutes."""
    with gzip.open(path, "rt", encoding="utf-8") as lines:
        return {int(row["t_ms"]): row for row in csv.DictReader(lines) if row["whole"] == "yes"}


def same(candle: dict[str, object], final: dict[str, str]) -> bool:
    """Whether a candle has exactly the derived values."""
    return all(str(candle[key]) == final[key] for key in "ohlcvn")


async def test_the_recorded_day_ends_in_its_derived_candles(shared):
    """16 hours of ETH in 2 seconds: the stream's best frames and REST at the end both equal the derived minutes."""
    folder = shared / "hyperliquid"
    finals = recorded_finals(folder / "derived_final_1m_ETH_20250214_h00-16.csv.gz")
    feed = open_recording(folder / "ws_candle_1m_ETH_20250214_h00-16.log.gz")
    async with (
        served(feed, clock_at(DAY_START - 600, 30_000)) as exchange,
        connect(exchange.ws_url, max_queue=None) as client,
    ):
        await subscribed(client, "ETH")
        candles = await candles_until(client, max(finals))
        while exchange.now_ms() < (DAY_START + DAY_SECONDS + 60) * 1000:
            await client.send('{"method":"ping"}')
            await next_of(client, "pong")
        rows = {row["t"]: row for row in await snapshot(exchange, "ETH")}
    best = best_of(candles)
    assert [t for t, final in finals.items() if t < max(finals) and not same(best[t], final)] == []
    assert [t for t, final in finals.items() if not same(rows[t], final)] == []


async def test_a_recording_shows_only_what_was_received_by_now(shared):
    """In the middle of a minute REST holds its best frame so far, and nothing of the future."""
    feed = open_recording(shared / "hyperliquid/ws_candle_1m_ETH_20250214_h00-16.log.gz")
    noon = DAY_START + 12 * 3600
    async with served(feed, clock_at(noon + 30, 0.001)) as exchange:
        rows = await snapshot(exchange, "ETH", (noon - 300) * 1000)
    seen = [frame.row for frame in feed.frames("ETH", noon // 60) if frame.due_ms <= (noon + 30) * 1000]
    assert [row["t"] for row in rows] == [(noon + offset) * 1000 for offset in range(-300, 1, 60)]
    assert rows[-1]["n"] == max(row.trades for row in seen)
    assert rows[-1]["n"] < max(frame.row.trades for frame in feed.frames("ETH", noon // 60))
