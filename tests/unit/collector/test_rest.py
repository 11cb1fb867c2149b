"""Questions to the exchange, against a real server on this machine: what is an answer, and what it may cost."""

import asyncio
import json
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager, nullcontext, suppress
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from btc_core.config import CollectorConfig
from btc_core.errors import ExchangeError
from btc_core.model.clock import ClockScale
from btc_core.model.timerange import MINUTE, TimeRange, to_ms
from collector import rest as rest_module
from collector.exchanges.hyperliquid import EXCHANGE
from collector.rest import Limits, RestClient, answer_fault, closed_rows, is_transient, limits_of, open_rest

FIXTURES = Path(__file__).resolve().parents[2] / "fixtures" / "hyperliquid"
NOW = datetime(2025, 2, 14, 12, tzinfo=UTC)
WINDOW = TimeRange(NOW - 10 * MINUTE, NOW)
LIMITS = Limits(answer_seconds=5)
JSON = "application/json"

Reply = bytes | Callable[[asyncio.StreamWriter], Awaitable[None]]


class FakeWaits:
    """A clock that only waiting moves."""

    def __init__(self) -> None:
        self.seconds = 0.0
        self.slept: list[float] = []

    def now(self) -> datetime:
        """Return the fake instant."""
        return NOW + timedelta(seconds=self.seconds)

    def elapsed(self) -> float:
        """Return the fake seconds."""
        return self.seconds

    async def sleep(self, market_seconds: float) -> None:
        """Move on at once."""
        self.slept.append(market_seconds)
        self.seconds += market_seconds
        await asyncio.sleep(0)


def http(status: int, body: bytes | str, content_type: str | None = JSON, *, length: int | None = None) -> bytes:
    """Return an answer as it goes over the wire; a longer ``length`` than the body's is an answer that is cut."""
    raw = body.encode() if isinstance(body, str) else body
    kind = f"Content-Type: {content_type}\r\n" if content_type else ""
    head = f"HTTP/1.1 {status} Whatever\r\nContent-Length: {len(raw) if length is None else length}\r\n{kind}\r\n"
    return head.encode() + raw


@asynccontextmanager
async def asked(
    *replies: Reply, waits: FakeWaits | None = None, limits: Limits = LIMITS
) -> AsyncIterator[tuple[RestClient, list[dict[str, object]], list[str]]]:
    """Hold a client of an exchange that gives these replies in turn; also the questions, and their outcomes.

    An answer that is cut ends its connection. After the last reply the exchange answers with an empty list.
    """
    turn, questions, outcomes, tasks = iter(replies), [], [], set()

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        tasks.add(asyncio.current_task())
        with suppress(ConnectionError, asyncio.IncompleteReadError, asyncio.CancelledError):
            while True:
                head = (await reader.readuntil(b"\r\n\r\n")).lower()
                assert head.startswith(b"post /info http/1.1")
                assert b"content-type: application/json" in head
                questions.append(
                    json.loads(await reader.readexactly(int(head.split(b"content-length: ")[1].split()[0])))
                )
                reply = next(turn, http(200, "[]"))
                if callable(reply):
                    await reply(writer)
                    break
                writer.write(reply)
                await writer.drain()
                if b"Content-Length: 9999\r\n" in reply:
                    break
        writer.close()

    server = await asyncio.start_server(serve, "127.0.0.1", 0)
    url = f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}/info"
    try:
        async with open_rest(url, EXCHANGE, waits or FakeWaits(), limits, count=outcomes.append) as rest:
            yield rest, questions, outcomes
    finally:
        server.close()
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks)


def row(time: datetime, **changed: object) -> dict[str, object]:
    """Return a row of history."""
    t = to_ms(time)
    prices = {"o": "1", "c": "1", "h": "1", "l": "1"}
    return {"t": t, "T": t + 59999, "s": "BTC", "i": "1m", **prices, "v": "1", "n": 1, **changed}


async def history_of(*rows: dict[str, object], window: TimeRange = WINDOW):
    """Return what becomes of an answer with these rows."""
    async with asked(http(200, json.dumps(rows))) as (rest, _, _):
        return await rest.history("BTC", window, is_urgent=False)


