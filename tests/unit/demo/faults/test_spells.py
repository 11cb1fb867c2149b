"""Faults that begin and end in their time, one behind the other."""

import pytest

from demo.faults.connections import Abort, Expire, Stall
from demo.faults.delivery import Duplicates, LostTail
from demo.faults.fault import Fault
from demo.faults.handshakes import ConnectionLimit, RefusedHandshake
from demo.faults.spells import RULES, Spells


@pytest.fixture
def spells(stage) -> Spells:
    """Nothing is under way."""
    return Spells(stage)


def test_a_time_line_is_followed(spells, links, at):
    """Begin and end in market time, a moment in between."""
    spells.schedule([Stall(at=10, for_=20), Abort(at=15, connection=1)])
    states = []
    for seconds in (9, 10, 29, 30):
        at(seconds)
        states.append(len(spells._on(links[0])))
    assert states == [0, 1, 1, 0]
    assert [link.done for link in links] == [["abort"], []]


def test_a_fault_is_ended_by_its_like(spells, links, stage):
    """One of two equal ones; a third time there is none."""
    for _ in range(2):
        spells.begin(Stall(), stage.now_ms())
    for n_left in (1, 0):
        spells.end(Stall(), stage.now_ms())
        assert len(spells._on(links[0])) == n_left
    with pytest.raises(ValueError, match="under way, found Stall"):
        spells.end(Stall(), stage.now_ms())


def test_frames_pass_one_after_the_other(spells, links, sendings):
    """In the order of the begins: what is lost is not doubled."""
    for fault in (LostTail(), Duplicates(), Stall(connection=2)):
        spells.begin(fault, 0)
    assert spells.pass_on(links[0], sendings[-1]) == []
    assert spells.pass_on(links[0], sendings[0]) == [sendings[0]] * 2
    assert spells.pass_on(links[1], sendings[0]) == []


def test_a_new_connection_is_met_by_spells_not_by_moments(spells, links, stage):
    """The moment is over."""
    spells.begin(Expire(), stage.now_ms())
    links[0].done.clear()
    spells.meet(links[0])
    assert links[0].done == []


async def test_the_first_refusal_counts(spells, stage):
    """The others are not asked."""
    for status in (403, 502):
        spells.begin(RefusedHandshake(status=status), stage.now_ms())
    assert await spells.refusal("a") == 403


async def test_a_rule_takes_the_place_of_the_same_rule(spells, stage):
    """The stage has ten connections: too many for the default, not for the script's."""
    for rule in RULES:
        spells.begin(rule, stage.now_ms())
    assert await spells.refusal("a") == 429
    spells.begin(ConnectionLimit(most=100), stage.now_ms())
    assert await spells.refusal("a") is None


def test_all_end_together(spells, links, stage):
    """Whoever waits for the end of one is let go."""
    for fault in (Fault(), Stall()):
        spells.begin(fault, stage.now_ms())
    waiting = [spell.over for spell in spells._on(links[0])]
    spells.finish(stage.now_ms())
    assert [over.is_set() for over in waiting] == [True, True]
    assert spells._on(links[0]) == []
