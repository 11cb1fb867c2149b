"""Windows of a walk-forward: tests follow each other without a hole, and no training sees its test."""

from datetime import UTC, datetime, timedelta
from itertools import pairwise

import numpy as np
import pytest
from hypothesis import assume, given
from hypothesis import strategies as st

from btc_core import walk_forward
from btc_core.errors import InputError
from btc_core.model.interval import parse_interval
from btc_core.model.timerange import TimeRange
from btc_core.simulator.market import us
from btc_core.simulator.outcome import Outcome
from btc_core.walk_forward import curve_of, days_of, joined, parse_walk, windows_of

START = datetime(2021, 1, 31, tzinfo=UTC)
HOUR = parse_interval("1h")
spans = st.tuples(st.integers(1, 40), st.sampled_from("dw")).map(lambda pair: f"{pair[0]}{pair[1]}")


@given(train=spans, test=spans, n_days=st.integers(2, 900), is_anchored=st.booleans())
def test_tests_follow_each_other_and_trainings_end_where_they_begin(train, test, n_days, is_anchored):
    """From the end of the first training to the end of the range, every instant is in exactly one test."""
    range_ = TimeRange(START, START + timedelta(days=n_days))
    try:
        windows = windows_of(range_, parse_walk(f"{train}/{test}", is_anchored=is_anchored), [HOUR])
    except InputError:
        assume(False)
    assert all(window.train.end == window.test.start for window in windows)
    assert all(before.test.end == after.test.start for before, after in pairwise(windows))
    assert windows[-1].test.end == range_.end
    lengths = {window.train.end - window.train.start for window in windows}
    assert len(lengths) == (len(windows) if is_anchored else 1)
    if is_anchored:
        assert {window.train.start for window in windows} == {range_.start}


def test_months_are_the_calendar_s():
    """The last day of January and three months are the last day of April."""
    walk = parse_walk("12M/3M", is_anchored=False)
    first, second = windows_of(TimeRange(START, datetime(2022, 6, 1, tzinfo=UTC)), walk, [HOUR])
    assert (first.test.start, first.test.end) == (
        datetime(2022, 1, 31, tzinfo=UTC),
        datetime(2022, 4, 30, tzinfo=UTC),
    )
    assert second.test.end == datetime(2022, 6, 1, tzinfo=UTC)


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("12M", "expected training/test"),
        ("12m/3m", "m are minutes: write 12M/3M for months"),
        ("0d/1d", "expected training/test"),
        ("9y/1d", "expected a range longer than one training"),
        ("1d/1d", "take a longer test"),
    ],
)
def test_what_cannot_be_walked_is_a_sentence(text, said):
    """What was expected, what was found."""
    range_ = TimeRange(START, START + timedelta(days=1_500))
    with pytest.raises(InputError, match=said):
        windows_of(range_, parse_walk(text, is_anchored=False), [HOUR])


def test_a_candle_longer_than_a_window_is_a_sentence():
    """Nothing could be decided in it."""
    with pytest.raises(InputError, match="no 1w candle closes in the test"):
        windows_of(
            TimeRange(START, START + timedelta(days=90)), parse_walk("2d/2d", is_anchored=False), [parse_interval("1w")]
        )


def outcome(**changed):
    """Return the figures of a test."""
    figures = dict.fromkeys(Outcome.__struct_fields__, 0.0) | {"n_trades": 1, "n_liquidations": 0}
    return Outcome(**figures | changed)


def test_the_tests_are_one_curve():
    """Each begins with what the one before left."""
    day = timedelta(days=1)
    tested = [
        walk_forward.Tested(
            range_=TimeRange(START + n * day, START + (n + 1) * day),
            time=np.array([us(START + n * day + day / 2), us(START + (n + 1) * day)]),
            equity=np.array(equity),
            pnl=np.array([pnl]),
            outcome=outcome(exposure_time=0.5),
        )
        for n, (equity, pnl) in enumerate([([110.0, 120.0], 20.0), ([90.0, 60.0], -60.0)])
    ]
    time, equity = curve_of(tested, 100.0)
    assert equity.tolist() == [100.0, 110.0, 120.0, 90.0, 60.0]
    assert (np.diff(time) > 0).all()
    whole = joined(tested, 100.0)
    assert (whole.total_return, whole.max_drawdown, whole.n_trades, whole.win_rate) == (-0.4, 0.5, 2, 0.5)
    assert whole.exposure_time == 0.5
    assert [value for _, value in days_of(time, equity)] == [100.0, 120.0, 60.0]
