"""Findings: opened when seen, closed by themselves when healed."""

import json
import random
from collections.abc import Callable, Iterator
from datetime import UTC, datetime, timedelta

import polars as pl
import pytest

from btc_assets.partitions import Partition
from btc_assets.quality import evaluate, keys_of_turn, place_checks
from btc_core.check import Turn, load_check, load_checks
from btc_core.errors import ExchangeError
from btc_core.model.interval import ONE_MINUTE, Interval, parse_interval
from btc_core.model.timerange import EPOCH, MINUTE, TimeRange
from btc_core.partitions import month_key, month_range
from btc_core.resample import resample
from btc_store.evidence import EvidenceReader
from btc_store.frames import Frames, open_frames
from btc_store.quality import Scope, find_gaps, judge, record_corrections, record_skips
from btc_store.settings import Settings
from resources.timescale import Timescale
from tests.derivation import Pipeline, made_minutes, minute, minutes_frame, query, store_minutes

START = datetime(2025, 2, 14, 8, tzinfo=UTC)
HOUR = parse_interval("1h")


@pytest.fixture
def frames(database_url: str) -> Iterator[Frames]:
    """A connection to a database of its own."""
    with open_frames(database_url) as opened:
        yield opened


def span(first: int, end: int) -> TimeRange:
    """Return the minutes from the first to before the end."""
    return TimeRange(START + first * MINUTE, START + end * MINUTE)


def store(frames: Frames, *pairs: tuple[int, int], source: str = "import:test") -> None:
    """Store the minutes of some ranges."""
    minutes = minutes_frame([minute(n, START) for first, end in pairs for n in range(first, end)])
    store_minutes(frames, "BTC", minutes, source=source)


def open_findings(frames: Frames) -> list[tuple[datetime, datetime]]:
    """Return the ends of the open findings."""
    rows = query(
        frames, "SELECT start_time, end_time FROM data_quality WHERE resolved_at IS NULL ORDER BY start_time, id"
    )
    return rows.rows()


def recorded(frames: Frames, within: TimeRange, symbol: str = "BTC") -> list[TimeRange]:
    """Judge the gaps of a range, as a run whose touched minutes they are; return those found."""
    check = load_check("gaps")
    around = TimeRange(within.start - check.reach, within.end + check.reach)
    reader = EvidenceReader(frames=frames, symbol=symbol, now=START + timedelta(days=1))
    (verdict,), _ = judge(reader, [Scope(check, ONE_MINUTE, around)], within=around)
    return [TimeRange(*ends) for ends in verdict.found.select("start_time", "end_time").iter_rows()]


@pytest.mark.parametrize(
    ("within", "expected"),
    [
        ((0, 60), [(10, 20), (30, 31)]),
        ((12, 15), [(10, 20)]),
        ((12, 30), [(10, 20), (30, 31)]),
        ((12, 31), [(10, 20), (30, 31)]),
        ((0, 9), []),
        ((0, 10), [(10, 20)]),
        ((20, 30), [(10, 20), (30, 31)]),
        ((21, 29), []),
        ((-100, 500), [(10, 20), (30, 31)]),
        ((-100, -50), []),
        ((70, 90), []),
    ],
)
def test_gaps_are_whole_and_lie_between_minutes(frames, within, expected):
    """A gap that touches a range, its neighbours too, is found whole; outside of all minutes is none.

    The neighbours count: what is known of a gap that has just ended is the minute behind it.
    """
    store(frames, (0, 10), (20, 30), (31, 60))
    assert find_gaps(frames, "BTC", span(*within)) == [span(*gap) for gap in expected]


def note_no_trade(frames: Frames, first: int, end: int) -> None:
    """Say of minutes that nobody traded in them."""
    insert = (
        "WITH noted AS (INSERT INTO data_quality (symbol, interval, kind, severity, start_time, end_time)"
        " VALUES ('BTC', '1m', 'no_trade', 'info', $1, $2) RETURNING 1) SELECT count(*) FROM noted"
    )
    with frames.transaction():
        query(frames, insert, START + first * MINUTE, START + end * MINUTE)


