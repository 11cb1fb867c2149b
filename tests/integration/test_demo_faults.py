"""Every kind of fault, as a real client of the demo exchange meets it: WebSocket and HTTP on loopback, scaled clock."""

import asyncio
import json
import time
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass, field
from itertools import pairwise
from pathlib import Path

import httpx
import pytest
from websockets.asyncio.client import ClientConnection, connect
from websockets.exceptions import ConnectionClosed, ConnectionClosedError, ConnectionClosedOK, InvalidStatus
from websockets.frames import Frame as WireFrame
from websockets.frames import Opcode

from btc_core.errors import ConfigError
from btc_core.model.clock import ClockScale
from demo.exchange import Exchange, serve_exchange
from demo.faults.fault import Fault
from demo.faults.script import Script, fault, fault_kinds
from demo.market import Market
from demo.wire import MINUTE_MS

PATIENCE_SECONDS = 30
# A minute in 60 ms.
RATE = 1000
MINUTE = 29_040_480
PERP_AND_SPOT = Market(seed=7, coins=("BTC", "ETH", "@142"))
SEED = 3


@asynccontextmanager
async def exchange(*faults: Fault, rate: float = RATE, seed: int = SEED) -> AsyncIterator[Exchange]:
    """Run the demo market with faults, from the tenth second of a minute on."""
    clock = ClockScale(sim=MINUTE * 60 + 10, real=time.time(), rate=rate)
    async with (
        asyncio.timeout(PATIENCE_SECONDS),
        serve_exchange(PERP_AND_SPOT, clock, faults=Script(faults, seed)) as it,
    ):
        yield it


@dataclass
class Ear:
    """What a client hears, and when on the market's clock."""

    exchange: Exchange
    client: ClientConnection
    heard: list[tuple[int, str | bytes]] = field(default_factory=list)

    async def listen(self) -> None:
        """Keep everything until the connection ends."""
        with suppress(ConnectionClosed):
            async for message in self.client:
                self.heard.append((self.exchange.now_ms(), message))

    @property
    def texts(self) -> list[str]:
        """All messages."""
        return [message if isinstance(message, str) else message.decode() for _, message in self.heard]

    def of(self, channel: str) -> list[tuple[int, dict[str, object]]]:
        """Return the messages of a channel, and when they came."""
        trees = [(at, tree) for (at, _), text in zip(self.heard, self.texts, strict=True) if (tree := parsed(text))]
        return [(at, tree) for at, tree in trees if tree.get("channel") == channel]

    @property
    def candles(self) -> list[tuple[int, dict[str, object]]]:
        """The candles, and when they came."""
        return [(at, tree["data"]) for at, tree in self.of("candle") if isinstance(tree["data"], dict)]

    async def until(self, is_there: Callable[[], bool]) -> None:
        """Wait for something."""
        while not is_there():
            await asyncio.sleep(0.001)

    async def pass_frames(self, n: int) -> None:
        """Wait for so many more candles."""
        wanted = len(self.candles) + n
        await self.until(lambda: len(self.candles) >= wanted)

    async def pass_minutes(self, n: float) -> None:
        """Let market time pass."""
        end_ms = self.exchange.now_ms() + n * MINUTE_MS
        await self.until(lambda: self.exchange.now_ms() >= end_ms)


def parsed(text: str) -> dict[str, object] | None:
    """Return an object of JSON, None for anything else."""
    try:
        tree = json.loads(text)
    except ValueError:
        return None
    return tree if isinstance(tree, dict) else None


@asynccontextmanager
async def ear(at: Exchange, *coins: str) -> AsyncIterator[Ear]:
    """Connect, subscribe and listen."""
    async with connect(at.ws_url, close_timeout=0.1) as client:
        it = Ear(at, client)
        task = asyncio.create_task(it.listen())
        try:
            for coin in coins or ("BTC",):
                await client.send(subscription(coin))
            yield it
        finally:
            task.cancel()


def subscription(coin: str) -> str:
    """Return a subscribe frame."""
    return json.dumps({"method": "subscribe", "subscription": {"type": "candle", "coin": coin, "interval": "1m"}})


async def ask(at: Exchange, *, seconds: float = PATIENCE_SECONDS, **request: object) -> httpx.Response:
    """Post a request to REST."""
    async with httpx.AsyncClient(timeout=httpx.Timeout(PATIENCE_SECONDS, read=seconds)) as client:
        return await client.post(at.api_url, json=request)


async def rows(at: Exchange, coin: str = "BTC", n: int = 60) -> list[dict[str, object]]:
    """Return the rows of the last ``n`` minutes as REST has them."""
    end_ms = at.now_ms()
    window = {"coin": coin, "interval": "1m", "startTime": end_ms - n * MINUTE_MS, "endTime": end_ms}
    answer = await ask(at, type="candleSnapshot", req=window)
    assert answer.status_code == 200
    return answer.json()


