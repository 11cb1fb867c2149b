"""``ma125``: price against the mean of its last 125 closes."""

from btc_core.strategy import load_strategy


def test_it_rests_on_():
    """Its indicator is the mean of 125 closes, under the name that the snapshot shows."""
    (indicator,) = load_strategy("ma125", {}).indicators
    assert (indicator.name, indicator.function, dict(indicator.parameters)) == ("ma125", "sma", {"period": 125})
