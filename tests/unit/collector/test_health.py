"""The pages for those who watch."""

import asyncio
import json
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from datetime import UTC, datetime, timedelta

import pytest

from btc_core.errors import ConfigError
from btc_core.model.timerange import MINUTE
from collector.health import REQUEST_BYTES, Status, SymbolStatus, healthz, respond, serve_health

NOW = datetime(2025, 2, 14, 12, 0, 20, tzinfo=UTC)
LATEST = datetime(2025, 2, 14, 11, 59, tzinfo=UTC)
STALE = LATEST - 3 * MINUTE
PAGE = b"collector_frames_total 7.0\n"


def symbol(**changes: object) -> SymbolStatus:
    """Return a symbol with which all is well."""
    usual = {
        "coin": "BTC",
        "newest": LATEST,
        "newest_confirmed": LATEST,
        "last_frame_at": NOW,
        "n_missing": 0,
        "n_provisional": 0,
        "n_no_trade": 0,
        "trouble": None,
    }
    return SymbolStatus(**{**usual, **changes})


def status(**changes: object) -> Status:
    """Return a status in which all is well."""
    usual = {
        "now": NOW,
        "symbols": {"BTC": symbol()},
        "refused": {},
        "n_links": 1,
        "n_buffered": 0,
        "n_spooled": 0,
        "rest_weight": 21,
        "rest_paused_until": None,
        "clock_offset_seconds": 0.2,
        "may_confirm": True,
        "is_database_away": False,
    }
    return Status(**{**usual, **changes})


def render(_: Status) -> bytes:
    """Stand in for the page of figures."""
    return PAGE


def reason_of(asked: Status, name: str = "BTC") -> str:
    """Return what the page says of a symbol."""
    return json.loads(healthz(asked)[1])["symbols"][name]["reason"]


def test_healthy_when_every_symbol_is_confirmed():
    """All that people want to know is on the page, and it says so in words."""
    code, body = healthz(status())
    assert code == 200
    page = json.loads(body)
    assert page["status"] == "ok"
    assert page["troubles"] == []
    assert page["symbols"]["BTC"] == {
        "ok": True,
        "reason": "confirmed up to 2025-02-14 12:00Z",
        "newest_minute": "2025-02-14 11:59Z",
        "newest_confirmed_minute": "2025-02-14 11:59Z",
        "age_seconds": 20.0,
        "last_frame_at": "2025-02-14 12:00:20Z",
        "n_missing": 0,
        "n_provisional": 0,
        "n_no_trade": 0,
    }


def test_stale_is_three_minutes():
    """At 3 minutes sharp a symbol is stale, by the market's clock; a stored minute that nobody confirmed is no help."""
    end = LATEST + MINUTE
    assert healthz(status(now=end + timedelta(seconds=179.9)))[0] == 200
    code, body = healthz(status(now=end + timedelta(seconds=180)))
    assert code == 503
    assert json.loads(body)["symbols"]["BTC"]["reason"] == "not confirmed since 2025-02-14 12:00Z"


def test_one_stale_symbol_is_enough():
    """The others are shown as well as they are."""
    code, body = healthz(status(symbols={"BTC": symbol(), "ETH": symbol(coin="ETH", newest_confirmed=STALE)}))
    symbols = json.loads(body)["symbols"]
    assert code == 503
    assert [symbols["BTC"]["ok"], symbols["ETH"]["ok"]] == [True, False]


@pytest.mark.parametrize(
    ("changes", "says"),
    [
        ({}, "not confirmed since 2025-02-14 11:57Z"),
        (
            {"rest_paused_until": NOW + MINUTE},
            "not confirmed since 2025-02-14 11:57Z; "
            "REST is paused until 2025-02-14 12:01:20Z: the exchange limited us (429)",
        ),
        (
            {"is_database_away": True, "n_buffered": 3, "n_spooled": 40},
            "not confirmed since 2025-02-14 11:57Z; the database is away: 3 candles wait in memory, 40 on disk",
        ),
        (
            {"may_confirm": False, "clock_offset_seconds": -12.04},
            "not confirmed since 2025-02-14 11:57Z; our clock is wrong by 12.0 s, so nothing is confirmed",
        ),
        (
            {"may_confirm": False, "clock_offset_seconds": None},
            "not confirmed since 2025-02-14 11:57Z; "
            "our clock has not been compared with the exchange's, so nothing is confirmed",
        ),
        (
            {"n_links": 0},
            "not confirmed since 2025-02-14 11:57Z; there is no connection to the exchange's stream",
        ),
        ({"rest_paused_until": NOW - MINUTE}, "not confirmed since 2025-02-14 11:57Z"),
    ],
)
def test_a_stale_symbol_says_why(changes, says):
    """One sentence: since when, and what keeps it from being better."""
    assert reason_of(status(symbols={"BTC": symbol(newest_confirmed=STALE)}, **changes)) == says


