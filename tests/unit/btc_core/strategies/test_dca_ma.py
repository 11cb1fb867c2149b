"""More below the average."""

from btc_core.strategy import load_strategy
from tests.opinions import exposures

# Due at each close; averages of two: a rise is above, a fall below.
PLAN = {"start": 20241231, "every_hours": 1, "purchases": 100, "period": 2, "above": 0.5}


def test_below_the_average_it_buys_all_that_was_put_aside():
    """26 of 100 are due at the second close; above it has spent half of what is due, below all of it."""
    assert exposures("dca_ma", [10.0, 11.0, 12.0, 9.0, 8.0], **PLAN) == [0.135, 0.14, 0.29, 0.3]


def test_it_keeps_what_it_has_spent():
    """After a purchase below the average, half of the plan is less than it has: it waits, and sells nothing."""
    assert exposures("dca_ma", [10.0, 9.0, 12.0, 13.0], **PLAN) == [0.27, 0.27, 0.27]


def test_a_tie_is_not_cheap():
    """At the average it keeps to the slow pace."""
    assert exposures("dca_ma", [10.0, 10.0], **PLAN) == [0.135]


def test_above_may_be_nothing():
    """Then it buys below the average alone."""
    assert exposures("dca_ma", [10.0, 11.0, 10.0], **{**PLAN, "above": 0.0}) == [0.0, 0.28]


def test_it_says_how_much_of_the_capital_is_spent():
    """As the plain plan does."""
    assert load_strategy("dca_ma", {}).rule.of == "capital"
