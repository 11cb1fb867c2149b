"""A strategy that looks across intervals: cuts do not show, a late day is seen, live is history (laws 5, 7, 10)."""

import random
from collections.abc import Iterator
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from itertools import pairwise

import dagster as dg
import msgspec
import polars as pl
import pytest

from benchmarks.one_pass import query
from btc_core.across import reached
from btc_core.config import StrategyConfig
from btc_core.errors import InputError
from btc_core.indicator import NamedIndicator
from btc_core.model.backtest import BacktestConfig
from btc_core.model.interval import parse_interval
from btc_core.model.timerange import MINUTE, TimeRange
from btc_core.rules import ending
from btc_core.strategy import NamedStrategy, Strategy, load_strategy
from btc_store.backtests import BacktestRequest, run_backtest
from btc_store.derive import Provenance, derive_candles, derive_decisions
from btc_store.frames import Frames, open_frames
from live.plan import plan_of
from tests.dagster_runs import run_asset, run_derive
from tests.derivation import LATER, RULE, closed_spans, made_minutes, store_minutes
from tests.live_lane import one_pass, settle, small_config

SHORT, LONG = parse_interval("37m"), parse_interval("8h")
SPAN = TimeRange(datetime(2021, 1, 28, 5, 11, tzinfo=UTC), datetime(2021, 2, 4, 17, 3, tzinfo=UTC))
RULED = NamedStrategy(
    "across",
    Strategy(
        description="For the test: above the mean of three while the longer candle is above its mean of two.",
        parameters={},
        indicators=lambda _: [NamedIndicator("average", "sma", {"period": 3})],
        also=lambda _: {"8h": [NamedIndicator("trend", "sma", {"period": 2})]},
        wanted=lambda _: pl.when(
            (pl.col("close") > pl.col("average")) & (pl.col("8h.close") > pl.col("8h.trend"))
        ).then(1.0),
        bounds=lambda _: ending(pl.col("8h.close") < pl.col("8h.trend"), pl.lit(value=False)),
        confidence=lambda _: pl.lit(1.0),
    ),
    {},
)


@pytest.fixture
def frames(database_url: str) -> Iterator[Frames]:
    """A connection to a database of its own."""
    with open_frames(database_url) as opened:
        yield opened


def derive(frames, symbol, touched, *, now=LATER, rule=RULE):
    """Do what a lane does with touched minutes: the candles of both intervals, then the decisions that they reach."""
    spans = {i: each for i in (SHORT, LONG) if (each := closed_spans(i, touched, now=now))}
    derive_candles(frames, symbol, spans)
    by = Provenance(run_id="test", now=now)
    return derive_decisions(frames, symbol, SHORT, reached(RULED, SHORT, spans), RULED, rule=rule, by=by).n_written


def said(frames, symbol, *, backtest=False):
    """Return the newest words of each candle: live, or those of the one backtest there is."""
    theirs = f"symbol = $1 AND (backtest_id IS NOT NULL) = {backtest}"
    sql = f"""SELECT time, seq, signal, confidence, exposure, price, indicator_snapshot::text
              FROM decisions d WHERE {theirs} AND revision =
                (SELECT max(revision) FROM decisions WHERE {theirs} AND time = d.time)
              ORDER BY time, seq"""
    return query(frames, sql, symbol)


def test_cuts_do_not_show(frames):
    """History in random pieces, shuffled: the words of one pass. Both directions of the trend are there."""
    chance = random.Random(37)
    minutes = made_minutes(SPAN, chance, n_gaps=20)
    store_minutes(frames, "ONE", minutes)
    derive(frames, "ONE", [SPAN])
    edges = sorted({0, minutes.height, *(chance.randrange(minutes.height) for _ in range(9))})
    pieces = [minutes[start:end] for start, end in pairwise(edges)]
    chance.shuffle(pieces)
    for piece in [*pieces, *pieces[:2]]:
        store_minutes(frames, "CUT", piece)
        derive(frames, "CUT", [TimeRange(piece["time"].min(), piece["time"].max() + MINUTE)])
    whole = said(frames, "ONE")
    assert set(whole["signal"]) == {"OPEN_LONG", "CLOSE_LONG", "HOLD"}
    assert said(frames, "CUT").equals(whole)
    assert derive(frames, "CUT", [SPAN]) == 0


