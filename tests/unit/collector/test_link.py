"""The deadlines of one connection."""

from datetime import UTC, datetime, timedelta

from collector.link import Link, Timing

NOON = datetime(2025, 2, 14, 12, tzinfo=UTC)
SECOND = timedelta(seconds=1)


def link(*, is_careful: bool = False) -> Link:
    """Return a fresh connection that is to be replaced after an hour."""
    return Link(1, NOON, Timing(), rotate_time=NOON + timedelta(hours=1), is_careful=is_careful)


def test_every_coin_is_subscribed_to_at_once():
    """And only once."""
    one = link()
    assert one.want(["BTC", "ETH"], NOON) == ["BTC", "ETH"]
    assert one.want(["ETH", "SOL"], NOON) == ["SOL"]


def test_a_careful_connection_subscribes_one_by_one():
    """The next one when the last is confirmed, so that the one that kills it is known."""
    one = link(is_careful=True)
    assert one.want(["BTC", "BAD", "ETH"], NOON) == ["BTC"]
    assert one.suspects(NOON + SECOND) == ["BTC"]
    assert one.confirm("BTC", NOON + SECOND) == ["BAD"]
    assert one.suspects(NOON + 1.1 * SECOND) == ["BAD"]


def test_a_drop_long_after_the_subscription_is_nobodys_fault():
    """One second tells an answer from a coincidence."""
    one = link()
    one.want(["BTC", "ETH"], NOON)
    assert one.suspects(NOON + SECOND) == ["BTC", "ETH"]
    assert one.suspects(NOON + 1.1 * SECOND) == []
    one.confirm("BTC", NOON)
    assert one.suspects(NOON) == ["ETH"]


def test_an_unconfirmed_subscription_is_a_fault_after_ten_seconds():
    """It names the coins."""
    one = link()
    one.want(["BTC", "ETH"], NOON)
    one.confirm("ETH", NOON)
    assert one.fault(NOON + 9.9 * SECOND) is None
    assert one.fault(NOON + 10 * SECOND) == "no_ack"
    assert one.late_acks(NOON + 10 * SECOND) == ["BTC"]


def test_silence_is_a_fault_after_30_seconds():
    """Any message ends it."""
    one = link()
    one.hear(NOON + 20 * SECOND)
    assert one.fault(NOON + 49 * SECOND) is None
    assert one.fault(NOON + 50 * SECOND) == "silence"


def test_a_ping_is_due_every_15_seconds_and_answered_within_10():
    """Messages of the stream are no answer: only a pong shows that the exchange still reads."""
    one = link()
    assert not one.is_ping_due(NOON + 14 * SECOND)
    assert one.is_ping_due(NOON + 15 * SECOND)
    assert not one.is_ping_due(NOON + 15 * SECOND)
    one.hear(NOON + 24 * SECOND)
    assert one.fault(NOON + 25 * SECOND) == "no_pong"
    one.hear_pong()
    assert one.fault(NOON + 25 * SECOND) is None
    assert one.deadline == NOON + 30 * SECOND


def test_it_asks_once_to_be_replaced():
    """And is leaving from then on."""
    one = link()
    assert not one.is_rotation_due(NOON + timedelta(minutes=59))
    assert one.is_rotation_due(NOON + timedelta(hours=1))
    assert one.is_leaving
    assert not one.is_rotation_due(NOON + timedelta(hours=2))


def test_it_is_ready_ten_seconds_after_its_last_confirmation():
    """Then the one that it replaces may go."""
    one = link()
    one.want(["BTC", "ETH"], NOON)
    one.confirm("BTC", NOON)
    assert not one.is_ready(NOON + timedelta(minutes=1))
    one.confirm("ETH", NOON + 5 * SECOND)
    assert not one.is_ready(NOON + 14 * SECOND)
    assert one.is_ready(NOON + 15 * SECOND)
    one.settle_in()
    assert not one.is_ready(NOON + timedelta(hours=1))


def test_a_coin_that_is_left_out_owes_nothing():
    """Neither an answer nor a candle."""
    one = link()
    one.want(["BTC"], NOON)
    assert one.leave_out("BTC")
    assert one.fault(NOON + 20 * SECOND) is None
    assert not one.leave_out("BTC")
    assert one.want(["BTC"], NOON) == ["BTC"]


def test_it_hears_a_coin_since_its_subscription_was_confirmed():
    """What was traded before is no proof of deafness."""
    one = link()
    one.want(["BTC"], NOON)
    assert not one.hears("BTC", NOON)
    one.confirm("BTC", NOON + SECOND)
    assert not one.hears("BTC", NOON)
    assert one.hears("BTC", NOON + SECOND)
