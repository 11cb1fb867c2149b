"""The exchange's own candles, asked of the demo exchange over real HTTP; and what is made of odd answers."""

import asyncio
import time

import msgspec
import polars as pl
import pytest

from btc_assets.partitions import Partition
from btc_assets.quality import evaluate, place_checks
from btc_core.check import load_checks
from btc_core.errors import ExchangeError
from btc_core.model.clock import ClockScale
from btc_core.model.interval import parse_interval
from btc_core.model.timerange import TimeRange, from_ms
from btc_core.partitions import month_key, month_range
from btc_core.resample import CANDLE_SCHEMA, resample
from btc_store.derive import derive_candles
from btc_store.frames import open_frames
from demo.exchange import serve_exchange
from demo.faults.answers import RestError
from demo.market import Market
from resources.exchange_candles import ExchangeCandles, candle_request, parse_candles
from resources.timescale import Timescale
from tests.derivation import query, store_minutes

HOUR, MINUTE_MS = parse_interval("1h"), 60_000
NOW = 1_742_428_800
SPAN = TimeRange(from_ms((NOW - 4 * 3600) * 1000), from_ms((NOW - 3600) * 1000))
ROW = {
    "t": 0,
    "T": 3_599_999,
    "s": "BTC",
    "i": "1h",
    "o": "1.5",
    "h": "2.0",
    "l": "1.0",
    "c": "1.75",
    "v": "3.25",
    "n": 4,
}


def body(*rows):
    """Return an answer with changes of one row."""
    return msgspec.json.encode([ROW | row for row in rows])


async def test_an_hour_of_the_exchange_is_its_sixty_minutes(settings_for):
    """Asked for as our own check asks: the opens of a range, no row beside it."""
    clock = ClockScale(sim=NOW, real=time.time(), rate=1)
    async with asyncio.timeout(30), serve_exchange(Market(seed=7, coins=("BTC",)), clock) as exchange:
        settings = settings_for("postgresql://nobody@localhost/none", HYPERLIQUID_API_URL=exchange.api_url)
        ask = ExchangeCandles(settings).candles
        hours = await asyncio.to_thread(ask, "BTC", HOUR, SPAN)
        minutes = await asyncio.to_thread(ask, "BTC", parse_interval("1m"), SPAN)
    assert hours["time"].to_list() == HOUR.opens(SPAN)
    made = resample(minutes.with_columns(minutes=1).select(CANDLE_SCHEMA.names()).cast(CANDLE_SCHEMA), HOUR)
    assert made.drop("minutes", "volume").equals(hours.drop("volume"))
    assert (made["volume"] - hours["volume"]).abs().max() < 1e-6


async def test_an_exchange_in_trouble_is_an_error_that_says_so(settings_for):
    """Refused, and gone."""
    clock = ClockScale(sim=NOW, real=time.time(), rate=1)
    async with asyncio.timeout(30), serve_exchange(Market(seed=7, coins=("BTC",)), clock) as exchange:
        settings = settings_for("postgresql://nobody@localhost/none", HYPERLIQUID_API_URL=exchange.api_url)
        ask = ExchangeCandles(settings).candles
        exchange.begin(RestError(status=502))
        with pytest.raises(ExchangeError, match="502"):
            await asyncio.to_thread(ask, "BTC", HOUR, SPAN)
    with pytest.raises(ExchangeError, match="did not answer"):
        await asyncio.to_thread(ask, "BTC", HOUR, SPAN)


def test_a_recording_is_not_compared_with_the_real_exchange(settings_for):
    """Under a scaled clock the real address is refused, before anything is asked."""
    settings = settings_for("postgresql://nobody@localhost/none", BTC_CLOCK="0,0,60")
    with pytest.raises(ExchangeError, match="BTC_CLOCK"):
        ExchangeCandles(settings).candles("BTC", HOUR, SPAN)


def test_the_request_asks_for_the_opens():
    """Both ends count on the wire."""
    asked = candle_request("@142", HOUR, TimeRange(from_ms(0), from_ms(7_200_000)))
    assert asked == {
        "type": "candleSnapshot",
        "req": {"coin": "@142", "interval": "1h", "startTime": 0, "endTime": 7_199_999},
    }


def test_rows_become_candles():
    """Texts are numbers; what opens outside of the range is dropped."""
    span = TimeRange(from_ms(3_600_000), from_ms(3 * 3_600_000))
    candles = parse_candles(body({"t": 7_200_000}, {"t": 3_600_000}, {}), "BTC", HOUR, span)
    assert candles["time"].to_list() == [from_ms(3_600_000), from_ms(7_200_000)]
    assert candles.row(0)[1:] == (1.5, 2.0, 1.0, 1.75, 3.25, 4)
    assert parse_candles(b"[]", "BTC", HOUR, span).schema == candles.schema


