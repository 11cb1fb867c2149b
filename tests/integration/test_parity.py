"""Parity on stored decisions: silent where the lanes are right, corrections or not; a planted difference is found."""

from datetime import UTC, datetime, timedelta
from random import Random

import msgspec
import polars as pl
import pytest

from benchmarks.one_pass import query
from btc_core.check import load_checks
from btc_core.config import parse_config
from btc_core.model.interval import parse_interval
from btc_core.model.timerange import MINUTE, TimeRange
from btc_core.partitions import Partition, month_key, month_range
from btc_store import checks
from btc_store.evidence import EvidenceReader
from btc_store.frames import open_frames
from btc_store.parity import differences
from live.plan import plan_of
from live.work import look
from tests.conftest import SEEDS
from tests.derivation import made_minutes, note_no_trade, store_minutes
from tests.live_lane import between, settle, small_config

SPAN = TimeRange(datetime(2021, 1, 30, 20, tzinfo=UTC), datetime(2021, 2, 3, 6, tzinfo=UTC))
HOUR = timedelta(hours=1)
MONTH = month_range(SPAN.end)


def _config():
    tree = msgspec.to_builtins(small_config("BTC"))
    tree["intervals"], tree["indicators"] = ["5m", "37m", "1h", "1d"], {}
    tree["strategies"] = {
        "ma": {"intervals": ["37m", "1h"], "parameters": {"period": 3}},
        "ma44": {"intervals": ["37m"]},
        "multi": {"intervals": ["37m"], "parameters": {"days": 2}},
        "trailing_stop": {"intervals": ["5m"], "parameters": {"entry": 3, "period": 2, "multiple": 1}},
    }
    return parse_config(tree)


CONFIG = _config()
PLAN = plan_of(CONFIG)


@pytest.fixture
def frames(database_url):
    """A connection of this test's database."""
    with open_frames(database_url) as opened:
        yield opened


def compared(frames):
    """Return how many differences there are, by strategy and interval."""
    return {
        (strategy.name, interval.label): differences(frames, "BTC", interval, SPAN, strategy, rule=PLAN.rule).height
        for interval, strategies in PLAN.strategies.items()
        for strategy in strategies
    }


def check(frames, now):
    """Make the daily check as a run of the last day does; returns what it says by asset, and the open findings."""
    placed = [each for each in checks.place_checks(CONFIG, load_checks(CONFIG.quality)) if each.check.name == "parity"]
    of = {(s.name, i): s for i, each in PLAN.strategies.items() for s in each}

    def replay(interval, span, strategy):
        return differences(frames, "BTC", interval, span, of[strategy, interval], rule=PLAN.rule)

    reader = EvidenceReader(frames=frames, symbol="BTC", now=now, replay=replay)
    day = [TimeRange(now.replace(hour=0, minute=0), now)]
    touched = {interval.label: day for interval in PLAN.intervals}
    partition = Partition(f"{month_key(MONTH)}|BTC", "BTC", MONTH, touched)
    results = {result.asset: result for result in checks.evaluate(reader, partition, placed)}
    open_ = query(
        frames,
        "SELECT interval, severity, start_time, details::text FROM data_quality"
        " WHERE kind = 'parity' AND resolved_at IS NULL ORDER BY start_time",
    )
    return results, open_.rows()


def lived_through(frames, chance):
    """Let the lane live through four days: gaps, late and corrected minutes, words of no trade and their end."""
    minutes = made_minutes(SPAN, chance, n_gaps=8, longest_gap=60)
    wrong = minutes.filter(pl.Series([chance.random() < 0.01 for _ in range(minutes.height)])).with_columns(
        high=pl.col("high") + 3, close=pl.col("high") + 2
    )
    late = minutes.filter(pl.Series([chance.random() < 0.02 for _ in range(minutes.height)]))
    now = SPAN.start
    while now < SPAN.end:
        before, now = now, min(now + chance.choice([37, 60, 300, 700]) * MINUTE, SPAN.end)
        store_minutes(frames, "BTC", between(wrong, before, now))
        known = between(minutes.join(late, on="time", how="anti"), before, now)
        store_minutes(frames, "BTC", known.join(wrong, on="time", how="anti"))
        settle(frames, PLAN, now=now)
        if chance.random() < 0.2:
            note_no_trade(frames, "BTC", [TimeRange(before, now)])
    store_minutes(frames, "BTC", minutes)
    settle(frames, PLAN, now=SPAN.end + HOUR)


