"""The little of HTTP/1.1 that the REST half needs: read a request with a body, write an answer, keep the line open."""

import asyncio
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass
from http import HTTPStatus

from demo.answer import Answer

MOST_HEADERS = 100
MOST_BODY_BYTES = 1_000_000
# "A kept-alive REST connection can be dead after some 3 idle minutes" (PROTOCOL.md, section 10).
IDLE_SECONDS = 180.0


@dataclass(frozen=True, slots=True)
class HttpRequest:
    """A request that was read whole.

    Attributes:
        method: ``POST`` …, upper case.
        path: Without the query.
        headers: By lower-case name.
        body: Its bytes.
        address: Who sent it.
    """

    method: str
    path: str
    headers: Mapping[str, str]
    body: bytes
    address: str = ""

    @property
    def keeps_alive(self) -> bool:
        """Whether the client means to send more on this connection."""
        return self.headers.get("connection", "").lower() != "close"


class HttpFaultError(Exception):
    """A request that cannot be read; nothing more can be read after it.

    Args:
        status: What to answer.
    """

    def __init__(self, status: HTTPStatus) -> None:
        self.status = status
        super().__init__(status)

    def __str__(self) -> str:
        return f"expected an HTTP/1.1 request with a length, found one that is answered with {self.status}"


async def serve_requests(
    reader: asyncio.StreamReader,
    writer: asyncio.StreamWriter,
    answer: Callable[[HttpRequest], Awaitable[Answer]],
) -> None:
    """Answer the requests of one connection until the client leaves, or is idle for three minutes."""
    address = str((writer.get_extra_info("peername") or ("",))[0])
    try:
        while True:
            async with asyncio.timeout(IDLE_SECONDS):
                request = await _read_request(reader, address)
            if request is None:
                return
            answered = await answer(request)
            writer.write(_response(answered, keeps_alive=request.keeps_alive))
            await writer.drain()
            if not request.keeps_alive or answered.n_sent is not None:
                return
    except HttpFaultError as fault:
        writer.write(_response(Answer(fault.status), keeps_alive=False))
    except (TimeoutError, ConnectionError, asyncio.IncompleteReadError):
        pass  # The client is gone, or silent for too long: there is nobody to answer.
    finally:
        writer.close()


async def _read_request(reader: asyncio.StreamReader, address: str) -> HttpRequest | None:
    """Return the next request, or None where the client has closed."""
    start = await _read_line(reader)
    if not start:
        return None
    try:
        method, target, version = start.split(" ")
    except ValueError:
        raise HttpFaultError(HTTPStatus.BAD_REQUEST) from None
    if version != "HTTP/1.1":
        raise HttpFaultError(HTTPStatus.HTTP_VERSION_NOT_SUPPORTED)
    headers = await _read_headers(reader)
    body = await _read_body(reader, headers)
    return HttpRequest(method, target.partition("?")[0], headers, body, address)


async def _read_line(reader: asyncio.StreamReader) -> str:
    try:
        line = await reader.readline()
    except ValueError:
        # Longer than the reader's limit of 64 KiB.
        raise HttpFaultError(HTTPStatus.REQUEST_HEADER_FIELDS_TOO_LARGE) from None
    return line.decode("latin-1").rstrip("\r\n")


async def _read_headers(reader: asyncio.StreamReader) -> dict[str, str]:
    headers: dict[str, str] = {}
    for _ in range(MOST_HEADERS):
        line = await _read_line(reader)
        if not line:
            return headers
        name, colon, value = line.partition(":")
        if not colon:
            raise HttpFaultError(HTTPStatus.BAD_REQUEST)
        headers[name.strip().lower()] = value.strip()
    raise HttpFaultError(HTTPStatus.REQUEST_HEADER_FIELDS_TOO_LARGE)


async def _read_body(reader: asyncio.StreamReader, headers: Mapping[str, str]) -> bytes:
    if "transfer-encoding" in headers:
        raise HttpFaultError(HTTPStatus.LENGTH_REQUIRED)
    length = headers.get("content-length", "0")
    if not (length.isascii() and length.isdigit()):
        raise HttpFaultError(HTTPStatus.BAD_REQUEST)
    if int(length) > MOST_BODY_BYTES:
        raise HttpFaultError(HTTPStatus.REQUEST_ENTITY_TOO_LARGE)
    return await reader.readexactly(int(length))


def _response(answer: Answer, *, keeps_alive: bool) -> bytes:
    lines = [f"HTTP/1.1 {answer.status} {HTTPStatus(answer.status).phrase}", f"Content-Length: {len(answer.body)}"]
    if answer.content_type is not None:
        lines.append(f"Content-Type: {answer.content_type}")
    if not keeps_alive:
        lines.append("Connection: close")
    return "\r\n".join([*lines, "", ""]).encode("latin-1") + answer.body[: answer.n_sent]
