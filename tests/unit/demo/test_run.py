"""What a run came to; the run itself is in tests/e2e/test_demo.py."""

from datetime import UTC, datetime

from demo.progress import EndedBacktest, Facts, Held, Said, Value
from demo.run import Outcome, summary

START = datetime(2025, 1, 6, tzinfo=UTC)


def test_a_run_that_never_began_has_an_empty_summary():
    """The keys are there all the same."""
    assert summary(Outcome()) == {
        "seconds_to_backtest": None,
        "candles": {},
        "indicators": {},
        "n_decisions": 0,
        "backtests": [],
    }


def test_the_summary_counts_what_there_is():
    """As it was read last."""
    facts = Facts(
        candles={"1m": Held(5, START, START)},
        values=[Value("37m", "ma44", START, 1.0, 3)],
        said=[Said("37m", START, 0, "HOLD", 1.0, 0.0, {})],
        tested=[EndedBacktest("7", "37m", "finished", START, START, {"n_trades": 2}, None)],
    )
    assert summary(Outcome(facts, 12.5)) == {
        "seconds_to_backtest": 12.5,
        "candles": {"1m": 5},
        "indicators": {"37m ma44": 3},
        "n_decisions": 1,
        "backtests": [{"id": "7", "interval": "37m", "status": "finished", "results": {"n_trades": 2}}],
    }
