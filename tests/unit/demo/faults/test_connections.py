"""How connections end; with sockets in ``integration/test_demo_faults.py``."""

import pytest

from btc_core.model.clock import ClockScale
from demo.faults.connections import Abort, Expire, HalfOpen, IdleClose, Lifetime, Reset, Restart, Stall
from demo.link import Sending


@pytest.mark.parametrize(("fault", "done"), [(Abort(), "abort"), (Reset(), "reset"), (Expire(), "1000 Expired")])
def test_moments_strike_every_open_connection(fault, done, begin, links):
    """In their own way."""
    begin(fault)
    assert [link.done for link in links] == [[done], [done]]


def test_a_restart_without_a_duration_is_a_moment(begin, links):
    """With one it refuses newcomers as long as it lasts."""
    begin(Restart())
    assert [link.done for link in links] == [["abort"], ["abort"]]
    assert Restart().is_moment
    assert not Restart(for_=10).is_moment


def test_lives_are_drawn_between_two_ages(begin, links, at):
    """As long as measured, unless the script says otherwise."""
    begin(Lifetime())
    at(9_999)
    assert [link.done for link in links] == [[], []]
    at(10_601)
    assert [link.done for link in links] == [["1000 Expired"], ["1000 Expired"]]


def test_a_half_open_line_is_found_at_the_end(begin, links):
    """Of the connections that it is about."""
    fault = HalfOpen(connection=2)
    spell = begin(HalfOpen())
    fault.ended(spell)
    assert [link.done for link in links] == [["cut"], ["cut", "mend"]]


def test_a_stall_keeps_candles_and_perhaps_pongs(passed, sendings):
    """Of one coin, if it names one; a pong is of no coin."""
    pong = Sending(text="{}", at_ms=0, channel="pong")
    assert passed(Stall(), *sendings, pong) == [pong]
    assert passed(Stall(pongs=False), *sendings, pong) == []
    assert passed(Stall(coin="ETH", pongs=False), *sendings, pong) == [*sendings, pong]


def test_idleness_is_counted_from_what_was_sent_last(begin, links, stage, at):
    """One connection has heard something after half a minute; the other one goes first."""
    now_ms = stage.now_ms()
    begin(IdleClose(at_least=0))
    links[1].sent_ms += 30_000
    stage.now_ms = lambda: now_ms + 60_000
    at(60)
    assert [link.done for link in links] == [["abort"], []]
    stage.now_ms = lambda: now_ms + 90_000
    at(90)
    assert links[1].done == ["abort"]


def test_idleness_takes_a_real_second_at_least(begin, links, stage, at):
    """At 600 times the speed it is ten minutes."""
    stage.clock = ClockScale(rate=600)
    begin(IdleClose())
    at(599)
    assert links[0].done == []
