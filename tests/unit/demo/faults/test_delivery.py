"""What becomes of true frames on their way."""

from itertools import pairwise

from demo.faults.delivery import (
    AfterNext,
    BinaryFrames,
    Bursts,
    Duplicates,
    FirstAfterEnd,
    Fragments,
    LateFrames,
    Loss,
    LostTail,
    Reordered,
    ServerPings,
)
from demo.wire import MINUTE_MS


def test_half_of_the_frames_are_lost(passed, sendings):
    """By default."""
    assert 0.2 < len(passed(Loss(), *sendings)) / len(sendings) < 0.8


def test_the_tail_is_what_comes_last_in_trades(passed, sendings):
    """One frame, or as many as the script says."""
    assert passed(LostTail(), *sendings) == sendings[:-1]
    assert passed(LostTail(n=5), *sendings) == sendings[:-5]


def test_duplicates_follow_each_other(passed, sendings):
    """As many as the script says."""
    assert passed(Duplicates(copies=2), *sendings[:2]) == [sendings[0]] * 3 + [sendings[1]] * 3


def test_reordered_frames_stay_inside_their_minute(passed, sendings):
    """What was in time is in time, and at least two change places."""
    end_ms = (sendings[0].frame.minute + 1) * MINUTE_MS
    late = passed(Reordered(seconds=30), *sendings)
    assert all(new.at_ms < end_ms for old, new in zip(sendings, late, strict=True) if old.at_ms < end_ms)
    assert any(after.at_ms < before.at_ms for before, after in pairwise(late))


def test_late_frames_are_late_by_up_to_30_seconds(passed, sendings):
    """A quarter of them."""
    delays = [new.at_ms - old.at_ms for old, new in zip(sendings, passed(LateFrames(), *sendings), strict=True)]
    assert 0 < sum(delay > 0 for delay in delays) < len(delays) / 2
    assert 0 <= max(delays) <= 30_000


def test_the_best_frame_comes_after_the_next_minute_began(passed, sendings):
    """Ten seconds after the end; the others are in time."""
    *others, last = passed(AfterNext(), *sendings)
    assert others == sendings[:-1]
    assert last.at_ms == (last.frame.minute + 1) * MINUTE_MS + 10_000


def test_no_frame_comes_before_the_end(passed, sendings):
    """Half a second after it, or when it would have come anyhow."""
    end_ms = (sendings[0].frame.minute + 1) * MINUTE_MS
    assert min(sending.at_ms for sending in passed(FirstAfterEnd(), *sendings)) == end_ms + 500


def test_bursts_are_at_multiples_of_their_period(passed, sendings, stage):
    """Counted from the begin; nothing comes before its time."""
    late = passed(Bursts(), *sendings)
    assert {(sending.at_ms - stage.now_ms()) % 20_000 for sending in late} == {0}
    assert all(0 <= new.at_ms - old.at_ms < 20_000 for old, new in zip(sendings, late, strict=True))


def test_shapes_do_not_touch_the_text(passed, sendings):
    """Parts and binary frames hold the same."""
    (parts,) = passed(Fragments(), sendings[0])
    (binary,) = passed(BinaryFrames(), sendings[0])
    assert (parts.n_parts, binary.is_binary) == (3, True)
    assert parts.text == binary.text == sendings[0].text


def test_pings_come_again_and_again(begin, links, stage, at):
    """Until the connection is gone."""
    now_ms = stage.now_ms()
    first, second = links
    begin(ServerPings())
    stage.now_ms = lambda: now_ms + 10_000
    at(10)
    stage.links.remove(second)
    stage.now_ms = lambda: now_ms + 20_000
    at(20)
    assert [len(link.done) for link in (first, second)] == [3, 2]