@pytest.mark.parametrize("entry", json.loads((FIXTURES / "rest_errors_observed.json").read_text()))
def test_every_error_on_record_is_a_fault(entry):
    """Refusals, limits, outages and ``null``: each is a sentence, none is an empty list."""
    assert answer_fault(entry["status"], entry["content_type"] or "", entry["body"].encode())
    assert is_transient(entry["status"]) is (entry["status"] not in (400, 405, 415, 422))


def test_json_is_an_answer():
    """An empty list is a valid answer, a page is none."""
    assert answer_fault(200, JSON, b"[]") is None
    assert answer_fault(200, "text/html", b"<html>")


async def reset(writer: asyncio.StreamWriter) -> None:
    """Break the connection in the middle of an answer."""
    writer.write(http(200, '[{"t"', length=9999))
    await writer.drain()
    writer.transport.abort()


async def hang(writer: asyncio.StreamWriter) -> None:
    """Say nothing for ever."""
    await asyncio.Event().wait()


async def dribble(writer: asyncio.StreamWriter) -> None:
    """Send a byte now and then, so that no single read takes long."""
    writer.write(http(200, "[", length=9999))
    while True:
        writer.write(b" ")
        await writer.drain()
        await asyncio.sleep(0.01)


async def hang_after_limit(writer: asyncio.StreamWriter) -> None:
    """Limit us, and never finish the answer."""
    writer.write(http(429, "", length=4))
    await writer.drain()
    await asyncio.Event().wait()


async def leave(writer: asyncio.StreamWriter) -> None:
    """Close without a word."""


async def flood(writer: asyncio.StreamWriter) -> None:
    """Send without an end."""
    writer.write(b"HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nTransfer-Encoding: chunked\r\n\r\n")
    while True:
        writer.write(b"1000\r\n" + 4096 * b" " + b"\r\n")
        await writer.drain()


@pytest.mark.parametrize(
    ("reply", "is_transient", "words"),
    [
        (http(429, "null"), True, "429"),
        (hang_after_limit, True, "429"),
        (http(500, "null"), True, "500"),
        (http(502, "<html>Bad Gateway</html>", "text/html"), True, "502: <html>"),
        (http(503, "<html>", "text/html"), True, "503"),
        (http(504, "", None), True, "504: nothing"),
        (http(403, "<html>", "text/html"), True, "403"),
        (http(302, "", None), True, "302"),
        (http(400, "Failed to parse", "text/plain"), False, "400"),
        (http(405, "", None), False, "405"),
        (http(415, "Expected request with", "text/plain"), False, "415"),
        (http(422, "Failed to deserialize", "text/plain"), False, "422"),
        (http(200, "null"), True, "null"),
        (http(200, ""), True, "empty"),
        (http(200, "", None), True, "no content type"),
        (http(200, "[]", "text/plain"), True, "expected JSON"),
        (http(200, "<html>", "text/html"), True, "expected JSON"),
        (http(200, "<html>"), True, "expected a list"),
        (http(200, '[{"t":17'), True, "expected a list"),
        (http(200, "{}"), True, "expected a list"),
        (http(200, b"[" * 100_000), True, "expected a list"),
        (http(200, b"\xff\xfe"), True, "expected a list"),
        (http(200, json.dumps([row(NOW - MINUTE, s="ETH")])), True, "expected candles of BTC"),
        (http(200, "[]", length=9999), True, "RemoteProtocolError"),
        (b"HTTP/1.1 nonsense\r\n\r\n", True, "RemoteProtocolError"),
        (reset, True, "no answer"),
        (leave, True, "no answer"),
        (hang, True, "no whole answer within"),
        (dribble, True, "no whole answer within"),
        (flood, True, "at most"),
    ],
)
async def test_what_is_no_answer_is_an_error_and_the_next_question_is_answered(
    reply, is_transient, words, monkeypatch: pytest.MonkeyPatch
):
    """One attempt a question: the caller knows whether to ask again, and the client is as good as before."""
    monkeypatch.setattr(rest_module, "MOST_BYTES", 1_000_000)
    is_slow = reply in (hang, dribble)
    async with asked(reply, limits=Limits(answer_seconds=0.1) if is_slow else LIMITS) as (rest, questions, _):
        with pytest.raises(ExchangeError, match=words) as caught:
            await rest.history("BTC", WINDOW, is_urgent=True)
        assert caught.value.is_transient is is_transient
        assert len(questions) == 1
        # On a busy machine an answer of this server, too, may take longer than the short deadline.
        for _ in range(30 if is_slow else 1):
            with suppress(ExchangeError) if is_slow else nullcontext():
                assert (await rest.history("BTC", WINDOW, is_urgent=True)).rows == ()
                break
        else:
            pytest.fail("the client did not recover")


