"""Price against the mean of its last 44 closes."""

from btc_core.strategies import ma

STRATEGY = ma.STRATEGY.fixed(
    description="Long while the close is above the mean of the last 44 closes, short while it is below.",
    period=44,
    side=0,
)
