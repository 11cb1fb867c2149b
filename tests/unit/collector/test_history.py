"""Missing minutes by REST: how they are asked for, what the process says. What it stores is in tests/integration."""

import json
from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from btc_core.errors import ExchangeError
from btc_core.model.timerange import MINUTE, TimeRange
from collector import history
from collector.exchanges.hyperliquid import EXCHANGE
from collector.history import Window, main, patiently, windows_of

START = datetime(2026, 3, 4, tzinfo=UTC)
LONGEST = EXCHANGE.history_window


def hole(first, last):
    """Return the range from one minute after START to another, the last not included."""
    return TimeRange(START + first * MINUTE, START + last * MINUTE)


def weigh(n_rows):
    """Return what the exchange says that a question costs."""
    return EXCHANGE.request_weight(n_rows=n_rows)


def windows(*holes):
    """Return the questions for some holes."""
    return windows_of(holes, longest=LONGEST, weigh=weigh)


def test_a_hole_is_one_question():
    """Its own minutes are asked for, and no others."""
    assert windows(hole(3, 5)) == [Window(hole(3, 5), (hole(3, 5),))]


def test_holes_near_each_other_are_one_question():
    """The rows between them cost less than a second request."""
    assert windows(hole(0, 1), hole(100, 101)) == [Window(hole(0, 101), (hole(0, 1), hole(100, 101)))]


def test_holes_far_apart_are_two():
    """A day of rows costs more than a request."""
    assert len(windows(hole(0, 1), hole(1440, 1441))) == 2


def test_a_long_hole_is_cut():
    """No question is longer than the exchange's window."""
    assert [one.span for one in windows(hole(0, 5000))] == [hole(0, 4800), hole(4800, 5000)]


@given(st.sets(st.integers(0, 9000), min_size=2, max_size=60))
def test_questions_cover_the_holes_and_are_no_dearer_than_one_each(ends):
    """Every hole is asked for once, none twice, in windows that the exchange allows."""
    edges = sorted(ends)[: len(ends) // 2 * 2]
    holes = [hole(first, last) for first, last in zip(edges[::2], edges[1::2], strict=True)]
    asked = windows(*holes)
    parts = [part for window in asked for part in window.holes]
    minutes = [(part.start + n * MINUTE) for part in parts for n in range(part.n_minutes)]
    assert minutes == [(one.start + n * MINUTE) for one in holes for n in range(one.n_minutes)]
    assert all(window.span.end - window.span.start <= LONGEST for window in asked)
    assert all(part.clip(window.span) == part for window in asked for part in window.holes)
    assert sum(weigh(window.span.n_minutes) for window in asked) <= sum(weigh(part.n_minutes) for part in parts)


class Answers:
    """Something that fails so often before it answers."""

    def __init__(self, *failures):
        self.failures = list(failures)
        self.n_asked = 0

    async def __call__(self):
        """Answer, or fail."""
        self.n_asked += 1
        if self.failures:
            raise self.failures.pop(0)
        return "answer"


@pytest.fixture
def at_once(monkeypatch):
    """No waiting between two tries."""
    monkeypatch.setattr(history, "FIRST_WAIT_SECONDS", 0.0)


async def test_a_failure_that_passes_is_asked_again(at_once):
    """As often as that helps, within a bound."""
    assert await patiently(Answers(ExchangeError("502"), ExchangeError("timeout"))) == "answer"
    always = Answers(*[ExchangeError("502")] * 99)
    with pytest.raises(ExchangeError, match="502"):
        await patiently(always)
    assert always.n_asked == history.TRIES


async def test_a_failure_that_does_not_pass_is_not_repeated(at_once):
    """What the exchange cannot read now it cannot read later."""
    refused = Answers(ExchangeError("422", is_transient=False))
    with pytest.raises(ExchangeError, match="422"):
        await patiently(refused)
    assert refused.n_asked == 1


@pytest.fixture
def settings(settings_for, monkeypatch):
    """The settings that the process is given: nobody's database."""
    given = settings_for("postgresql://btc_bot@127.0.0.1:1/btc_data")
    monkeypatch.setattr(history, "load_settings", lambda: given)
    return given


def arguments(settings, *more, symbol="BTC"):
    """Return a command line about the last hour."""
    end = settings.now()
    ends = ["--start", (end - timedelta(hours=1)).isoformat(), "--end", end.isoformat()]
    return ["--symbol", symbol, *ends, *more]


def test_an_unknown_symbol(settings, capsys):
    """Bad usage; the sentence comes as a line of JSON where that is wanted."""
    assert main(arguments(settings, "--json", symbol="BTX")) == 2
    assert json.loads(capsys.readouterr().out) == {"error": "unknown symbol 'BTX'. Did you mean BTC?"}


def test_a_database_that_is_away(settings, capsys):
    """A failed operation."""
    assert main(arguments(settings)) == 1
    told = capsys.readouterr()
    assert told.out == ""
    assert told.err.startswith("collector.history: no usable database at 127.0.0.1:1")


def test_what_the_exchange_has_no_longer_is_not_asked_for(settings, capsys):
    """Neither the exchange nor the database is."""
    assert main(["--symbol", "BTC", "--start", "2021-01-01", "--end", "2021-02-01", "--json"]) == 0
    assert json.loads(capsys.readouterr().out) == {"n_stored": 0}
