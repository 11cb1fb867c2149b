"""What is read once: which minutes follow which decision, what they cost, and what is missing."""

from datetime import UTC, datetime, timedelta

import polars as pl
import pytest

from btc_core.errors import DataError
from btc_core.model.interval import parse_interval
from btc_core.model.timerange import TimeRange
from btc_core.simulator.market import daily_average_cost, prepare
from tests.markets import START, TEN_MINUTES, UTC_TIME, at, decided, market, rates


def hours(*stamps):
    """Return funding with a rate of 1 at each stamp."""
    return pl.DataFrame(
        {"time": list(stamps), "funding_rate": [1.0] * len(stamps)},
        schema={"time": UTC_TIME, "funding_rate": pl.Float64},
    )


def test_a_stretch_runs_from_fill_to_fill():
    """Decisions at 2, 5 and 10; minutes 4 and 5 are missing, so the second fills at 6; the third at none."""
    minutes = market(*range(100, 110), without=(4, 5), low_3=50, high_8=200)
    found = prepare(decided({2: 1, 5: 1, 10: 1}), minutes, range_=TEN_MINUTES).stretches
    assert found.at.tolist() == [2, 4, 8, 8]
    assert found.open[:2].tolist() == [102, 106]
    assert found.low[:2].tolist() == [50, 106]
    assert found.high[:2].tolist() == [104, 200]


def test_a_settlement_counts_from_its_minute_on():
    """1 % of the open: minute 3 pays 1, the one of 5 is missing and paid at the price of 6, 2."""
    minutes = market(*[100] * 6, *[200] * 4, without=(5,))
    found = prepare(decided({4: 1, 7: 1}), minutes, range_=TEN_MINUTES, funding=rates({3: 0.01, 5: 0.01}))
    assert found.minutes.funding.tolist() == pytest.approx([0, 0, 0, 0, 1, 1, 3, 3, 3, 3])
    assert found.funding_before.tolist() == pytest.approx([1, 3])
    assert found.stretches.funding[:2].tolist() == pytest.approx([1, 3])
    assert found.stretches.funding_high.tolist() == pytest.approx([3])
    assert found.stretches.funding_low.tolist() == pytest.approx([1])


@pytest.mark.parametrize(
    ("stamps", "n_missing"),
    [
        ([datetime(2023, 6, 7, 8, 0, 0, 388_000, tzinfo=UTC), datetime(2023, 6, 7, 16, 23, 53, tzinfo=UTC)], 2),
        ([datetime(2023, 6, 7, 8, tzinfo=UTC), datetime(2023, 6, 8, 0, tzinfo=UTC)], 9),
        ([], 18),
    ],
)
def test_hours_without_a_rate_are_counted(stamps, n_missing):
    """From 2023-06-07 08:00 to 06-08 02:00 settlements are due at 8 and 16 (eight hours each), 0 and 1 (one each)."""
    range_ = TimeRange(datetime(2023, 6, 7, 8, tzinfo=UTC), datetime(2023, 6, 8, 2, tzinfo=UTC))
    found = prepare(decided({}), market(100, without=(0,)), range_=range_, funding=hours(*stamps))
    assert found.funding_missing_hours == n_missing
    assert found.is_funding_known == bool(stamps)


def test_an_unknown_rate_is_a_settlement_that_is_missing():
    """A null is no 0."""
    nothing = rates({0: 0.01}).with_columns(funding_rate=pl.lit(None, dtype=pl.Float64))
    found = prepare(decided({}), market(*[100] * 10), range_=TEN_MINUTES, funding=nothing)
    assert (found.is_funding_known, found.funding_missing_hours) == (False, 1)


def test_daily_purchases_cost_the_harmonic_mean():
    """From noon over two midnights: 100, 50 and 200, one unit of money each: 3 / (1/100 + 1/50 + 1/200) and costs."""
    start = datetime(2025, 1, 1, 12, tzinfo=UTC)
    times = [start, datetime(2025, 1, 2, 0, 5, tzinfo=UTC), datetime(2025, 1, 3, tzinfo=UTC)]
    minutes = pl.DataFrame(
        {"time": times, **{name: [100.0, 50.0, 200.0] for name in ("open", "high", "low", "close")}},
        schema_overrides={"time": UTC_TIME},
    )
    found = prepare(decided({}), minutes, range_=TimeRange(start, times[-1] + timedelta(hours=1)))
    assert daily_average_cost(found, slippage=0, fee=0) == pytest.approx(3 / 0.035)
    assert daily_average_cost(found, slippage=0.1, fee=0.01) == pytest.approx(3 / 0.035 * 1.1 * 1.01)
    assert found.n_missing_minutes == 37 * 60 - 3


def test_no_minutes_have_no_price():
    """An empty market is prepared without a word; nothing fills in it."""
    found = prepare(decided({1: 1}), market(100, without=(0,)), range_=TEN_MINUTES)
    assert daily_average_cost(found, slippage=0, fee=0) is None
    assert found.stretches.at.tolist() == [0, 0]


def test_rows_may_be_candles():
    """Two days of daily candles are whole: nothing is missing, and the second ends at midnight."""
    times = [START, START + timedelta(days=1)]
    daily = pl.DataFrame(
        {"time": times, **{name: [1.0, 2.0] for name in ("open", "high", "low", "close")}},
        schema_overrides={"time": UTC_TIME},
    )
    range_ = TimeRange(START, START + timedelta(days=2))
    found = prepare(decided({}), daily, range_=range_, resolution=parse_interval("1d"))
    assert found.n_missing_minutes == 0
    assert found.end == (range_.end - datetime(1970, 1, 1, tzinfo=UTC)) // timedelta(microseconds=1)


@pytest.mark.parametrize("spoilt", [{"open": float("nan")}, {"low": None}])
def test_a_minute_without_a_price_is_refused(spoilt):
    """A gap is an absent row; a row has its prices."""
    minutes = market(*[100] * 10).with_columns(**{name: pl.lit(value, pl.Float64) for name, value in spoilt.items()})
    with pytest.raises(DataError, match=next(iter(spoilt))):
        prepare(decided({1: 1}), minutes, range_=TEN_MINUTES)


def test_funding_out_of_order_is_refused():
    """Twice the same stamp would be paid twice."""
    with pytest.raises(DataError, match="ascending"):
        prepare(decided({1: 1}), market(*[100] * 10), range_=TEN_MINUTES, funding=pl.concat([rates({0: 1})] * 2))
    assert at(0) == START