def true(minute: int, coin: str = "BTC") -> dict[str, object]:
    """Return the values of a minute of the undisturbed market."""
    values = PERP_AND_SPOT.values(coin, minute)
    return {"o": values.open, "c": values.close, "h": values.high, "l": values.low, "v": values.volume}


def values_of(row: dict[str, object]) -> dict[str, object]:
    """Return the numbers of a row."""
    return {key: float(str(row[key])) for key in "ochlv"}


def minute_of(row: dict[str, object]) -> int:
    """Return the number of a row's minute."""
    return int(str(row["t"])) // MINUTE_MS


def test_every_kind_is_met_here():
    """A kind of fault without a client that has met it is not finished."""
    text = Path(__file__).read_text(encoding="utf-8")
    assert [kind for kind in fault_kinds() if f'"{kind}"' not in text] == []


# --- connections ---


async def test_a_reset_comes_in_the_middle_of_a_frame():
    """Half a frame and then an RST: no close frame, and the cause is the reset."""
    async with exchange() as at, connect(at.ws_url) as client:
        at.begin(fault("reset"))
        with pytest.raises(ConnectionClosedError) as closed:
            await client.recv()
    assert closed.value.rcvd is None
    assert isinstance(closed.value.__cause__, ConnectionResetError)


async def test_an_abort_strikes_one_connection():
    """The other one lives; the frame that tells of the end is missing."""
    async with exchange() as at, connect(at.ws_url) as first, connect(at.ws_url) as second:
        at.begin(fault("abort", connection=1))
        with pytest.raises(ConnectionClosedError) as closed:
            await first.recv()
        assert closed.value.rcvd is None
        await second.send('{"method":"ping"}')
        assert await second.recv() == '{"channel":"pong"}'


async def test_a_connection_expires():
    """Now, or at an age that is drawn for each connection; code and reason are the exchange's."""
    async with exchange() as at, connect(at.ws_url) as client:
        at.begin(fault("expire"))
        with pytest.raises(ConnectionClosedOK) as closed:
            await client.recv()
        assert (closed.value.rcvd.code, closed.value.rcvd.reason) == (1000, "Expired")
    async with exchange(fault("lifetime", youngest="100s", oldest="120s"), rate=300) as at:
        ages = []
        for _ in range(2):
            async with connect(at.ws_url) as client:
                opened_ms = at.now_ms()
                await client.wait_closed()
                ages.append((at.now_ms() - opened_ms) / 1000)
                assert client.close_reason == "Expired"
    assert min(ages) > 80


async def test_a_restart_drops_everybody_for_a_time():
    """While it lasts, new connections are answered 502; afterwards they are taken."""
    async with exchange() as at, connect(at.ws_url) as first, connect(at.ws_url) as second:
        at.begin(fault("restart", for_="2m"))
        for client in (first, second):
            await client.wait_closed()
            assert client.close_code == 1006
        with pytest.raises(InvalidStatus) as refused:
            await connect(at.ws_url)
        assert refused.value.response.status_code == 502
        while at.now_ms() < (MINUTE + 4) * MINUTE_MS:
            await asyncio.sleep(0.001)
        async with connect(at.ws_url):
            assert at.n_links == 3


async def test_a_half_open_connection_is_silent_in_both_directions():
    """TCP stays up: no candle, no pong, no close; at the end the client finds out. A new connection works."""
    async with exchange() as at, ear(at) as cut, ear(at) as witness:
        at.begin(fault("half_open", connection=1))
        await cut.client.send('{"method":"ping"}')
        # What was on its way when it began still comes.
        await witness.pass_frames(2)
        n_heard = len(cut.heard)
        await witness.pass_frames(10)
        assert len(cut.heard) == n_heard
        assert cut.of("pong") == []
        assert cut.client.close_code is None
        at.end(fault("half_open", connection=1))
        await cut.client.wait_closed()
        assert cut.client.close_code == 1006


@pytest.mark.parametrize("pongs", [True, False])
async def test_a_stall_is_silent_with_and_without_pongs(pongs):
    """No candles, no close; a ping is answered or not."""
    async with exchange() as at, ear(at) as stalled, ear(at) as witness:
        await stalled.until(lambda: len(stalled.candles) > 0)
        at.begin(fault("stall", connection=1, pongs=pongs))
        await stalled.client.send('{"method":"ping"}')
        # What was on its way when it began still comes.
        await witness.pass_frames(2)
        n_candles = len(stalled.candles)
        await witness.pass_frames(10)
        assert len(stalled.candles) == n_candles
        assert bool(stalled.of("pong")) is pongs
        at.end(fault("stall", connection=1, pongs=pongs))
        await stalled.until(lambda: len(stalled.candles) > n_candles)


