"""What trials are held against: one pass over the same minutes in a database of its own."""

from datetime import UTC, datetime, timedelta
from random import Random

import pytest

from benchmarks.one_pass import derive_all, differences_between, one_pass
from btc_core.model.timerange import MINUTE, TimeRange
from btc_store.frames import open_frames
from live.plan import plan_of
from tests.conftest import _execute
from tests.dagster_runs import days
from tests.derivation import LATER, made_minutes, note_no_trade, query, store_minutes
from tests.live_lane import small_config

START = datetime(2021, 1, 30, 5, 11, tzinfo=UTC)


@pytest.fixture
def other_url(server, template):
    """Address of a second database."""
    name = f"{template}_other"
    _execute(server.url, f"CREATE DATABASE {name} TEMPLATE {template} STRATEGY file_copy")
    yield server.url_of(name)
    _execute(server.url, f"DROP DATABASE {name} WITH (FORCE)")


def test_equal_minutes_derive_to_equal_tables_and_a_difference_shows(database_url, other_url):
    """Minutes and what is known of absent ones are taken along; then one row that is changed is named."""
    config, span = small_config("BTC"), days(START, 3)
    hole = TimeRange(span.start + timedelta(hours=30), span.start + timedelta(hours=31))
    minutes = made_minutes(span, Random(7), n_gaps=0)
    with open_frames(database_url) as frames:
        for part in (minutes.filter(minutes["time"] < hole.start), minutes.filter(minutes["time"] >= hole.end)):
            store_minutes(frames, "BTC", part)
        note_no_trade(frames, "BTC", [TimeRange(hole.start, hole.start + 40 * MINUTE)])
        with frames.transaction():
            derive_all(frames, plan_of(config), "BTC", span, now=LATER)
    one_pass(database_url, other_url, config=config, now=LATER)
    # The pass makes its checks too: here nobody has.
    assert set(differences_between(database_url, other_url, "BTC")) == {"findings"}
    with open_frames(other_url) as frames, frames.transaction():
        query(
            frames,
            "WITH t AS (UPDATE candles SET close = open WHERE interval = '1d' RETURNING 1) SELECT count(*) FROM t",
        )
    assert set(differences_between(database_url, other_url, "BTC")) == {"candles", "findings"}
