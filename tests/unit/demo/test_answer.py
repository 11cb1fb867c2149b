"""Requests and answers as values."""

import json

import pytest

from demo.answer import Answer, changed_answer, changed_rows, edge_answer, json_answer, read_query, weight_of
from demo.wire import Ohlcv, minute_row

ROWS = [minute_row("BTC", minute, Ohlcv(1.0, 2.0, 0.5, 1.5, 3.0, 4)) for minute in range(3)]


@pytest.mark.parametrize(
    ("kind", "n_rows", "weight"),
    [
        ("candleSnapshot", 0, 20),
        ("candleSnapshot", 1, 21),
        ("candleSnapshot", 60, 21),
        ("candleSnapshot", 5000, 104),
        ("fundingHistory", 21, 22),
        ("meta", 200, 20),
        ("exchangeStatus", 0, 2),
        ("userRole", 0, 60),
        ("", 0, 20),
    ],
)
def test_weights_are_the_documented_ones(kind, n_rows, weight):
    """By type, and by rows where the type has rows."""
    assert weight_of(kind, n_rows) == weight


@pytest.mark.parametrize(
    ("body", "kind", "coin"),
    [
        (b'{"type":"meta"}', "meta", None),
        (b'{"type":"candleSnapshot","req":{"coin":"BTC"}}', "candleSnapshot", "BTC"),
        (b'{"type":"fundingHistory","coin":"ETH"}', "fundingHistory", "ETH"),
        (b'{"type":"fundingHistory","coin":7}', "fundingHistory", None),
        (b"[]", "", None),
        (b"{", "", None),
    ],
)
def test_a_query_says_what_can_be_said(body, kind, coin):
    """A request that is wrong is for somebody else to refuse."""
    query = read_query(body, now_ms=5, address="a")
    assert (query.kind, query.coin, query.body, query.now_ms, query.address) == (kind, coin, body, 5, "a")


def test_rows_can_be_changed_and_are_counted():
    """Keys in the order of the alphabet; what is no good answer stays as it is."""
    answer = changed_rows(json_answer(ROWS), lambda rows: rows[1:])
    assert (answer.n_rows, [row["t"] for row in json.loads(answer.body)]) == (2, [60_000, 120_000])
    assert list(json.loads(answer.body)[0]) == list("Tchilnostv")
    refused = Answer(500, b"null", "application/json")
    assert changed_rows(refused, lambda rows: rows) is refused
    assert changed_answer(refused, lambda tree: tree) is refused
    assert changed_answer(json_answer({"a": 1}), lambda tree: {**tree, "b": 2}).body == b'{"a":1,"b":2}'


def test_the_edge_answers_in_html():
    """Whatever was asked."""
    answer = edge_answer(502, "Bad Gateway")
    assert (answer.status, answer.content_type) == (502, "text/html")
    assert b"<title>502 Bad Gateway</title>" in answer.body
