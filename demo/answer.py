"""Requests to ``POST /info`` and their answers as values: what was asked, what is said, what it weighs."""

from collections.abc import Callable
from typing import Any

import msgspec

from demo.wire import Row

# "Only the most recent 5000 candles are available" (the exchange's documentation).
MOST_CANDLES = 5_000
# By type of request; all others weigh 20 (PROTOCOL.md, section 9).
WEIGHTS = {
    **dict.fromkeys(
        ("l2Book", "allMids", "clearinghouseState", "orderStatus", "spotClearinghouseState", "exchangeStatus"), 2
    ),
    "userRole": 60,
}
USUAL_WEIGHT = 20
ROWS_PER_WEIGHT = {"candleSnapshot": 60, "fundingHistory": 20}
# REST rows have their keys in the order of the alphabet.
_encode = msgspec.json.Encoder(order="sorted").encode
_read_rows = msgspec.json.Decoder(list[Row]).decode


class Answer(msgspec.Struct, frozen=True):
    """An HTTP answer.

    Attributes:
        status: HTTP status.
        body: Its bytes.
        content_type: None where there is no body.
        n_rows: How many rows the body lists, where it lists rows.
        n_sent: After so many bytes of the body the connection breaks; None: it does not.
    """

    status: int
    body: bytes = b""
    content_type: str | None = None
    n_rows: int = 0
    n_sent: int | None = None


class Query(msgspec.Struct, frozen=True, kw_only=True):
    """A request to ``POST /info``.

    Attributes:
        body: As it came.
        now_ms: The instant for which it is answered, milliseconds since 1970.
        kind: Its type; empty where it has none.
        coin: Whom it is about, where it is about a coin.
        address: Who asks.
        most_candles: How many candles of an interval exist.
    """

    body: bytes
    now_ms: int
    kind: str = ""
    coin: str | None = None
    address: str = ""
    most_candles: int = MOST_CANDLES


def read_query(body: bytes, *, now_ms: int, address: str) -> Query:
    """Return a request as far as it can be read; what is wrong with it is for ``answer_info`` to say."""
    try:
        tree = msgspec.json.decode(body)
    except msgspec.DecodeError:
        tree = None
    fields: dict[str, object] = tree if isinstance(tree, dict) else {}
    inner = fields.get("req")
    coin = (inner if isinstance(inner, dict) else fields).get("coin")
    return Query(
        body=body,
        now_ms=now_ms,
        kind=str(fields.get("type", "")),
        coin=coin if isinstance(coin, str) else None,
        address=address,
    )


def weight_of(kind: str, n_rows: int) -> int:
    """Return what a request counts towards the limit of 1200 a minute."""
    per_weight = ROWS_PER_WEIGHT.get(kind)
    return WEIGHTS.get(kind, USUAL_WEIGHT) + (-(-n_rows // per_weight) if per_weight else 0)


def text_answer(status: int, text: str) -> Answer:
    """Return an answer in plain text."""
    return Answer(status, text.encode(), "text/plain; charset=utf-8")


def json_answer(tree: object, *, status: int = 200) -> Answer:
    """Return an answer in JSON."""
    return Answer(status, _encode(tree), "application/json", len(tree) if isinstance(tree, list) else 0)


def edge_answer(status: int, phrase: str) -> Answer:
    """Return the page of HTML with which the network in front of the exchange answers for it."""
    title = f"{status} {phrase}"
    page = (
        f"<html>\r\n<head><title>{title}</title></head>\r\n<body>\r\n"
        f"<center><h1>{title}</h1></center>\r\n<hr><center>nginx</center>\r\n</body>\r\n</html>\r\n"
    )
    return Answer(status, page.encode(), "text/html")


def changed_answer(answer: Answer, change: Callable[[Any], object]) -> Answer:
    """Return a good answer with another tree of plain values in it; any other answer as it is."""
    return json_answer(change(msgspec.json.decode(answer.body))) if answer.status == 200 else answer


def changed_rows(answer: Answer, change: Callable[[list[Row]], list[Row]]) -> Answer:
    """Return a good answer to ``candleSnapshot`` with other rows in it; any other answer as it is."""
    return json_answer(change(_read_rows(answer.body))) if answer.status == 200 else answer