def test_a_minute_without_trades_is_no_gap(frames):
    """What is known to be without trades is not missing: a gap is what is left of it on both sides."""
    store(frames, (0, 10), (20, 30), (40, 50))
    note_no_trade(frames, 12, 15)
    note_no_trade(frames, 30, 40)
    note_no_trade(frames, 55, 60)
    assert find_gaps(frames, "BTC", span(0, 100)) == [span(10, 12), span(15, 20)]
    assert find_gaps(frames, "BTC", span(13, 14)) == [span(10, 12), span(15, 20)]


def test_a_gap_that_turns_out_to_be_without_trades_is_closed(frames):
    """Once the exchange has said so the finding is over, and what is left of it is another one."""
    store(frames, (0, 10), (20, 30))
    recorded(frames, span(0, 30))
    note_no_trade(frames, 10, 15)
    recorded(frames, span(0, 30))
    open_gaps = query(frames, "SELECT start_time FROM data_quality WHERE kind = 'gap' AND resolved_at IS NULL")
    assert open_gaps["start_time"].to_list() == [START + 15 * MINUTE]


def test_a_gap_opens_one_finding_and_twice_is_once(frames):
    """A second look leaves the row as it is."""
    store(frames, (0, 10), (20, 30))
    recorded(frames, span(0, 30))
    before = query(frames, "SELECT * FROM data_quality")
    assert recorded(frames, span(15, 25)) == [span(10, 20)]
    assert query(frames, "SELECT * FROM data_quality").equals(before)
    assert before.select("kind", "severity", "interval").row(0) == ("gap", "error", "1m")
    assert json.loads(before["details"][0]) == {"n_minutes": 10}


def test_a_filled_gap_closes_its_finding(frames):
    """The closed finding stays as history; one that is filled in part is followed by what is left."""
    store(frames, (0, 10), (20, 30))
    recorded(frames, span(0, 30))
    store(frames, (13, 15))
    recorded(frames, span(13, 15))
    left = [span(10, 13), span(15, 20)]
    assert open_findings(frames) == [(gap.start, gap.end) for gap in left]
    store(frames, (10, 20))
    assert recorded(frames, span(10, 20)) == []
    assert open_findings(frames) == []
    assert query(frames, "SELECT count(*) FROM data_quality WHERE resolved_at IS NOT NULL").item() == 3


def test_a_gap_that_opens_again_is_a_new_finding(frames):
    """History is not rewritten: the healed finding stays closed."""
    store(frames, (0, 10), (20, 30))
    recorded(frames, span(0, 30))
    store(frames, (10, 20))
    recorded(frames, span(0, 30))
    remove = "WITH gone AS (DELETE FROM candles WHERE time = $1 RETURNING 1) SELECT count(*) FROM gone"
    with frames.transaction():
        query(frames, remove, START + 15 * MINUTE)
    recorded(frames, span(0, 30))
    assert open_findings(frames) == [(START + 15 * MINUTE, START + 16 * MINUTE)]
    assert query(frames, "SELECT count(*) FROM data_quality").item() == 2


def test_gaps_elsewhere_stay_open(frames):
    """A look at one range says nothing of another, and nothing of another symbol."""
    store(frames, (0, 10), (20, 30), (40, 50))
    recorded(frames, span(0, 50))
    store(frames, (10, 20))
    recorded(frames, span(5, 25))
    assert open_findings(frames) == [(START + 30 * MINUTE, START + 40 * MINUTE)]
    recorded(frames, span(0, 50), symbol="ETH")
    assert len(open_findings(frames)) == 1


def skipped(minutes: int, *hours: int) -> pl.DataFrame:
    """Return skipped hours as ``split_by_completeness`` does."""
    times = [START + timedelta(hours=hour) for hour in hours]
    return pl.DataFrame(
        {
            "time": times,
            "close_time": [time + timedelta(hours=1) for time in times],
            "minutes": [minutes] * len(times),
            "expected_minutes": [60] * len(times),
        },
        schema={
            "time": pl.Datetime("us", "UTC"),
            "close_time": pl.Datetime("us", "UTC"),
            "minutes": pl.Int32,
            "expected_minutes": pl.Int32,
        },
    )