async def test_one_coin_is_silent():
    """The other one goes on."""
    async with exchange(fault("stall", coin="BTC")) as at, ear(at, "BTC", "ETH") as it:
        await it.until(lambda: len(it.candles) > 10)
        assert {candle["s"] for _, candle in it.candles} == {"ETH"}
        assert len(it.of("subscriptionResponse")) == 2


async def test_the_exchange_drops_who_hears_nothing():
    """After 60 s of silence on its side, without a close frame; a pong in between counts."""
    async with exchange(fault("idle_close", at_least=0), rate=400) as at, connect(at.ws_url) as client:
        opened_ms = at.now_ms()
        while at.now_ms() < opened_ms + 30_000:
            await asyncio.sleep(0.001)
        await client.send('{"method":"ping"}')
        await client.wait_closed()
        assert client.close_code == 1006
        assert at.now_ms() - opened_ms > 85_000


async def test_a_fast_clock_does_not_make_a_connection_idle():
    """By default a connection has a real second: a machine that is busy for 60 ms is not an idle client."""
    async with exchange(rate=6000) as at, connect(at.ws_url) as client:
        while at.now_ms() < (MINUTE + 20) * MINUTE_MS:
            await asyncio.sleep(0.001)
        await client.send('{"method":"ping"}')
        assert await client.recv() == '{"channel":"pong"}'


# --- handshakes ---


@pytest.mark.parametrize("status", [403, 429, 502])
async def test_a_handshake_is_refused(status):
    """With the status that the script names."""
    async with exchange(fault("refused_handshake", status=status)) as at:
        with pytest.raises(InvalidStatus) as refused:
            await connect(at.ws_url)
        assert refused.value.response.status_code == status


async def test_a_connect_hangs():
    """TCP is accepted and nothing comes; who has patience is sent away at the end."""
    async with exchange(fault("hanging_connect")) as at:
        with pytest.raises(TimeoutError):
            await connect(at.ws_url, open_timeout=0.05)
        waiting = asyncio.create_task(_connected(at))
        while len(at.connects.log) < 2:
            await asyncio.sleep(0)
        at.end(fault("hanging_connect"))
        assert await waiting == 503


async def _connected(at: Exchange) -> int:
    """Return the status with which a connection is refused, 101 if it is not."""
    try:
        async with connect(at.ws_url):
            return 101
    except InvalidStatus as refused:
        return refused.response.status_code


async def test_the_eleventh_connection_is_refused():
    """And taken when another one has ended; a limit of the script takes the place of the default."""
    async with exchange(rate=1) as at:
        clients = [await connect(at.ws_url) for _ in range(10)]
        assert await _connected(at) == 429
        await clients.pop().close()
        assert await _connected(at) == 101
        at.begin(fault("connection_limit", most=2))
        assert await _connected(at) == 429
        for client in clients:
            await client.close()


async def test_the_thirty_first_connection_in_a_minute_is_refused():
    """Whatever became of the others. The attempts are on record."""
    async with exchange(rate=1) as at:
        assert [await _connected(at) for _ in range(31)] == [101] * 30 + [429]
        assert (len(at.connects.log), at.connects.most, at.n_links) == (31, 31, 30)
        at.begin(fault("connection_rate", most=100))
        assert await _connected(at) == 101


# --- subscriptions ---


async def test_a_pong_is_late():
    """By 12 market seconds."""
    async with exchange(fault("late_pong"), rate=200) as at, ear(at) as it:
        asked_ms = at.now_ms()
        await it.client.send('{"method":"ping"}')
        await it.until(lambda: len(it.of("pong")) > 0)
        assert it.of("pong")[0][0] - asked_ms >= 12_000


async def test_acknowledgements_late_never_twice_and_long():
    """Of one coin each; the frames come all the same, and the other coin is answered as always."""
    kinds = {"late_ack": "BTC", "no_ack": "ETH", "double_ack": "@142", "long_ack": "MATIC"}
    async with exchange(*(fault(kind, coin=coin) for kind, coin in kinds.items()), rate=300) as at:
        asked_ms = at.now_ms()
        async with ear(at, *kinds.values()) as it:
            await it.until(lambda: len(it.of("subscriptionResponse")) == 4 and len(it.candles) > 10)
        answers = [(at_ms, tree["data"]["subscription"]) for at_ms, tree in it.of("subscriptionResponse")]
        assert [answer["coin"] for _, answer in answers] == ["@142", "@142", "MATIC", "BTC"]
        assert answers[-1][0] - asked_ms >= 12_000
        assert {"nSigFigs", "mantissa", "fast", "type", "coin", "interval"} == set(answers[2][1])
        assert {candle["s"] for _, candle in it.candles} == {"BTC", "ETH", "@142"}


