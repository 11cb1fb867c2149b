"""What a client may call a cursor."""

from datetime import UTC, datetime

import pytest

from api.stream import is_cursor, parse_since
from btc_core.errors import TimeError


@pytest.mark.parametrize("text", ["5:5:", "5:9:", "5:9:5", "5:9:5,7,8"])
def test_a_snapshot_is_a_cursor(text):
    """As PostgreSQL writes it."""
    assert is_cursor(text)
    assert parse_since(text) == text


@pytest.mark.parametrize(
    "text", ["", "5", "5:9", "9:5:", "0:5:", "5:9:4", "5:9:9", "5:9:7,6", "5:9:6,6", "5:9:x", "-5:9:", f"5:{1 << 63}:"]
)
def test_what_postgresql_would_refuse_is_none(text):
    """It would end the look of all clients."""
    assert not is_cursor(text)


def test_a_time_is_taken_too():
    """A cursor is better: it is exact."""
    assert parse_since("2025-02-14T08:00Z") == datetime(2025, 2, 14, 8, tzinfo=UTC)
    assert parse_since(None) is None
    for text in ("yesterday", "0001-01-01T00:00+23:00"):
        with pytest.raises(TimeError, match="since"):
            parse_since(text)
