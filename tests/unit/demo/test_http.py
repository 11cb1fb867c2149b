"""HTTP/1.1, without a socket: bytes in, bytes out."""

import asyncio

import pytest

from demo.answer import Answer
from demo.http import HttpRequest, serve_requests

POST = b"POST /info?x=1 HTTP/1.1\r\nHost: a\r\nContent-Type: application/json\r\nContent-Length: 2\r\n\r\n{}"


class FakeWriter:
    """Keeps what is written."""

    def __init__(self) -> None:
        self.written = b""
        self.is_closed = False

    def get_extra_info(self, name: str) -> object:
        """Say where the client is."""
        return ("192.0.2.7", 40_000) if name == "peername" else None

    def write(self, data: bytes) -> None:
        """Keep it."""
        self.written += data

    async def drain(self) -> None:
        """Nothing waits here."""

    def close(self) -> None:
        """Remember it."""
        self.is_closed = True


async def conversation(sent: bytes) -> tuple[list[HttpRequest], FakeWriter]:
    """Return the requests that were read from these bytes, and what was answered."""
    requests: list[HttpRequest] = []

    async def answer(request: HttpRequest) -> Answer:
        requests.append(request)
        return Answer(200, b"[]", "application/json")

    reader, writer = asyncio.StreamReader(), FakeWriter()
    reader.feed_data(sent)
    reader.feed_eof()
    await serve_requests(reader, writer, answer)
    assert writer.is_closed
    return requests, writer


async def test_a_request_is_read_whole_and_answered():
    """Path without query, lower-case header names, the body by its length."""
    (request,), writer = await conversation(POST)
    assert (request.method, request.path, request.body) == ("POST", "/info", b"{}")
    assert request.headers["content-type"] == "application/json"
    assert writer.written == b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\nContent-Type: application/json\r\n\r\n[]"


async def test_a_connection_is_used_again():
    """Requests follow each other on one connection until the client wants it closed."""
    last = POST.replace(b"Host: a", b"Connection: close")
    requests, writer = await conversation(POST + last + POST)
    assert len(requests) == 2
    assert writer.written.count(b"Connection: close") == 1


@pytest.mark.parametrize(
    ("sent", "status"),
    [
        (b"nonsense\r\n\r\n", b"400"),
        (POST.replace(b"HTTP/1.1", b"HTTP/2"), b"505"),
        (POST.replace(b"Content-Length: 2", b"Content-Length: two"), b"400"),
        (POST.replace(b"Content-Length: 2", b"Content-Length: 99999999"), b"413"),
        (POST.replace(b"Content-Length: 2", b"Transfer-Encoding: chunked"), b"411"),
        (POST.replace(b"Host: a", b"no colon"), b"400"),
        (POST.replace(b"Host: a", b"a: " + b"x" * 70_000), b"431"),
        (POST.replace(b"Host: a", b"\r\n".join([b"a: b"] * 101)), b"431"),
    ],
)
async def test_what_cannot_be_read_ends_the_connection(sent, status):
    """After a request that cannot be read, nobody knows where the next one begins."""
    requests, writer = await conversation(sent + POST)
    assert requests == []
    assert writer.written.startswith(b"HTTP/1.1 " + status)


@pytest.mark.parametrize("length", [0, 10, len(POST) - 1])
async def test_a_client_that_leaves_gets_no_answer(length):
    """Before a request, in its head or in its body."""
    requests, _ = await conversation(POST[:length])
    assert requests == []
