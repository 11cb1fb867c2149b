"""The check four_37m."""

import random
from datetime import timedelta

import polars as pl

from btc_core.model.interval import parse_interval
from btc_core.model.timerange import TimeRange
from btc_core.resample import resample
from tests.checks import START, found, named, times
from tests.derivation import made_minutes

WHOLE, QUARTER = parse_interval("148m"), parse_interval("37m")
SPAN = TimeRange(START, START + timedelta(days=3))
MINUTES = made_minutes(SPAN, random.Random(4), n_gaps=6, longest_gap=30)
CANDLES, QUARTERS = resample(MINUTES, WHOLE)[1:-1], resample(MINUTES, QUARTER)


def judged(candles, quarters=QUARTERS, fresh=times()):  # noqa: B008  # a frame is no list: nobody changes it
    """Return what the check says."""
    frames = {"candles": candles, "candles/37m": quarters, "written_since": fresh}
    return found(named("four_37m"), frames, interval=WHOLE, within=SPAN)


def test_a_148m_candle_is_its_four_37m_candles():
    """With gaps and silent minutes."""
    assert CANDLES.height > 20
    assert judged(CANDLES) == []


def test_a_candle_that_is_not_is_found():
    """A quarter has a high of its own, or more minutes."""
    for change in (pl.col("high") + 5, pl.col("minutes") + 1):
        is_one = pl.int_range(pl.len()) == 9
        quarters = QUARTERS.with_columns(pl.when(is_one).then(change).otherwise(pl.col(change.meta.output_name())))
        assert len(judged(CANDLES, quarters)) == 1


def test_where_a_quarter_is_not_stored_nothing_is_said():
    """It may not be derived yet; the minutes are for another check."""
    assert judged(CANDLES.with_columns(pl.col("high") + 5), QUARTERS.gather_every(2)) == []


def test_what_is_derived_anew_is_not_judged():
    """A minute came after the run began."""
    first = (CANDLES["time"][0] - START) // timedelta(minutes=1)
    wrong = CANDLES.with_columns(pl.col("high") + 5)
    assert len(judged(wrong, fresh=times(first + 3))) == CANDLES.height - 1