def test_minute_by_minute_is_history(frames):
    """The clock goes on by 37 minutes and what has closed is derived: the words of one pass, none said twice."""
    minutes = made_minutes(SPAN, random.Random(5), n_gaps=0)
    store_minutes(frames, "ONE", minutes)
    derive(frames, "ONE", [SPAN])
    now = datetime(2021, 2, 2, 21, tzinfo=UTC)
    store_minutes(frames, "LIVE", minutes.filter(pl.col("time") < now))
    derive(frames, "LIVE", [TimeRange(SPAN.start, now)], now=now)
    while now < SPAN.end + timedelta(hours=1):
        fresh = TimeRange(now, now + 37 * MINUTE)
        now = fresh.end
        piece = minutes.filter(pl.col("time").is_between(fresh.start, fresh.end, closed="left"))
        if piece.height:
            store_minutes(frames, "LIVE", piece)
        derive(frames, "LIVE", [fresh], now=now + timedelta(seconds=3))
    assert said(frames, "LIVE").equals(said(frames, "ONE"))


def test_a_corrected_close_of_the_longer_candle_is_seen_by_the_shorter_ones(frames):
    """One minute, the last of an 8h candle, changes: the words after its close are those of one pass."""
    minutes = made_minutes(SPAN, random.Random(5), n_gaps=0)
    last = datetime(2021, 1, 31, 15, 59, tzinfo=UTC)
    wrong = minutes.with_columns(
        pl.when(pl.col("time") == last).then(pl.col(name) * factor).otherwise(pl.col(name)).alias(name)
        for name, factor in (("close", 0.5), ("low", 0.4))
    )
    store_minutes(frames, "HEALED", wrong)
    derive(frames, "HEALED", [SPAN])
    store_minutes(frames, "ONE", minutes)
    derive(frames, "ONE", [SPAN])
    before = said(frames, "HEALED")
    store_minutes(frames, "HEALED", minutes)
    derive(frames, "HEALED", [TimeRange(last, last + MINUTE)])
    assert not before.equals(said(frames, "ONE"))
    assert said(frames, "HEALED").equals(said(frames, "ONE"))
    # The new words on candles that see the new 8h candle rest on it.
    written_at = "SELECT ingested_at FROM candles WHERE symbol = 'HEALED' AND interval = '8h' AND time = $1"
    rested = (
        "SELECT DISTINCT data_revision FROM decisions WHERE symbol = 'HEALED' AND revision = 1"
        " AND time < $1::timestamptz + interval '16 hours'"
    )
    opened = LONG.floor(last)
    assert query(frames, rested, opened).rows() == query(frames, written_at, opened).rows()


def test_a_decision_that_waits_for_the_longer_candle_is_made_with_it(frames):
    """Where an 8h candle comes later than the short one that is to see it: no word before, and the right one then."""
    minutes, close = made_minutes(SPAN, random.Random(5), n_gaps=0), datetime(2021, 1, 31, 16, tzinfo=UTC)
    now = SHORT.close_of(SHORT.floor(close)) + MINUTE
    there = minutes.filter(pl.col("time") < now)
    store_minutes(frames, "ONE", there)
    derive(frames, "ONE", [TimeRange(SPAN.start, now)], now=now)
    store_minutes(frames, "LATE", there)
    derive(frames, "LATE", [TimeRange(SPAN.start, LONG.floor(close - MINUTE))], now=now)
    patient = replace(RULE, wait=timedelta(hours=1))
    by = Provenance(run_id="test", now=now)
    spans = {i: closed_spans(i, [TimeRange(LONG.floor(close - MINUTE), now)], now=now) for i in (SHORT, LONG)}

    def decided(changed):
        derive_candles(frames, "LATE", changed)
        touched = reached(RULED, SHORT, changed)
        derive_decisions(frames, "LATE", SHORT, touched, RULED, rule=patient, by=by)
        return said(frames, "LATE")

    whole = said(frames, "ONE")
    assert decided({SHORT: spans[SHORT]}).height < whole.height
    assert decided({LONG: spans[LONG]}).equals(whole)


