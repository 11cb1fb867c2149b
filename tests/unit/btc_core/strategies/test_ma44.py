"""``ma44``: price against the mean of its last 44 closes."""

from btc_core.strategy import load_strategy


def test_it_rests_on_():
    """Its indicator is the mean of 44 closes, under the name that the snapshot shows."""
    (indicator,) = load_strategy("ma44", {}).indicators
    assert (indicator.name, indicator.function, dict(indicator.parameters)) == ("ma44", "sma", {"period": 44})
