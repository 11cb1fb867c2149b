"""Frames that the exchange never sends raise nothing and become no row that they do not say."""

from datetime import UTC, datetime
from random import Random

import pytest

from benchmarks import fuzz
from benchmarks.mutate import Base, mutate
from collector.exchanges import hyperliquid

# `python -m benchmarks fuzz` sends a million.
N_FRAMES = 20_000
NOON = datetime(2025, 2, 14, 12, tzinfo=UTC)
T = 1739534340000


def frame(candle: str) -> bytes:
    """Return a candle frame with this text as its candle."""
    return f'{{"channel":"candle","data":{candle}}}'.encode()


def candle(**changed: str) -> str:
    """Return a valid candle of the minute before noon, with some of its raw values changed or added."""
    values = {"t": str(T), "T": str(T + 59_999), "s": '"ETH"', "i": '"1m"', "o": '"2.5"', "c": '"2"', "h": '"3"'}
    values |= {"l": '"1.5"', "v": '"7.25"', "n": "9", **changed}
    return "{" + ",".join(f'"{key}":{value}' for key, value in values.items()) + "}"


def test_twenty_thousand_mutated_frames_raise_nothing_and_store_nothing_wrong():
    """What is taken is what a strict reading says; each minute is stored with its most traded version."""
    outcome = fuzz.run(n=N_FRAMES, seed=20250214)
    assert (outcome.exceptions, outcome.wrong) == ([], [])
    # It would prove nothing if everything were refused, or nothing.
    assert outcome.n_accepted > N_FRAMES / 20
    assert outcome.refused.total() > N_FRAMES / 4


def test_the_fuzz_sees_a_parser_that_reads_numbers_as_python_does(monkeypatch):
    """float() takes "1_000", " 1 " and digits of other scripts: a parser that did would be found."""
    monkeypatch.setattr(hyperliquid, "_decimal", lambda raw: float(bytes(raw).decode().strip('"')))
    assert fuzz.run(n=N_FRAMES, seed=20250214).wrong != []


def test_the_fuzz_sees_rules_that_let_everything_pass(monkeypatch):
    """A candle that contradicts itself is none, whoever takes it."""
    monkeypatch.setattr(fuzz, "candle_fault", lambda _: None)
    assert fuzz.run(n=N_FRAMES // 4, seed=20250214).wrong != []


def test_the_fuzz_sees_a_session_that_keeps_the_last_version(monkeypatch):
    """The last version of a minute need not be the best one."""
    monkeypatch.setattr("collector.minutes.rank", lambda _: (0, 0.0))
    assert fuzz.run(n=N_FRAMES // 4, seed=20250214).wrong != []


@pytest.mark.parametrize(
    "changed",
    [
        {},
        {"o": "2.5", "c": "2", "h": "3.0", "l": "1.5"},
        {"x": "null", "isSnapshot": "true"},
        {"o": '"2.50000000000000000001"', "h": '"30e-1"'},
    ],
    ids=["as sent", "numbers for texts", "unknown keys", "exponent and noise"],
)
def test_the_strict_reading_reads_what_is_beyond_doubt(changed):
    """The documentation says number, the wire says text: both are read, with the same value."""
    expected = [fuzz.Reading(T, 2.5, 3.0, 1.5, 2.0, 7.25, 9)]
    assert fuzz.strict_reading(frame(candle(**changed)), NOON) == expected
    assert fuzz.accept(frame(candle(**changed)), NOON) == expected


@pytest.mark.parametrize(
    ("key", "value"),
    [
        *[("t", text) for text in ("null", '"1739534340000"', "true", str(T + 1), str(T + 10**7), str(T - 10**9))],
        *[("T", text) for text in (str(T + 60_000), str(T), "0", "null")],
        *[("s", text) for text in ('"BTC"', '"eth"', '"ETH "', "1")],
        *[("i", text) for text in ('"1M"', '"3m"', "1")],
        *[
            ("o", text)
            for text in ('"0"', '"-2.5"', '"1_0"', '" 2.5"', '"２.5"', '"NaN"', "NaN", "1e400", '"9"', "[2.5]")
        ],
        *[("v", text) for text in ('"-1"', '"0"', '"Infinity"', "null", '""')],
        *[("n", text) for text in ("-1", "0", "9.5", '"9"', "2147483648", "true")],
    ],
)
def test_both_readings_refuse_what_is_no_candle(key, value):
    """One by one, so that a reading that grows lenient is named."""
    assert fuzz.strict_reading(frame(candle(**{key: value})), NOON) == []
    assert fuzz.accept(frame(candle(**{key: value})), NOON) == []


def test_a_recorded_frame_is_taken_apart_whole():
    """All ten keys of the wire, with their values as they stand there."""
    at, base = fuzz.read_recording()[0]
    assert sorted(key for key, _ in base.pairs) == sorted("tTsiochlvn")
    assert len(fuzz.accept(base.frame, at)) == 1


def test_the_same_seed_gives_the_same_frames():
    """A frame that did harm can be made again."""
    base = Base(frame(candle()))
    first, second = ([mutate(rng, base, base.frame) for _ in range(500)] for rng in (Random(3), Random(3)))
    assert first == second
    assert len(set(first)) > 300
