"""Outcomes of trials, kept to the last bit, in stretches, whoever dies."""

import msgspec
import pytest

from btc_core.simulator.outcome import Outcome
from btc_store.frames import open_frames
from btc_store.kept_trials import MOST, KeptTrials, begin, fingerprint_of


def outcome(n):
    """Return figures that no rounding survives."""
    figures = dict.fromkeys(Outcome.__struct_fields__, 0.1 * n + 1e-17)
    return Outcome(**figures | {"n_trades": n, "n_liquidations": 0, "sharpe": None, "profit_factor": 1 / 3})


@pytest.fixture
def frames(database_url):
    """A database, and a sweep that is begun."""
    with open_frames(database_url) as opened:
        begin(opened, "one", strategy="ma", request={"a": 1}, n_trials=9)
        yield opened


def known(frames, name="one"):
    """Return what is kept of a sweep."""
    return begin(frames, name, strategy="ma", request={"a": 1}, n_trials=9)


def test_what_is_kept_is_what_was_tried(frames):
    """In stretches with holes between them; of another sweep nothing."""
    with KeptTrials(frames, "one") as kept:
        for n in (0, 1, 2, 7, 8):
            kept.keep(n, outcome(n))
    assert known(frames) == {n: outcome(n) for n in (0, 1, 2, 7, 8)}
    assert known(frames, "two") == {}


def test_it_is_kept_although_somebody_interrupts(frames):
    """Ctrl-C in the middle."""
    with pytest.raises(KeyboardInterrupt), KeptTrials(frames, "one") as kept:
        kept.keep(0, outcome(0))
        raise KeyboardInterrupt
    assert known(frames) == {0: outcome(0)}


def test_a_full_stretch_is_written_before_the_end(frames, database_url):
    """Who is killed loses little: another connection sees it."""
    with KeptTrials(frames, "one") as kept:
        for n in range(MOST):
            kept.keep(n, outcome(n % 5))
        kept.flush()
        kept.keep(MOST, outcome(1))
        kept.flush()
    with open_frames(database_url) as other:
        assert len(known(other)) == MOST + 1


def test_a_fingerprint_is_of_facts_not_of_their_order():
    """And of nothing less."""
    assert fingerprint_of({"a": 1, "b": [2]}) == fingerprint_of({"b": [2], "a": 1})
    assert fingerprint_of({"a": 1}) != fingerprint_of({"a": 2})
    assert msgspec.json.encode(outcome(3)) == msgspec.json.encode(outcome(3))
