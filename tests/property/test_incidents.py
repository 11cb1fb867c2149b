"""The rules of incidents, for any order of things that go wrong and right: one beginning, one end, nothing between."""

from collections import Counter
from datetime import UTC, datetime, timedelta
from itertools import pairwise

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from btc_core.alerts import AlertsConfig
from btc_core.incidents import Incident, Rules, Sighting, advance, rules_of

START = datetime(2025, 2, 14, 8, tzinfo=UTC)
TICK = timedelta(seconds=30)
RULES = Rules(patience={"gap": timedelta(minutes=10)}, calm=timedelta(minutes=5), reminder=timedelta(hours=24))
N_CALM, N_PATIENCE = 10, 20

# What is seen at each tick: for stretches of ticks, nothing or one of these.
THINGS = [("gap", "BTC"), ("gap", "ETH"), ("stale", "BTC")]
looks = st.lists(st.tuples(st.integers(1, 40), st.sets(st.sampled_from(THINGS))), min_size=1, max_size=8).map(
    lambda parts: [things for n, things in parts for _ in range(n)]
)


def sighting(kind="stale", subject="BTC", severity="warning", *, size=1, is_news=True, since=START, **details):
    """Return something that is wrong."""
    told = {"severity": severity, "since": since, "size": size, "is_news": is_news, "details": details}
    return Sighting(kind=kind, subject=subject, **told)


def play(ticks, *, rules=RULES, start=START):
    """Look at each tick; return all notes as tick, word, kind and subject. What is kept is kept as rows keep it."""
    notes, known = [], []
    for n, things in enumerate(ticks):
        seen = [sighting(*thing) for thing in sorted(things)]
        looked = advance(known, seen, now=start + n * TICK, rules=rules)
        notes += [(n, note.what, note.incident.kind, note.incident.subject) for _, note in looked if note]
        kept = [incident for incident, _ in looked if incident.ended_at is None]
        known = msgspec.json.decode(msgspec.json.encode(kept), type=list[Incident])
        assert len({(each.kind, each.subject) for each in known}) == len(known)
    return notes


def stretches(ticks, thing):
    """Return the first and last tick of each stretch in which a thing was seen, calmer pauses than the rule's apart."""
    seen = [n for n, things in enumerate(ticks) if thing in things]
    if not seen:
        return []
    breaks = [(a, b) for a, b in pairwise(seen) if b - a > N_CALM]
    return list(zip([seen[0], *(b for _, b in breaks)], [*(a for a, _ in breaks), seen[-1]], strict=True))


@given(looks)
def test_each_stretch_has_one_beginning_and_one_end(ticks):
    """Whatever flickers in between: told when patience is over, and over when it has been calm for long enough."""
    ticks = [*ticks, *[set()] * (N_CALM + 1)]
    notes = play(ticks)
    for kind, subject in THINGS:
        patience = N_PATIENCE if kind == "gap" else 0
        told = []
        for first, last in stretches(ticks, (kind, subject)):
            # It is told at a look that sees it: the first one after its patience.
            at = [n for n in range(first + patience, last + 1) if (kind, subject) in ticks[n]]
            told += [(at[0], "start"), (last + N_CALM, "end")] if at else []
        assert [(n, what) for n, what, *about in notes if about == [kind, subject]] == told


@given(looks, st.integers(1, 5))
def test_it_does_not_matter_how_often_one_looks(ticks, n_times):
    """The same look again says nothing: the number of messages hangs on what happened alone."""
    notes, known = [], []
    for n, things in enumerate(ticks):
        for _ in range(n_times):
            looked = advance(known, [sighting(*thing) for thing in sorted(things)], now=START + n * TICK, rules=RULES)
            notes += [(n, note.what, note.incident.kind, note.incident.subject) for _, note in looked if note]
            known = [incident for incident, _ in looked if incident.ended_at is None]
    assert notes == play(ticks)


@given(looks, st.integers(-10_000, 10_000))
def test_a_clock_that_is_set_ends_no_incident_for_ever(ticks, jump):
    """Back or forth: in the end every beginning has its end."""
    notes, known, at = Counter(), [], START
    for n, things in enumerate([*ticks, *[set()] * (N_CALM + 1)]):
        at = START + n * TICK + (jump * TICK if n >= len(ticks) // 2 else timedelta(0))
        looked = advance(known, [sighting(*thing) for thing in sorted(things)], now=at, rules=RULES)
        notes.update(note.what for _, note in looked if note)
        known = [incident for incident, _ in looked if incident.ended_at is None]
    assert known == []
    assert notes["start"] == notes["end"]


def test_an_error_is_told_although_it_was_told_as_less():
    """It may have been held back: once, not at every look."""
    known, words = [], []
    for n, severity in enumerate(["warning", "warning", "error", "error", "warning", "error"]):
        ((incident, note),) = advance(known, [sighting(severity=severity)], now=START + n * TICK, rules=RULES)
        known, words = [incident], [*words, note and note.what]
    assert words == ["start", None, "worse", None, None, None]


@pytest.mark.parametrize(("hours", "n_reminders"), [(24, 3), (1, 80), (0, 0)])
def test_what_lasts_is_told_again_once_in_a_while(hours, n_reminders):
    """Eighty hours and a bit."""
    rules = rules_of(AlertsConfig(reminder_hours=hours))
    known, words = [], Counter()
    for n in range(0, 80 * 120 + 2, 2):
        ((incident, note),) = advance(known, [sighting()], now=START + n * TICK, rules=rules)
        known = [incident]
        words.update([note.what] if note else [])
    assert words == Counter(start=1, reminder=n_reminders)


def test_what_has_been_known_for_long_begins_nothing_and_ends_without_a_word():
    """An old finding that stays open is no news."""
    old = sighting("reconciliation", is_news=False)
    assert advance([], [old], now=START, rules=RULES) == []
    ((incident, _),) = advance([], [sighting("reconciliation")], now=START, rules=RULES)
    ((ended, note),) = advance([incident], [old], now=START + TICK, rules=RULES)
    assert (ended.ended_at, note) == (START + TICK, None)
    # One that is new beside it keeps it open.
    ((still, _),) = advance([incident], [old, sighting("reconciliation")], now=START + TICK, rules=RULES)
    assert still.ended_at is None


def test_several_sightings_are_one():
    """The larger one's details, the worst severity, the first time; and of two looks the larger one's."""
    seen = [
        sighting("gap", size=3, since=START - 2 * TICK, n_ranges=1),
        sighting("gap", size=9, severity="error", since=START - TICK, n_ranges=2),
    ]
    ((incident, _),) = advance([], seen, now=START, rules=RULES)
    assert (incident.size, incident.severity, incident.started_at) == (9, "error", START - 2 * TICK)
    assert incident.details == {"n_ranges": 2}
    ((later, _),) = advance([incident], [sighting("gap", size=1, n_ranges=7)], now=START + TICK, rules=RULES)
    assert (later.size, later.details) == (9, {"n_ranges": 2})