@pytest.mark.parametrize("seed", SEEDS)
def test_decisions_that_were_corrected_are_those_of_a_backtest(frames, seed):
    """Law 7, after all that can happen to minutes: row for row, for each strategy and interval."""
    lived_through(frames, Random(seed))
    assert compared(frames) == dict.fromkeys(compared(frames), 0)
    assert len(compared(frames)) == 5
    corrected = "SELECT count(*) FROM decisions WHERE revision > 0 AND strategy = 'ma'"
    assert query(frames, corrected).item() > 0


def test_a_planted_difference_is_a_finding_until_it_is_gone(frames):
    """It names the row, both words and what may have caused it; the check of that strategy alone fails."""
    store_minutes(frames, "BTC", made_minutes(SPAN, Random(3), n_gaps=0))
    settle(frames, PLAN, now=SPAN.end)
    results, found = check(frames, SPAN.end)
    assert found == []
    assert {result.passed for result in results.values()} == {True}
    assert set(results) == {"decisions/ma", "decisions/ma44", "decisions/multi", "decisions/trailing_stop"}
    row = """SELECT time FROM decisions WHERE strategy = 'ma' AND interval = '1h' AND signal = 'HOLD' AND exposure = 1
      AND time < '2021-02-01' ORDER BY time DESC LIMIT 1"""
    time = query(frames, row).item()
    plant = "UPDATE decisions SET exposure = {} WHERE strategy = 'ma' AND interval = '1h' AND time = $1 RETURNING 1"
    with frames.transaction():
        query(frames, plant.format(0.5), time)
    results, found = check(frames, SPAN.end)
    ((interval, severity, start, details),) = found
    assert (interval, severity, start) == ("1h", "error", time)
    told = msgspec.json.decode(details)["parity/ma"]
    assert (told["live"].split()[1], told["backtest"].split()[1]) == ("0.5", "1.0")
    assert told["cause"] == "unexplained"
    assert {asset for asset, result in results.items() if not result.passed} == {"decisions/ma"}
    assert results["decisions/ma"].is_error
    with frames.transaction():
        query(frames, plant.format(1), time)
    results, found = check(frames, SPAN.end)
    assert (found, {result.passed for result in results.values()}) == ([], {True})


def test_a_correction_that_no_lane_has_seen_is_named_as_the_cause(frames):
    """Minutes were written and nobody derived them: for a quarter of an hour it is on its way, then it is a finding."""
    minutes = made_minutes(SPAN, Random(4), n_gaps=0)
    store_minutes(frames, "BTC", minutes)
    settle(frames, PLAN, now=SPAN.end)
    day = between(minutes, SPAN.start + 30 * HOUR, SPAN.start + 40 * HOUR)
    store_minutes(frames, "BTC", day.with_columns(pl.col("open", "high", "low", "close") + 30))
    assert check(frames, SPAN.end)[1] == []
    earlier = "UPDATE candles SET ingested_at = ingested_at - interval '1 hour' RETURNING 1"
    backdated = "UPDATE decisions SET data_revision = data_revision - interval '2 hours' RETURNING 1"
    with frames.transaction():
        query(frames, earlier)
        query(frames, backdated)
    results, found = check(frames, SPAN.end)
    causes = {next(iter(msgspec.json.decode(row[3]).values()))["cause"] for row in found}
    assert causes == {"data were revised since"}
    assert {row[1] for row in found} == {"warning"}
    assert not results["decisions/ma"].passed
    with frames.transaction():
        query(frames, "UPDATE candles SET ingested_at = now() WHERE interval = '1m' RETURNING 1")
    while look(frames, PLAN, now=SPAN.end + HOUR):
        pass
    assert check(frames, SPAN.end)[1] == []


def test_what_other_parameters_decided_is_not_compared(frames):
    """It is another strategy's; from the first decision of today's parameters on the two agree."""
    store_minutes(frames, "BTC", made_minutes(SPAN, Random(5), n_gaps=0))
    settle(frames, PLAN, now=SPAN.end)
    other = """UPDATE decisions SET parameters = '{"period": 9}', price = 1 WHERE strategy = 'ma'
      AND time < '2021-02-01' RETURNING 1"""
    with frames.transaction():
        query(frames, other)
    assert compared(frames) == dict.fromkeys(compared(frames), 0)


def test_a_strategy_that_said_nothing_has_nothing_to_compare(frames):
    """Before its first decision."""
    hour = parse_interval("1h")
    found = differences(frames, "BTC", hour, SPAN, PLAN.strategies[hour][0], rule=PLAN.rule)
    assert found.is_empty()
