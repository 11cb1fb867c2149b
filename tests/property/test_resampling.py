"""Law 4: larger candles are the exchange's own, and say how many minutes they were made of."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta

import polars as pl
import pytest
from hypothesis import given
from hypothesis import strategies as st

from btc_core.model.interval import parse_interval
from btc_core.model.timerange import EPOCH, MINUTE, TimeRange
from btc_core.resample import CANDLE_SCHEMA, close_time, expected_minutes, open_time, resample
from tests.derivation import minutes_frame, shared_minutes
from tests.property.strategies import intervals, utc_times

prices = st.integers(1, 50).map(float)


@st.composite
def minute_frames(draw: st.DrawFn) -> pl.DataFrame:
    """Some minutes of a few hours or days, with gaps, silent minutes and unknown numbers of trades."""
    first = draw(st.integers(-1_000_000, 40_000_000))
    offsets = sorted(draw(st.sets(st.integers(0, draw(st.sampled_from([40, 400, 90_000]))), min_size=1, max_size=40)))
    rows = []
    for n in offsets:
        open_, close, spread = draw(prices), draw(prices), draw(st.integers(0, 3))
        volume = draw(st.one_of(st.just(0.0), st.floats(1e-6, 1e6)))
        rows.append(
            {
                "time": EPOCH + (first + n) * MINUTE,
                "open": open_,
                "high": max(open_, close) + spread,
                "low": min(open_, close) / (1 + spread),
                "close": close,
                "volume": volume,
                "trades": draw(st.one_of(st.none(), st.integers(0, 9))),
                "minutes": 1,
            }
        )
    return minutes_frame(rows)


def by_hand(rows: Sequence[dict], time: datetime) -> tuple:
    """Return the candle that the minutes make, in plain Python."""
    traded = [row["open"] for row in rows if row["volume"] > 0]
    volume = 0.0
    for row in rows:
        volume += row["volume"]
    counts = [row["trades"] for row in rows]
    trades = None if None in counts else sum(counts)
    high, low = max(row["high"] for row in rows), min(row["low"] for row in rows)
    return time, (traded or [rows[0]["open"]])[0], high, low, rows[-1]["close"], volume, trades, len(rows)


@given(minutes=minute_frames(), interval=intervals())
def test_a_candle_is_what_its_minutes_say(minutes, interval):
    """Open of the first minute with volume (all silent: the first), extremes, last close, sums, count; none: absent."""
    found: dict[datetime, list[dict]] = {}
    for row in minutes.iter_rows(named=True):
        found.setdefault(interval.floor(row["time"]), []).append(row)
    candles = resample(minutes, interval)
    assert candles.schema == CANDLE_SCHEMA
    assert candles.rows() == [by_hand(rows, time) for time, rows in sorted(found.items())]


@given(times=st.lists(utc_times(), min_size=1, max_size=20), interval=intervals())
def test_frames_and_instants_have_one_grid(times, interval):
    """The expressions agree with ``Interval`` on open, close and number of minutes, before 1970 too."""
    frame = pl.DataFrame({"time": times}, schema={"time": pl.Datetime("us", "UTC")})
    opens = frame.select(open_time(pl.col("time"), interval)).to_series()
    assert opens.to_list() == [interval.floor(time) for time in times]
    closes = opens.to_frame("time").select(
        close=close_time(pl.col("time"), interval), n=expected_minutes(pl.col("time"), interval)
    )
    assert closes["close"].to_list() == [interval.close_of(time) for time in opens]
    assert closes["n"].to_list() == [interval.n_minutes(time) for time in opens]


@given(minutes=minute_frames())
def test_148m_is_exactly_four_37m(minutes):
    """Prices, trades and minutes of the long candle follow from its short ones."""
    short, long = resample(minutes, parse_interval("37m")), parse_interval("148m")
    grouped = short.with_columns(open_time(pl.col("time"), long)).group_by("time", maintain_order=True)
    four = grouped.agg(
        pl.col("high").max(), pl.col("low").min(), pl.col("close").last(), pl.col("minutes").sum().cast(pl.Int32)
    )
    assert resample(minutes, long).select(four.columns).equals(four)


BTC = "candles/binance_btcusdt_1m_2021.parquet"
ETH = "candles/binance_ethusdt_1m_2021-04-02_2021-06-15.parquet"
HYPERLIQUID = "candles/hyperliquid_btc_1m_2025-07-21_2025-07-26.parquet"

# The exchange restated these minutes later: candles of the time and minutes of today differ.
RESTATED = [
    TimeRange(datetime(2021, 1, 11, 8, tzinfo=UTC), datetime(2021, 1, 11, 8, 15, tzinfo=UTC)),
    TimeRange(datetime(2021, 4, 22, 2, tzinfo=UTC), datetime(2021, 4, 22, 3, tzinfo=UTC)),
    TimeRange(datetime(2021, 4, 23, 1, tzinfo=UTC), datetime(2021, 4, 23, 3, tzinfo=UTC)),
]


@dataclass(frozen=True)
class Recorded:
    """Candles that an exchange made itself, and the minutes they can be compared with."""

    minutes: str
    candles: str
    label: str
    n_candles: int
    n_restated: int = 0


RECORDED = [
    Recorded(BTC, "reference/exchange_binance_btcusdt_5m_2021-01-01_2021-05-13.parquet", "5m", 38059, 17),
    Recorded(BTC, "reference/exchange_binance_btcusdt_15m_2021-06-03_2021-07-03.parquet", "15m", 2879),
    Recorded(BTC, "reference/exchange_binance_btcusdt_1h_2021-06-03_2021-07-03.parquet", "1h", 719),
    Recorded(ETH, "reference/exchange_binance_ethusdt_5m_2021-04-02_2021-05-13.parquet", "5m", 11884, 16),
    Recorded(ETH, "reference/exchange_binance_ethusdt_5m_2021-05-15_2021-06-15.parquet", "5m", 8889),
    Recorded(ETH, "reference/exchange_binance_ethusdt_1h_2021-04-02_2021-06-15.parquet", "1h", 1783, 3),
    # The recording of minutes begins inside a candle; what it holds whole is equal.
    Recorded(HYPERLIQUID, "candles/hyperliquid_btc_5m_2025-03-14_2025-07-26.parquet", "5m", 1361),
    Recorded(HYPERLIQUID, "candles/hyperliquid_btc_1h_2024-09-04_2025-07-26.parquet", "1h", 112),
]


@pytest.mark.parametrize("recorded", RECORDED, ids=lambda recorded: recorded.candles.split("/")[1])
def test_candles_are_the_exchanges_own(shared, recorded):
    """The same candles, prices equal, volume to 1e-6, candles with missing minutes too; restated ones aside."""
    interval = parse_interval(recorded.label)
    minutes = shared_minutes(pl.read_parquet(shared / "data" / recorded.minutes))
    theirs = pl.read_parquet(shared / "data" / recorded.candles)
    first_whole = interval.floor(minutes["time"][0] + timedelta(minutes=interval.minutes - 1))
    theirs = theirs.filter(pl.col("time") >= first_whole)
    ours = resample(minutes, interval).filter(pl.col("time").is_between(theirs["time"][0], theirs["time"][-1]))
    assert ours["time"].to_list() == theirs["time"].to_list()
    assert ours.height == recorded.n_candles
    pairs = ours.join(theirs, on="time", suffix="_theirs")
    differ = [pl.col(name) != pl.col(f"{name}_theirs") for name in ("open", "high", "low", "close")]
    differ.append((pl.col("volume") - pl.col("volume_theirs")).abs() > 1e-6 * pl.col("volume_theirs"))
    odd = pairs.filter(pl.any_horizontal(differ))["time"].to_list()
    assert [time for time in odd if not any(time in restated for restated in RESTATED)] == []
    assert len(odd) == recorded.n_restated


def test_leading_silence_does_not_open_a_candle(shared):
    """Where flat minutes without trades lead a real candle, its open is that of the first minute with trades."""
    minutes = shared_minutes(pl.read_parquet(shared / "data" / BTC))
    silent = minutes.filter(pl.col("volume") == 0)["time"]
    # 81 silent minutes from 02:20 on, then an outage to 05:00.
    assert (silent.len(), silent[0]) == (81, datetime(2021, 2, 11, 2, 20, tzinfo=UTC))
    start = datetime(2021, 2, 11, 3, tzinfo=UTC)
    three_hours = minutes.filter(pl.col("time").is_between(start, start + timedelta(hours=3), closed="left"))
    candle = resample(three_hours, parse_interval("3h")).row(0, named=True)
    first_traded = three_hours.filter(pl.col("volume") > 0).row(0, named=True)
    assert first_traded["time"] == datetime(2021, 2, 11, 5, tzinfo=UTC)
    assert candle["open"] == first_traded["open"] != three_hours["open"][0]
    assert candle["minutes"] == three_hours.height == 41 + 60
