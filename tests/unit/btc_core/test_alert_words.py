"""What people read: whole sentences with what to do, that fit into a message, whatever it is about."""

from datetime import UTC, datetime, timedelta

import pytest

from btc_core.alert_words import (
    MOST_CHARACTERS,
    Decision,
    Message,
    message_of_decision,
    message_of_note,
    message_of_test,
    together,
)
from btc_core.incidents import Incident, Note

START = datetime(2025, 2, 14, 8, tzinfo=UTC)
DECISION = Decision(
    symbol="BTC",
    interval="37m",
    strategy="ma44",
    time=START,
    revision=0,
    signals="CLOSE_LONG, then OPEN_SHORT",
    exposure=-1.0,
    confidence=0.834,
    price=97123.5,
    snapshot={"close": 97123.5, "ma44": 97500.123456789, "ma125": 97000, "minutes": 37, "why": "text"},
)


def said(kind, what="start", *, subject="BTC", severity="warning", size=1, lasted=42, **details):
    """Return title and body of what is said of an incident."""
    incident = Incident(
        id=7,
        kind=kind,
        subject=subject,
        severity=severity,
        started_at=START,
        noticed_at=START,
        seen_at=START + timedelta(minutes=lasted),
        told_at=START,
        size=size,
        details=details,
    )
    message = message_of_note(Note(what, incident))
    return message.title, message.body


def test_a_gap():
    """How many minutes, since when, and what to do if they stay away."""
    title, body = said("gap", size=12, n_ranges=3, last="2025-02-14 09:00Z")
    assert title == "BTC: 12 minutes are missing since 2025-02-14 08:00Z"
    assert body.startswith("In 3 ranges, the last ends at 2025-02-14 09:00Z. The collector asks the exchange for them")
    assert "`btc gaps --symbol BTC`" in body
    assert said("gap", n_ranges=1)[0] == "BTC: 1 minute is missing since 2025-02-14 08:00Z"
    # Of the past: the command wants the symbol alone.
    assert "`btc gaps --symbol BTC`" in said("gap", subject="BTC, past")[1]


def test_the_end_of_a_gap():
    """Filled, or not: what stays away is said."""
    assert said("gap", "end", size=12) == (
        "BTC: no minute is missing any more",
        "12 minutes had been missing. It lasted 42 minutes, from 2025-02-14 08:00Z to 2025-02-14 08:42Z.",
    )
    assert said("gap", "end", size=12, lost=5)[0] == "BTC: 5 of 12 minutes stay missing"


@pytest.mark.parametrize(
    ("lasted", "text"), [(0, "a minute"), (119, "119 minutes"), (135, "2 h 15 min"), (2880, "2 days")]
)
def test_how_long_it_lasted(lasted, text):
    """In the unit that a person would take."""
    assert f"It lasted {text}, from" in said("stale", "end", lasted=lasted)[1]


def test_the_others():
    """Each says what it is about, and what to do."""
    assert said("stale")[0] == "BTC: no minute comes any more, the newest ended 2025-02-14 08:00Z"
    assert "`btc doctor`" in said("stale")[1]
    title, body = said("reconciliation", size=4, mismatch="3 (1h)", parity="1 (37m)")
    assert title == "BTC: 4 contradictions in the data since 2025-02-14 08:00Z"
    assert body.startswith("mismatch: 3 (1h), parity: 1 (37m).\nTo do: ")
    title, body = said("run_failed", subject="derive (BTC)", size=2, run_id="a1b2")
    assert title == "Dagster: 2 runs have failed of derive (BTC)"
    assert body.startswith("The last is a1b2;")
    title, body = said("disk", subject="/data", free_percent=8.3, free_gb=4.1, total_gb=50.0)
    assert (title, body[:17]) == ("Disk low: 8.3 % is free at /data", "4.1 of 50.0 GB. A")


def test_what_became_worse_and_what_lasts():
    """The same words, with another beginning."""
    assert said("disk", "worse", subject="/d", severity="error")[0].startswith("Now an error. Disk low: ")
    assert said("stale", "reminder")[0].startswith("Still: BTC: no minute comes any more")


def test_every_kind_has_a_beginning_and_an_end():
    """And every message a key of its own; reminders one for each time."""
    keys = set()
    for kind in ("gap", "stale", "reconciliation", "run_failed", "disk"):
        for what in ("start", "worse", "reminder", "end"):
            title, body = said(kind, what)
            assert title
            assert not body.startswith(" ")
    incident = Incident(
        id=7, kind="stale", subject="BTC", severity="error", started_at=START, noticed_at=START, seen_at=START
    )
    for what, told_at in (
        ("start", START),
        ("end", START),
        ("reminder", START),
        ("reminder", START + timedelta(days=1)),
    ):
        noted = Incident(
            **{name: getattr(incident, name) for name in incident.__struct_fields__} | {"told_at": told_at}
        )
        keys.add(message_of_note(Note(what, noted)).key)
    assert len(keys) == 4


def test_a_decision():
    """What was said, at what price, and the numbers that it rests on."""
    message = message_of_decision(DECISION)
    assert message.title == "BTC 37m ma44: CLOSE_LONG, then OPEN_SHORT at 97,123.5"
    assert message.body == (
        "Exposure −1, confidence 0.83, at the candle that closed 2025-02-14 08:37Z.\n"
        "It saw ma44 97,500.12346, ma125 97,000."
    )


def test_a_correction_is_news_where_the_exposure_is_another_one():
    """A price that changed by a step changes nothing for whoever follows."""
    fields = {name: getattr(DECISION, name) for name in DECISION.__struct_fields__} | {"revision": 1}
    assert DECISION.is_news
    assert not Decision(**fields | {"exposure_before": -1.0}).is_news
    other = Decision(**fields | {"exposure_before": 1.0})
    assert other.is_news
    body = message_of_decision(other).body
    assert body.startswith("After a correction of the data this is said otherwise than before: the exposure was +1.\n")


def message(n, *, severity="info", size=100):
    """Return a message of about so many characters."""
    return Message(key=f"{n}", kind="decision", severity=severity, title=f"title {n}", body="x" * size)


def test_one_message_is_sent_as_it_is():
    """With the link on its last line."""
    one = message_of_test(START)
    assert together([one], START) == (1, one.title, one.body)
    assert together([one], START, link="http://nas:8000/dashboard")[2].endswith("\nhttp://nas:8000/dashboard")


def test_what_waits_is_sent_together_and_whole():
    """As many as fit, in order; the rest follows; nothing is cut but what is too long by itself."""
    messages = [message(n, severity="error" if n == 3 else "info") for n in range(40)]
    left, sent = messages, []
    while left:
        n, title, body = together(left, START)
        assert len(body) <= MOST_CHARACTERS + 100
        assert all(f"title {int(each.key)}\n{'x' * 100}" in body for each in left[:n])
        sent.append(title)
        left = left[n:]
    assert sent[0].endswith(" messages since 2025-02-14 08:00Z, 1 of them an error")
    assert len(sent) == 3
    n, title, body = together([message(0, size=5000), message(1)], START)
    assert (n, title) == (1, "title 0")
    assert len(body) <= MOST_CHARACTERS


def test_a_digest_goes_alone():
    """It is a page of its own; what waits before it and behind it goes by itself."""
    digest = Message(key="d", kind="digest", severity="info", title="a day", body="- a\n\n- b")
    waiting = [message(0), message(1), digest, message(2)]
    assert together(waiting, START)[0] == 2
    assert together(waiting[1:], START)[:2] == (1, "title 1")
    assert together(waiting[2:], START) == (1, "a day", "- a\n\n- b")
