"""What a request may ask for, without a server."""

from datetime import UTC, datetime, timedelta, timezone

import pytest
from hypothesis import given
from hypothesis import strategies as st

from api.query import as_utc, cursor_at, known_interval, time_in
from btc_core.errors import InputError, IntervalError, UnknownNameError
from btc_store.settings import project_root, read_config

CONFIG = read_config(project_root() / "config.yaml")


@given(at=st.datetimes(min_value=datetime(1971, 1, 1), max_value=datetime(2200, 1, 1)), hours=st.integers(-12, 12))
def test_a_cursor_names_an_instant_exactly(at, hours):
    """To the microsecond, from whatever zone; nothing in it needs quoting in an address."""
    instant = at.replace(tzinfo=timezone(timedelta(hours=hours)))
    assert time_in(cursor_at(instant)) == instant
    assert "+" not in cursor_at(instant)


@pytest.mark.parametrize("cursor", ["", "x", "2025-13-01", "1|2", "9999-12-31T23:59:59.999999Z", "9999-01-01"])
def test_another_cursor_is_refused(cursor):
    """It was not ours."""
    with pytest.raises(InputError, match="expected `next` of another page"):
        time_in(cursor)


def test_an_interval_is_one_that_there_is():
    """60m is 1h; 36m is derived nowhere."""
    assert known_interval(CONFIG, "60m").label == "1h"
    assert known_interval(CONFIG, "1m").label == "1m"
    with pytest.raises(UnknownNameError, match="37m"):
        known_interval(CONFIG, "36m")
    with pytest.raises(IntervalError):
        known_interval(CONFIG, "soon")


def test_times_of_postgresql_are_written_as_ours():
    """JSON of PostgreSQL has an offset."""
    made = datetime(2025, 1, 31, 12, tzinfo=UTC).isoformat()
    assert as_utc(f'{{"time":"{made}","price":1}}') == '{"time":"2025-01-31T12:00:00Z","price":1}'