def record(frames: Frames, strategy: str, found: pl.DataFrame, within: tuple[int, int]) -> None:
    """Record skipped hours in a transaction."""
    hours = TimeRange(START + timedelta(hours=within[0]), START + timedelta(hours=within[1]))
    with frames.transaction():
        record_skips(frames, "BTC", HOUR, strategy, skipped=found, within=hours)


def test_skips_open_and_close_for_each_strategy(frames):
    """Each strategy has findings of its own; those outside what was evaluated stay, the neighbours among them."""
    record(frames, "a", skipped(50, 0, 1, 2), (0, 5))
    record(frames, "b", skipped(50, 1), (0, 5))
    record(frames, "a", skipped(50), (1, 2))
    assert [start.hour for start, _ in open_findings(frames)] == [8, 9, 10]
    by = query(frames, "SELECT details ->> 'strategy' AS who FROM data_quality WHERE resolved_at IS NULL ORDER BY id")
    assert by["who"].to_list() == ["a", "a", "b"]


def test_an_open_skip_follows_its_candle(frames):
    """More minutes came, but not enough: the finding stays open since then, and says how many there are now."""
    record(frames, "a", skipped(40, 0), (0, 5))
    first = query(frames, "SELECT id, detected_at FROM data_quality").row(0)
    record(frames, "a", skipped(50, 0), (0, 5))
    rows = query(frames, "SELECT id, detected_at, details, resolved_at FROM data_quality").rows()
    assert len(rows) == 1
    assert rows[0][:2] == first
    assert json.loads(rows[0][2])["minutes"] == 50
    assert rows[0][3] is None


BAD = pl.DataFrame(
    {"time": [START], "open": 1.0, "high": 9.0, "low": 1.0, "close": 1.0, "volume": 1.0, "trades": 1, "minutes": 60}
)


def put_candles(frames: Frames, interval: Interval, candles: pl.DataFrame) -> None:
    """Store derived candles."""
    with frames.transaction():
        frames.run("upsert_derived", "BTC", interval.label, incoming=candles)


def judged(frames: Frames, *names: str, interval: Interval, within: TimeRange, **more: object) -> list[int]:
    """Make checks of candles over a range; return how many findings each has."""
    reader = EvidenceReader(frames=frames, symbol="BTC", now=START + timedelta(days=9), **more)
    scopes = [Scope(load_check(name), interval, within) for name in names]
    return [verdict.found.height for verdict in judge(reader, scopes, within=within)[0]]


def kept(frames: Frames) -> list[tuple[str, str, bool, list[str]]]:
    """Return interval, kind, whether it is open and whose words it holds of each finding."""
    rows = query(
        frames,
        "SELECT interval, kind, resolved_at IS NULL AS open, details::text AS told FROM data_quality ORDER BY id",
    )
    return [(interval, kind, is_open, sorted(json.loads(told))) for interval, kind, is_open, told in rows.rows()]


def test_two_checks_share_a_finding_and_each_closes_its_part(frames):
    """The 148m candle is wrong by its minutes and by its quarters; it is over when both say so."""
    whole, quarter = parse_interval("148m"), parse_interval("37m")
    start = whole.floor(START)
    minutes = minutes_frame([minute(n, start) for n in range(148)])
    store_minutes(frames, "BTC", minutes)
    candles = resample(minutes, whole)
    put_candles(frames, quarter, resample(minutes, quarter))
    put_candles(frames, whole, candles.with_columns(high=pl.lit(200.0)))
    within = TimeRange(start, start + timedelta(minutes=148))
    assert judged(frames, "sums", "four_37m", interval=whole, within=within) == [1, 1]
    assert kept(frames) == [("148m", "mismatch", True, ["four_37m", "sums"])]
    put_candles(frames, whole, candles)
    assert judged(frames, "sums", interval=whole, within=within) == [0]
    assert kept(frames) == [("148m", "mismatch", True, ["four_37m"])]
    assert judged(frames, "sums", "four_37m", interval=whole, within=within) == [0, 0]
    assert kept(frames) == [("148m", "mismatch", False, ["four_37m"])]