async def test_a_first_subscription_is_called_the_second():
    """An error frame instead of the acknowledgement; candles come."""
    async with exchange(fault("already_subscribed")) as at, ear(at) as it:
        await it.until(lambda: len(it.candles) > 0)
        assert it.of("subscriptionResponse") == []
        assert str(it.of("error")[0][1]["data"]).startswith('Already subscribed: {"type":"candle"')


async def test_a_listed_coin_ends_the_socket():
    """As an unknown one does: without a word, and with all other subscriptions."""
    async with exchange(fault("unknown_coin", coin="ETH")) as at, ear(at, "BTC", "ETH") as it:
        await it.client.wait_closed()
        assert (it.client.close_code, it.of("error")) == (1006, [])
        assert "ETH" in (await ask(at, type="meta")).text


# --- delivery ---


async def test_frames_are_lost():
    """Half of them, the same ones in every run of a seed; of a silent minute none."""
    kept = []
    for seed in (SEED, SEED, SEED + 1):
        async with exchange(fault("loss"), seed=seed, rate=600) as at, ear(at) as it:
            await it.until(lambda it=it: it.candles[-1:] != [] and minute_of(it.candles[-1][1]) >= MINUTE + 4)
        kept.append([candle["n"] for _, candle in it.candles if MINUTE < minute_of(candle) < MINUTE + 4])
    assert kept[0] == kept[1] != kept[2]


async def test_the_tail_of_each_minute_is_lost():
    """The final values never come; REST has them."""
    async with exchange(fault("lost_tail")) as at, ear(at) as it:
        await it.until(lambda: it.candles[-1:] != [] and minute_of(it.candles[-1][1]) >= MINUTE + 5)
    most = {minute_of(candle): int(str(candle["n"])) for _, candle in it.candles}
    for minute in range(MINUTE + 1, MINUTE + 5):
        assert most[minute] < PERP_AND_SPOT.values("BTC", minute).trades


async def test_frames_come_twice():
    """Each right after itself."""
    async with exchange(fault("duplicates")) as at, ear(at) as it:
        await it.until(lambda: len(it.candles) >= 10)
    texts = [text for text in it.texts if '"candle","data"' in text and "subscription" not in text]
    assert texts[0:10:2] == texts[1:10:2]


async def test_frames_of_a_minute_come_in_another_order():
    """Inside the minute only: the next one never begins before, and the best frame is still there in time."""
    async with exchange(fault("reordered", seconds="25s"), rate=120) as at, ear(at) as it:
        await it.until(lambda: it.candles[-1:] != [] and minute_of(it.candles[-1][1]) >= MINUTE + 3)
    counts = [(minute_of(candle), int(str(candle["n"]))) for _, candle in it.candles]
    assert [minute for minute, _ in counts] == sorted(minute for minute, _ in counts)
    assert counts != sorted(counts)
    assert max(counts[:-1])[0] >= MINUTE + 2


async def test_frames_are_late():
    """By up to 30 s: some come after frames that are much younger."""
    faults = (fault("late_frames", share=0.5, connection=1),)
    async with exchange(*faults, rate=200) as at, ear(at) as it, ear(at) as witness:
        await it.until(lambda: it.candles[-1:] != [] and minute_of(it.candles[-1][1]) >= MINUTE + 4)
    on_time = {json.dumps(candle): at_ms for at_ms, candle in witness.candles}
    delays = [at_ms - on_time[json.dumps(candle)] for at_ms, candle in it.candles if json.dumps(candle) in on_time]
    assert any(delay > 5_000 for delay in delays)
    assert any(delay < 2_000 for delay in delays)


async def test_the_last_frame_comes_after_the_first_of_the_next_minute():
    """Every minute's; nothing is lost."""
    async with exchange(fault("after_next"), rate=300) as at, ear(at) as it:
        await it.until(lambda: it.candles[-1:] != [] and minute_of(it.candles[-1][1]) >= MINUTE + 5)
    minutes = [minute_of(candle) for _, candle in it.candles]
    assert sum(after < before for before, after in pairwise(minutes)) >= 3
    for minute in range(MINUTE + 1, MINUTE + 4):
        best = max((c for _, c in it.candles if minute_of(c) == minute), key=lambda c: int(str(c["n"])))
        assert values_of(best) == true(minute)


async def test_the_first_frame_comes_after_the_minute():
    """All of them do."""
    async with exchange(fault("first_after_end")) as at, ear(at) as it:
        await it.until(lambda: len({minute_of(candle) for _, candle in it.candles}) >= 3)
    assert all(at_ms >= (minute_of(candle) + 1) * MINUTE_MS + 500 for at_ms, candle in it.candles)


