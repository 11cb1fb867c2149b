"""Hyperliquid's words, held to captured messages."""

import json
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from btc_core.errors import ExchangeError
from btc_core.model.timerange import MINUTE, TimeRange, from_ms, to_ms
from collector.exchange import Ack, Ignored, Malformed, Refusal, Updates
from collector.exchanges.hyperliquid import EXCHANGE

FIXTURES = Path(__file__).resolve().parents[3] / "fixtures" / "hyperliquid"
TIME = 1786539540000
CANDLE = {
    "t": TIME,
    "T": TIME + 59999,
    "s": "BTC",
    "i": "1m",
    "o": "2",
    "c": "3",
    "h": "4",
    "l": "1",
    "v": "5.5",
    "n": 6,
}


def captured(name: str):
    """Return a captured file."""
    return json.loads((FIXTURES / name).read_text())


def frame(**data: object) -> str:
    """Return a candle frame with some fields changed."""
    return json.dumps({"channel": "candle", "data": {**CANDLE, **data}})


def history(*rows: object) -> bytes:
    """Return the body of a candleSnapshot answer."""
    return json.dumps(rows).encode()


def test_a_candle_is_read_field_by_field():
    """Text becomes the nearest float, milliseconds an aware UTC time, and nothing is lost."""
    captured_candle = captured("ws_watchohlcv_btc_1m.json")["candle"]["received"][1]
    (update,) = EXCHANGE.parse_message(json.dumps(captured_candle)).items
    assert (update.coin, update.time) == ("BTC", from_ms(1786539540000))
    assert (update.open, update.high, update.low, update.close) == (64082.0, 64100.0, 64082.0, 64099.0)
    assert (update.volume, update.trades) == (6.39125, 124)


@pytest.mark.parametrize("as_list", [False, True])
def test_data_is_an_object_or_a_list(as_list):
    """The wire sends an object, the documentation promises a list: both are read, and numbers for text too."""
    row = {**CANDLE, "o": 2, "v": 5.5}
    message = EXCHANGE.parse_message(json.dumps({"channel": "candle", "data": [row, row] if as_list else row}))
    assert [(item.open, item.volume) for item in message.items] == [(2.0, 5.5)] * (2 if as_list else 1)


def test_our_messages_are_those_that_were_answered():
    """Subscribe and ping are sent as they were seen to work."""
    sent = captured("ws_watchohlcv_btc_1m.json")["candle"]["sent"][0]
    assert json.loads(EXCHANGE.subscribe_text("BTC")) == sent
    assert json.loads(EXCHANGE.ping_text()) == {"method": "ping"}


def test_an_acknowledgement_is_matched_by_its_values():
    """Keys come in another order than was sent; of other subscriptions we know nothing."""
    answer = captured("ws_watchohlcv_btc_1m.json")["candle"]["received"][0]
    assert EXCHANGE.parse_message(json.dumps(answer)) == Ack("BTC")
    answer["data"]["subscription"]["nSigFigs"] = None
    assert EXCHANGE.parse_message(json.dumps(answer)) == Ack("BTC")
    answer["data"]["subscription"]["interval"] = "5m"
    assert EXCHANGE.parse_message(json.dumps(answer)) == Ignored("subscriptionResponse")


def test_every_captured_frame_is_survived():
    """Whatever was seen on the wire is read, ignored or refused, never an exception."""
    for entry in captured("ws_frames_20260924.json"):
        message = EXCHANGE.parse_message(json.dumps(entry["received"]))
        assert isinstance(message, Updates | Ack | Refusal | Ignored | Malformed)
    for entry in captured("ws_errors_bad_subscription.json"):
        assert isinstance(EXCHANGE.parse_message(json.dumps(entry["received"])), Refusal)


def test_an_error_is_tied_to_its_request_by_the_text_inside():
    """An error frame holds no id; a second subscription is as good as the first."""
    inner = '{"type":"candle","coin":"BTC","interval":"1m"}'
    whole = '{"method":"subscribe","subscription":' + inner + "}"
    already, refused = f"Already subscribed: {inner}", f"Error parsing JSON into valid websocket request: {whole}"
    assert EXCHANGE.parse_message(json.dumps({"channel": "error", "data": already})) == Ack("BTC")
    assert EXCHANGE.parse_message(json.dumps({"channel": "error", "data": refused})) == Refusal("BTC", refused)
    text = "too many pending post requests"
    assert EXCHANGE.parse_message(json.dumps({"channel": "error", "data": text})) == Refusal(None, text)


def test_the_plain_text_greeting_is_no_fault():
    """An older server greets in plain text; other text that is no JSON is refused."""
    assert EXCHANGE.parse_message("Websocket connection established.") == Ignored("greeting")
    assert isinstance(EXCHANGE.parse_message('{"channel":"candle","da'), Malformed)
    assert EXCHANGE.parse_message('{"channel":"news"}') == Ignored("news")