def test_a_finding_of_a_check_lasts_until_a_look_at_its_place(frames):
    """Twice is once; looks elsewhere leave it; a healed one stays as history and opens anew as another."""
    rows = [minute(n, START) for n in range(120)]
    store_minutes(frames, "BTC", minutes_frame(rows))
    hours = resample(minutes_frame(rows), HOUR)
    put_candles(frames, HOUR, hours.with_columns(close=pl.lit(100.0), high=pl.lit(101.0)))
    first, second = span(0, 60), span(60, 120)
    assert judged(frames, "sums", interval=HOUR, within=span(0, 120)) == [2]
    before = query(frames, "SELECT * FROM data_quality")
    assert judged(frames, "sums", interval=HOUR, within=span(0, 120)) == [2]
    assert query(frames, "SELECT * FROM data_quality").equals(before)
    put_candles(frames, HOUR, hours)
    assert judged(frames, "sums", interval=HOUR, within=second) == [0]
    assert [row[2] for row in kept(frames)] == [True, False]
    put_candles(frames, HOUR, hours.with_columns(high=pl.lit(102.0)))
    assert judged(frames, "sums", interval=HOUR, within=second) == [1]
    assert [row[2] for row in kept(frames)] == [True, False, True]
    assert judged(frames, "sums", interval=HOUR, within=first) == [1]


def test_while_the_exchange_is_silent_nothing_is_closed(frames):
    """A look that could not be made says nothing of what is open."""
    put_candles(frames, HOUR, BAD)
    within = span(0, 60)
    theirs = BAD.drop("minutes").with_columns(high=pl.lit(5.0))
    assert judged(frames, "reconciliation", interval=HOUR, within=within, fetch=lambda *_: theirs) == [1]

    def away(*_):
        raise ExchangeError("no answer")

    reader = EvidenceReader(frames=frames, symbol="BTC", now=START, fetch=away)
    (verdict,), still_open = judge(reader, [Scope(load_check("reconciliation"), HOUR, within)], within=within)
    assert (verdict.fault, verdict.found.height, still_open.height) == ("no answer", 0, 1)
    assert judged(frames, "reconciliation", interval=HOUR, within=within, fetch=lambda *_: BAD) == [0]
    assert [row[2] for row in kept(frames)] == [False]


def test_staleness_is_one_finding_that_grows_worse_and_ends(frames):
    """It begins with the newest minute and has no end while it lasts."""
    store(frames, (0, 10), source="hyperliquid")
    check, always = load_check("freshness"), TimeRange(EPOCH, START + timedelta(days=10))

    def look(n_minutes: int) -> list[tuple[str, bool]]:
        reader = EvidenceReader(frames=frames, symbol="BTC", now=START + n_minutes * MINUTE)
        judge(reader, [Scope(check, ONE_MINUTE, always)], within=always)
        return query(
            frames, "SELECT severity, resolved_at IS NULL AS open FROM data_quality WHERE kind = 'stale' ORDER BY id"
        ).rows()

    assert look(12) == []
    assert look(14) == look(20) == [("warning", True)]
    assert look(40) == [("error", True)]
    store(frames, (10, 41), source="hyperliquid")
    assert look(42) == [("error", False)]


STREAM = ("BTC", "1h", "ma44")


def say(frames: Frames, signal: str, exposure: float, *, run: str, late: timedelta = MINUTE) -> None:
    """Write a decision on the first hour as a derivation does, so long after its close."""
    close = START + timedelta(hours=1)
    spoken = pl.DataFrame(
        {"time": [START], "close_time": [close], "seq": [0], "signal": [signal], "confidence": [1.0]}
        | {
            "exposure": [exposure],
            "price": [100.0],
            "indicator_snapshot": ['{"close": 100.0}'],
            "data_revision": [close],
        },
        schema_overrides={"seq": pl.Int16}
        | dict.fromkeys(("time", "close_time", "data_revision"), pl.Datetime("us", "UTC")),
    )
    with frames.transaction():
        frames.run("insert_decisions", *STREAM, "{}", run, "1", close + late, incoming=spoken)
        record_corrections(frames, STREAM, spoken)


