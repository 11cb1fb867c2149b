"""The check gaps."""

from datetime import timedelta

from btc_core.check import load_check
from btc_core.model.timerange import MINUTE, TimeRange
from tests.checks import START, found, named, times


def test_a_gap_lies_between_accounted_minutes():
    """It is found whole; before the first and after the last minute nothing is missing yet."""
    assert found(named("gaps"), {"accounted": times(5, 6, 9, 10)}) == [(7, 9, "error", {"n_minutes": 2})]


def test_nothing_stored_is_no_gap():
    """An empty month has nothing to miss."""
    assert found(named("gaps"), {"accounted": times()}) == []


def test_a_gap_that_ends_beside_a_touched_minute_is_judged_with_it():
    """The check looks a minute around: the minute behind a gap is what tells that it has ended."""
    check = load_check("gaps")
    assert check.reach == MINUTE
    touched = TimeRange(START + timedelta(minutes=9) - check.reach, START + timedelta(minutes=11))
    assert found(check, {"accounted": times(5, 6, 9, 10)}, within=touched) != []


def test_the_sentence_counts_gaps_and_minutes():
    """Both are figures too, plotted over time."""
    rule = load_check("gaps").rule
    assert rule.summarise is not None
    schema = {"start_time": times().schema["time"], "end_time": times().schema["time"]}
    assert rule.summarise(times().select(start_time="time", end_time="time").cast(schema)) == (
        "no minute is missing",
        {"gaps": 0, "missing minutes": 0},
    )
    two = times(1, 5).select(start_time="time", end_time=times(3, 6)["time"])
    assert rule.summarise(two) == ("2 gaps, 3 minutes missing", {"gaps": 2, "missing minutes": 3})
    assert rule.summarise(two[1:]) == ("1 gap, 1 minute missing", {"gaps": 1, "missing minutes": 1})
