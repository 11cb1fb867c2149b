"""Across intervals: what is seen at a close, what is read for it, and what a change reaches."""

from datetime import UTC, datetime, timedelta

import polars as pl
import pytest

from btc_core.across import needed, reached, with_others
from btc_core.decide import Completeness, decide, evaluate
from btc_core.indicator import NamedIndicator
from btc_core.model.interval import parse_interval
from btc_core.model.timerange import TimeRange
from btc_core.strategy import NamedStrategy, Strategy, load_strategy
from tests.derivation import candles_of_closes

SHORT, HOUR, DAY, MONTH = map(parse_interval, ("37m", "1h", "1d", "1M"))
START = datetime(2025, 1, 1, tzinfo=UTC)
RULE = Completeness(min_completeness=0.95, wait=timedelta(minutes=10))
NO_MINUTES = pl.Series("time", dtype=pl.Datetime("us", "UTC"))


def strategy_on(other="1d", period=2):
    """Return a strategy that is long while the longer candle is above its mean."""
    rule = Strategy(
        description="For the test.",
        parameters={},
        indicators=lambda _: [],
        also=lambda _: {other: [NamedIndicator("trend", "sma", {"period": period})]},
        wanted=lambda _: pl.when(pl.col(f"{other}.close") > pl.col(f"{other}.trend")).then(1.0).otherwise(0.0),
        confidence=lambda _: pl.lit(1.0),
    )
    return NamedStrategy("test", rule, {})


def seen(closes, days):
    """Return what is evaluated over hours and days that begin with 2025; the trend is a mean of two days."""
    hours = candles_of_closes(closes, HOUR, START)
    return evaluate(hours, strategy_on(), HOUR, {DAY: candles_of_closes(days, DAY, START - timedelta(days=2))})


def test_a_day_is_seen_from_its_close_on():
    """The hour that closes at midnight sees the day that ends with it; the one before sees the day before."""
    found = seen([10.0] * 50, [1.0, 2.0, 3.0, 4.0])
    by_close = dict(zip(found["close_time"], found["1d.close"], strict=True))
    midnight = START + timedelta(days=1)
    assert by_close[midnight - timedelta(hours=1)] == 2.0
    assert by_close[midnight] == 3.0
    assert by_close[START + timedelta(days=2)] == 4.0


def test_before_the_days_are_warm_there_is_no_opinion():
    """The mean of two days is there with the second."""
    hours = candles_of_closes([10.0] * 30, HOUR, START - timedelta(days=1))
    found = evaluate(hours, strategy_on(), HOUR, {DAY: candles_of_closes([1.0, 2.0], DAY, START - timedelta(days=2))})
    assert found["close_time"][0] == START
    assert found["1d.trend"].unique().to_list() == [1.5]


def test_a_day_that_is_not_there_is_awaited():
    """Its close is told, so that a decision can wait for it; where all are there, nothing is."""
    found = seen([10.0] * 26, [1.0, 2.0])
    midnight = START + timedelta(days=1)
    assert found.filter(pl.col("awaited_time").is_not_null())["close_time"].to_list() == [
        midnight + timedelta(hours=n) for n in range(3)
    ]
    assert found["awaited_time"].drop_nulls().unique().to_list() == [midnight]


@pytest.mark.parametrize(("late", "decided"), [(timedelta(minutes=9), 23), (timedelta(minutes=10), 24)])
def test_a_decision_waits_for_a_day_that_may_still_come(late, decided):
    """As long as for minutes (law 4); then it looks at the day before."""
    hours = candles_of_closes([10.0] * 24, HOUR, START)
    others = {DAY: candles_of_closes([1.0, 2.0], DAY, START - timedelta(days=2))}
    now = START + timedelta(days=1) + late
    _, words, _ = decide(
        hours, strategy_on(), HOUR, others=others, no_trade=NO_MINUTES, rule=RULE, since=START, before=0.0, now=now
    )
    assert words.height == decided


def test_the_snapshot_holds_what_was_seen():
    """The day's close and its mean."""
    assert strategy_on().columns == ["1d.close", "1d.trend"]


def test_what_is_read_is_what_is_looked_at():
    """The days that close meanwhile, the newest one before, and its look-back."""
    first, last = START + timedelta(hours=5), START + timedelta(days=3)
    ((within, n_before),) = needed(strategy_on(period=44), first=first, last=last).values()
    assert DAY.opens(within) == [START + timedelta(days=n) for n in range(3)]
    assert n_before == 44
    assert needed(load_strategy("ma44", {}), first=first, last=last) == {}


@pytest.mark.parametrize("other", [DAY, MONTH])
def test_a_change_shows_first_at_the_close_of_the_longer_candle(other):
    """Not while it is open: from the first candle that closes with it or later."""
    close = other.close_of(START)
    (span,) = reached(strategy_on(other.label), SHORT, {other: [TimeRange(START, close)]})
    assert SHORT.close_of(span.start) >= close > span.start
    assert len(SHORT.opens(span)) == 1


def test_own_changes_and_others_come_together():
    """Merged and ascending; of an interval that is not looked at, nothing."""
    own = TimeRange(START, START + timedelta(minutes=37))
    spans = {HOUR: [own], DAY: [TimeRange(START, START + timedelta(days=1))], MONTH: [own]}
    assert reached(strategy_on(), HOUR, spans) == [
        own,
        TimeRange(START + timedelta(hours=23), START + timedelta(days=1)),
    ]
    assert reached(load_strategy("ma44", {}), DAY, {HOUR: [own]}) == []


def test_a_change_reaches_as_far_as_the_longer_look_back():
    """44 days and the day itself in candles of 37 minutes."""
    assert strategy_on(period=44).reach_in(SHORT) == -(-44 * 1440 // 37)
    assert load_strategy("ma44", {}).reach_in(SHORT) == 43


def test_without_other_intervals_everything_is_seen():
    """And nothing awaited."""
    frame = pl.DataFrame({"close_time": [START]}, schema={"close_time": pl.Datetime("us", "UTC")})
    found = with_others(frame, {}, load_strategy("ma44", {}))
    assert found.select("is_seen", "awaited_time").rows() == [(True, None)]
