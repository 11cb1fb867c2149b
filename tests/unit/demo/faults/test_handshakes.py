"""Who is let in."""

from demo.faults.handshakes import ConnectionLimit, ConnectionRate, HangingConnect, RefusedHandshake


async def test_a_handshake_is_refused_with_the_status_of_the_script(begin):
    """Whoever asks."""
    fault = RefusedHandshake(status=403)
    assert await fault.admit(begin(fault), "a") == 403


async def test_a_connect_hangs_until_the_fault_is_over(begin, waits):
    """Then it is refused."""
    fault = HangingConnect()
    spell = begin(fault)
    assert await waits(fault.admit(spell, "a"))
    spell.over.set()
    assert await fault.admit(spell, "a") == 503


async def test_ten_connections_are_enough(begin):
    """The stage has ten."""
    assert await ConnectionLimit().admit(begin(ConnectionLimit()), "a") == 429
    assert await ConnectionLimit(most=11).admit(begin(ConnectionLimit()), "a") is None


async def test_attempts_are_counted_by_address(begin, stage):
    """Thirty a minute, this one included; another address has its own thirty."""
    for _ in range(31):
        stage.connects.add("a", stage.now_ms(), 1)
    spell = begin(ConnectionRate())
    assert await ConnectionRate().admit(spell, "a") == 429
    assert await ConnectionRate().admit(spell, "b") is None
