"""Two moving averages."""

import pytest

from tests.opinions import exposures, said


def test_it_follows_the_quick_average():
    """Means of one and two closes: the last close against the one before."""
    assert exposures("ma_cross", [10.0, 11.0, 10.0, 12.0], fast=1, slow=2) == [1.0, -1.0, 1.0]


def test_where_the_averages_are_equal_the_position_stays():
    """Of 1 and 2 candles over equal closes; of 2 and 3 where the floats differ in the last digit."""
    assert exposures("ma_cross", [10.0, 11.0, 11.0, 10.0, 10.0], fast=1, slow=2) == [1.0, 1.0, -1.0, -1.0]
    assert said("ma_cross", [0.2, 0.1, 0.3], fast=2, slow=3)["wanted"].to_list() == [None]


def test_one_side_alone():
    """Flat in place of the other."""
    closes = [10.0, 11.0, 10.0, 12.0]
    assert exposures("ma_cross", closes, fast=1, slow=2, side="long_only") == [1.0, 0.0, 1.0]
    assert exposures("ma_cross", closes, fast=1, slow=2, side="short_only") == [0.0, -1.0, 0.0]


def test_confidence_is_the_distance_of_the_averages():
    """12 against a mean of 11.9: 0.84 % of 2 %."""
    found = said("ma_cross", [11.8, 12.0], fast=1, slow=2)["confidence"].to_list()
    assert found == [pytest.approx((12 / 11.9 - 1) / 0.02)]


def test_equal_periods_have_one_indicator_and_no_opinion():
    """Nothing is above itself."""
    found = said("ma_cross", [10.0, 11.0, 12.0], fast=2, slow=2)
    assert found["wanted"].to_list() == [None, None]
    assert [name for name in found.columns if name.startswith("ma")] == ["ma2"]
