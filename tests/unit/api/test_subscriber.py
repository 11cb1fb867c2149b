"""The outbox of a client: in order, bounded, and emptied when the client has to go."""

import asyncio

import pytest

from api import subscriber
from api.subscriber import TRY_AGAIN_LATER, Subscriber


async def test_messages_are_taken_in_the_order_in_which_they_were_put():
    """Who takes out waits for more."""
    client = Subscriber()
    taking = asyncio.create_task(client.take())
    await asyncio.sleep(0)
    assert not taking.done()
    client.put("a")
    client.put("b")
    assert [await taking, await client.take()] == ["a", "b"]


@pytest.mark.parametrize(("name", "most"), [("MAX_MESSAGES", 3), ("MAX_CHARACTERS", 30)])
async def test_a_client_that_leaves_too_much_is_dropped(monkeypatch, name, most):
    """By the number of messages and by their length; what waits is forgotten, and nothing more is put."""
    monkeypatch.setattr(subscriber, name, most)
    client = Subscriber()
    for _ in range(3):
        client.put("x" * 10)
    assert not client.dropped.done()
    client.put("y")
    assert client.dropped.result().code == TRY_AGAIN_LATER
    assert "too slow" in client.dropped.result().reason
    client.put("z")
    with pytest.raises(TimeoutError):
        await asyncio.wait_for(client.take(), 0.01)


async def test_what_was_taken_counts_no_more(monkeypatch):
    """A client that reads may hear as much as it likes."""
    monkeypatch.setattr(subscriber, "MAX_CHARACTERS", 30)
    client = Subscriber()
    for _ in range(100):
        client.put("x" * 20)
        await client.take()
    assert not client.dropped.done()


async def test_a_client_that_takes_nothing_for_too_long_is_dropped(monkeypatch):
    """One for which nothing waits is not."""
    now = [100.0]
    monkeypatch.setattr(subscriber.time, "monotonic", lambda: now[0])
    idle, stalled = Subscriber(), Subscriber()
    now[0] += 1_000
    stalled.put("x")
    for client in (idle, stalled):
        client.drop_if_stalled()
        assert not client.dropped.done()
    now[0] += subscriber.STALL_SECONDS + 1
    for client in (idle, stalled):
        client.drop_if_stalled()
    assert (idle.dropped.done(), stalled.dropped.done()) == (False, True)
