"""Against a close outside of the bands."""

import pytest

from tests.opinions import exposures, said

# Bands of two closes, half a deviation wide: the last close is a whole deviation from the mean wherever it moved.
BANDS = {"period": 2, "deviations": 0.5}


def test_it_goes_against_a_close_outside():
    """Up from 10 to 11, down to 9."""
    assert exposures("bollinger_reversion", [10.0, 11.0, 9.0], **BANDS) == [-1.0, 1.0]


def test_it_ends_beyond_the_middle():
    """The jump to 14 is sold; 14 is kept above the middle, and 11 below it ends the short without a long."""
    closes, bands = [10.0, 10.0, 10.0, 14.0, 14.0, 12.2, 11.0], {"period": 4, "deviations": 1.5}
    found = said("bollinger_reversion", closes, **bands)
    assert found["exposure"].to_list() == [-1.0, -1.0, 0.0, 0.0]


def test_flat_bands_are_a_tie():
    """The close is on all three lines: no opinion, no confidence."""
    found = said("bollinger_reversion", [10.0] * 5, **BANDS)
    assert found.select("wanted", "at_least", "at_most", "confidence").unique().rows() == [(None, None, None, 0.0)]


def test_one_side_alone():
    """Flat in place of the other."""
    assert exposures("bollinger_reversion", [10.0, 11.0, 9.0], side="long_only", **BANDS) == [0.0, 1.0]
    assert exposures("bollinger_reversion", [10.0, 11.0, 9.0], side="short_only", **BANDS) == [-1.0, 0.0]


def test_confidence_is_the_distance_in_bands():
    """1 from two bands on: 0.5 deviations are a band here, and the close is 1 deviation away."""
    assert said("bollinger_reversion", [10.0, 11.0], **BANDS)["confidence"].to_list() == [pytest.approx(1.0)]
    assert said("bollinger_reversion", [10.0, 11.0], period=2, deviations=2.0)["confidence"].to_list() == [
        pytest.approx(0.25)
    ]