@pytest.mark.parametrize(
    "text",
    [
        "",
        "null",
        "[]",
        "7",
        b"\xff\xfe",
        "[" * 100_000,
        '{"channel":"candle"}',
        '{"channel":"error","data":{}}',
        "\ud800",
    ],
)
def test_nonsense_is_malformed(text):
    """No message can stop the collector, not even one nested deeper than the stack."""
    message = EXCHANGE.parse_message(text)
    assert isinstance(message, Malformed) or any(isinstance(item, Malformed) for item in message.items)


@pytest.mark.parametrize(
    "change",
    [
        {"T": TIME + 60000},
        {"i": "5m"},
        {"o": "much"},
        {"o": None},
        {"n": -1},
        {"n": 2**31},
        {"n": "6"},
        {"t": -1},
        {"t": 10**18},
        {"s": None},
    ],
)
def test_a_candle_that_contradicts_itself_is_malformed(change):
    """A wrong last millisecond, another interval, or a field of another kind: said why, never raised."""
    (item,) = EXCHANGE.parse_message(frame(**change)).items
    assert isinstance(item, Malformed)
    assert item.reason


def test_history_is_asked_for_by_opens():
    """Rows that overlap the window are sent, and both ends count: the last asked for is the last that opens in it."""
    window = TimeRange(from_ms(TIME), from_ms(TIME) + 10 * MINUTE)
    asked = json.loads(EXCHANGE.history_request("@142", window))
    inner = {"coin": "@142", "interval": "1m", "startTime": TIME, "endTime": TIME + 9 * 60000}
    assert asked == {"type": "candleSnapshot", "req": inner}


def test_history_rows_outside_of_the_window_are_left_out():
    """The exchange sends the rows around the window too; they are told by their open."""
    rows = [{**CANDLE, "t": TIME + i * 60000, "T": TIME + i * 60000 + 59999} for i in range(-1, 3)]
    window = TimeRange(from_ms(TIME), from_ms(TIME) + 2 * MINUTE)
    items = EXCHANGE.parse_history(history(*rows), window)
    assert [to_ms(item.time) for item in items] == [TIME, TIME + 60000]
    assert EXCHANGE.parse_history(b"[]", window) == []


def test_a_captured_history_of_another_interval_is_refused_row_by_row():
    """Hours are no minutes: each row says so, and the answer as a whole is no error."""
    body = captured("rest_candleSnapshot_kPEPE_1h.json")["response"]
    items = EXCHANGE.parse_history(json.dumps(body).encode(), TimeRange(from_ms(0), datetime(2030, 1, 1, tzinfo=UTC)))
    assert len(items) == 24
    assert all(isinstance(item, Malformed) for item in items)


@pytest.mark.parametrize("body", [b"null", b"{}", b"<html>502</html>", b""])
def test_a_history_that_is_no_list_is_an_error(body):
    """``null`` is what an unknown coin gets: taken for an empty list it would look like a market without trades."""
    with pytest.raises(ExchangeError, match="expected a list"):
        EXCHANGE.parse_history(body, TimeRange(from_ms(0), from_ms(60000)))


def test_markets_are_named_by_token_index():
    """UBTC/USDC is @142, which is neither its place in the list nor its token's; dead coins are known as dead."""
    bodies = [json.dumps(captured(f"rest_{name}_20250822.json")["response"]).encode() for name in ("meta", "spotMeta")]
    markets = EXCHANGE.parse_markets(bodies)
    assert markets.coins["UBTC/USDC"] == "@142"
    assert markets.coins["PURR/USDC"] == "PURR/USDC"
    assert markets.coins["kPEPE"] == "kPEPE"
    assert "MATIC" in markets.delisted
    assert "BTC" not in markets.delisted


def test_markets_of_another_shape_are_an_error():
    """Subscribing to what was guessed would end the connection."""
    with pytest.raises(ExchangeError, match="lists of markets"):
        EXCHANGE.parse_markets([b"[]", b"{}"])


@pytest.mark.parametrize(("n_rows", "weight"), [(0, 20), (1, 21), (60, 21), (61, 22), (5000, 104)])
def test_weight_of_a_request(n_rows, weight):
    """20, and 1 for each 60 rows begun."""
    assert EXCHANGE.request_weight(n_rows=n_rows) == weight


def test_a_window_stays_clear_of_the_page_limit():
    """5000 is no exact page size: answers of 5,116 rows were seen."""
    assert timedelta(0) < EXCHANGE.history_window <= 4800 * MINUTE < EXCHANGE.history_depth
