"""How far two sources are apart; what is missing and what is stored is in tests/integration/test_history."""

from datetime import UTC, datetime

import polars as pl
import pytest

from btc_core.model.timerange import MINUTE
from btc_store.history import compare_closes

START = datetime(2021, 4, 25, tzinfo=UTC)


def pairs(*closes, source="rest"):
    """Return minutes that both sources have: (theirs, stored)."""
    rows = [(START + n * MINUTE, theirs, stored, source) for n, (theirs, stored) in enumerate(closes)]
    return pl.DataFrame(rows, schema=["time", "close", "close_stored", "source"], orient="row")


def test_sources_without_a_minute_in_common():
    """There is nothing to say."""
    assert compare_closes(pairs().clear()) is None


def test_equal_closes_do_not_differ():
    """Copies are compared exactly."""
    found = compare_closes(pairs((100.0, 100.0), (100.1, 100.1)))
    assert (found.n_compared, found.n_differ, found.max_difference, found.median_difference) == (2, 0, 0, 0)
    assert (found.start, found.end) == (START, START + 2 * MINUTE)


def test_differences_are_relative_to_what_is_stored():
    """Without their sign; the median is that of all minutes, also of equal ones."""
    found = compare_closes(pairs((99.0, 100.0), (100.0, 100.0), (202.0, 200.0), (150.0, 100.0)))
    assert (found.n_compared, found.n_differ) == (4, 3)
    assert found.max_difference == pytest.approx(0.5)
    assert found.median_difference == pytest.approx(0.01)


def test_every_source_that_was_compared_with_is_named():
    """Each once."""
    frame = pl.concat([pairs((1.0, 1.0), source="ws"), pairs((1.0, 1.0), (1.0, 1.0), source="rest")])
    assert compare_closes(frame).stored == ["rest", "ws"]
