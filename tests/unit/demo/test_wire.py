"""Numbers as texts, and the frame as it is sent."""

import json

from hypothesis import given
from hypothesis import strategies as st

from demo.wire import Coin, Frame, Ohlcv, best_frame, decimal_text, minute_row, n_decimals

VALUES = Ohlcv(84143.0, 84144.0, 84143.0, 84143.5, 14.27847, 114)


@given(st.floats(min_value=1e-9, max_value=1e12))
def test_a_text_reads_back_as_the_same_number(value):
    """Prices and volumes go over the wire as texts without exponents, and nothing is lost on the way."""
    text = decimal_text(value)
    assert float(text) == value
    assert set(text) <= set("0123456789.")


def test_a_grid_ignores_the_zero_that_every_text_has():
    """A tick of 1.0 has no decimals although its texts end in ``.0``."""
    assert n_decimals(84143.0) == 0
    assert n_decimals(0.01, 1.0) == 2


def test_a_frame_has_the_recorded_shape():
    """Keys, types and ``T = t + 59999`` as in the recorded frame of 2026-09-24."""
    frame = json.loads(Frame(0, minute_row("BTC", 29837203, VALUES)).text())
    assert frame == {
        "channel": "candle",
        "data": {
            "t": 1790232180000,
            "T": 1790232239999,
            "s": "BTC",
            "i": "1m",
            "o": "84143.0",
            "c": "84143.5",
            "h": "84144.0",
            "l": "84143.0",
            "v": "14.27847",
            "n": 114,
        },
    }


def test_the_best_frame_need_not_be_the_last():
    """Trades and volume went down four times in 57,437 recorded frames."""
    row = minute_row("BTC", 1, VALUES)
    older = Frame(2, minute_row("BTC", 1, VALUES._replace(trades=113)))
    assert best_frame([Frame(1, row), older]) == Frame(1, row)
    assert best_frame([]) is None


def test_spot_pairs_are_told_by_their_names():
    """``@142`` and ``PURR/USDC`` are pairs, ``BTC`` is a perp."""
    assert [Coin(name).is_spot for name in ("@142", "PURR/USDC", "BTC")] == [True, True, False]
