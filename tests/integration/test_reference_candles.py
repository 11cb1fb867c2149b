"""Law 4: what the database derives is what the exchanges made themselves, row for row, for every file there is."""

import gzip
import json
import re
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path

import polars as pl
import pytest

from btc_core.model.interval import parse_interval
from btc_core.model.timerange import MINUTE, TimeRange, from_ms
from btc_core.partitions import candles_closed_in, months_of
from btc_store.derive import derive_candles
from btc_store.frames import Frames, open_frames, read_candles
from tests.derivation import shared_minutes, store_minutes

FOLDERS = ("data/candles", "data/reference", "data/wire", "hyperliquid")
BTC = "data/candles/binance_btcusdt_1m_2021.parquet"
ETH = "data/candles/binance_ethusdt_1m_2021-04-02_2021-06-15.parquet"
HYPERLIQUID_1M = "data/candles/hyperliquid_btc_1m_2025-07-21_2025-07-26.parquet"
HYPERLIQUID_5M = "data/candles/hyperliquid_btc_5m_2025-03-14_2025-07-26.parquet"
HYPERLIQUID_15M = "data/candles/hyperliquid_btc_15m_2024-12-04_2025-01-25.parquet"
HYPERLIQUID_1H = "data/candles/hyperliquid_btc_1h_2024-09-04_2025-07-26.parquet"

# Exact copies of a minute's price; a volume is a sum, whose order is not known of theirs.
PRICES = ("open", "high", "low", "close")
VOLUME_RTOL = 1e-9