async def test_an_exchange_that_is_not_there_is_transient():
    """Nobody listens, or the name is unknown."""
    async with open_rest("http://127.0.0.1:1/info", EXCHANGE, FakeWaits(), LIMITS) as rest:
        with pytest.raises(ExchangeError, match="ConnectError") as caught:
            await rest.history("BTC", WINDOW, is_urgent=True)
    assert caught.value.is_transient


async def test_a_connection_that_died_while_idle_does_no_harm():
    """A kept-alive connection can be dead when it is used again: at worst one question fails."""

    async def answer_and_leave(writer: asyncio.StreamWriter) -> None:
        writer.write(http(200, "[]"))
        await writer.drain()

    async with asked(answer_and_leave, answer_and_leave) as (rest, _, outcomes):
        for _ in range(3):
            with suppress(ExchangeError):
                await rest.history("BTC", WINDOW, is_urgent=True)
        await rest.history("BTC", WINDOW, is_urgent=True)
    assert outcomes[-1] == "ok"


async def test_that_our_requests_are_at_fault_is_said_once(caplog):
    """422 says that no try changes anything; whatever is asked next is refused for the same reason."""
    refusal = http(422, "Failed to deserialize", "text/plain")
    async with asked(refusal, refusal, http(200, "[]"), refusal) as (rest, _, outcomes):
        for _ in range(4):
            with suppress(ExchangeError):
                await rest.history("BTC", WINDOW, is_urgent=True)
    assert outcomes == ["refused", "refused", "ok", "refused"]
    assert [record.message for record in caplog.records] == ["exchange refuses our request"] * 2


async def test_rows_come_in_order_once_and_from_the_window():
    """Descending, repeated, around the window: what is left is ascending and one a minute."""
    minutes = [NOW + i * MINUTE for i in (0, -1, -2, -2, -9, -10, -11)]
    history = await history_of(*[row(time) for time in minutes])
    assert [item.time for item in history.rows] == [NOW + i * MINUTE for i in (-10, -9, -2, -1)]
    assert (history.refused, history.asked_at) == ((), NOW)


async def test_two_different_rows_of_one_minute_are_both_refused():
    """Nobody can say which is true; the other minutes of the answer stand."""
    doubtful = NOW - 2 * MINUTE
    history = await history_of(row(NOW - 3 * MINUTE), row(doubtful), row(doubtful, v="2"), row(NOW - MINUTE))
    assert [item.time for item in history.rows] == [NOW - 3 * MINUTE, NOW - MINUTE]
    (refused,) = history.refused
    assert (refused.coin, refused.time) == ("BTC", doubtful)
    assert "2 different rows" in refused.reason


@pytest.mark.parametrize(
    ("changed", "words"),
    [
        ({"t": to_ms(NOW) - 30_000, "T": to_ms(NOW) + 29_999}, "start of a minute"),
        ({"T": to_ms(NOW)}, "59999"),
        ({"i": "5m", "T": to_ms(NOW) + 4 * 60_000 - 1}, "interval"),
        ({"h": "0.5"}, "contradict"),
        ({"h": "100000000000"}, "a price is 33,554,432 or more"),
        ({"v": "2e18"}, "the volume is more than"),
        ({"n": 2_000_000_000}, "the number of trades is more than"),
        ({"o": "0", "l": "0"}, "positive"),
        ({"v": "0"}, "trades"),
        ({"n": 0}, "trades"),
        ({"v": "NaN"}, "decimal"),
        ({"v": "-1"}, "decimal"),
        ({"c": None}, "decimal"),
    ],
)
async def test_a_row_that_cannot_be_true_is_refused_and_the_others_stand(changed, words):
    """Each refused row says why, and which minute of which coin it was."""
    history = await history_of(row(NOW - 2 * MINUTE), row(NOW - MINUTE, **changed))
    assert [item.time for item in history.rows] == [NOW - 2 * MINUTE]
    (refused,) = history.refused
    assert words in refused.reason
    assert refused.coin == "BTC"
    assert refused.time is not None


