"""The checks of both lanes: the live lane says what the Dagster lane says, and of the minutes not every time."""

from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from random import Random

import pytest

from btc_core.model.interval import parse_interval
from btc_core.model.timerange import MINUTE, TimeRange
from btc_core.partitions import Partition, month_range
from btc_store.checks import Result, completeness, evaluate, minutes_of, summarise
from btc_store.evidence import EvidenceReader
from btc_store.frames import Frames, open_frames
from live import checks
from live.plan import plan_of
from live.reports import check_report
from tests.derivation import made_minutes, minute, minutes_frame, query, store_minutes
from tests.live_lane import posted, settle, small_config

START = parse_interval("111m").floor(datetime(2021, 1, 12, tzinfo=UTC))
SPAN = TimeRange(START, START + timedelta(days=3))
PLAN = plan_of(small_config("BTC"))
KEY = "2021-01-01|BTC"
THREE, WEEK = parse_interval("3m"), parse_interval("1w")


@pytest.fixture
def frames(database_url: str) -> Iterator[Frames]:
    """A connection to a database of its own."""
    with open_frames(database_url) as opened:
        yield opened


def test_the_live_lane_says_what_a_run_says(frames):
    """Of the same minutes, with gaps and a candle that is not its minutes: the same sentences, figures and tables."""
    store_minutes(frames, "BTC", made_minutes(SPAN, Random(2), n_gaps=4))
    settle(frames, PLAN, now=SPAN.end)
    spoil = """WITH done AS (UPDATE candles SET high = high + 1 WHERE interval = '37m' AND time = $1 RETURNING 1)
               SELECT count(*) FROM done"""
    with frames.transaction():
        assert query(frames, spoil, START + timedelta(minutes=370)).item() == 1
    touched = {interval.label: [SPAN] for interval in PLAN.intervals}
    partition = Partition(KEY, "BTC", month_range(START), touched)
    reader = EvidenceReader(frames=frames, symbol="BTC", now=SPAN.end)
    results = evaluate(reader, partition, PLAN.checks)
    assert {(r.asset, r.check) for r in results if not r.passed} >= {("candles/37m", "sums"), ("candles/1m", "gaps")}
    results += [completeness(reader, f"indicators/{i}", i, partition, wait=PLAN.rule.wait) for i in PLAN.indicators]
    # The lane has said so of all but the candle that was right when it looked; now it looks at that one again.
    store_minutes(frames, "BTC", minutes_frame([minute(2 * 24 * 60, START, price=77.0)]))
    n_before = len(posted(frames))
    settle(frames, PLAN, now=SPAN.end)
    said = {(r.asset_key, r.check_name): r for r in posted(frames)[:n_before] if r.kind == "check"}
    # No week and no month has closed.
    judged = [result for result in results if result.asset not in ("candles/1w", "candles/1M")]
    assert said.keys() == {(result.asset, result.check) for result in judged}
    for result in judged:
        if (result.asset, result.check) not in (("candles/37m", "sums"), ("candles/148m", "four_37m")):
            assert said[result.asset, result.check] == check_report(result, KEY)
    again = {(r.asset_key, r.check_name): r for r in posted(frames)[n_before:] if r.kind == "check"}
    spoilt = again["candles/37m", "sums"]
    assert (spoilt.passed, spoilt.metadata["findings"]) == (False, 1)


def test_completeness_speaks_of_the_whole_month(frames):
    """A run over other candles says the same of the month as one over all; only its own candles hold it back."""
    hole = START + timedelta(days=1)
    whole = made_minutes(SPAN, Random(2), n_gaps=0)
    store_minutes(frames, "BTC", whole.filter(~whole["time"].is_in([hole, SPAN.end - MINUTE])))
    settle(frames, PLAN, now=SPAN.end + timedelta(hours=1))

    def said(touched: TimeRange | None, now: datetime = SPAN.end + timedelta(hours=1)) -> Result:
        about = None if touched is None else {"3m": [touched]}
        reader = EvidenceReader(frames=frames, symbol="BTC", now=now)
        return completeness(
            reader, "indicators/3m", THREE, Partition(KEY, "BTC", month_range(START), about), wait=PLAN.rule.wait
        )

    elsewhere, whole_month = said(TimeRange(START, START + timedelta(hours=1))), said(None)
    assert elsewhere == whole_month
    assert (elsewhere.passed, elsewhere.is_error) == (False, False)
    assert elsewhere.text == "minutes are missing in 2 of 1440 candles"
    # The last candle has just closed: its minute may still come, and only who decides on it waits.
    last = TimeRange(SPAN.end - MINUTE, SPAN.end)
    assert [said(each, SPAN.end).is_error for each in (last, None, TimeRange(hole, hole + MINUTE))] == [
        True,
        True,
        False,
    ]
    store_minutes(frames, "BTC", whole)
    settle(frames, PLAN, now=SPAN.end + timedelta(hours=1))
    healed = said(last)
    assert (healed.passed, healed.text) == (True, "no minute is missing in 1440 candles")


def test_of_a_month_without_closed_candles_there_is_a_result(frames):
    """What a run has planned is said: nothing has closed, so nothing is wrong."""
    reader = EvidenceReader(frames=frames, symbol="BTC", now=month_range(START).start)
    result = completeness(
        reader, "indicators/1w", WEEK, Partition(KEY, "BTC", month_range(START), None), wait=PLAN.rule.wait
    )
    assert (result.passed, result.text, result.figures["candles"]) == (True, "no candle has closed yet", 0)


def test_the_minutes_are_not_told_every_time(frames, monkeypatch):
    """Once in a while, and when a check says something else: materialisation and checks together."""
    store_minutes(frames, "BTC", minutes_frame([minute(n, START) for n in range(12)]))

    def told(first: int, end: int) -> list[str | None]:
        store_minutes(frames, "BTC", minutes_frame([minute(n, START) for n in range(first, end)]))
        n_before = len(posted(frames))
        settle(frames, PLAN, now=START + end * MINUTE)
        return [report.check_name for report in posted(frames)[n_before:] if report.asset_key == "candles/1m"]

    assert told(12, 15) == [None, "gaps", "ohlc"]
    assert told(15, 18) == []
    monkeypatch.setattr(checks, "TELL_AGAIN", timedelta(0))
    assert told(18, 21) == [None, "gaps", "ohlc"]
    monkeypatch.setattr(checks, "TELL_AGAIN", timedelta(days=1))
    assert told(60, 63) == [None, "gaps", "ohlc"]
    assert told(63, 66) == []


def test_a_run_is_about_the_minutes_that_it_was_told(frames):
    """Of a partition all of it, or what was touched in it; what lies in another month is another's."""
    month = month_range(START)
    assert minutes_of(Partition(KEY, "BTC", month, None)) == [month]
    over = TimeRange(month.end - MINUTE, month.end + MINUTE)
    touched = {"3m": [SPAN], "1h": [TimeRange(SPAN.end, SPAN.end + MINUTE), over]}
    assert minutes_of(Partition(KEY, "BTC", month, touched)) == [
        TimeRange(SPAN.start, SPAN.end + MINUTE),
        TimeRange(over.start, month.end),
    ]


def test_findings_are_counted_in_words(frames):
    """One finding, two findings, none."""
    found = query(frames, "SELECT generate_series(1, 2) AS n")
    texts = [summarise(found.head(n)) for n in range(3)]
    assert texts == [
        ("nothing is wrong", {"findings": 0}),
        ("1 finding", {"findings": 1}),
        ("2 findings", {"findings": 2}),
    ]
