"""The arithmetic of a scaled clock (``BTC_CLOCK``): recordings play with their own dates at any speed."""

from dataclasses import dataclass
from datetime import datetime, timedelta

from btc_core.errors import ConfigError
from btc_core.model.timerange import EPOCH


@dataclass(frozen=True, slots=True)
class ClockScale:
    """``now = sim + (real time − real) · rate``; both ends in seconds since 1970.

    The default leaves time as it is.
    """

    sim: float = 0.0
    real: float = 0.0
    rate: float = 1.0

    def instant(self, real_seconds: float) -> datetime:
        """Return the instant of the scaled clock at a real Unix time."""
        if self == ClockScale():
            return EPOCH + timedelta(seconds=real_seconds)
        return EPOCH + timedelta(seconds=self.sim + (real_seconds - self.real) * self.rate)

    def real_seconds(self, market_seconds: float) -> float:
        """Return how long a wait of that many market seconds takes in real seconds."""
        return market_seconds / self.rate


def parse_clock(text: str) -> ClockScale:
    """Return the scale that ``BTC_CLOCK=SIM,REAL,RATE`` describes.

    Raises:
        ConfigError: If it is not three finite numbers, or the rate is not above 0.
    """
    try:
        sim, real, rate = (float(part) for part in text.split(","))
    except ValueError:
        raise ConfigError(
            f"BTC_CLOCK={text!r}: expected SIM,REAL,RATE, two Unix times in seconds and a factor "
            "(1739491200,1790000000,60)"
        ) from None
    if not (rate > 0 and abs(sim) < 1e11 and abs(real) < 1e11 and rate < 1e9):
        raise ConfigError(f"BTC_CLOCK={text!r}: expected Unix times in seconds and a rate above 0")
    return ClockScale(sim, real, rate)