def test_a_live_decision_that_is_contradicted_is_a_finding(frames):
    """Both words and both runs are in it; the first word stays; it is closed when a later revision agrees again."""
    say(frames, "OPEN_LONG", 1.0, run="live")
    say(frames, "OPEN_LONG", 1.0, run="again", late=timedelta(days=1))
    assert kept(frames) == []
    say(frames, "HOLD", 0.0, run="corrected", late=timedelta(days=2))
    row = query(
        frames, "SELECT interval, kind, severity, start_time, end_time, details::text AS told FROM data_quality"
    )
    assert row.row(0)[:5] == ("1h", "correction", "warning", START, START + timedelta(hours=1))
    assert json.loads(row["told"][0]) == {
        "strategy": "ma44",
        "effect": "decided otherwise since",
        "old": [{"signal": "OPEN_LONG", "exposure": 1}],
        "old_run": "live",
        "new": [{"signal": "HOLD", "exposure": 0}],
        "new_run": "corrected",
    }
    say(frames, "OPEN_SHORT", -1.0, run="once more", late=timedelta(days=3))
    told = query(frames, "SELECT details ->> 'new_run' AS run FROM data_quality WHERE resolved_at IS NULL")
    assert told["run"].to_list() == ["once more"]
    say(frames, "OPEN_LONG", 1.0, run="healed", late=timedelta(days=4))
    assert [row[2] for row in kept(frames)] == [False]
    revisions = query(frames, "SELECT revision, signal, run_id FROM decisions ORDER BY revision")
    assert revisions.row(0) == (0, "OPEN_LONG", "live")
    assert revisions.height == 4


def test_history_that_is_decided_otherwise_is_no_finding(frames):
    """Nobody acted on a decision that was made years later: what is imported anew says nothing else."""
    say(frames, "OPEN_LONG", 1.0, run="backfill", late=timedelta(hours=2))
    say(frames, "HOLD", 0.0, run="corrected", late=timedelta(days=2))
    assert kept(frames) == []


def test_a_correction_that_reaches_live_decisions_is_told_and_heals(frames):
    """Derived live, the newest minutes of each hour; then one of them is corrected, and later set right again."""
    five = parse_interval("5m")
    pipeline = Pipeline(intervals=[five], periods={"5m": [20]})
    minutes = made_minutes(TimeRange(START, START + timedelta(hours=12)), random.Random(5), n_gaps=0)
    for n in range(0, minutes.height, 60):
        store_minutes(frames, "BTC", minutes[n : n + 60])
        pipeline.derive_minutes(frames, "BTC", [span(n, n + 60)], now=START + (n + 60) * MINUTE)
    told = "SELECT count(*) FROM data_quality WHERE kind = 'correction' AND resolved_at IS NULL"
    assert query(frames, told).item() == 0
    for price, is_told in ((110.0, True), (float(minutes["close"][304]), False)):
        # The last minute of its candle: its close is the candle's.
        store_minutes(frames, "BTC", minutes_frame([minutes.row(304, named=True) | {"close": price, "high": 120.0}]))
        pipeline.derive_minutes(frames, "BTC", [span(304, 305)], now=START + timedelta(days=1))
        assert (query(frames, told).item() > 0) == is_told


def test_every_check_of_a_run_has_a_result_in_each_of_its_months(
    database_url: str, frames: Frames, settings_for: Callable[..., Settings]
):
    """Where a run touches nothing a check says what is open there: a planned check without a result is "skipped"."""
    store(frames, (0, 10), (20, 30))
    settings = settings_for(database_url)
    placed = place_checks(settings.config, load_checks())
    month = month_range(START)

    def results(touched: dict[str, list[TimeRange]]) -> dict[str, tuple[bool, object]]:
        partition = Partition(f"{month_key(month)}|BTC", "BTC", month, touched)
        every_run = {key: placed[key] for key in keys_of_turn(placed, Turn.EVERY_RUN)}
        told = list(evaluate(frames, Timescale(settings), partition, every_run, began=None))
        assert {(each.asset_key, each.check_name) for each in told} == {(key.asset_key, key.name) for key in every_run}
        return {each.check_name: (each.passed, each.metadata["looked at"].value) for each in told}

    assert results({})["gaps"] == (True, 0)
    assert results({"1h": [span(0, 60)]})["gaps"] == (False, 20)
    assert results({})["gaps"] == (False, 0)
