"""What becomes of the minutes of an outage; with a client in ``integration/test_demo_faults.py``."""

import pytest

from demo.answer import Answer, read_query
from demo.faults.outages import Outage

MINUTE = 29_040_480


@pytest.mark.parametrize(("minutes", "trades"), [("traded", True), ("flat", False), ("absent", None)])
def test_minutes_are_traded_flat_or_absent(minutes, trades, begin, stage, links):
    """As the script says; the sockets are gone in any case."""
    begin(Outage(minutes=minutes))
    row = stage.tape.final_row("BTC", MINUTE + 3)
    assert (None if row is None else row.trades > 0) is trades
    assert [link.done for link in links] == [["abort"], ["abort"]]


async def test_the_edge_answers_or_nobody_does(begin, waits):
    """502 on both ways in; or nothing until the end."""

    async def never(_: object) -> Answer:
        raise AssertionError

    query = read_query(b"{}", now_ms=0, address="a")
    fault = Outage()
    spell = begin(fault)
    assert await fault.admit(spell, "a") == 502
    assert (await fault.answer(spell, query, never)).content_type == "text/html"
    silent = Outage(edge=False)
    spell = begin(silent)
    assert await waits(silent.admit(spell, "a"))
    assert await waits(silent.answer(spell, query, never))
