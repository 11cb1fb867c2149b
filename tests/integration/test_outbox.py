"""The outbox on a real database, and the sensor that empties it into a real instance of Dagster."""

import warnings
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime, timedelta
from random import Random

import dagster as dg
import pytest

from btc_core.model.timerange import TimeRange
from btc_store.frames import Frames, open_frames
from btc_store.live_state import served
from btc_store.outbox import Report, prune_outbox, read_outbox, write_outbox
from live.plan import plan_of
from resources.timescale import Timescale
from sensors.new_candles import LANE_SECONDS, Watch, build_new_candles_sensor
from sensors.outbox import MOST_ROWS, build_outbox_sensor
from tests.dagster_runs import definitions
from tests.derivation import made_minutes, minutes_frame, query, store_minutes
from tests.live_lane import settle

START = datetime(2024, 5, 3, tzinfo=UTC)
SPAN = TimeRange(START, START + timedelta(days=2))
MAY = "2024-05-01|BTC"


@pytest.fixture
def frames(database_url: str) -> Iterator[Frames]:
    """A connection to a database of its own."""
    with open_frames(database_url) as opened:
        yield opened


@pytest.fixture
def settings(database_url, settings_for):
    """Settings by whose clock the two days have just ended."""
    clock = f"{SPAN.end.timestamp() + 5},{datetime.now(UTC).timestamp()},0.001"
    return settings_for(database_url, BTC_CLOCK=clock)


def candles(n: int, *, key: str = "candles/37m", partition: str = MAY) -> Report:
    """Return a report of so many rows."""
    metadata = {"rows derived": n, "rows written": n, "run": "live"}
    return Report(kind="materialization", asset_key=key, partition=partition, metadata=metadata)


def check(*, passed: bool) -> Report:
    """Return a report of a check."""
    missing = [] if passed else [{"symbol": "BTC", "candle": "2024-05-03 00:00Z", "minutes": 36, "of": 37}]
    return Report(
        kind="check",
        asset_key="indicators/37m",
        partition=MAY,
        check_name="complete",
        passed=passed,
        severity="WARN",
        metadata={"description": "said so", "candles": 1, **({"missing": missing} if missing else {})},
    )


def post(frames: Frames, *reports: Report) -> None:
    """Write reports, and commit."""
    with frames.transaction():
        write_outbox(frames, reports)


