"""Buy what has fallen, sell what has risen, until it is even."""

from tests.opinions import exposures, said

# An index of one change is 100 after a rise and 0 after a fall, whatever they measure.
RISE_AND_FALL = [10.0, 11.0, 12.0, 11.0]


def test_it_trades_against_the_move():
    """Short after a rise, long after a fall."""
    assert exposures("rsi_reversion", RISE_AND_FALL, period=1) == [-1.0, -1.0, 1.0]


def test_a_position_ends_where_it_is_even():
    """Of two changes: 100, then 50 (a rise and a fall as large), then 70: on the line it stays, beyond it it ends.

    RSI(2) of 10, 12, 14, 12, 13: first means 2 and 0 (100), then 1 and 1 (50), then 1 and 0.5 (66.7).
    """
    closes = [10.0, 12.0, 14.0, 12.0, 13.0]
    found = said("rsi_reversion", closes, period=2, high=90.0)
    assert [round(value, 1) for value in found["rsi"]] == [100.0, 50.0, 66.7]
    assert found["exposure"].to_list() == [-1.0, -1.0, -1.0]
    assert exposures("rsi_reversion", closes, period=2, high=90.0, exit=60.0) == [-1.0, 0.0, 0.0]


def test_an_end_of_one_side_leaves_the_other_alone():
    """A long ends above `exit`; a short does not."""
    closes = [10.0, 9.0, 10.0, 10.5]
    assert exposures("rsi_reversion", closes, period=1, high=100.0) == [1.0, 0.0, 0.0]
    assert exposures("rsi_reversion", closes, period=1, low=0.0, exit=0.0) == [0.0, -1.0, -1.0]


def test_on_the_line_the_position_stays():
    """An index of 0 is not below 0."""
    assert exposures("rsi_reversion", RISE_AND_FALL, period=1, low=0.0, high=100.0) == [0.0, 0.0, 0.0]


def test_where_nothing_moved_there_is_no_opinion():
    """And no confidence."""
    found = said("rsi_reversion", [10.0, 10.0, 10.0], period=1)
    assert found.select("wanted", "at_least", "at_most", "confidence").rows() == [(None, None, None, 0.0)] * 2


def test_confidence_is_the_distance_from_even():
    """1 at 0 and at 100."""
    assert said("rsi_reversion", RISE_AND_FALL, period=1)["confidence"].to_list() == [1.0, 1.0, 1.0]
