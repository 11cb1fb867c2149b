"""REST answers, against the documented ones."""

import json
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from btc_core.model.interval import parse_interval
from demo.feeds import FileFeed
from demo.info import MOST_CANDLES, answer_info, candle_rows, is_known
from demo.market import Market
from demo.wire import MINUTE_MS, Ohlcv, Row

FIXTURES = Path(__file__).resolve().parents[2] / "fixtures" / "hyperliquid"
ERRORS = {case["status"]: case for case in json.loads((FIXTURES / "rest_errors_observed.json").read_text())[1:4]}
# A midnight.
START = 29_001_600
MARKET = Market(seed=7, coins=("BTC", "ETH", "@142"))
NOW_MS = (START + 100) * MINUTE_MS + 30_000


def answered(**keys: object) -> object:
    """Return the JSON of a good answer."""
    answer = answer_info(MARKET, json.dumps(keys).encode(), now_ms=NOW_MS)
    assert (answer.status, answer.content_type) == (200, "application/json")
    return json.loads(answer.body)


def candles(start_ms: int, end_ms: int, *, coin: str = "BTC", interval: str = "1m") -> list[dict[str, object]]:
    """Return the rows of a candleSnapshot."""
    window = {"coin": coin, "interval": interval, "startTime": start_ms, "endTime": end_ms}
    return answered(type="candleSnapshot", req=window)


@given(start=st.integers(0, 90 * MINUTE_MS), length=st.integers(0, 90 * MINUTE_MS))
def test_rows_that_overlap_the_window_are_there(start, length):
    """The row that holds the start and the row that holds the end are both in, ascending, none missing."""
    start_ms, end_ms = START * MINUTE_MS + start, START * MINUTE_MS + start + length
    last_ms = min(end_ms, NOW_MS)
    times = [row["t"] for row in candles(start_ms, end_ms)]
    first = start_ms // MINUTE_MS * MINUTE_MS
    assert times == (list(range(first, last_ms + 1, MINUTE_MS)) if start_ms <= NOW_MS else [])


def test_the_open_candle_is_in_the_answer():
    """With its values so far, and nothing to tell it from a closed one."""
    last = candles(NOW_MS - 600_000, NOW_MS)[-1]
    sent = [frame.row for frame in MARKET.frames("BTC", START + 100) if frame.due_ms <= NOW_MS]
    assert last["t"] == (START + 100) * MINUTE_MS
    assert last["n"] == sent[-1].trades < MARKET.values("BTC", START + 100).trades


def test_only_the_most_recent_5000_candles_exist():
    """An older start is no error: older rows are simply not there."""
    times = [row["t"] for row in candles(0, NOW_MS)]
    assert len(times) == MOST_CANDLES
    assert times[-1] == (START + 100) * MINUTE_MS


def test_the_end_may_be_left_out():
    """It is now."""
    window = {"coin": "BTC", "interval": "1m", "startTime": NOW_MS - 120_000}
    assert len(answered(type="candleSnapshot", req=window)) == 3


def test_a_row_has_the_recorded_keys():
    """The keys in the order of the alphabet, as in the recorded answer, and the same types."""
    recorded = json.loads((FIXTURES / "rest_candleSnapshot_kPEPE_1h.json").read_text())["response"][0]
    row = candles(NOW_MS, NOW_MS)[0]
    assert list(row) == list(recorded)
    assert [type(value) for value in row.values()] == [type(value) for value in recorded.values()]


