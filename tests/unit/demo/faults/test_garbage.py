"""Frames that were never meant; each kind with a client in ``integration/test_demo_faults.py``."""

import json

import pytest

from demo.faults.fault import FrameFault
from demo.faults.garbage import Exponents, FutureMinute, Garbage, MisalignedMinute, NumbersForTexts, WrongEnd
from demo.faults.script import fault_kinds
from demo.wire import best_frame

KINDS = [kind for kind, cls in fault_kinds().items() if issubclass(cls, Garbage)]


@pytest.mark.parametrize("kind", KINDS)
def test_the_true_frame_comes_first_and_untouched(kind, passed, sendings):
    """What follows is something else, and no frame of the feed: other faults of frames leave it alone."""
    fault = fault_kinds()[kind]()
    assert isinstance(fault, FrameFault)
    true, other = passed(fault, sendings[3])
    assert true == sendings[3]
    assert other.text != true.text
    assert other.frame is None


@pytest.mark.parametrize("fault", [WrongEnd(), MisalignedMinute(), FutureMinute()])
def test_what_must_be_refused_would_win(fault, passed, sendings):
    """More trades and volume than in truth: whoever takes it has a wrong candle."""
    _, other = passed(fault, sendings[-1])
    best = best_frame(sending.frame for sending in sendings)
    candle = json.loads(other.text)["data"]
    assert (candle["n"], float(candle["v"])) > best.row.rank


def test_an_exponent_is_a_true_state_of_the_minute(passed, sendings):
    """The first trade's: whoever takes it has no more than the true frames say."""
    true, other = passed(Exponents(), sendings[0])
    candle = json.loads(other.text)["data"]
    assert (candle["n"], candle["v"], candle["c"]) == (1, "1e-05", true.frame.row.open)


def test_numbers_for_texts_have_the_true_values(passed, sendings):
    """Only the quotation marks are missing."""
    true, other = passed(NumbersForTexts(), sendings[-1])
    candle, wanted = json.loads(other.text)["data"], json.loads(true.text)["data"]
    assert all(candle[key] == float(wanted[key]) for key in "ohlcv")
