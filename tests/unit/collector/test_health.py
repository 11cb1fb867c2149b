"""The pages for those who watch."""

import asyncio
import json
from datetime import UTC, datetime, timedelta

import pytest

from btc_core.errors import ConfigError
from btc_core.model.timerange import MINUTE
from collector.health import Status, healthz, metrics, respond, serve_health

NOW = datetime(2025, 2, 14, 12, tzinfo=UTC)


def status(**changes: object) -> Status:
    """Return a status in which all is well."""
    usual = {
        "now": NOW,
        "newest": {"BTC": NOW - 2 * MINUTE},
        "refused": {},
        "is_connected": True,
        "n_messages": 7,
        "n_stored": 6,
        "n_connections": 3,
        "n_buffered": 1,
        "rest_weight": 21,
    }
    return Status(**{**usual, **changes})


def test_healthy_when_every_symbol_has_a_fresh_minute():
    """A stored minute that ended less than 3 minutes ago is fresh, by the market's clock."""
    code, body = healthz(status())
    assert code == 200
    assert json.loads(body)["symbols"]["BTC"]["age_seconds"] == 60.0


@pytest.mark.parametrize("newest", [{"BTC": NOW - 4 * MINUTE}, {"BTC": None}, {"BTC": NOW - MINUTE, "ETH": None}, {}])
def test_unhealthy_when_a_symbol_has_none(newest):
    """One stale symbol is enough, and the page says which and why."""
    code, body = healthz(status(newest=newest))
    assert code == 503
    assert all(health["ok"] or health["reason"] for health in json.loads(body)["symbols"].values())


def test_refused_symbols_are_told_and_do_not_make_it_ill():
    """No restart would help them."""
    code, body = healthz(status(refused={"CBBTC": "unknown"}))
    assert code == 200
    assert json.loads(body)["refused"] == {"CBBTC": "unknown"}


def test_metrics_are_prometheus_text():
    """Every figure has its help, its type and its value."""
    text = metrics(status()).decode()
    for line in (
        "collector_frames_total 7",
        "collector_candles_stored_total 6",
        "collector_reconnects_total 2",
        "collector_buffer_candles 1",
        "collector_rest_weight 21",
        'collector_newest_minute_age_seconds{symbol="BTC"} 60.000',
    ):
        assert line in text.splitlines()
    assert text.count("# TYPE") == text.count("# HELP") == 7


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
    assert respond(line + b"\r\n\r\n", status()).split()[1] == code


async def get(port: int, request: bytes) -> bytes:
    """Return all that the server says."""
    reader, writer = await asyncio.open_connection("127.0.0.1", port)
    try:
        writer.write(request)
        writer.write_eof()
        return await reader.read()
    finally:
        writer.close()
        await writer.wait_closed()


async def test_it_answers_on_its_port_and_survives_nonsense():
    """A broken request ends its own connection and nothing else."""
    async with serve_health(0, status) as port:
        assert await get(port, b"nonsense") == b""
        assert b"collector_frames_total 7" in await get(port, b"GET /metrics HTTP/1.1\r\nHost: x\r\n\r\n")


async def test_a_taken_port_is_one_sentence():
    """It names the variable and what to do."""
    async with serve_health(0, status) as port:
        with pytest.raises(ConfigError, match=f"COLLECTOR_HTTP_PORT={port}.*choose another"):
            async with serve_health(port, status):
                pass


def test_stale_is_three_minutes():
    """At 3 minutes sharp a symbol is stale."""
    assert healthz(status(newest={"BTC": NOW - 4 * MINUTE + timedelta(seconds=1)}))[0] == 200
    assert healthz(status(newest={"BTC": NOW - 4 * MINUTE}))[0] == 503
