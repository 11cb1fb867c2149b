"""What comes through the gate: sizes, rates, headers; and what does not: the inside of a fault."""

import logging

import httpx
import pytest

from api.figures import Figures
from api.gate import MOST_BYTES, Gate
from btc_core.config import ApiConfig


async def echo(scope, receive, send):
    """Answer with how many bytes came, as an application that reads its request does."""
    n_bytes = 0
    while True:
        message = await receive()
        if message["type"] == "http.disconnect":
            n_bytes = -1
            break
        n_bytes += len(message.get("body", b""))
        if not message.get("more_body"):
            break
    await send({"type": "http.response.start", "status": 200, "headers": []})
    await send({"type": "http.response.body", "body": str(n_bytes).encode()})


def client(*, host="192.0.2.1", app=echo, **config):
    """Return a client that comes from an address."""
    gate = Gate(app, ApiConfig(**config), Figures(lambda: 0))
    return httpx.AsyncClient(transport=httpx.ASGITransport(gate, client=(host, 1)), base_url="http://test")


@pytest.mark.parametrize("n_bytes", [0, 1, MOST_BYTES])
async def test_a_request_of_a_common_size_passes(n_bytes):
    """Up to the last byte."""
    async with client() as http:
        assert (await http.post("/", content=b"x" * n_bytes)).text == str(n_bytes)


async def test_a_request_that_is_too_large_is_refused_before_it_is_read():
    """Its length says so."""
    async with client() as http:
        answer = await http.post("/", content=b"x" * (MOST_BYTES + 1))
        odd = await http.post("/", content=b"", headers={"Content-Length": "many"})
    assert (answer.status_code, answer.json()["error"]) == (413, "too_large")
    assert odd.status_code == 413


async def test_a_request_without_a_length_ends_where_it_becomes_too_long():
    """Whoever sends it piece by piece."""

    async def pieces():
        for _ in range(3):
            yield b"x" * (MOST_BYTES // 2)

    async with client() as http:
        assert (await http.post("/", content=pieces())).text == "-1"


async def test_a_client_has_so_many_requests_a_minute():
    """The next one is told when to come back; others are not touched; the dashboard's files are not counted."""
    async with client(requests_a_minute=3) as http:
        assert [(await http.get("/")).status_code for _ in range(3)] == [200] * 3
        refused = await http.get("/")
        assert (refused.status_code, refused.json()["error"]) == (429, "too_many_requests")
        assert 1 <= int(refused.headers["retry-after"]) <= 60
        assert refused.headers["x-content-type-options"] == "nosniff"
        assert (await http.get("/dashboard/api.js")).status_code == 200


async def of(gate_client, host):
    """Return the status of a request that comes from an address, through the same gate as another client's."""
    transport = httpx.ASGITransport(gate_client._transport.app, client=(host, 1))
    async with httpx.AsyncClient(transport=transport, base_url="http://test") as http:
        return (await http.get("/")).status_code


@pytest.mark.parametrize(
    ("first", "same", "other"),
    [
        ("2001:db8:0:1::1", "2001:db8:0:1:ffff:ffff:ffff:ffff", "2001:db8:0:2::1"),
        ("fe80::1%eth0", "fe80::2%eth0", "fe80:0:0:1::1"),
        ("192.0.2.1", "::ffff:192.0.2.1", "192.0.2.2"),
    ],
)
async def test_a_network_of_ipv6_is_one_client(first, same, other):
    """Whoever has one address of a /64 has all of them; IPv4 stays itself, also through a socket for both."""
    async with client(requests_a_minute=1) as http:
        assert [await of(http, each) for each in (first, same, other)] == [200, 429, 200]


@pytest.mark.parametrize("host", ["127.0.0.1", "::1", "::ffff:127.0.0.1"])
async def test_this_machine_has_more(host):
    """Its programs come from one address together."""
    async with client(host=host, requests_a_minute=1, loopback_requests_a_minute=3) as http:
        assert [(await http.get("/")).status_code for _ in range(4)] == [200, 200, 200, 429]


async def test_an_address_that_is_none_counts_as_foreign():
    """A test client, a Unix socket."""
    async with client(host="somebody", requests_a_minute=1) as http:
        assert [(await http.get("/")).status_code for _ in range(2)] == [200, 429]


async def test_a_header_of_the_answer_itself_stays():
    """A page may have a policy of its own."""

    async def own(scope, receive, send):
        headers = [(b"Content-Security-Policy", b"sandbox")]
        await send({"type": "http.response.start", "status": 200, "headers": headers})
        await send({"type": "http.response.body", "body": b""})

    gate = Gate(own, ApiConfig(), Figures(lambda: 0))
    async with httpx.AsyncClient(transport=httpx.ASGITransport(gate), base_url="http://test") as http:
        assert (await http.get("/")).headers.get_list("content-security-policy") == ["sandbox"]


async def test_a_fault_is_an_answer_and_a_line_without_its_inside(caplog):
    """Not its words, not the way to it: both may hold SQL, paths and addresses. --debug shows them."""

    async def fail(scope, receive, send):
        raise KeyError("/home/somebody: SELECT secret")

    caplog.set_level(logging.INFO)
    async with client(app=fail) as http:
        answer = await http.get("/")
    assert (answer.status_code, answer.json()["error"]) == (500, "internal_error")
    said = [record for record in caplog.records if record.name == "api.gate"]
    assert [(record.getMessage(), record.kind, record.exc_info) for record in said] == [
        ("a request failed", "KeyError", None)
    ]


async def test_an_answer_that_breaks_off_is_not_ended_in_order(caplog):
    """A file without its end must not look whole: the server cuts the connection where nothing more is said."""

    async def fail(scope, receive, send):
        await send({"type": "http.response.start", "status": 200, "headers": []})
        await send({"type": "http.response.body", "body": b"one", "more_body": True})
        raise KeyError("secret")

    sent = []

    async def send(message):
        sent.append(message)

    gate = Gate(fail, ApiConfig(), Figures(lambda: 0))
    await gate({"type": "http", "path": "/", "headers": [], "client": ("::1", 1)}, None, send)
    assert [message.get("more_body") for message in sent] == [None, True]
    assert caplog.records[-1].kind == "KeyError"
