"""What a fault is about, and what it draws."""

from demo.faults.connections import Abort
from demo.faults.delivery import Loss
from demo.faults.fault import Fault, Spell


def test_a_kind_is_named_after_its_class():
    """What a script calls it."""
    assert (Loss().kind, Fault().kind) == ("loss", "fault")


def test_a_fault_is_about_its_coin_and_its_connection(links):
    """Without one it is about all of them, and about what has no coin."""
    assert Fault().is_about("BTC")
    assert Fault().is_about(None)
    assert [Fault(coin="BTC").is_about(coin) for coin in ("BTC", "ETH", None)] == [True, False, False]
    assert [Fault(connection=2).is_on(link) for link in links] == [False, True]


def test_a_fault_by_itself_touches_nothing(passed, sendings):
    """Its hooks let everything pass."""
    assert passed(Fault(), *sendings) == sendings


def test_what_is_drawn_hangs_on_the_seed_and_the_frame_only(passed, sendings, stage):
    """Not on the order in which they pass, nor on how many there are; another seed draws others."""
    kept = passed(Loss(), *sendings)
    assert 0 < len(kept) < len(sendings)
    assert passed(Loss(), *sendings[::-1]) == kept[::-1]
    stage.seed = 4
    assert passed(Loss(), *sendings) != kept


def test_a_share_of_frames_of_one_coin(passed, sendings):
    """Another coin's are left alone, and about so many of its own are touched."""
    assert passed(Loss(coin="ETH", share=1), *sendings) == sendings
    assert passed(Loss(coin="BTC", share=1), *sendings) == []
    assert len(passed(Loss(share=0.1), *sendings)) > len(passed(Loss(share=0.9), *sendings))


def test_a_moment_strikes_once():
    """Whoever connects afterwards is not met."""
    assert Abort().is_moment
    assert not Loss().is_moment


def test_a_spell_that_is_over_does_nothing_more(stage, at):
    """Its timers are left to run out."""
    spell = Spell(Fault(), stage, 0, 1)
    done: list[str] = []
    spell.later(0, lambda: done.append("before"))
    at(0)
    spell.later(0, lambda: done.append("after"))
    spell.over.set()
    at(0)
    assert done == ["before"]


def test_a_spell_holds_from_its_begin_to_just_before_its_end(stage):
    """Half-open, as every range."""
    spell = Spell(Fault(), stage, 100, 1)
    assert [spell.holds_at(ms) for ms in (99, 100, 10**9)] == [False, True, True]
    spell.ended_ms = 200
    assert [spell.holds_at(ms) for ms in (199, 200)] == [True, False]
