"""Hyperliquid's words, held to captured messages."""

import gzip
import json
from datetime import timedelta
from decimal import Decimal
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from btc_core.errors import ExchangeError
from btc_core.model.timerange import MINUTE, TimeRange, from_ms, to_ms
from collector.exchange import Ack, Ignored, Malformed, Pong, Refusal, Update, Updates
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


def test_a_recorded_day_is_read_without_a_loss(shared):
    """16 hours of ETH as they came: each frame is one candle, and its numbers are those of its text."""
    with gzip.open(shared / "hyperliquid" / "ws_candle_1m_ETH_20250214_h00-16.log.gz", "rt") as lines:
        frames = [line.split(" ", 1)[1] for line in lines]
    assert len(frames) == 35_668
    for text in frames:
        (item,), data = EXCHANGE.parse_message(text).items, json.loads(text)["data"]
        assert (item.coin, to_ms(item.time), item.trades) == (data["s"], data["t"], data["n"])
        found = [Decimal(repr(number)) for number in (item.open, item.high, item.low, item.close, item.volume)]
        assert found == [Decimal(data[key]) for key in "ohlcv"]


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
        assert isinstance(message, Updates | Ack | Refusal | Pong | Ignored | Malformed)
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
    assert EXCHANGE.parse_message('{"channel":"news","data":{"news":1},"at":7}') == Ignored("news")


def test_the_answer_to_a_ping_is_a_message_of_its_own():
    """Frames of a busy coin prove that the socket lives; this proves that our questions arrive."""
    assert EXCHANGE.parse_message('{"channel":"pong"}') == Pong()
    assert EXCHANGE.parse_message('{"channel":"pong","data":null,"at":7}') == Pong()


@pytest.mark.parametrize(
    ("text", "number"),
    [
        ('"64082.0"', 64082.0),
        ("64082", 64082.0),
        ("1e-05", 1e-05),
        ('"1e-05"', 1e-05),
        ('"1E+2"', 100.0),
        ('"3495670.8399999999"', 3495670.84),
        ('"0.0"', 0.0),
    ],
)
def test_a_decimal_is_text_or_a_number(text, number):
    """Text on the wire, a number in the documentation, with the noise of somebody's floats."""
    (update,) = EXCHANGE.parse_message(frame(v="#").replace('"#"', text)).items
    assert update.volume == number


@pytest.mark.parametrize(
    "text",
    [
        *('"NaN"', '"inf"', '"-inf"', '"Infinity"', '"1_000"', '" 1 "', '"1 "', '"1\\n"', '""', '"."', '"1."', '".5"'),
        *('"１２"', '"+1"', '"-1"', "-1", "-0.0", '"0x10"', '"1e999"', "1e999", '"1e-999"', '"1,5"', '"\\u0031"'),
        *("true", "null", "[]", '["1"]', '{"v":1}', '"' + "9" * 400 + '"'),
    ],
)
def test_what_is_no_decimal_of_at_least_0_is_refused(text):
    """Python's float() would take several of these, and round some to zero or infinity."""
    (item,) = EXCHANGE.parse_message(frame(v="#").replace('"#"', text)).items
    assert isinstance(item, Malformed)
    assert (item.coin, item.time) == ("BTC", from_ms(TIME))


@pytest.mark.parametrize("text", ["NaN", "1.", "007", "Infinity", "-", "nul"])
def test_a_number_that_is_no_json_makes_the_frame_malformed(text):
    """Where the text is no JSON nothing of it can be trusted."""
    assert isinstance(EXCHANGE.parse_message(frame(v="#").replace('"#"', text)), Malformed)


def test_what_is_shown_of_a_bad_message_can_be_stored():
    """A table of text takes neither NUL nor half a character, and nothing of any length."""
    for text in (b"\x00\xff{", "\ud800\0", b'{"channel":"a\\u0000b"}', b"{" + b"\0" * 10_000):
        message = EXCHANGE.parse_message(text)
        shown = message.channel if isinstance(message, Ignored) else message.text
        assert "\0" not in shown
        assert len(shown.encode()) <= 2000
    (item,) = EXCHANGE.parse_message(frame(s="BT\0C")).items
    assert (item.coin, item.time) == (None, from_ms(TIME))


_json = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(max_size=4), inner, max_size=4),
    max_leaves=8,
)
_decimals = st.decimals(0, 10**9, places=8).map(str) | st.sampled_from(
    ["NaN", "1_0", "１", "1e-05", " 1", "1e-999", "-1"]
)
_values = _json | _decimals | st.integers(TIME - 60_000, TIME + 120_000) | st.just("BTC") | st.just("1m")
_frames = st.dictionaries(st.sampled_from(sorted(CANDLE)), _values, max_size=3).map(
    lambda changed: {"channel": "candle", "data": {**CANDLE, **changed}}
)


