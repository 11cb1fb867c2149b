"""What the demo tells, from plain facts."""

from datetime import UTC, datetime, timedelta

from demo.progress import EndedBacktest, Facts, Held, Said, Value
from demo.story import Story, describe, figures, heartbeat

START = datetime(2025, 1, 6, tzinfo=UTC)
M37 = timedelta(minutes=37)


def facts(*, candles=None, values=(), said=(), tested=()):
    """Return facts of which only what a case is about is given."""
    return Facts(candles=candles or {}, values=values, said=said, tested=tested)


def said(number, signal="HOLD", *, seq=0, interval="37m"):
    """Return the decision on the candle with a number."""
    snapshot = {"ma44": 99_000.5, "minutes": 37, "expected_minutes": 37}
    return Said(interval, START + number * M37, seq, signal, 100_000.0, 1.0, snapshot)


def backtest(status="finished", **results):
    """Return a backtest of two days that is over."""
    error = None if status == "finished" else "no candles"
    return EndedBacktest("7", "37m", status, START, START + timedelta(days=2), results, error)


def test_nothing_is_told_of_nothing():
    """An empty database has no story."""
    assert Story("ma44").tell(facts()) == []


def test_the_first_of_each_is_told_once():
    """Candles and indicator values are told when they are there first, with their number and span."""
    story = Story("ma44")
    there = facts(
        candles={"1m": Held(5_000, START, START + timedelta(days=1))},
        values=[Value("37m", "ma44", START, 99_000.54, 12)],
    )
    assert [(line.subject, line.text) for line in story.tell(there)] == [
        ("1m candles", "the first 5,000: 2025-01-06 00:00Z to 2025-01-07 00:00Z"),
        ("37m ma44", "the first 12 values, the last 99,000.5 at 2025-01-06 00:00Z"),
    ]
    assert story.tell(there) == []


def test_many_decisions_are_told_by_their_number_and_the_last_change():
    """A history is a batch; the next one is called more."""
    story = Story("ma44")
    history = [said(i, "OPEN_LONG" if i == 3 else "HOLD") for i in range(10)]
    count, last = story.tell(facts(said=history))
    assert (count.subject, count.text) == (
        "37m decisions",
        "ma44: the first 10, 1 of them change the position; the last change:",
    )
    assert last.text == describe(history[3])
    (more,) = story.tell(facts(said=[*history, *(said(i) for i in range(10, 20))]))
    assert more.text == "ma44: 10 more, 0 of them change the position"
    assert story.has_decisions


def test_few_decisions_are_told_each_and_hold_is_silent():
    """A reversal is two lines; what was told is not told again."""
    story = Story("ma44")
    first = [said(0), said(1, "CLOSE_LONG"), said(1, "OPEN_SHORT", seq=1)]
    assert [line.text.split()[2] for line in story.tell(facts(said=first))] == ["CLOSE_LONG", "OPEN_SHORT"]
    assert story.tell(facts(said=[*first, said(2)])) == []


def test_intervals_are_told_apart():
    """A decision on 148m is new although one on 37m is later."""
    story = Story("ma44")
    story.tell(facts(said=[said(5)]))
    (line,) = story.tell(facts(said=[said(5), said(0, "OPEN_LONG", interval="148m")]))
    assert line.subject == "148m decision"


def test_a_decision_in_a_line():
    """Time, signal, price, the indicators it saw, exposure; what else the snapshot holds is left out."""
    line = describe(said(0, "OPEN_LONG"))
    assert line == "2025-01-06 00:00Z  OPEN_LONG    price 100,000  ma44 99,000.5  exposure +1.00"


def test_the_figures_of_a_backtest():
    """Percent on the screen; an undefined figure is a dash, never nan."""
    done = backtest(total_return=0.0312, n_trades=12, max_drawdown=0.05, sharpe=None)
    assert figures(done) == "2.0 days: return +3.12%, 12 trades, max drawdown 5.00%, Sharpe –"


def test_a_failed_backtest_says_why():
    """It is told too."""
    (line,) = Story("ma44").tell(facts(tested=[backtest("failed")]))
    assert line.text == "failed: no candles"


def test_the_heartbeat():
    """Market time and counts."""
    line = heartbeat(facts(candles={"1m": Held(1_234, START, START)}), START + timedelta(seconds=75))
    assert line.text == "market time 2025-01-06 00:01Z; candles: 1,234 of 1m"
