"""A stage without a server: faults are asked what they do to what passes by."""

import asyncio
from collections.abc import Callable
from types import SimpleNamespace

import pytest

from btc_core.model.clock import ClockScale
from demo.agenda import Agenda
from demo.faults.fault import Fault, Spell
from demo.faults.stage import Stage
from demo.link import Link, Sending
from demo.market import Market
from demo.tape import Tape
from demo.wire import MINUTE_MS

MINUTE = 29_040_480
NOW_MS = MINUTE * MINUTE_MS


class FakeLink(Link):
    """Remembers what is done to it."""

    def __init__(self, number: int) -> None:
        super().__init__(SimpleNamespace(), number)
        self.opened_ms = self.sent_ms = NOW_MS
        self.done: list[str] = []

    def abort(self) -> None:
        """Remember."""
        self.done.append("abort")

    def close(self, code: int, reason: str) -> None:
        """Remember."""
        self.done.append(f"{code} {reason}")

    def reset(self, text: str) -> None:  # noqa: ARG002 (what is sent does not matter here)
        """Remember."""
        self.done.append("reset")

    def cut(self) -> None:
        """Remember."""
        self.done.append("cut")

    def mend(self) -> None:
        """Remember."""
        self.done.append("mend")

    def ping(self) -> None:
        """Remember."""
        self.done.append("ping")


@pytest.fixture
def links() -> list[FakeLink]:
    """Two open connections."""
    return [FakeLink(1), FakeLink(2)]


@pytest.fixture
def stage(links) -> Stage:
    """The demo market, at the start of a minute, on a clock that somebody else moves."""
    tape = Tape(Market(seed=7, coins=("BTC", "ETH", "@142")))
    agenda = Agenda(lambda: None)
    return Stage(
        clock=ClockScale(), now_ms=lambda: NOW_MS, n_open=lambda _: 10, agenda=agenda, tape=tape, seed=3, links=links
    )


@pytest.fixture
def begin(stage) -> Callable[[Fault], Spell]:
    """A function that begins a fault now."""

    def begun(fault: Fault) -> Spell:
        spell = Spell(fault, stage, NOW_MS, 1)
        fault.begun(spell)
        for link in stage.links:
            fault.met(spell, link)
        return spell

    return begun


@pytest.fixture
def sendings(stage) -> list[Sending]:
    """The frames of a minute of BTC on their way."""
    frames = stage.tape.frames("BTC", MINUTE)
    return [Sending(text=f.text(), at_ms=f.due_ms, channel="candle", coin="BTC", frame=f) for f in frames]


@pytest.fixture
def passed(begin, links) -> Callable[..., list[Sending]]:
    """A function that sends frames past a fault to the first client."""

    def pass_on(fault: Fault, *sendings: Sending) -> list[Sending]:
        spell = begin(fault)
        return [out for sending in sendings for out in fault.outgoing(spell, links[0], sending)]

    return pass_on


def run_agenda(stage: Stage, until_ms: float) -> None:
    """Do what is due until an instant."""
    while (due := stage.agenda.take(until_ms)) is not None:
        due[1]()


@pytest.fixture
def at(stage) -> Callable[[float], None]:
    """A function that lets market seconds pass."""
    return lambda seconds: run_agenda(stage, NOW_MS + seconds * 1000)


@pytest.fixture
def waits() -> Callable[[object], bool]:
    """A function that says whether an awaitable does not come back by itself."""

    async def check(awaitable) -> bool:
        task = asyncio.ensure_future(awaitable)
        done, _ = await asyncio.wait([task], timeout=0)
        task.cancel()
        return not done

    return check