@given(
    st.one_of(
        st.binary(),
        st.text(),
        _json.map(json.dumps),
        _frames.map(json.dumps),
        st.builds(
            lambda channel, data: json.dumps({"channel": channel, "data": data}),
            st.sampled_from(["candle", "subscriptionResponse", "error", "pong", "post", "news"]),
            _json,
        ),
    )
)
def test_no_message_raises_and_no_number_differs_from_its_text(text):
    """Whatever comes is read, refused or ignored; what is read says what the text says."""
    message = EXCHANGE.parse_message(text)
    for i, item in enumerate(message.items if isinstance(message, Updates) else ()):
        if isinstance(item, Update):
            data = json.loads(text)["data"]
            wire = data if isinstance(data, dict) else data[i]
            assert (item.coin, to_ms(item.time), item.trades) == (wire["s"], wire["t"], wire["n"])
            for number, key in (
                (item.open, "o"),
                (item.high, "h"),
                (item.low, "l"),
                (item.close, "c"),
                (item.volume, "v"),
            ):
                assert number == float(Decimal(str(wire[key])))


@given(
    st.integers(0, 120), st.sampled_from([b"", b"\0", b'"', b"{", b"9", b"null", b"\xff", b"e9"]), st.integers(0, 40)
)
def test_a_frame_with_some_bytes_changed_raises_nothing(at, put, n_cut):
    """A mutated frame of a candle is a candle, refused or ignored."""
    raw = frame().encode()
    EXCHANGE.parse_message(raw[:at] + put + raw[at + n_cut :])


@pytest.mark.parametrize("body", [b"", b"null", b"{}", b"[]", b'{"time":"1"}', b'{"time":-1}', b"<html>", b"[" * 9999])
def test_a_status_without_a_time_is_an_error(body):
    """Some servers do not know the question."""
    with pytest.raises(ExchangeError, match="expected a time"):
        EXCHANGE.parse_status(body)


def test_the_status_tells_the_time():
    """It was recorded beside the frames."""
    (answer,) = [
        entry["received"] for entry in captured("ws_frames_20260924.json") if "exchangeStatus" in entry["what"]
    ]
    assert EXCHANGE.parse_status(json.dumps(answer).encode()) == from_ms(1790231586439)
    assert json.loads(EXCHANGE.status_request) == {"type": "exchangeStatus"}


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


def test_history_is_returned_as_it_came():
    """Order and window are judged where the question is known; an empty list is a valid answer."""
    rows = [{**CANDLE, "t": TIME + i * 60000, "T": TIME + i * 60000 + 59999} for i in (2, 0, 0)]
    items = EXCHANGE.parse_history(history(*rows))
    assert [to_ms(item.time) - TIME for item in items] == [120_000, 0, 0]
    assert EXCHANGE.parse_history(b"[]") == []


def test_a_captured_history_of_another_interval_is_refused_row_by_row():
    """Hours are no minutes: each row says so, whose it is, and the answer as a whole is no error."""
    body = captured("rest_candleSnapshot_kPEPE_1h.json")["response"]
    items = EXCHANGE.parse_history(json.dumps(body).encode())
    assert [(item.coin, item.time) for item in items] == [("kPEPE", from_ms(row["t"])) for row in body]
    assert all(isinstance(item, Malformed) and "interval" in item.reason for item in items)


@pytest.mark.parametrize("body", [b"null", b"{}", b"<html>502</html>", b"", b'[{"t":17', b"[" * 9999, b"\xff"])
def test_a_history_that_is_no_list_is_an_error(body):
    """``null`` is what an unknown coin gets: taken for an empty list it would look like a market without trades."""
    with pytest.raises(ExchangeError, match="expected a list") as caught:
        EXCHANGE.parse_history(body)
    assert caught.value.is_transient


def recorded_markets() -> list[bytes]:
    """Return the lists of August 2025."""
    return [json.dumps(captured(f"rest_{name}_20250822.json")["response"]).encode() for name in ("meta", "spotMeta")]


def spot(*pairs: tuple[str, list[int], bool]) -> bytes:
    """Return a list of pairs of two tokens."""
    tokens = [{"name": "AAA", "index": 7}, {"name": "USDC", "index": 0}]
    universe = [{"name": name, "tokens": tokens, "isCanonical": is_canonical} for name, tokens, is_canonical in pairs]
    return json.dumps({"tokens": tokens, "universe": universe}).encode()