async def test_a_flat_row_is_a_row():
    """The exchange may publish a minute without trades: volume and trades zero together."""
    history = await history_of(row(NOW - MINUTE, v="0.0", n=0))
    assert [(item.volume, item.trades) for item in history.rows] == [(0.0, 0)]


async def test_an_answer_of_5001_rows_is_read_whole():
    """5000 is neither a full page nor an upper bound; what was not asked for is left out."""
    window = TimeRange(NOW - 4800 * MINUTE, NOW)
    history = await history_of(*[row(NOW - (5001 - i) * MINUTE) for i in range(5001)], window=window)
    assert len(history.rows) == 4800
    assert history.rows[0].time == window.start


async def test_a_question_is_about_one_window_at_most():
    """Longer ranges are the caller's to cut."""
    async with asked() as (rest, questions, _):
        with pytest.raises(AssertionError):
            await rest.history("BTC", TimeRange(NOW - 4801 * MINUTE, NOW), is_urgent=True)
        assert questions == []


async def test_the_open_minute_is_told_by_when_it_was_asked_for():
    """An answer under way for long shows the market as it was when it was asked: its open minute must not pass."""
    waits = FakeWaits()

    async def late(writer: asyncio.StreamWriter) -> None:
        waits.seconds += 90
        writer.write(http(200, json.dumps([row(NOW - MINUTE), row(NOW)])))
        await writer.drain()

    async with asked(late, waits=waits) as (rest, _, _):
        history = await rest.history("BTC", TimeRange(NOW - MINUTE, NOW + MINUTE), is_urgent=True)
    assert (len(history.rows), history.asked_at) == (2, NOW)
    assert closed_rows(history, settled_before=history.asked_at) == history.rows[:1]
    assert closed_rows(history, settled_before=history.asked_at - timedelta(seconds=1)) == ()


async def test_the_limit_stops_all_questions_and_then_they_go_on():
    """429 says nothing of when: 60 s, then 120, and 60 again after a success."""
    waits, limit = FakeWaits(), http(429, "null")
    async with asked(limit, limit, http(200, "[]"), limit, waits=waits) as (rest, questions, outcomes):
        asked_at = []
        for _ in range(5):
            with suppress(ExchangeError):
                await rest.history("BTC", WINDOW, is_urgent=True)
            asked_at.append(waits.seconds)
            if len(questions) == 2:
                assert rest.paused_until == NOW + timedelta(seconds=60 + 120)
        assert asked_at == [0, 60, 180, 180, 240]
        assert rest.paused_until is None
    assert outcomes == ["limited", "limited", "ok", "limited", "ok"]


async def test_questions_that_meet_a_pause_wait_for_its_end():
    """Also those that are already waiting for their turn: none goes out while the limit is on."""
    waits = FakeWaits()
    async with asked(http(429, "null"), waits=waits) as (rest, questions, _):
        with suppress(ExchangeError):
            await rest.history("BTC", WINDOW, is_urgent=True)
        assert len(questions) == 1
        await asyncio.gather(*[rest.history("BTC", WINDOW, is_urgent=bool(i % 2)) for i in range(20)])
    assert len(questions) == 21
    assert waits.seconds >= 60


async def test_what_is_live_does_not_wait_for_slow_history():
    """Questions about history that hang, and others behind them, hold up nothing that is urgent."""
    released = asyncio.Event()

    async def wait(writer: asyncio.StreamWriter) -> None:
        await released.wait()
        writer.write(http(200, "[]"))
        await writer.drain()

    async with asked(wait, wait) as (rest, questions, _), asyncio.TaskGroup() as tasks:
        for _ in range(5):
            tasks.create_task(rest.history("BTC", WINDOW, is_urgent=False))
        while len(questions) < 2:
            await asyncio.sleep(0)
        await rest.history("BTC", WINDOW, is_urgent=True)
        assert len(questions) == 3
        released.set()


