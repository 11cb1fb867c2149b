"""Which frames are due."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from demo.feeds import FileFeed
from demo.playback import MOST_MINUTES_BEHIND, Playhead, frames_per_minute, only_best, thin
from demo.wire import MINUTE_MS, Ohlcv, best_frame

START = 29_000_000
N_MINUTES = 30
FEED = FileFeed("BTC", {START + i: Ohlcv(100.0, 105.0, 95.0, 101.0 + i % 3, 5.0 + i, 90) for i in range(N_MINUTES)})
ALL = [frame for i in range(N_MINUTES) for frame in FEED.frames("BTC", START + i)]
END_MS = (START + N_MINUTES + 1) * MINUTE_MS


def playhead(now_ms: int, limit: int = 1000) -> Playhead:
    """Return the place of a client that subscribes at an instant."""
    return Playhead(FEED, "BTC", now_ms=now_ms, limit=limit)


@given(steps=st.lists(st.integers(1, 200_000), max_size=60))
def test_every_frame_is_taken_once_and_in_order(steps):
    """However the time is cut into looks, the same frames come in the same order."""
    now_ms, taken = START * MINUTE_MS, []
    head = playhead(now_ms)
    for step in [*steps, (N_MINUTES + 1) * MINUTE_MS]:
        now_ms += step
        taken += head.take(now_ms)
    assert taken == ALL


def test_a_subscription_brings_no_history():
    """What was due before is over."""
    now_ms = (START + 3) * MINUTE_MS + 30_000
    assert playhead(now_ms).take(END_MS) == [frame for frame in ALL if frame.due_ms > now_ms]


def test_a_late_last_frame_is_still_to_come():
    """Who subscribes a moment after a minute's end still gets its late last frame."""
    late = next(frame for frame in ALL if frame.due_ms > (frame.minute + 1) * MINUTE_MS)
    assert playhead((late.minute + 1) * MINUTE_MS).take(END_MS)[0] == late


@given(steps=st.lists(st.integers(1, 400_000), max_size=30), limit=st.integers(3, 50))
def test_the_best_frame_of_a_minute_is_never_skipped(steps, limit):
    """Frames inside a minute may be left out, where time runs fast or we are behind; the final values come always."""
    now_ms, taken = START * MINUTE_MS, []
    head = playhead(now_ms, limit)
    for step in [*steps, (N_MINUTES + 1) * MINUTE_MS]:
        now_ms += step
        taken += head.take(now_ms, patience_ms=1_000)
    finals = [best_frame(FEED.frames("BTC", START + i)) for i in range(N_MINUTES)]
    assert only_best(taken) == finals
    assert [frame.due_ms for frame in taken] == sorted(frame.due_ms for frame in taken)


@given(now_ms=st.integers(START * MINUTE_MS, END_MS))
def test_nothing_is_due_before_the_next_look(now_ms):
    """A sleep until then misses nothing."""
    head = playhead(now_ms)
    assert head.next_due_ms > now_ms
    assert head.take(head.next_due_ms - 1) == []


def test_who_slept_for_weeks_does_not_get_weeks():
    """At most as many minutes as REST holds are made up for: the work to catch up is bounded."""
    head = playhead((START - 1) * MINUTE_MS)
    assert head.take((START + N_MINUTES + MOST_MINUTES_BEHIND) * MINUTE_MS) == []


@pytest.mark.parametrize(("rate", "limit"), [(1, 120), (60, 83), (1440, 3), (100_000, 3)])
def test_fast_time_has_fewer_frames_a_minute(rate, limit):
    """Recorded minutes have at most 100 frames and are sent whole up to 60 times the speed or so."""
    assert frames_per_minute(rate) == limit


@given(limit=st.integers(3, 60))
def test_thinning_keeps_to_the_limit(limit):
    """At most one frame more than asked for, ascending."""
    kept = thin(ALL[:48], limit)
    assert len(kept) <= limit + 1
    assert list(kept) == [frame for frame in ALL[:48] if any(frame is one for one in kept)]