@pytest.mark.parametrize(
    ("name", "coin"),
    [
        ("BTC", "BTC"),
        ("kPEPE", "kPEPE"),
        ("PURR/USDC", "PURR/USDC"),
        ("UBTC/USDC", "@142"),
        ("UETH/USDC", "@151"),
        ("USOL/USDC", "@156"),
    ],
)
def test_markets_are_named_by_token_index(name, coin):
    """UBTC/USDC is @142, though it is number 140 in the list and its token number 197."""
    assert EXCHANGE.parse_markets(recorded_markets()).coins[name] == coin


def test_every_recorded_market_has_one_name():
    """199 pairs and 203 perps, 32 of them dead; cbBTC is not among them."""
    markets = EXCHANGE.parse_markets(recorded_markets())
    assert (len(markets.coins), len(set(markets.coins.values())), len(markets.delisted)) == (402, 402, 32)
    assert "MATIC" in markets.delisted
    assert "BTC" not in markets.delisted
    assert markets.ambiguous == {}
    assert not any("cbbtc" in name.casefold() for name in markets.coins)


def test_of_pairs_of_one_name_the_canonical_one_has_it():
    """Where none is, or more than one, nobody can say which is meant."""
    meta, both = b'{"universe":[]}', [7, 0]
    one = EXCHANGE.parse_markets([meta, spot(("@4", both, False), ("@9", both, True))])
    assert (one.coins, one.ambiguous) == ({"AAA/USDC": "@9"}, {})
    for canonical in (False, True):
        none = EXCHANGE.parse_markets([meta, spot(("@4", both, canonical), ("@9", both, canonical))])
        assert (none.coins, none.ambiguous) == ({}, {"AAA/USDC": ("@4", "@9")})


def test_a_pair_of_an_unknown_token_goes_by_its_own_name():
    """Its name is not guessed from the list's order, and it can still be stated."""
    assert EXCHANGE.parse_markets([b'{"universe":[]}', spot(("@4", [7, 1], False))]).coins == {"@4": "@4"}


def test_a_perp_that_came_back_is_alive():
    """A name may stand in the list twice, dead and alive."""
    perps = [{"name": "AAA", "isDelisted": True}, {"name": "AAA"}, {"name": "BBB", "isDelisted": True}]
    assert EXCHANGE.parse_markets([json.dumps({"universe": perps}).encode()]).delisted == {"BBB"}


@pytest.mark.parametrize(
    ("symbols", "is_asked"),
    [
        ({"BTC": None, "KPEPE": None, "PEPE": "kPEPE"}, False),
        ({"BTC": None, "UBTC/USDC": None}, True),
        ({"BITCOIN": "@142"}, True),
        ({"CBBTC": None}, True),
    ],
)
def test_spot_markets_are_asked_for_where_a_symbol_may_be_one(symbols, is_asked):
    """A server without them serves perps."""
    meta, spot_meta = recorded_markets()
    assert EXCHANGE.market_requests(symbols) == (b'{"type":"meta"}',)
    assert EXCHANGE.market_requests(symbols, [meta]) == ((b'{"type":"spotMeta"}',) if is_asked else ())
    assert EXCHANGE.market_requests(symbols, [meta, spot_meta]) == ()


@pytest.mark.parametrize("bodies", [[b"[]"], [b"null"], [b"{}"], [b'{"universe":[]}', b"null"]])
def test_markets_of_another_shape_are_an_error(bodies):
    """Subscribing to what was guessed would end the connection."""
    with pytest.raises(ExchangeError, match="expected the list"):
        EXCHANGE.parse_markets(bodies)


@pytest.mark.parametrize("symbol", ["CBBTC", "cbBTC", "cbBTC/USDC", "WBTC", "WBTC/USDC", "TBTC", "BTC/USDC", "XBT"])
def test_bitcoin_by_another_name_leads_to_its_name_here(symbol):
    """Its own screen, other exchanges and other chains call it otherwise."""
    assert "UBTC/USDC" in EXCHANGE.hint(symbol)


def test_other_names_have_no_hint():
    """Near misses are for them."""
    assert EXCHANGE.hint("DOGE") is None
    assert EXCHANGE.hint("HYPE/USDC") is None


@pytest.mark.parametrize(("n_rows", "weight"), [(0, 20), (1, 21), (60, 21), (61, 22), (5000, 104)])
def test_weight_of_a_request(n_rows, weight):
    """20, and 1 for each 60 rows begun."""
    assert EXCHANGE.request_weight(n_rows=n_rows) == weight


def test_a_window_stays_clear_of_the_page_limit():
    """5000 is no exact page size: answers of 5,116 rows were seen."""
    assert timedelta(0) < EXCHANGE.history_window <= 4800 * MINUTE < EXCHANGE.history_depth