def test_what_waits_in_vain_is_decided_in_the_end(frames):
    """No minute of an 8h candle ever comes: the first short candle after it waits, and is decided with the next one."""
    hole = TimeRange(datetime(2021, 1, 31, 8, tzinfo=UTC), datetime(2021, 1, 31, 16, tzinfo=UTC))
    minutes = made_minutes(SPAN, random.Random(5), n_gaps=0)
    minutes = minutes.filter(~pl.col("time").is_between(hole.start, hole.end, closed="left"))
    patient = replace(RULE, wait=timedelta(hours=1))
    for symbol in ("ONE", "LIVE"):
        store_minutes(frames, symbol, minutes)
    whole = TimeRange(SPAN.start, hole.end + timedelta(hours=6))
    derive(frames, "ONE", [whole], now=whole.end, rule=patient)
    derive(frames, "LIVE", [TimeRange(SPAN.start, hole.end)], now=hole.end, rule=patient)
    close, n_said = SHORT.close_of(SHORT.floor(hole.end)), []
    while (close := SHORT.close_of(close)) <= whole.end:
        candle = TimeRange(SHORT.floor(close - MINUTE), close)
        n_said.append(derive(frames, "LIVE", [candle], now=close + timedelta(seconds=3), rule=patient))
    assert n_said[:2] == [0, 2]
    assert said(frames, "LIVE").equals(said(frames, "ONE"))


def test_a_backtest_says_the_same(frames):
    """Row for row, from a day on that lies in the middle (law 7)."""
    minutes = made_minutes(SPAN, random.Random(5), n_gaps=5)
    store_minutes(frames, "BTC", minutes)
    derive(frames, "BTC", [SPAN])
    range_ = TimeRange(datetime(2021, 1, 31, tzinfo=UTC), datetime(2021, 2, 4, tzinfo=UTC))
    request = BacktestRequest(symbol="BTC", interval=SHORT, strategy=RULED, range_=range_, config=BacktestConfig())
    run_backtest(frames, request, rule=RULE, run_id="test")
    tested, live = said(frames, "BTC", backtest=True), said(frames, "BTC")
    live = live.filter(pl.col("time").is_between(tested["time"][0], tested["time"][-1]))
    # What was held before the range is not known to a backtest: the first long is the first that hangs on nothing else.
    settled = tested.filter(pl.col("exposure") == 1)["time"][0]
    assert tested.height > 100
    assert (
        tested["indicator_snapshot"]
        .unique(maintain_order=True)
        .equals(live["indicator_snapshot"].unique(maintain_order=True))
    )
    assert tested.filter(pl.col("time") > settled).equals(live.filter(pl.col("time") > settled))


def test_a_plan_buys_for_the_same_money(frames):
    """The strategies that spend a capital are simulated without leverage, and every purchase costs the same."""
    minutes = made_minutes(SPAN, random.Random(5), n_gaps=0)
    store_minutes(frames, "BTC", minutes)
    range_ = TimeRange(datetime(2021, 1, 29, tzinfo=UTC), datetime(2021, 2, 4, tzinfo=UTC))
    plan = load_strategy("dca", {"start": 20210129, "every_hours": 24, "purchases": 10})
    request = BacktestRequest(
        symbol="BTC", interval=SHORT, strategy=plan, range_=range_, config=BacktestConfig(capital=1_000, taker_bps=0)
    )
    fills = run_backtest(frames, request, rule=RULE, run_id="test").simulation.fills
    bought = fills.filter(pl.col("quantity") > 0).select((pl.col("price") * pl.col("quantity")).round(6)).to_series()
    assert bought.to_list() == [100.0] * 6
    leveraged = replace(request, config=BacktestConfig(leverage=3))
    with pytest.raises(InputError, match="expected 1 in spot mode"):
        run_backtest(frames, leveraged, rule=RULE, run_id="test")


