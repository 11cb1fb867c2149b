"""Minutes before a range: as many as are wanted, each read once."""

import random
from datetime import UTC, datetime, timedelta

import polars as pl
import pytest

from btc_core.model.interval import ONE_MINUTE, parse_interval
from btc_core.model.timerange import TimeRange
from btc_store.frames import open_frames, read_candles
from btc_store.warm_up import Minutes, candles_from, nominal_start, read_with_warm_up
from tests.derivation import made_minutes, store_minutes

HISTORY = TimeRange(datetime(2024, 6, 3, tzinfo=UTC), datetime(2024, 6, 9, tzinfo=UTC))
HOUR, BAR = parse_interval("1h"), parse_interval("37m")
# An outage of most of a day, half a day before the range.
OUTAGE = TimeRange(HISTORY.start + timedelta(days=2), HISTORY.start + timedelta(days=2, hours=20))
RANGE = TimeRange(HISTORY.start + timedelta(days=3, hours=8), HISTORY.end)


@pytest.fixture
def frames(database_url):
    """Six days of minutes with an outage."""
    with open_frames(database_url) as opened:
        minutes = made_minutes(HISTORY, random.Random(2), n_gaps=0)
        store_minutes(
            opened, "BTC", minutes.filter(~pl.col("time").is_between(OUTAGE.start, OUTAGE.end, closed="left"))
        )
        yield opened


def test_an_outage_is_reached_over(frames):
    """Candles that are absent count as none: the warm-up is looked for further back."""
    wanted = [(RANGE.start, HOUR, 24), (RANGE.start, BAR, 10)]
    minutes, start = read_with_warm_up(frames, "BTC", wanted, end=RANGE.end)
    assert candles_from(minutes, HOUR, start, RANGE.start).height >= 24
    assert start < nominal_start(wanted)
    assert minutes.equals(read_candles(frames, "BTC", ONE_MINUTE, TimeRange(start, RANGE.end)))


def test_where_there_is_no_more_it_ends(frames):
    """With what there is."""
    minutes, _ = read_with_warm_up(frames, "BTC", [(RANGE.start, HOUR, 9_999)], end=RANGE.end)
    assert minutes["time"][0] == HISTORY.start


def test_a_minute_is_read_once(frames):
    """However often somebody asks, and however far back."""
    minutes = Minutes(frames, "BTC", RANGE.end)
    late = minutes.since(RANGE.start)
    early = minutes.since(HISTORY.start)
    assert minutes.since(RANGE.start).equals(late)
    assert early.equals(read_candles(frames, "BTC", ONE_MINUTE, TimeRange(HISTORY.start, RANGE.end)))
    assert minutes.has_before(RANGE.start)
    assert not minutes.has_before(HISTORY.start)
