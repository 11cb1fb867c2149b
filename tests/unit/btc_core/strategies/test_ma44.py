"""Price against the mean of its last 44 closes."""

from btc_core.model.interval import ONE_MINUTE
from btc_core.strategy import load_strategy


def test_it_looks_at_44_closes():
    """Its own and 43 before it; the period is no parameter any more."""
    strategy = load_strategy("ma44", {})
    assert (strategy.look_back_in(ONE_MINUTE), dict(strategy.parameters)) == (43, {})
    assert [(each.name, each.function, each.parameters) for each in strategy.indicators] == [
        ("ma44", "sma", {"period": 44})
    ]
    assert "44" in strategy.rule.description
