"""Alarms in the log."""

from collector.journal import AT_ONCE, QUIET_SECONDS, Journal


def test_a_flood_is_one_line_a_minute(caplog):
    """The first of a kind are logged with their fields; the rest are counted and told when the minute is over."""
    now = [0.0]
    journal = Journal(lambda: now[0])
    for i in range(100):
        journal.warn("candle refused", {"i": i})
    journal.warn("other", {})
    assert [record.message for record in caplog.records] == ["candle refused"] * AT_ONCE + ["other"]
    now[0] = QUIET_SECONDS
    journal.warn("candle refused", {"i": 100})
    assert [record.message for record in caplog.records[-2:]] == ["more of the same", "candle refused"]
    assert caplog.records[-2].n_suppressed == 100 - AT_ONCE