def test_the_live_lane_says_what_one_pass_says(frames):
    """`multi` on 37m with the days above it: six hours at a time, by looks, as at once over all of it (law 7)."""
    config = small_config("BTC", "ONE")
    entry = StrategyConfig(intervals=("37m",), parameters={"days": 2})
    plan = plan_of(msgspec.structs.replace(config, strategies={"multi": entry}))
    minutes = made_minutes(SPAN, random.Random(7), n_gaps=4)
    store_minutes(frames, "ONE", minutes)
    one_pass(frames, plan, "ONE", [SPAN], now=LATER)
    now = SPAN.start
    while now < SPAN.end:
        fresh = minutes.filter(pl.col("time").is_between(now, now + timedelta(hours=6), closed="left"))
        now += timedelta(hours=6)
        store_minutes(frames, "BTC", fresh)
        settle(frames, plan, now=now + timedelta(seconds=3))
    settle(frames, plan, now=SPAN.end + timedelta(hours=2))
    live, whole = said(frames, "BTC"), said(frames, "ONE")
    assert live.height > 100
    assert live.equals(whole)


def test_dagster_says_what_one_pass_and_a_backtest_say(frames, database_url, settings_for, tmp_path):
    """`multi` in real runs, over history and then over one corrected minute of a day: row for row (laws 5, 7, 10)."""
    configured = "symbols: {BTC: {}, ONE: {}}\nhistory_start: 2021-01-01\nintervals: [37m, 1d]\n"
    path = tmp_path / "config.yaml"
    path.write_text(f"{configured}strategies: {{multi: {{intervals: [37m], parameters: {{days: 2}}}}}}\n", "utf-8")
    settings = settings_for(database_url, BTC_CONFIG=str(path))
    plan = plan_of(settings.config)
    minutes = made_minutes(SPAN, random.Random(7), n_gaps=4)
    last = datetime(2021, 1, 31, 23, 59, tzinfo=UTC)
    wrong = minutes.with_columns(
        pl.when(pl.col("time") == last).then(95.0 - n).otherwise(pl.col(name)).alias(name)
        for n, name in enumerate(("open", "close", "low"))
    )
    store_minutes(frames, "BTC", wrong)
    with dg.DagsterInstance.ephemeral() as instance:
        assert run_derive(settings, instance, SPAN).success
        before = said(frames, "BTC")
        store_minutes(frames, "BTC", minutes)
        # As the sensor asks when the day has closed and the candle over midnight, February's, has not.
        touched = {"1d": [TimeRange(last, last + MINUTE)]}
        assert run_derive(settings, instance, TimeRange(last, last + MINUTE), touched=touched).success
        touched = {"37m": touched["1d"]}
        assert run_derive(settings, instance, TimeRange(last, last + 2 * MINUTE), touched=touched).success
        assert run_asset(settings, instance, ["backtests", "multi"], SPAN).success
    store_minutes(frames, "ONE", minutes)
    one_pass(frames, plan, "ONE", [SPAN], now=LATER)
    derived, whole, tested = said(frames, "BTC"), said(frames, "ONE"), said(frames, "BTC", backtest=True)
    assert not before.equals(derived)
    assert derived.equals(whole)
    assert derived.equals(tested)
    assert {"OPEN_LONG", "OPEN_SHORT", "HOLD"} <= set(derived["signal"])


def test_coins_are_paid_in_full_whatever_the_perpetual_s_leverage(frames, database_url, settings_for, tmp_path):
    """A plan that spends a capital stands beside others in one configuration; its asset is simulated all the same."""
    path = tmp_path / "config.yaml"
    configured = "symbols: {BTC: {}}\nhistory_start: 2021-01-01\nintervals: [8h]\nbacktest: {leverage: 3}\n"
    path.write_text(f"{configured}strategies: {{dca: {{intervals: [8h], parameters: {{start: 20210128}}}}}}\n", "utf-8")
    store_minutes(frames, "BTC", made_minutes(SPAN, random.Random(5), n_gaps=0))
    with dg.DagsterInstance.ephemeral() as instance:
        settings = settings_for(database_url, BTC_CONFIG=str(path))
        done = run_asset(settings, instance, ["backtests", "dca"], SPAN)
    assert done.success
    told = done.asset_materializations_for_node("backtests__dca")[-1].metadata["figures"].value
    assert all(f"| {name} |" in told for name in ("accumulated", "average cost", "dca average cost"))
    asked = "SELECT config ->> 'mode' AS mode, config ->> 'leverage' AS leverage FROM backtest_runs"
    assert query(frames, asked).rows() == [("spot", "1")]