def tick(sensor, settings, instance, cursor):
    """Evaluate a sensor once, as the daemon does."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        context = dg.build_sensor_context(
            cursor=cursor, instance=instance, resources={"timescale": Timescale(settings)}
        )
        with context:
            return sensor.evaluate_tick(context)


def test_reports_come_back_as_they_were_written(frames):
    """With their numbers in order; nothing is seen of what was not committed."""
    with pytest.raises(RuntimeError), frames.transaction():
        write_outbox(frames, [candles(9)])
        raise RuntimeError("the lane dies")
    reports = [candles(1), check(passed=False), check(passed=True)]
    post(frames, *reports)
    post(frames)
    with frames.transaction():
        posted = read_outbox(frames, after=0, most=10)
        assert [each.report for each in posted] == reports
        assert [each.id for each in posted] == sorted(each.id for each in posted)
        assert [each.report for each in read_outbox(frames, after=posted[0].id, most=1)] == reports[1:2]


def test_numbers_are_visible_in_their_order(frames, database_url):
    """Who writes second waits for the first to commit, so no number appears behind one that was read."""
    waiting = """SELECT count(*) FROM pg_locks JOIN pg_database ON pg_database.oid = database
                 WHERE datname = current_database() AND locktype = 'advisory' AND NOT granted"""

    def second() -> None:
        with open_frames(database_url) as own:
            post(own, candles(2))

    with ThreadPoolExecutor(1) as pool, open_frames(database_url) as first:
        with first.transaction():
            write_outbox(first, [candles(1)])
            done = pool.submit(second)
            while not query(frames, waiting).item():
                assert not done.done(), "the second did not wait"
            assert read_outbox(frames, after=0, most=10) == []
        done.result(timeout=60)
    rows = [each.report.metadata["rows written"] for each in read_outbox(frames, after=0, most=10)]
    assert rows == [1, 2]


def test_old_reports_are_deleted(frames):
    """By when they were written."""
    post(frames, candles(1), candles(2))
    assert prune_outbox(frames, before=datetime.now(UTC) - timedelta(days=7)) == 0
    assert prune_outbox(frames, before=datetime.now(UTC) + timedelta(days=7)) == 2
    assert read_outbox(frames, after=0, most=10) == []


def test_the_sensor_shows_each_report_once(frames, settings, instance):
    """Materialisations with their partition, checks with their table; then there is a reason to skip."""
    sensor = build_outbox_sensor()
    empty = tick(sensor, settings, instance, None)
    assert (empty.asset_events, empty.skip_message) == ([], "nothing was reported after number 0")
    post(frames, candles(2), check(passed=False), candles(3), candles(1, key="candles/1d"), check(passed=True))
    data = tick(sensor, settings, instance, empty.cursor)
    shown = [event for event in data.asset_events if isinstance(event, dg.AssetMaterialization)]
    told = [(e.asset_key.to_user_string(), e.partition, e.metadata["rows written"].value) for e in shown]
    assert told == [("candles/37m", MAY, 5), ("candles/1d", MAY, 1)]
    failed, passed = [event for event in data.asset_events if isinstance(event, dg.AssetCheckEvaluation)]
    assert (failed.passed, failed.severity, failed.description) == (False, dg.AssetCheckSeverity.WARN, "said so")
    assert failed.metadata["missing"].records[0].data["minutes"] == 36
    assert passed.passed
    assert failed.partition == passed.partition == MAY
    for event in data.asset_events:
        instance.report_runless_asset_event(event)
    assert instance.get_materialized_partitions(dg.AssetKey(["candles", "37m"])) == {MAY}
    again = tick(sensor, settings, instance, data.cursor)
    assert (again.asset_events, again.cursor) == ([], data.cursor)


def test_a_check_says_of_each_month_what_it_said_last(frames, settings, instance):
    """Told again and again, behind each materialisation: never "not checked", and every word stays in its history."""
    key, sensor, cursor = dg.AssetCheckKey(dg.AssetKey(["indicators", "37m"]), "complete"), build_outbox_sensor(), None
    statuses = []
    for passed in (True, False, True):
        post(frames, candles(1, key="indicators/37m"), check(passed=passed))
        data = tick(sensor, settings, instance, cursor)
        cursor = data.cursor
        for event in data.asset_events:
            instance.report_runless_asset_event(event)
        (info,) = [
            each
            for each in instance.event_log_storage.get_asset_check_partition_info([key])
            if each.partition_key == MAY
        ]
        assert info.is_current
        statuses.append(info.latest_execution_status.value)
    assert statuses == ["SUCCEEDED", "FAILED", "SUCCEEDED"]
    assert len(instance.event_log_storage.get_asset_check_execution_history(key, limit=10)) == 3


def test_a_result_that_is_said_again_is_shown_once(frames, settings, instance):
    """A lane that catches up tells hundreds; what changed in between is shown."""
    post(frames, *(check(passed=passed) for passed in (True, True, False, False, False, True)))
    data = tick(build_outbox_sensor(), settings, instance, None)
    assert [event.passed for event in data.asset_events] == [True, False, True]


def test_a_tick_takes_so_many_at_most(frames, settings, instance):
    """The rest is the next tick's."""
    post(frames, *(candles(1, partition=f"{2000 + n}-01-01|BTC") for n in range(MOST_ROWS + 1)))
    first = tick(build_outbox_sensor(), settings, instance, None)
    assert len(first.asset_events) == MOST_ROWS
    assert len(tick(build_outbox_sensor(), settings, instance, first.cursor).asset_events) == 1


def test_what_the_lane_reports_is_known_to_dagster(frames, settings):
    """Every asset, check and partition that it names is in the definitions."""
    store_minutes(frames, "BTC", made_minutes(SPAN, Random(3), n_gaps=2))
    settle(frames, plan_of(settings.config), now=SPAN.end)
    with frames.transaction():
        reports = [each.report for each in read_outbox(frames, after=0, most=1000)]
    graph = definitions(settings).resolve_asset_graph()
    keys = {dg.AssetKey(report.asset_key.split("/")) for report in reports}
    assert keys <= graph.get_all_asset_keys()
    assert dg.AssetKey(["decisions", "ma44"]) in keys
    checks = {
        dg.AssetCheckKey(dg.AssetKey(r.asset_key.split("/")), r.check_name) for r in reports if r.check_name is not None
    }
    assert {
        dg.AssetCheckKey(dg.AssetKey(key.split("/")), name)
        for key, name in (("indicators/37m", "complete"), ("candles/1m", "gaps"), ("candles/148m", "four_37m"))
    } <= checks
    assert checks <= graph.asset_check_keys
    for report in reports:
        assert graph.get(dg.AssetKey(["candles", "37m"])).partitions_def.has_partition_key(report.partition)