def test_a_symbol_says_what_is_wrong_with_it_alone():
    """Also while it is confirmed: a coin in quarantine is kept up by REST, without the stream."""
    trouble = "the coin is in quarantine until 2025-02-14 12:15Z"
    assert (
        reason_of(status(symbols={"BTC": symbol(trouble=trouble)})) == f"confirmed up to 2025-02-14 12:00Z; {trouble}"
    )


def test_a_symbol_without_candles_says_so():
    """A new symbol is unhealthy until its first minute is confirmed."""
    assert reason_of(status(symbols={"BTC": symbol(newest=None, newest_confirmed=None)})) == "no minute is stored"
    assert reason_of(status(symbols={"BTC": symbol(newest_confirmed=None)})) == "no minute is confirmed yet"


def test_troubles_are_told_before_they_hurt():
    """A database that has been away for a minute has not made anything stale yet."""
    code, body = healthz(status(is_database_away=True))
    assert code == 200
    assert json.loads(body)["troubles"] == ["the database is away: 0 candles wait in memory, 0 on disk"]
    assert json.loads(body)["symbols"]["BTC"]["reason"] == "confirmed up to 2025-02-14 12:00Z"


def test_refused_symbols_are_told_and_do_not_make_it_ill():
    """No restart would help them."""
    code, body = healthz(status(refused={"CBBTC": "unknown"}))
    assert code == 200
    assert json.loads(body)["refused"] == {"CBBTC": "unknown"}


@pytest.mark.parametrize(
    ("refused", "says"),
    [
        ({"CBBTC": "unknown"}, "nothing is collected: every configured symbol is refused"),
        ({}, "nothing is collected: the symbols' coins are not known yet"),
    ],
)
def test_to_collect_nothing_is_not_healthy(refused, says):
    """There is no symbol that could be ill, and nothing that is well."""
    code, body = healthz(status(symbols={}, refused=refused))
    assert code == 503
    assert json.loads(body)["troubles"] == [says]


@pytest.mark.parametrize(
    ("line", "code"),
    [
        (b"GET /healthz HTTP/1.1", b"200"),
        (b"GET /metrics?x=1 HTTP/1.1", b"200"),
        (b"GET / HTTP/1.1", b"404"),
        (b"POST /healthz HTTP/1.1", b"405"),
        (b"", b"405"),
    ],
)
def test_requests(line, code):
    """Two pages, read only."""
    assert respond(line + b"\r\n\r\n", status(), render).split()[1] == code


def test_a_head_has_no_body():
    """Its length is that of the page."""
    answer = respond(b"HEAD /metrics HTTP/1.1\r\n\r\n", status(), render)
    assert answer.endswith(b"\r\n\r\n")
    assert b"Content-Length: %d\r\n" % len(PAGE) in answer


@asynccontextmanager
async def connection(port: int) -> AsyncIterator[tuple[asyncio.StreamReader, asyncio.StreamWriter]]:
    """Hold a connection to the server, which may break it off."""
    reader, writer = await asyncio.open_connection("127.0.0.1", port)
    try:
        yield reader, writer
    finally:
        writer.close()
        with suppress(ConnectionError):
            await writer.wait_closed()


async def get(port: int, request: bytes) -> bytes:
    """Return all that the server says; nothing where it breaks off."""
    async with connection(port) as (reader, writer):
        writer.write(request)
        try:
            return await reader.read()
        except ConnectionError:
            return b""


async def test_it_answers_on_its_port_and_survives_nonsense():
    """A broken request ends its own connection and nothing else: no end, no line, far too long."""
    async with serve_health(0, status, render) as port:
        assert await get(port, b"GET /" + b"x" * 10 * REQUEST_BYTES) == b""
        async with connection(port) as (reader, writer):
            writer.write(b"nonsense")
            writer.write_eof()
            with suppress(ConnectionError):
                assert await reader.read() == b""
        assert PAGE in await get(port, b"GET /metrics HTTP/1.1\r\nHost: x\r\n\r\n")


async def test_a_slow_client_keeps_nobody_waiting(monkeypatch):
    """Who says nothing holds a connection of its own, and not for long."""
    async with serve_health(0, status, render) as port:
        async with connection(port) as (_, slow):
            slow.write(b"GET /met")
            assert PAGE in await get(port, b"GET /metrics HTTP/1.1\r\n\r\n")
        monkeypatch.setattr("collector.health.REQUEST_SECONDS", 0.01)
        async with connection(port) as (reader, slow):
            slow.write(b"GET /met")
            with suppress(ConnectionError):
                assert await reader.read() == b""


async def test_a_taken_port_is_one_sentence():
    """It names the variable and what to do."""
    async with serve_health(0, status, render) as port:
        with pytest.raises(ConfigError, match=f"COLLECTOR_HTTP_PORT={port}.*choose another"):
            async with serve_health(port, status, render):
                pass