async def test_a_slow_network_delivers_in_bursts():
    """Held back for 20 s, then all at once, in order."""
    async with exchange(fault("bursts", connection=2), rate=200) as at, ear(at) as witness, ear(at) as it:
        await it.until(lambda: it.candles[-1:] != [] and minute_of(it.candles[-1][1]) >= MINUTE + 3)
    held, sent = ([candle for _, candle in each.candles] for each in (it, witness))
    first = sent.index(held[0])
    assert held == sent[first : first + len(held)]
    bursts = {at_ms // 10_000 for at_ms, _ in it.candles}
    assert len(bursts) <= len({at_ms // 10_000 for at_ms, _ in witness.candles})
    assert min(at_ms for at_ms, _ in it.candles) >= MINUTE * MINUTE_MS + 20_000


async def test_messages_in_other_shapes(monkeypatch):
    """Fragments are put together by the client; binary frames hold the same text; pings are answered by the library."""
    seen: list[tuple[Opcode, bool]] = []
    parse = WireFrame.parse

    def spy(*arguments: object, **options: object):
        frame = yield from parse(*arguments, **options)
        if not options["mask"]:
            seen.append((frame.opcode, frame.fin))
        return frame

    monkeypatch.setattr(WireFrame, "parse", spy)
    async with exchange(fault("fragments", connection=1), fault("binary_frames", connection=2)) as at:
        async with ear(at) as parts, ear(at) as binary:
            await parts.until(lambda: len(parts.candles) > 3 and len(binary.candles) > 3)
        assert (Opcode.TEXT, False) in seen
        assert (Opcode.CONT, True) in seen
        assert all(isinstance(message, bytes) for _, message in binary.heard)
        at.begin(fault("server_pings"))
        async with ear(at) as pinged:
            await pinged.until(lambda: seen.count((Opcode.PING, True)) >= 3)


# --- garbage ---

EXTRA = {
    "broken_json": lambda text: text.startswith("{") and parsed(text) is None,
    "null_frame": lambda text: text == "null",
    "list_frame": lambda text: text.startswith('[{"channel"'),
    "number_frame": str.isdecimal,
    "unknown_channel": lambda text: '"channel":"candleV2"' in text,
    "unknown_keys": lambda text: '"seq":7' in text and '"closed":true' in text,
    "data_as_list": lambda text: '"data":[{' in text,
    "numbers_for_texts": lambda text: isinstance(json.loads(text)["data"]["o"], float),
    "exponents": lambda text: '"v":"1e-05"' in text,
    "nan_price": lambda text: '"c":"NaN"' in text,
    "negative_volume": lambda text: '"v":"-' in text,
    "wrong_end": lambda text: (data := json.loads(text)["data"])["T"] == data["t"] + 119_999,
    "misaligned_minute": lambda text: json.loads(text)["data"]["t"] % MINUTE_MS == 30_000,
    "future_minute": lambda text: json.loads(text)["data"]["t"] > (MINUTE + 1000) * MINUTE_MS,
}


@pytest.mark.parametrize("kind", EXTRA)
async def test_garbage_comes_in_addition(kind):
    """After each true frame one that was never meant; the true ones are all there, and the socket lives."""
    async with exchange(fault(kind, connection=2)) as at, ear(at) as witness, ear(at) as it:
        await it.until(lambda: min(len(it.heard), 2 * len(witness.heard)) > 12)
        assert it.client.close_code is None
    texts = it.texts[1:]
    true_texts = [text for text in texts if text in witness.texts]
    others = [text for text in texts if text not in witness.texts]
    assert len(true_texts) >= 4
    assert abs(len(others) - len(true_texts)) <= 2
    assert [text for text in others[:-1] if not EXTRA[kind](text)] == []


# --- the market ---


async def test_minutes_without_trades_get_a_flat_row_later():
    """No frame; REST leaves them out, and has a flat row at the last close ten minutes on. So says the truth."""
    async with exchange(fault("no_trades", at="70s", for_="3m", coin="BTC")) as at, ear(at) as it:
        await it.until(lambda: it.candles[-1:] != [] and minute_of(it.candles[-1][1]) >= MINUTE + 7)
        quiet = range(MINUTE + 2, MINUTE + 5)
        assert not {minute_of(candle) for _, candle in it.candles} & set(quiet)
        assert not {minute_of(row) for row in await rows(at)} & set(quiet)
        await it.pass_minutes(11)
        later = {minute_of(row): row for row in await rows(at)}
    close = true(MINUTE + 1)["c"]
    for minute in quiet:
        assert values_of(later[minute]) == {"o": close, "c": close, "h": close, "l": close, "v": 0.0}
        assert (later[minute]["v"], later[minute]["n"]) == ("0.0", 0)
        assert at.truth("BTC", minute).close == later[minute]["c"]
        assert at.truth("ETH", minute).trades > 0


async def test_a_delisted_coin_is_acknowledged_and_over():
    """No frame, no row any more, and ``meta`` says so; its past is there."""
    async with exchange(fault("delisted_coin", coin="ETH")) as at, ear(at, "BTC", "ETH") as it:
        await it.until(lambda: it.candles[-1:] != [] and minute_of(it.candles[-1][1]) >= MINUTE + 2)
        # The minute in which it began is traded to its end.
        assert {minute_of(candle) for _, candle in it.candles if candle["s"] == "ETH"} <= {MINUTE}
        assert len(it.of("subscriptionResponse")) == 2
        assert max(minute_of(row) for row in await rows(at, "ETH")) == MINUTE
        universe = {coin["name"]: coin for coin in (await ask(at, type="meta")).json()["universe"]}
        assert (universe["ETH"]["isDelisted"], "isDelisted" in universe["BTC"]) == (True, False)
        assert at.truth("ETH", MINUTE + 1) is None


async def test_a_jump_is_real():
    """30 % inside one minute, and back inside another; the stream and REST agree."""
    async with exchange(fault("jump", at="70s", for_="2m")) as at, ear(at) as it:
        await it.until(lambda: it.candles[-1:] != [] and minute_of(it.candles[-1][1]) >= MINUTE + 6)
        stored = {minute_of(row): values_of(row) for row in await rows(at)}
        best = {minute_of(candle): values_of(candle) for _, candle in it.candles}
        for minute in range(MINUTE + 1, MINUTE + 6):
            assert best[minute] == stored[minute] == values_of(row_of(at, minute))
            assert stored[minute]["l"] <= min(stored[minute]["o"], stored[minute]["c"])
            assert stored[minute]["h"] >= max(stored[minute]["o"], stored[minute]["c"])
    ratios = [stored[MINUTE + i]["c"] / true(MINUTE + i)["c"] for i in range(1, 6)]
    assert ratios == pytest.approx([1, 1.3, 1.3, 1, 1], rel=1e-4)
    assert stored[MINUTE + 2]["o"] == true(MINUTE + 2)["o"]
    assert stored[MINUTE + 4]["o"] == pytest.approx(true(MINUTE + 4)["o"] * 1.3, rel=1e-4)


def row_of(at: Exchange, minute: int, coin: str = "BTC") -> dict[str, object]:
    """Return the truth of a minute as a row on the wire."""
    row = at.truth(coin, minute)
    assert row is not None
    return {"o": row.open, "c": row.close, "h": row.high, "l": row.low, "v": row.volume, "n": row.trades}


async def test_volumes_have_noise():
    """A text with nines on the stream and in REST."""
    async with exchange(fault("float_noise")) as at, ear(at) as it:
        await it.until(lambda: it.candles[-1:] != [] and minute_of(it.candles[-1][1]) >= MINUTE + 3)
        stored = {minute_of(row): row for row in await rows(at)}
    best = {minute_of(candle): candle for _, candle in it.candles}
    assert str(stored[MINUTE + 1]["v"]).endswith("99999")
    assert best[MINUTE + 1]["v"] == stored[MINUTE + 1]["v"] == at.truth("BTC", MINUTE + 1).volume


@pytest.mark.parametrize("n_more", [3, 0])
async def test_a_closed_row_changes(n_more):
    """An hour after its end: more trades, or as many and other values. The truth changes with it."""
    async with exchange(rate=10) as at:
        minute = MINUTE - 61
        before = {minute_of(row): row for row in await rows(at, n=120)}
        assert row_of(at, minute)["n"] == before[minute]["n"]
        at.begin(fault("changed_row", trades=n_more, coin="BTC"))
        after = {minute_of(row): row for row in await rows(at, n=120)}
    changed = [number for number in before if number in after and number < MINUTE and before[number] != after[number]]
    assert changed == [minute]
    assert after[minute]["n"] == before[minute]["n"] + n_more
    assert float(after[minute]["l"]) <= float(after[minute]["c"]) <= float(after[minute]["h"])
    assert row_of(at, minute) == {key: after[minute][key] for key in "ochlvn"}
    assert at.truth("ETH", minute).trades == PERP_AND_SPOT.values("ETH", minute).trades


async def test_a_pair_is_renamed():
    """``spotMeta`` has another index for it; the new name has its past and its frames, the old one is silent."""
    async with exchange() as at, ear(at, "@142", "BTC") as old:
        at.begin(fault("renamed_pair", coin="@142", to="@1142"))
        meta = (await ask(at, type="spotMeta")).json()
        pair = next(pair for pair in meta["universe"] if pair["tokens"] == [197, 0])
        assert (pair["name"], pair["index"]) == ("@1142", 1142)
        async with ear(at, "@1142") as new:
            await new.until(lambda: len(new.candles) > 3)
        n_old = sum(candle["s"] == "@142" for _, candle in old.candles)
        await old.pass_minutes(2)
        assert sum(candle["s"] == "@142" for _, candle in old.candles) == n_old
        assert {candle["s"] for _, candle in new.candles} == {"@1142"}
        past = [row for row in await rows(at, "@1142") if minute_of(row) < MINUTE]
        assert (len(past), {row["s"] for row in past}) == (len(past), {"@1142"})
        assert values_of(past[0]) == true(minute_of(past[0]), "@142")
        assert at.truth("@1142", MINUTE).coin == "@1142"


# --- REST ---

CANDLES = {"type": "candleSnapshot", "req": {"coin": "BTC", "interval": "1m", "startTime": 0}}


@pytest.mark.parametrize(
    ("status", "content_type", "start"),
    [
        (429, "application/json", "null"),
        (500, "application/json", "null"),
        (502, "text/html", "<html>"),
        (503, "text/html", "<html>"),
    ],
)
async def test_rest_answers_with_an_error(status, content_type, start):
    """The exchange's own with ``null``, the edge's with a page; of one type of request, once."""
    async with exchange(fault("rest_error", status=status, request="meta", times=1)) as at:
        assert (await ask(at, type="spotMeta")).status_code == 200
        answer = await ask(at, type="meta")
        assert (answer.status_code, answer.headers["content-type"]) == (status, content_type)
        assert answer.text.startswith(start)
        assert (await ask(at, type="meta")).status_code == 200


async def test_rest_does_not_answer():
    """Until the fault is over: then the connection breaks."""
    async with exchange(fault("rest_timeout")) as at:
        with pytest.raises(httpx.ReadTimeout):
            await ask(at, seconds=0.05, type="meta")
        waiting = asyncio.create_task(ask(at, type="meta"))
        await asyncio.sleep(0)
        at.end(fault("rest_timeout"))
        with suppress(httpx.RemoteProtocolError):
            assert (await waiting).status_code == 200


async def test_rest_is_slow():
    """The answer is that of the question's time."""
    async with exchange(fault("rest_slow", seconds="20s"), rate=200) as at:
        answer = await ask(at, type="exchangeStatus")
        assert at.now_ms() - answer.json()["time"] >= 20_000


async def test_bodies_are_cut_empty_and_null():
    """A length that does not come, no byte, and valid JSON that is no answer."""
    async with exchange() as at:
        at.begin(fault("rest_cut"))
        with pytest.raises(httpx.RemoteProtocolError):
            await ask(at, **CANDLES)
        at.end(fault("rest_cut"))
        for kind, body in (("rest_empty", ""), ("rest_null", "null")):
            at.begin(fault(kind))
            answer = await ask(at, **CANDLES)
            assert (answer.status_code, answer.text) == (200, body)
            at.end(fault(kind))
        # The open minute may not have been traded yet.
        assert len((await ask(at, **CANDLES)).json()) >= 4999


async def test_rest_is_behind():
    """The rows are those of 30 s ago; the clock is not."""
    async with exchange(fault("rest_behind", seconds="5m"), rate=10) as at:
        assert max(minute_of(row) for row in await rows(at)) == MINUTE - 5
        assert (await ask(at, type="exchangeStatus")).json()["time"] > (MINUTE - 1) * MINUTE_MS


async def test_rest_differs_at_equal_trades():
    """For good where REST is right; in one answer where the stream is."""
    async with exchange(fault("rest_differs"), rate=600) as at, ear(at) as it:
        await it.until(lambda: it.candles[-1:] != [] and minute_of(it.candles[-1][1]) >= MINUTE + 3)
        best = {minute_of(candle): candle for _, candle in it.candles}
        at.end(fault("rest_differs"))
        for _ in range(2):
            row = {minute_of(row): row for row in await rows(at)}[MINUTE + 1]
            assert row["n"] == best[MINUTE + 1]["n"]
            assert (row["c"], row["v"]) != (best[MINUTE + 1]["c"], best[MINUTE + 1]["v"])
            assert row_of(at, MINUTE + 1) == {key: row[key] for key in "ochlvn"}
    async with exchange(fault("rest_differs", truth="stream", times=1), rate=600) as at, ear(at) as it:
        await it.until(lambda: it.candles[-1:] != [] and minute_of(it.candles[-1][1]) >= MINUTE + 3)
        wrong, right = [{minute_of(row): row for row in await rows(at)}[MINUTE + 1] for _ in range(2)]
        assert wrong["n"] == right["n"]
        assert values_of(wrong) != values_of(right) == true(MINUTE + 1)
        assert values_of(row_of(at, MINUTE + 1)) == true(MINUTE + 1)


async def test_rest_has_a_horizon_and_more_than_was_asked_for():
    """Older rows are simply not there; or 5,001 come where three were asked for."""
    async with exchange(rate=10) as at:
        at.begin(fault("rest_horizon", n_rows=100))
        assert len(await rows(at, n=500)) == 100
        at.end(fault("rest_horizon", n_rows=100))
        at.begin(fault("rest_long"))
        long = await rows(at, n=2)
        assert len(long) == 5001
        assert minute_of(long[-1]) == MINUTE


async def test_rest_has_a_hole_for_a_time():
    """In the middle of an answer; afterwards the rows are there, and they were true all the time."""
    hole = fault("rest_hole", age="30m", minutes=10)
    async with exchange(rate=10) as at:
        at.begin(hole)
        missing = set(range(MINUTE - 60, MINUTE)) - {minute_of(row) for row in await rows(at)}
        assert missing == set(range(MINUTE - 30, MINUTE - 20))
        assert at.truth("BTC", MINUTE - 25) is not None
        at.end(hole)
        assert len(await rows(at)) == 61


async def test_rows_are_descending_and_doubled():
    """Both are lists of good rows."""
    async with exchange(rate=10) as at:
        at.begin(fault("rest_descending"))
        descending = [minute_of(row) for row in await rows(at)]
        assert descending == sorted(descending, reverse=True)
        at.end(fault("rest_descending"))
        at.begin(fault("rest_duplicates", for_="1h"))
        doubled = [minute_of(row) for row in await rows(at)]
        assert doubled[::2] == doubled[1::2] == sorted(descending)


async def test_the_exchange_shows_another_time():
    """Ahead or behind; its candles are not touched."""
    async with exchange(fault("clock_off", seconds=-15), rate=1) as at:
        shown = (await ask(at, type="exchangeStatus")).json()["time"]
        assert 14_000 < at.now_ms() - shown < 25_000
        assert minute_of((await rows(at))[-1]) == MINUTE


async def test_the_weight_of_a_minute_is_limited():
    """1200: twelve answers of 5,000 rows reach beyond it, then 429 with ``null``. What was used is on record."""
    async with exchange(rate=1) as at:
        answers = [await ask(at, **CANDLES) for _ in range(13)]
        assert [answer.status_code for answer in answers] == [200] * 12 + [429]
        assert answers[-1].text == "null"
        assert [weight for _, weight in at.weights.log] == [104] * 12
        assert at.weights.most == 1248
        # A limit of the script takes the default's place.
        at.begin(fault("weight_limit", most=50_000))
        assert (await ask(at, type="meta")).status_code == 200


@pytest.mark.parametrize(("minutes", "is_there"), [("traded", True), ("flat", True), ("absent", False)])
async def test_an_outage_takes_everything_away(minutes, is_there):
    """Stream, handshakes and REST; of its minutes the script says what becomes."""
    async with exchange(rate=4000) as at, ear(at) as it:
        at.begin(fault("outage", minutes=minutes, for_="37m"))
        first = at.now_ms() // MINUTE_MS + 1
        await it.client.wait_closed()
        assert await _connected(at) == 502
        down = await ask(at, type="meta")
        assert (down.status_code, down.headers["content-type"]) == (502, "text/html")
        await it.pass_minutes(49)
        assert await _connected(at) == 101
        inside = [row for row in await rows(at, n=2000) if first <= minute_of(row) < first + 33]
        assert len(inside) == (33 if is_there else 0)
        assert {row["n"] == 0 for row in inside} == ({minutes == "flat"} if is_there else set())
        assert (at.truth("BTC", first + 20) is not None) is is_there


async def test_an_outage_without_an_answer():
    """Nothing is answered: the edge is away too."""
    async with exchange(fault("outage", edge=False)) as at:
        with pytest.raises(httpx.ReadTimeout):
            await ask(at, seconds=0.05, type="meta")
        with pytest.raises(TimeoutError):
            await connect(at.ws_url, open_timeout=0.05)


# --- the script ---


async def test_a_client_that_keeps_its_budget_is_never_refused():
    """Half of each limit, in bursts, on a clock on which a minute lasts 63 ms: nothing is refused."""
    async with exchange(rate=960) as at:
        start_ms = at.now_ms()
        for i in range(20):
            while at.now_ms() < start_ms + i * MINUTE_MS:
                await asyncio.sleep(0)
            assert [await _connected(at) for _ in range(8)] == [101] * 8
        assert at.connects.most >= 8


async def test_a_coin_that_nobody_plays_is_refused():
    """Such a script would do nothing; the message names the near misses."""
    with pytest.raises(ConfigError, match=r"stall: unknown coin 'BTCC'. Did you mean BTC?"):
        async with exchange(fault("stall", coin="BTCC")):
            pass


async def test_faults_are_added_to_each_other():
    """Duplicates of fragments of binary frames, and half of them lost."""
    faults = (fault("loss", share=0.5), fault("duplicates", copies=2), fault("binary_frames"), fault("null_frame"))
    async with exchange(*faults) as at, ear(at) as it:
        await it.until(lambda: len(it.candles) >= 9)
    texts = [text for text in it.texts if text != "null" and "subscription" not in text]
    assert texts[0] == texts[1] == texts[2]
    assert it.texts.count("null") >= 8
