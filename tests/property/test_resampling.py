"""Law 4: larger candles are the exchange's own, and say how many minutes they were made of."""

from collections.abc import Sequence
from datetime import UTC, datetime, timedelta

import polars as pl
from hypothesis import given
from hypothesis import strategies as st

from btc_core.model.interval import parse_interval
from btc_core.model.timerange import EPOCH, MINUTE
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
