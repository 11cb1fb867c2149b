"""The words themselves, in cases; the laws are in ``tests/property/test_decisions.py``."""

import json
from datetime import UTC, datetime, timedelta

import polars as pl
import pytest

from btc_core.decide import Completeness, decide
from btc_core.indicator import NamedIndicator
from btc_core.model.interval import parse_interval
from btc_core.model.timerange import MINUTE
from btc_core.strategy import NamedStrategy, Strategy, load_strategy
from tests.derivation import NO_MINUTES, candles_of_closes

START = datetime(2025, 1, 1, tzinfo=UTC)
HOUR = parse_interval("1h")
LATER = START + timedelta(days=30)
RULE = Completeness(min_completeness=0.95, wait=timedelta(minutes=10))


def said(closes, *, minutes=(), now=LATER, since=START, before=0.0, absent=(), no_trade=()):
    """Return positions, decisions and skipped candles of hours that close at these prices, for the mean of two.

    Some candles are absent; in some minutes after the start nobody traded.
    """
    candles = candles_of_closes(closes, HOUR, START)
    if minutes:
        candles = candles.with_columns(minutes=pl.Series(minutes, dtype=pl.Int32))
    candles = candles.filter(~pl.col("time").is_in([START + timedelta(hours=n) for n in absent]))
    strategy = load_strategy("ma", {"period": 2})
    silent = pl.Series([START + n * MINUTE for n in no_trade], dtype=NO_MINUTES.dtype)
    return decide(candles, strategy, HOUR, no_trade=silent, rule=RULE, since=since, before=before, now=now)