async def test_a_question_costs_what_came_back():
    """4,802 rows can come, 120 do: the rest of the charge is given back."""
    async with asked(http(200, json.dumps([row(NOW - i * MINUTE) for i in range(120)]))) as (rest, _, _):
        await rest.history("BTC", TimeRange(NOW - 4800 * MINUTE, NOW), is_urgent=False)
        assert rest.weight == 20 + 2


async def test_the_ceiling_holds_in_market_time():
    """Thirty questions of 21 are more than 600: the last wait until the minute is over."""
    waits = FakeWaits()
    async with asked(*[http(200, json.dumps([row(NOW - MINUTE)]))] * 30, waits=waits) as (rest, _, _):
        for _ in range(30):
            await rest.history("BTC", WINDOW, is_urgent=True)
            assert rest.weight <= 600
    assert sum(waits.slept) == 60


def bodies() -> dict[str, bytes]:
    """Return recorded lists of markets as answers."""
    files = {name: json.loads((FIXTURES / f"rest_{name}_20250822.json").read_text()) for name in ("meta", "spotMeta")}
    return {name: http(200, json.dumps(file["response"])) for name, file in files.items()}


async def test_perps_are_known_without_the_spot_markets():
    """A server that has none serves perps: it is not asked for them."""
    async with asked(bodies()["meta"]) as (rest, questions, _):
        markets = await rest.markets({"BTC": None, "KPEPE": None})
    assert (markets.coins["BTC"], questions) == ("BTC", [{"type": "meta"}])


@pytest.mark.parametrize("symbol", ["UBTC/USDC", "CBBTC"])
async def test_what_is_no_perp_is_looked_up_among_the_spot_markets(symbol):
    """A pair by its name; a name that the list of perps does not have may be one."""
    async with asked(bodies()["meta"], bodies()["spotMeta"]) as (rest, questions, _):
        markets = await rest.markets({"BTC": None, symbol: None})
    assert markets.coins["UBTC/USDC"] == "@142"
    assert [question["type"] for question in questions] == ["meta", "spotMeta"]


async def test_perps_go_on_where_there_is_no_list_of_spot_markets():
    """A server that does not know the question has no spot markets; one in trouble may have."""
    refusal, outage = http(422, "Failed to deserialize", "text/plain"), http(502, "<html>", "text/html")
    async with asked(bodies()["meta"], refusal, refusal, bodies()["meta"], outage) as (rest, _, _):
        assert "BTC" in (await rest.markets({"BTC": None, "CBBTC": None})).coins
        with pytest.raises(ExchangeError, match="422"):
            await rest.markets({"BTC": None})
        with pytest.raises(ExchangeError, match="502"):
            await rest.markets({"BTC": None, "CBBTC": None})


async def test_the_exchanges_time_is_compared_with_the_middle_of_the_way():
    """Four seconds between question and answer: the exchange looked at its clock somewhere between."""
    waits = FakeWaits()

    async def late(writer: asyncio.StreamWriter) -> None:
        waits.seconds += 4
        writer.write(http(200, json.dumps({"specialStatuses": None, "time": to_ms(NOW)})))
        await writer.drain()

    async with asked(late, waits=waits) as (rest, questions, _):
        check = await rest.server_time()
    assert questions == [{"type": "exchangeStatus"}]
    assert (check.exchange, check.ours, check.round_trip) == (NOW, NOW + timedelta(seconds=2), timedelta(seconds=4))


def test_limits_leave_room_for_what_is_live_and_for_one_window():
    """One question a symbol and minute is reserved, as far as a window of history still fits; deadlines stay real."""
    config = CollectorConfig()
    assert limits_of(config, ClockScale(), EXCHANGE, n_symbols=3) == Limits(
        weight_a_minute=600, reserve=63, answer_seconds=10
    )
    fast = limits_of(config, ClockScale(rate=600), EXCHANGE, n_symbols=40)
    assert (fast.reserve, fast.answer_seconds) == (600 - 101, 3)
