"""The version of the arithmetic."""

from btc_core.version import CODE_VERSION


def test_it_is_a_word():
    """Decisions and Dagster's assets carry it: it is never empty, and fits into a column and a tag."""
    assert CODE_VERSION.isalnum()
