"""Which data and which code: what is the same computes the same."""

import random
from datetime import UTC, datetime, timedelta

import polars as pl
import pytest

from btc_core.model.interval import parse_interval
from btc_core.model.timerange import MINUTE, TimeRange
from btc_store.data_version import code_digest, data_version
from btc_store.frames import open_frames
from tests.derivation import made_minutes, store_minutes

HISTORY = TimeRange(datetime(2024, 6, 3, tzinfo=UTC), datetime(2024, 6, 9, tzinfo=UTC))
HOUR = parse_interval("1h")
RANGE = TimeRange(HISTORY.start + timedelta(days=3, hours=8), HISTORY.end)


@pytest.fixture
def frames(database_url):
    """Six days of minutes."""
    with open_frames(database_url) as opened:
        store_minutes(opened, "BTC", made_minutes(HISTORY, random.Random(2), n_gaps=0))
        yield opened


def test_the_version_is_of_what_is_read(frames):
    """A minute in the range, in the warm-up, a word about missing ones, a rate; not what lies outside."""
    wanted = [(RANGE.start, HOUR, 2)]

    def version():
        return data_version(frames, "BTC", RANGE, wanted).digest

    seen = [version()]
    price = made_minutes(TimeRange(HISTORY.start, HISTORY.start + MINUTE), random.Random(1), n_gaps=0)
    for at in (RANGE.start + timedelta(hours=1), RANGE.start - MINUTE):
        store_minutes(frames, "BTC", price.with_columns(pl.lit(at).alias("time"), volume=pl.lit(77.0)))
        seen.append(version())
    before = version()
    store_minutes(frames, "BTC", price.with_columns(volume=pl.lit(78.0)))
    assert version() == before
    assert len(set(seen)) == 3


def test_the_code_has_a_digest():
    """The same in every process of this checkout."""
    assert len(code_digest()) == 64