def every(minutes: int, first: str, last: str) -> list[str]:
    """Return times so many minutes apart, both ends among them."""
    start, end, step = datetime.fromisoformat(first), datetime.fromisoformat(last), timedelta(minutes=minutes)
    return [(start + i * step).isoformat(" ", "minutes") for i in range((end - start) // step + 1)]


# The exchange restated minutes of these candles after the one file and before the other was downloaded
# (README of the data). Nothing else differs.
BTC_RESTATED = [
    *every(5, "2021-01-11 08:00", "2021-01-11 08:10"),
    *every(5, "2021-04-22 02:05", "2021-04-22 02:20"),
    *every(5, "2021-04-23 01:40", "2021-04-23 02:15"),
    *every(5, "2021-04-23 02:40", "2021-04-23 02:45"),
]
ETH_RESTATED = [
    *every(5, "2021-04-22 02:10", "2021-04-22 02:20"),
    *every(5, "2021-04-23 01:40", "2021-04-23 02:25"),
    *every(5, "2021-04-23 02:35", "2021-04-23 02:45"),
]
ETH_RESTATED_1H = ["2021-04-22 02:00", "2021-04-23 01:00", "2021-04-23 02:00"]


@dataclass(frozen=True, kw_only=True)
class Recorded:
    """Candles that an exchange made itself, what ours are derived from, and how many there are to compare.

    Attributes:
        source: A file of 1m candles; of longer ones (``step``) where no minute of that time is there.
        candles: The exchange's own.
        label: Their interval.
        n: How many candles both files hold whole.
        differ: Those of them that are known to differ.
        step: The interval of the source.
    """

    source: str
    candles: str
    label: str
    n: int
    differ: tuple[str, ...] = ()
    step: timedelta = MINUTE


def _binance(symbol: str, label: str, dates: str, n: int, *differ: str) -> Recorded:
    candles = f"data/reference/exchange_binance_{symbol}usdt_{label}_{dates}.parquet"
    return Recorded(source=BTC if symbol == "btc" else ETH, candles=candles, label=label, n=n, differ=differ)


COMPARED = [
    _binance("btc", "5m", "2021-01-01_2021-05-13", 38_059, *BTC_RESTATED),
    _binance("btc", "15m", "2021-06-03_2021-07-03", 2_879),
    _binance("btc", "1h", "2021-06-03_2021-07-03", 719),
    _binance("eth", "5m", "2021-04-02_2021-05-13", 11_884, *ETH_RESTATED),
    _binance("eth", "5m", "2021-05-15_2021-06-15", 8_889),
    _binance("eth", "1h", "2021-04-02_2021-06-15", 1_783, *ETH_RESTATED_1H),
    Recorded(source=HYPERLIQUID_1M, candles=HYPERLIQUID_5M, label="5m", n=1_361),
    Recorded(source=HYPERLIQUID_1M, candles=HYPERLIQUID_1H, label="1h", n=112),
    # Months of hours of which no minutes were recorded: the exchange's own smaller candles stand for these.
    Recorded(
        source=HYPERLIQUID_5M,
        candles=HYPERLIQUID_1H,
        label="1h",
        n=3_210,
        differ=("2025-04-20 10:00",),
        step=timedelta(minutes=5),
    ),
    # The last 15m candle of the last hour was open when it was downloaded.
    Recorded(
        source=HYPERLIQUID_15M,
        candles=HYPERLIQUID_1H,
        label="1h",
        n=1_250,
        differ=("2025-01-25 05:00",),
        step=timedelta(minutes=15),
    ),
]

# Candles whose values nothing here can be derived from or compared with: their times are held against the grid.
GRID_ALONE = {
    "data/wire/hyperliquid_candleSnapshot_kPEPE_1h.json": "no other candles of kPEPE",
    "hyperliquid/rest_candleSnapshot_kPEPE_1h.json": "the same answer",
    "hyperliquid/ws_intervals_btc_20251231.json": "first frames of open candles: 1m, 5m, 15m, 1h, 4h, 1d",
}
# The same rows as another file.
SAME_AS_15M = (
    "data/wire/hyperliquid_candleSnapshot_BTC_15m.json.gz",
    "hyperliquid/rest_candles_BTC_15m_part1.jsonl.gz",
)
# No exchange's candles with minutes to them.
OTHERS = {
    "data/reference/skender_spy_1d_indicators.parquet": "prices of a stock, for indicators",
    "data/reference/backtestingpy_goog_1d.parquet": "prices of a stock, for the simulator",
    "data/candles/binance_btcusdt_1m_2021-04_earlier_print.parquet": "70 minutes before they were restated",
    "data/candles/binance_ethusdt_1m_2021-09-17_2021-10-17.parquet": "minutes without candles of that time",
}
_OF_ONE_MINUTE = re.compile(r"[-_]1m[-_.]")
_NAMES_INTERVALS = re.compile(r"[-_](\d+[mhdwM]|intervals)[-_.]")


@pytest.fixture
def frames(database_url: str) -> Iterator[Frames]:
    """A connection to a database of its own."""
    with open_frames(database_url) as opened:
        yield opened


def test_no_file_of_an_interval_is_left_out(shared: Path) -> None:
    """Whatever names an interval is compared, compared with, or listed with the reason why it cannot be."""
    known = {each.candles for each in COMPARED} | {each.source for each in COMPARED}
    known |= {*GRID_ALONE, *SAME_AS_15M, *OTHERS}
    paths = [path for folder in FOLDERS for path in sorted((shared / folder).iterdir())]
    named = {str(path.relative_to(shared)) for path in paths if _NAMES_INTERVALS.search(path.name)}
    # Recorded frames and raw files of minutes.
    raw = {name for name in named - known if _OF_ONE_MINUTE.search(name) and not name.endswith(".parquet")}
    assert named - raw == known
    assert all(name.startswith(("data/wire/", "hyperliquid/")) for name in raw)


@pytest.mark.parametrize("recorded", COMPARED, ids=lambda each: f"{Path(each.candles).stem}-of-{each.step.seconds}s")
def test_candles_are_the_exchanges_own(frames: Frames, shared: Path, recorded: Recorded) -> None:
    """The same candles at the same times: prices to the bit, volume as a sum, trades; only the restated differ."""
    source, theirs = pl.read_parquet(shared / recorded.source), pl.read_parquet(shared / recorded.candles)
    within = _common(source, theirs, recorded)
    ours = _derived(frames, shared_minutes(_in(source, within)), recorded.label, within)
    theirs = _in(theirs, within)
    assert ours["time"].to_list() == theirs["time"].to_list()
    assert ours.height == recorded.n
    pairs = theirs.join(ours, on="time", suffix="_ours")
    differ = [pl.col(name) != pl.col(f"{name}_ours") for name in PRICES]
    differ.append((pl.col("volume") - pl.col("volume_ours")).abs() > VOLUME_RTOL * pl.col("volume"))
    # Where they count trades.
    differ.append((pl.col("trades") != pl.col("trades_ours")).fill_null(value=False))
    odd = pairs.filter(pl.any_horizontal(differ))["time"].dt.strftime("%Y-%m-%d %H:%M").to_list()
    assert odd == list(recorded.differ)


def _common(source: pl.DataFrame, theirs: pl.DataFrame, recorded: Recorded) -> TimeRange:
    """Return the range of the candles that both files hold whole."""
    interval, instant = parse_interval(recorded.label), timedelta(microseconds=1)
    first = interval.close_of(interval.floor(source["time"][0] - instant))
    last = interval.floor(source["time"][-1] + recorded.step)
    return TimeRange(max(first, theirs["time"][0]), min(last, interval.close_of(theirs["time"][-1])))


def _in(frame: pl.DataFrame, within: TimeRange) -> pl.DataFrame:
    return frame.filter(pl.col("time").is_between(within.start, within.end, closed="left"))


def _derived(frames: Frames, minutes: pl.DataFrame, label: str, within: TimeRange) -> pl.DataFrame:
    """Return the candles that the database derives of minutes, a month at a time, as the assets do."""
    interval = parse_interval(label)
    store_minutes(frames, "BTC", minutes)
    for month in months_of(within):
        owned = candles_closed_in(month, interval)
        assert owned is not None
        derive_candles(frames, "BTC", {interval: [owned]})
    return read_candles(frames, "BTC", interval, within)


def test_what_differs_was_restated(shared: Path) -> None:
    """The known differences of April are candles of minutes of which two versions are on record."""
    earlier = pl.read_parquet(shared / "data/candles/binance_btcusdt_1m_2021-04_earlier_print.parquet")["time"]
    of_april = [text for text in BTC_RESTATED if "-04-" in text]
    candles = [datetime.fromisoformat(text).replace(tzinfo=UTC) for text in of_april]
    assert all(earlier.is_between(time, time + timedelta(minutes=5), closed="left").any() for time in candles)


@pytest.mark.parametrize("file", GRID_ALONE)
def test_the_exchanges_candles_open_and_close_on_our_grid(shared: Path, file: str) -> None:
    """Every candle opens where one of ours does, and ends a millisecond before our close (law 2)."""
    spans = [*_spans(json.loads((shared / file).read_text()))]
    assert {label for label, *_ in spans} == ({"1h"} if "kPEPE" in file else {"1m", "5m", "15m", "1h", "4h", "1d"})
    for label, first_ms, last_ms in spans:
        interval, time = parse_interval(label), from_ms(first_ms)
        assert interval.floor(time) == time
        assert interval.close_of(time) == from_ms(last_ms + 1)


def _spans(told: dict) -> Iterator[tuple[str, int, int]]:
    """Yield interval, first and last millisecond of each candle of a recorded answer."""
    if "response" in told:
        yield from ((row["i"], row["t"], row["T"]) for row in told["response"])
        return
    for label, result in told["results"].items():
        yield from ((label, each["timestamp"], each["end_timestamp"]) for each in result["message_samples"])


@pytest.mark.parametrize("file", SAME_AS_15M)
def test_the_answers_of_the_exchange_are_the_rows_that_were_compared(shared: Path, file: str) -> None:
    """What the file of 15m candles holds is what the exchange answered, as far as the recording goes."""
    text = gzip.decompress((shared / file).read_bytes()).decode()
    answered = json.loads(text) if text.startswith("[") else [json.loads(line) for line in text.splitlines()]
    rows = [(from_ms(row["t"]), *(float(row[name]) for name in "ohlcv"), row["n"]) for row in answered]
    names = ["time", *PRICES, "volume", "trades"]
    assert rows == pl.read_parquet(shared / HYPERLIQUID_15M).select(names)[: len(rows)].rows()
    assert len(rows) in (3_300, 5_002)
