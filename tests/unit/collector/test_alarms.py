"""Alarms in the log."""

from collector.alarms import AT_ONCE, QUIET_SECONDS, Alarms


def test_a_flood_is_one_line_a_minute(caplog):
    """The first of a kind are logged with their fields; the rest are counted and told when the minute is over."""
    now = [0.0]
    alarms = Alarms(clock=lambda: now[0])
    for i in range(100):
        alarms.warn("candle refused", {"i": i})
    alarms.warn("other", {})
    assert [record.message for record in caplog.records] == ["candle refused"] * AT_ONCE + ["other"]
    now[0] = QUIET_SECONDS
    alarms.warn("candle refused", {"i": 100})
    assert [record.message for record in caplog.records[-2:]] == ["more of the same", "candle refused"]
    assert caplog.records[-2].n_suppressed == 100 - AT_ONCE


def test_every_event_is_counted(caplog):
    """The log is bounded for its reader; a count needs no bound."""
    events: list[str] = []
    alarms = Alarms(events.append)
    for _ in range(AT_ONCE + 3):
        alarms.warn("database is away", {})
    assert events == ["database is away"] * (AT_ONCE + 3)
    assert len(caplog.records) == AT_ONCE
