"""What a strategy says at one candle's close."""

from enum import StrEnum


class Signal(StrEnum):
    """What a decision changes about the position. A reversal is a CLOSE and an OPEN on the same candle."""

    OPEN_LONG = "OPEN_LONG"
    OPEN_SHORT = "OPEN_SHORT"
    CLOSE_LONG = "CLOSE_LONG"
    CLOSE_SHORT = "CLOSE_SHORT"
    HOLD = "HOLD"