def hours(frame):
    """Return which hours a frame is about."""
    return [(time - START) // timedelta(hours=1) for time in frame["time"]]


def test_a_reversal_is_a_close_and_an_open():
    """Up, up, down: OPEN_LONG, HOLD, then CLOSE_LONG (seq 0) and OPEN_SHORT (seq 1)."""
    _, decisions, _ = said([10.0, 11.0, 12.0, 11.0])
    assert decisions.select("seq", "signal", "exposure").rows() == [
        (0, "OPEN_LONG", 1.0),
        (0, "HOLD", 1.0),
        (0, "CLOSE_LONG", -1.0),
        (1, "OPEN_SHORT", -1.0),
    ]


def test_a_tie_keeps_what_stands():
    """Equal closes have no opinion: nothing is opened, and nothing closed (law 12)."""
    assert said([10.0, 10.0, 10.0])[1]["signal"].to_list() == ["HOLD", "HOLD"]
    assert said([10.0, 10.0, 10.0], before=-1.0)[1]["exposure"].to_list() == [-1.0, -1.0]
    assert said([10.0, 11.0, 11.0, 11.0])[1]["signal"].to_list() == ["OPEN_LONG", "HOLD", "HOLD"]


def test_a_decision_carries_what_it_saw():
    """Close time, price, confidence, and a snapshot of close, indicators and completeness."""
    _, decisions, _ = said([10.0, 10.2])
    row = decisions.row(0, named=True)
    assert (row["time"], row["close_time"]) == (START + timedelta(hours=1), START + timedelta(hours=2))
    assert row["price"] == 10.2
    assert row["confidence"] == pytest.approx((10.2 / 10.1 - 1) / 0.02)
    assert json.loads(row["indicator_snapshot"]) == {
        "close": 10.2,
        "expected_minutes": 60,
        "ma2": 10.1,
        "minutes": 60,
    }


def test_the_warm_up_says_nothing():
    """The first candle has no mean of two."""
    assert hours(said([10.0, 11.0, 12.0])[1]) == [1, 2]
    assert said([10.0])[1].is_empty()


def test_an_indicator_without_a_value_is_no_opinion_and_no_missing_candle():
    """Where the price stands still there is no z-score: the position stays, and nobody waits for the candle."""
    rule = Strategy(
        description="For the test.",
        parameters={},
        indicators=lambda _: [NamedIndicator("score", "zscore", {"period": 2})],
        wanted=lambda _: pl.col("score").sign(),
        confidence=lambda _: pl.col("score").abs().clip(upper_bound=1.0),
    )
    candles = candles_of_closes([10.0, 11.0, 11.0, 12.0], HOUR, START)
    strategy = NamedStrategy("test", rule, {})
    _, decisions, skipped = decide(
        candles, strategy, HOUR, no_trade=NO_MINUTES, rule=RULE, since=START, before=0.0, now=LATER
    )
    assert decisions.select("signal", "confidence").rows() == [("OPEN_LONG", 1.0), ("HOLD", 0.0), ("HOLD", 1.0)]
    assert [json.loads(text)["score"] for text in decisions["indicator_snapshot"]] == [1.0, None, 1.0]
    assert skipped.is_empty()


@pytest.mark.parametrize(("there", "is_decided"), [(60, True), (57, True), (56, False), (1, False)])
def test_ninety_five_percent_are_enough_exactly(there, is_decided):
    """57 of 60 minutes are 0.95; the rest is skipped."""
    _, decisions, skipped = said([10.0, 11.0], minutes=[60, there])
    assert (hours(decisions), hours(skipped)) == (([1], []) if is_decided else ([], [1]))


def test_a_skipped_candle_keeps_the_exposure():
    """The next decision follows the one before it; means count the candle all the same."""
    _, decisions, skipped = said([10.0, 11.0, 9.0, 12.0], minutes=[60, 60, 30, 60])
    assert hours(skipped) == [2]
    assert decisions["signal"].to_list() == ["OPEN_LONG", "HOLD"]


@pytest.mark.parametrize(
    ("now", "decided"),
    [(timedelta(minutes=9, seconds=59), [1]), (timedelta(minutes=10), [1, 2])],
)
def test_a_candle_that_misses_minutes_waits_for_them(now, decided):
    """Until the time of waiting is over since its close."""
    _, decisions, _ = said([10.0, 11.0, 12.0], minutes=[60, 60, 59], now=START + timedelta(hours=3) + now)
    assert hours(decisions) == decided


def test_what_follows_a_waiting_candle_waits_with_it():
    """Decisions are made in order: a complete candle does not overtake."""
    rule_now = START + timedelta(hours=3, minutes=5)
    _, decisions, _ = said([10.0, 11.0, 12.0, 13.0], minutes=[60, 60, 59, 60], now=rule_now)
    assert hours(decisions) == [1]


def test_an_absent_candle_is_waited_for():
    """A candle of which no minute came yet may still come, and what follows waits for it; later it is a gap."""
    closes = [10.0, 11.0, 12.0, 13.0]
    soon, late = START + timedelta(hours=3, minutes=5), START + timedelta(hours=3, minutes=10)
    assert hours(said(closes, absent=[2], now=soon)[1]) == [1]
    assert hours(said(closes, absent=[2], now=late)[1]) == [1, 3]
    assert said(closes, absent=[2], now=late)[2].is_empty()


def test_the_warm_up_is_not_waited_for():
    """The first candles of history have no opinion; they are there all the same."""
    three, strategy = parse_interval("3m"), load_strategy("ma", {"period": 2})
    candles = candles_of_closes([10.0, 11.0, 12.0], three, START)

    def decided(there):
        soon = START + 9 * MINUTE
        _, said, _ = decide(there, strategy, three, no_trade=NO_MINUTES, rule=RULE, since=START, before=0.0, now=soon)
        return [(time - START) // MINUTE for time in said["time"]]

    assert decided(candles) == [3, 6]
    # The second one may still come, and is one of the two that the third's mean is of.
    assert decided(candles[::2]) == []


def test_a_minute_without_trades_is_there():
    """It is neither waited for nor missed, and the snapshot tells how many there were (law 4)."""
    closes, soon = [10.0, 11.0, 12.0], START + timedelta(hours=3)
    assert hours(said(closes, minutes=[60, 60, 58], no_trade=[120], now=soon)[1]) == [1]
    _, decisions, skipped = said(closes, minutes=[60, 60, 30], no_trade=range(120, 150), now=soon)
    assert (hours(decisions), hours(skipped)) == ([1, 2], [])
    snapshots = [json.loads(text) for text in decisions["indicator_snapshot"]]
    assert [(each["minutes"], each.get("no_trade_minutes")) for each in snapshots] == [(60, None), (30, 30)]
    assert hours(said(closes, minutes=[60, 60, 30], no_trade=range(120, 146))[2]) == [2]


def test_a_candle_without_any_trade_is_not_waited_for():
    """It has no row, and is neither decided on nor skipped; where one of its minutes may have a trade it is awaited."""
    closes, soon = [10.0, 11.0, 12.0, 13.0], START + timedelta(hours=3, minutes=5)
    _, decisions, skipped = said(closes, absent=[2], no_trade=range(120, 180), now=soon)
    assert (hours(decisions), hours(skipped)) == ([1, 3], [])
    assert hours(said(closes, absent=[2], no_trade=range(120, 179), now=soon)[1]) == [1]


def test_only_candles_that_count_are_decided_on():
    """Those before are there for the look-back."""
    assert hours(said([10.0, 11.0, 12.0], since=START + timedelta(hours=2), before=-1.0)[1]) == [2, 2]
