"""Price against the mean of its last 125 closes."""

from btc_core.model.interval import ONE_MINUTE
from btc_core.strategy import load_strategy


def test_it_looks_at_125_closes():
    """Its own and 124 before it; the period is no parameter any more."""
    strategy = load_strategy("ma125", {})
    assert (strategy.look_back_in(ONE_MINUTE), dict(strategy.parameters)) == (124, {})
    assert [(each.name, each.function, each.parameters) for each in strategy.indicators] == [
        ("ma125", "sma", {"period": 125})
    ]
    assert "125" in strategy.rule.description