class Beside:
    """The sensor ``new_candles`` beside a live lane."""

    def __init__(self, settings, instance, *, serves: str | None) -> None:
        self.settings, self.instance, self.cursor = settings, instance, None
        self.plan = plan_of(settings.config)
        watch = Watch(
            job_name="derive",
            minutes=dg.AssetKey(["candles", "1m"]),
            symbols=("BTC",),
            assets={interval: [dg.AssetKey(["candles", interval.label])] for interval in self.plan.intervals},
            checks={},
            always=[],
            wait=self.plan.rule.wait,
            history=self.plan.history,
            serves=serves,
        )
        self.sensor = build_new_candles_sensor(watch)

    def tick(self) -> list[dg.RunRequest]:
        """Return what the sensor asks for."""
        data = tick(self.sensor, self.settings, self.instance, self.cursor)
        self.cursor, self.skip = data.cursor, data.skip_message
        return list(data.run_requests)


@pytest.fixture
def beside(settings, instance) -> Beside:
    """A sensor that trusts a lane of the same configuration."""
    return Beside(settings, instance, serves=served(settings.config))


def stop_lane(frames: Frames) -> None:
    """Let the last look be long ago."""
    query(
        frames,
        f"""WITH done AS (UPDATE live_state SET looked_at = looked_at - interval '{LANE_SECONDS + 1} s'
                      RETURNING 1) SELECT count(*) FROM done""",
    )
    frames._connection.commit()


def test_the_sensor_leaves_the_work_to_a_lane_that_looks(frames, beside):
    """What the lane has derived, and what it is going to, is asked for by nobody else."""
    settle(frames, beside.plan, now=SPAN.start)
    store_minutes(frames, "BTC", made_minutes(SPAN, Random(1), n_gaps=0))
    assert beside.tick() == []
    assert beside.skip == "the live lane derives what closes"
    settle(frames, beside.plan, now=SPAN.end)
    assert beside.tick() == []
    # What it has derived is forgotten, also if it dies now.
    stop_lane(frames)
    assert beside.tick() == []
    assert beside.skip == "no candle has closed since the last run"


def test_the_sensor_does_the_work_of_a_lane_that_is_dead(frames, beside):
    """Everything that the lane has not said to be done."""
    settle(frames, beside.plan, now=SPAN.start)
    store_minutes(frames, "BTC", made_minutes(SPAN, Random(1), n_gaps=0))
    assert beside.tick() == []
    stop_lane(frames)
    (request,) = beside.tick()
    assert (
        len(request.asset_selection) == len(beside.plan.intervals) - 3
    )  # no three days, no week and no month have closed


def test_the_sensor_does_what_the_lane_leaves(frames, beside):
    """History is the Dagster lane's, while the live lane looks too."""
    old = TimeRange(START - timedelta(days=60), START - timedelta(days=59))
    store_minutes(frames, "BTC", made_minutes(old, Random(1), n_gaps=0))
    store_minutes(frames, "BTC", made_minutes(SPAN, Random(1), n_gaps=0))
    assert len(beside.tick()) == 1, "no lane has ever looked"
    beside.cursor = None
    settle(frames, beside.plan, now=SPAN.end)
    (request,) = beside.tick()
    assert request.tags["dagster/asset_partition_range_end"] == "2024-03-01|BTC"
    assert '"2024-05' not in request.tags["btc/touched"]


def test_a_lane_of_another_configuration_is_not_trusted(frames, settings, instance):
    """It may not derive what we would."""
    beside = Beside(settings, instance, serves="another")
    store_minutes(frames, "BTC", made_minutes(SPAN, Random(1), n_gaps=0))
    settle(frames, beside.plan, now=SPAN.end)
    assert len(beside.tick()) == 1


def test_a_correction_after_the_lanes_look_is_not_forgotten(frames, beside):
    """The lane's word is about what was there when it looked."""
    minutes = made_minutes(SPAN, Random(1), n_gaps=0)
    store_minutes(frames, "BTC", minutes)
    settle(frames, beside.plan, now=SPAN.end)
    assert beside.tick() == []
    settle(frames, beside.plan, now=SPAN.end)
    assert beside.tick() == []
    store_minutes(frames, "BTC", minutes_frame([minutes.row(700, named=True) | {"high": 900.0}]))
    assert beside.tick() == []
    stop_lane(frames)
    (request,) = beside.tick()
    assert "2024-05-03T11:40" in request.tags["btc/touched"]


def test_a_lane_that_looked_after_the_present_is_not_trusted(frames, beside):
    """The clock was set back since, and it has not looked again: it may be dead, and knows of nothing that came."""
    settle(frames, beside.plan, now=SPAN.start)
    store_minutes(frames, "BTC", made_minutes(SPAN, Random(1), n_gaps=0))
    assert beside.tick() == []
    query(frames, "UPDATE live_state SET looked_at = looked_at + interval '1 hour' RETURNING 1")
    frames._connection.commit()
    assert len(beside.tick()) == 1