@pytest.mark.parametrize(
    "row",
    [{"n": 3_000_000_000}, {"n": -1}, {"t": 10**18}, {"t": 10**30}, {"t": -1}, {"o": "nan"}, {"v": "inf"}, {"v": None}],
)
def test_numbers_that_nothing_can_hold_are_refused(row):
    """As the collector refuses them: an error that says so, and no exception of the engine's."""
    with pytest.raises(ExchangeError, match="expected a list of candles"):
        parse_candles(body(row), "BTC", HOUR, TimeRange(from_ms(0), from_ms(3_600_000)))


@pytest.mark.parametrize(
    "answer",
    [b"null", b"{}", b"oops", b'[{"t": 1}]', body({"s": "ETH"}), body({"i": "1m"}), body({"o": "much"}), b"[" * 99_999],
)
def test_an_answer_that_is_no_list_of_these_candles_is_refused(answer):
    """Nothing is compared with what was not asked for."""
    with pytest.raises(ExchangeError):
        parse_candles(answer, "BTC", HOUR, TimeRange(from_ms(0), from_ms(3_600_000)))


def test_a_recorded_answer_is_read(shared):
    """As the real exchange gave it."""
    text = (shared / "hyperliquid/rest_candleSnapshot_kPEPE_1h.json").read_bytes()
    rows = msgspec.json.decode(text)
    rows = rows if isinstance(rows, list) else next(value for value in rows.values() if isinstance(value, list))
    span = TimeRange(from_ms(rows[0]["t"]), from_ms(rows[-1]["t"] + 1))
    candles = parse_candles(msgspec.json.encode(rows), "kPEPE", HOUR, span)
    assert candles.height == len(rows)
    assert candles.select(pl.col("close").is_between(pl.col("low"), pl.col("high")).all()).item()


async def test_the_check_compares_through_the_exchange_s_interface(database_url, settings_for):
    """Equal candles pass, a wrong one is shown with both values, and an exchange that is away is a warning."""
    hour = TimeRange(SPAN.start, SPAN.start + (SPAN.end - SPAN.start) / 3)
    clock = ClockScale(sim=NOW, real=time.time(), rate=1)
    scale = f"{NOW},{clock.real},1"
    async with asyncio.timeout(60), serve_exchange(Market(seed=7, coins=("BTC",)), clock) as exchange:
        settings = settings_for(
            database_url, HYPERLIQUID_API_URL=exchange.api_url, HYPERLIQUID_WS_URL=exchange.ws_url, BTC_CLOCK=scale
        )
        minutes = await asyncio.to_thread(ExchangeCandles(settings).candles, "BTC", parse_interval("1m"), SPAN)
        stored = minutes.with_columns(minutes=1).select(CANDLE_SCHEMA.names()).cast(CANDLE_SCHEMA)
        with open_frames(database_url) as frames:
            store_minutes(frames, "BTC", stored)
            change(frames, "source = 'rest'")
            derive_candles(frames, "BTC", {HOUR: [SPAN]})
            told = [await asyncio.to_thread(reconciled, settings, None)]
            change(frames, f"high = high + 1 WHERE interval = '1h' AND time = '{hour.start.isoformat()}'")
            told += [await asyncio.to_thread(reconciled, settings, None)]
            told += [await asyncio.to_thread(reconciled, settings, {"1h": [TimeRange(hour.end, SPAN.end)]})]
    told += [await asyncio.to_thread(reconciled, settings, None)]
    assert [(each.passed, each.severity.value) for each in told] == [
        (True, "WARN"),
        (False, "ERROR"),
        (False, "ERROR"),
        (False, "ERROR"),
    ]
    (shown,) = told[1].metadata["which"].value.records
    assert shown.data["high"].count(", not ") == 1
    assert [each.metadata["looked at"].value for each in told] == [3, 3, 2, 0]
    assert "did not answer" in told[3].description


def reconciled(settings, touched):
    """Make the check of hours over the month, or over what is touched, as a run does."""
    placed = place_checks(settings.config, [check for check in load_checks() if check.name == "reconciliation"])
    month = month_range(SPAN.start)
    partition = Partition(f"{month_key(month)}|BTC", "BTC", month, touched)
    hours = {key: each for key, each in placed.items() if HOUR in each.intervals}
    with open_frames(settings.database_url) as frames:
        (told,) = evaluate(frames, Timescale(settings), partition, hours, began=None)
    return told


def change(frames, text):
    """Change stored candles."""
    with frames.transaction():
        query(frames, f"WITH changed AS (UPDATE candles SET {text} RETURNING 1) SELECT count(*) FROM changed")
