"""What the exchange does apart from its sockets; with them it is tested in ``integration/test_demo_exchange.py``."""

import json
from types import SimpleNamespace

import pytest

from btc_core.model.clock import ClockScale
from demo.exchange import MOST_BACKLOG_BYTES, Exchange, Link
from demo.http import HttpRequest
from demo.market import Market

JSON = {"content-type": "application/json"}


def exchange() -> Exchange:
    """Return an exchange that listens nowhere."""
    return Exchange(Market(seed=7, coins=("BTC",)), ClockScale(), Link)


@pytest.mark.parametrize(
    ("request_", "status", "text"),
    [
        (HttpRequest("POST", "/info", JSON, b'{"type":"meta"}'), 200, '{"universe"'),
        (
            HttpRequest("POST", "/info", {"content-type": "application/json; charset=utf-8"}, b"x"),
            400,
            "Failed to parse",
        ),
        (HttpRequest("POST", "/info", {"content-type": "text/plain"}, b"{}"), 415, "Expected request with"),
        (HttpRequest("POST", "/info", {}, b"{}"), 415, "Expected request with"),
        (HttpRequest("PUT", "/info", JSON, b"{}"), 405, ""),
        (HttpRequest("POST", "/exchange", JSON, b"{}"), 404, ""),
    ],
)
async def test_rest_answers_by_path_method_and_type(request_, status, text):
    """As documented: 405 has an empty body, 415 a text."""
    answer = await exchange().answer(request_)
    assert answer.status == status
    assert answer.body.decode().startswith(text)


async def test_an_outage_is_a_page_of_html():
    """The edge answers for everybody, and not in JSON."""
    served = exchange()
    served.outage = True
    answer = await served.answer(HttpRequest("POST", "/info", JSON, json.dumps({"type": "meta"}).encode()))
    assert (answer.status, answer.content_type) == (502, "text/html")


def test_a_client_that_does_not_read_loses_its_connection(caplog):
    """Every queue has a bound; here it is the bytes that wait for the client."""
    aborted: list[bool] = []
    transport = SimpleNamespace(
        get_write_buffer_size=lambda: MOST_BACKLOG_BYTES + 1, abort=lambda: aborted.append(True)
    )
    Link(SimpleNamespace(transport=transport), 1).deliver("frame")
    assert aborted == [True]
    assert "a client does not read" in caplog.text