def test_larger_candles_are_made_of_minutes():
    """Open of the first, close of the last, the extremes, the sums; also for the one that is still open."""
    rows = candles(START * MINUTE_MS, NOW_MS, interval="1h")
    minutes = candles(START * MINUTE_MS, NOW_MS)
    assert [row["t"] // MINUTE_MS - START for row in rows] == [0, 60]
    for row, parts in zip(rows, (minutes[:60], minutes[60:]), strict=True):
        assert (row["o"], row["c"]) == (parts[0]["o"], parts[-1]["c"])
        assert float(row["h"]) == max(float(part["h"]) for part in parts)
        assert float(row["l"]) == min(float(part["l"]) for part in parts)
        assert float(row["v"]) == pytest.approx(sum(float(part["v"]) for part in parts), rel=1e-12)
        assert row["n"] == sum(part["n"] for part in parts)
        assert (row["T"], row["i"]) == (row["t"] + 3_599_999, "1h")


def test_a_larger_candle_opens_at_the_first_trade():
    """Leading minutes without volume carry an older price (law 4)."""
    flat = Ohlcv(50.0, 50.0, 50.0, 50.0, 0.0, 0)
    feed = FileFeed("BTC", {START: flat, START + 1: Ohlcv(100.0, 110.0, 90.0, 105.0, 1.0, 3)})
    window = {"start_ms": START * MINUTE_MS, "end_ms": NOW_MS, "now_ms": NOW_MS}
    (row,) = candle_rows(feed, "BTC", parse_interval("4h"), **window)
    assert isinstance(row, Row)
    assert (row.open, row.low, row.high, row.volume) == ("100.0", "90.0", "110.0", "1.0")


@pytest.mark.parametrize(
    ("body", "status"),
    [
        (b"x", 400),
        (b'{"type":"meta"', 400),
        (b'{"type":"dance"}', 422),
        (b"{}", 422),
        (b'{"type":"candleSnapshot"}', 422),
        (b'{"type":"candleSnapshot","req":{"coin":"BTC","interval":"1m","startTime":-1}}', 422),
        (b'{"type":"candleSnapshot","req":{"coin":"BTC","interval":"1m","startTime":"0"}}', 422),
        (b'{"type":"candleSnapshot","req":{"coin":"BTC","interval":"6h","startTime":0}}', 422),
        (b'{"type":"fundingHistory","coin":"BTC","startTime":-1}', 422),
    ],
)
def test_bad_requests_get_the_documented_texts(body, status):
    """The texts are those of the exchange."""
    answer = answer_info(MARKET, body, now_ms=NOW_MS)
    assert (answer.status, answer.body.decode()) == (status, ERRORS[status]["body"])
    assert answer.content_type.startswith("text/plain")


@pytest.mark.parametrize(
    "body",
    [
        b'{"type":"candleSnapshot","req":{"coin":"btc","interval":"1m","startTime":0}}',
        b'{"type":"fundingHistory","coin":"NOPE","startTime":0}',
    ],
)
def test_an_unknown_coin_is_a_null_with_status_500(body):
    """Names are case-sensitive, and a null is no empty list."""
    answer = answer_info(MARKET, body, now_ms=NOW_MS)
    assert (answer.status, answer.body, answer.content_type) == (500, b"null", "application/json")


def test_a_delisted_coin_has_no_rows():
    """It is known, and it is over."""
    assert is_known(MARKET, "MATIC")
    assert candles(0, NOW_MS, coin="MATIC") == []


def test_meta_lists_the_perps_and_a_dead_one():
    """Spot pairs are not in it; every key is one that was recorded."""
    universe = answered(type="meta")["universe"]
    recorded = json.loads((FIXTURES / "rest_meta_20250822.json").read_text())["response"]["universe"]
    assert [coin["name"] for coin in universe] == ["BTC", "ETH", "MATIC"]
    assert [coin.get("isDelisted") for coin in universe] == [None, None, True]
    assert {key for coin in universe for key in coin} <= {key for coin in recorded for key in coin}


def test_a_pair_is_found_by_its_index_not_by_its_place():
    """UBTC/USDC is ``@142``, and neither tokens nor pairs lie where their index says."""
    meta = answered(type="spotMeta")
    index_of = {token["name"]: token["index"] for token in meta["tokens"]}
    (pair,) = [pair for pair in meta["universe"] if pair["tokens"] == [index_of["UBTC"], index_of["USDC"]]]
    assert pair["name"] == "@142"
    assert meta["universe"].index(pair) != pair["index"]
    assert "cbBTC" not in index_of


def test_funding_comes_every_hour():
    """Within the window, ascending, some hundred milliseconds after the hour, at most 500 rows."""
    rows = answered(type="fundingHistory", coin="BTC", startTime=NOW_MS - 5 * 3_600_000)
    assert len(rows) == 5
    assert all(1 <= row["time"] % 3_600_000 <= 700 for row in rows)
    assert list(rows[0]) == ["coin", "fundingRate", "premium", "time"]
    assert len(answered(type="fundingHistory", coin="BTC", startTime=0)) == 500


def test_mids_and_status():
    """A price for each coin, and a time a little behind the clock."""
    assert set(answered(type="allMids")) == {"BTC", "ETH", "@142"}
    status = answered(type="exchangeStatus")
    assert status["specialStatuses"] is None
    assert 128 <= NOW_MS - status["time"] <= 268
