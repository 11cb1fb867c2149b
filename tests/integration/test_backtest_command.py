"""``btc backtest`` over stored minutes: what cannot be answered is a sentence, and what is doubtful is told."""

import json
from datetime import UTC, datetime, timedelta

import polars as pl
import pytest
from click.testing import CliRunner

from btc_assets.cli import main
from btc_store.frames import open_frames
from btc_store.instruments import Instrument, store_instruments
from tests.derivation import minute, minutes_frame, store_minutes

START = datetime(2025, 3, 3, tzinfo=UTC)
GAP = (START + timedelta(hours=30), START + timedelta(hours=32))
GOOD = {"symbol": "BTC", "intervals": "1h", "strategy": "ma", "start": "2025-03-03", "end": "2025-03-06"}


@pytest.fixture
def ask(database_url, settings_for):
    """A function that asks for a backtest with some options changed; three days are stored, but for two hours."""
    rows = [minute(n, START, price=100.0 + (n // 300) % 2) for n in range(3 * 1_440)]
    minutes = minutes_frame(rows).filter(~pl.col("time").is_between(*GAP, closed="left"))
    with open_frames(database_url) as frames:
        store_minutes(frames, "BTC", minutes)
        store_instruments(frames, {"BTC": Instrument(coin="BTC", sz_decimals=5, max_leverage=3.0)})

    def run(*more, **changes):
        given = [f"--{name}={value}" for name, value in {**GOOD, "param": "period=3", **changes}.items()]
        return CliRunner().invoke(main, ["backtest", *given, *more], obj=settings_for(database_url))

    return run


@pytest.mark.parametrize(
    ("changes", "code", "said"),
    [
        ({"leverage": 5}, 2, "at most 3, which is the exchange's maximum for this coin; found 5."),
        (
            {"start": "2025-02-01", "end": "2025-03-01"},
            1,
            "no 1m candle of BTC is stored between 2025-02-01 00:00Z and",
        ),
        ({"start": "2025-03-04T06:00Z", "end": "2025-03-04T08:00Z"}, 1, "no 1m candle of BTC is stored between"),
        (
            {"intervals": "1w"},
            1,
            "no 1w candle closes between 2025-03-03 00:00Z and 2025-03-06 00:00Z: choose a longer",
        ),
    ],
)
def test_what_cannot_be_answered_is_a_sentence(ask, changes, code, said):
    """More leverage than the coin has; nothing stored at all, nothing in a gap; no candle."""
    result = ask(**changes)
    assert (result.exit_code, result.stdout) == (code, "")
    assert said in result.stderr
    assert result.stderr.count("\n") <= 2


def test_what_is_doubtful_is_told(ask):
    """Missing minutes with the trades across them, unknown funding, and where nothing was decided or sent."""
    told = ask(intervals="37m,1d", capital=9).stdout.splitlines()
    assert told[0] == "ma on BTC, 2025-03-03 00:00Z to 2025-03-06 00:00Z"
    assert any("the funding of 72 hours is not stored and counts as 0: `btc funding`" in line for line in told)
    assert any(line.startswith("orders that were too small to be sent (min_notional 10): 37m ") for line in told)
    (gap,) = [line for line in told if line.startswith("120 minutes of the range are not stored; trades")]
    assert gap.endswith("candles too incomplete to decide on: 37m 2, 1d 0")


def test_a_gap_is_in_the_figures(ask):
    """And in the trades that were held across it."""
    found = json.loads(ask("--json").stdout)
    assert (found["n_missing_minutes"], found["n_trades_across_gaps"]) == (120, 1)
    assert (found["funding_paid"], found["funding_missing_hours"]) == (None, 72)


def test_where_too_little_is_stored_to_decide_it_says_so(ask):
    """No figure is 0 without a reason."""
    told = ask(param="period=500")
    assert told.exit_code == 0
    assert "1h: nothing was decided: ma looks at 499 candles before its first decision, and fewer are" in told.stdout


def test_a_parameter_is_given_once(ask):
    """Which of two is meant nobody knows."""
    result = ask("--param", "period=4")
    assert result.exit_code == 2
    assert "--param 'period=4': expected each parameter once, found period=3 before it" in result.stderr
