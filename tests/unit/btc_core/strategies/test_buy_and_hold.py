"""All in, always."""

from tests.opinions import said


def test_it_is_long_from_the_first_close_on():
    """Without a warm-up, and sure of it."""
    assert said("buy_and_hold", [10.0, 9.0, 11.0]).select("exposure", "confidence").rows() == [(1.0, 1.0)] * 3
