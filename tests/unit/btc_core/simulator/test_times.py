"""Instants in little memory say what the instants themselves say."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from btc_core.simulator import times
from btc_core.simulator.times import times_of

STEPS = st.sampled_from([60, 60, 60, 60, 120, 61, 7])


@pytest.mark.parametrize("block", [1, 4, 1 << 16])
@given(steps=st.lists(STEPS, max_size=30), asked=st.lists(st.integers(-9, 2_000)))
def test_it_is_the_array(block, steps, asked):
    """Gaps anywhere, also shorter than a step; instants before, between and after; read in blocks of any size."""
    time = np.cumsum(np.array([100, *steps], np.int64))
    with pytest.MonkeyPatch.context() as patched:
        patched.setattr(times, "_BLOCK", block)
        found = times_of(time, step=60)
    assert len(found) == len(time)
    assert found.at(np.arange(len(time))).tolist() == time.tolist()
    instants = np.array(asked, np.int64)
    assert found.n_before(instants).tolist() == np.searchsorted(time, instants, side="left").tolist()


def test_without_gaps_it_is_one_piece():
    """Eight years take no more than a day."""
    assert len(times_of(np.arange(10_000) * 60, step=60).starts) == 1
    empty = times_of(np.zeros(0, np.int64), step=60)
    assert (len(empty), empty.n_before(np.array([5])).tolist()) == (0, [0])
