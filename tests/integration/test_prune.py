"""Dagster's history on a real instance: the old goes, and what the UI shows of every partition and check stays."""

import warnings
from datetime import UTC, datetime, timedelta
from uuid import uuid4

import dagster as dg
import psycopg2
import pytest

from btc_assets.prune import EVENT_DAYS, KNOWN_SCHEMA, RUN_DAYS, TABLES, build_prune_job
from resources.timescale import Timescale
from tests.dagster_runs import QUIET

KEY = dg.AssetKey(["candles", "37m"])
CHECK = dg.AssetCheckKey(KEY, "gaps")
MONTHS = dg.StaticPartitionsDefinition(["2024-01", "2024-02", "2024-03"])
SENSOR = {"dagster/sensor_name": "new_candles"}
MATERIALIZED = dg.DagsterEventType.ASSET_MATERIALIZATION
NOW = datetime.now(UTC)

# A copy of a run with its events under another name and date, as the storage would have written it.
CLONE = """
INSERT INTO dagster.runs (run_id, snapshot_id, pipeline_name, status, run_body, partition, create_timestamp,
                          update_timestamp, start_time, end_time)
SELECT %(new)s, snapshot_id, pipeline_name, status, replace(run_body, %(old)s, %(new)s), partition, %(at)s, %(at)s,
       extract(epoch FROM %(at)s), extract(epoch FROM %(at)s) FROM dagster.runs WHERE run_id = %(old)s;
INSERT INTO dagster.run_tags (run_id, key, value) SELECT %(new)s, key, value
FROM dagster.run_tags WHERE run_id = %(old)s;
INSERT INTO dagster.event_logs (run_id, event, dagster_event_type, timestamp, step_key, asset_key, partition)
SELECT %(new)s, replace(event, %(old)s, %(new)s), dagster_event_type, %(at)s, step_key, asset_key, partition
FROM dagster.event_logs WHERE run_id = %(old)s ORDER BY id;
INSERT INTO dagster.asset_check_executions (asset_key, check_name, partition, run_id, execution_status,
                                            evaluation_event, evaluation_event_timestamp, evaluation_event_storage_id)
SELECT asset_key, check_name, partition, %(new)s, execution_status, replace(evaluation_event, %(old)s, %(new)s), %(at)s,
       (SELECT max(id) FROM dagster.event_logs WHERE run_id = %(new)s) FROM dagster.asset_check_executions
WHERE run_id = %(old)s ORDER BY id;
"""


@pytest.fixture
def prune(instance, database_url, settings_for):
    """A function that runs the job and returns what it deleted."""

    def run(**config):
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            result = build_prune_job().execute_in_process(
                instance=instance,
                resources={"timescale": Timescale(settings_for(database_url))},
                run_config={**QUIET, "ops": {"prune_history": {"config": config}}},
                raise_on_error=False,
            )
        failed = [event.step_failure_data.error for event in result.all_events if event.is_step_failure]
        assert result.success, str(failed[0].cause or failed[0])
        (output,) = [event for event in result.all_events if event.is_successful_output]
        return {name: value.value for name, value in output.event_specific_data.metadata.items()}

    return run


class History:
    """Runs and events of the past, made fast."""

    def __init__(self, instance, url):
        self.instance, self.url = instance, url

    def sql(self, sql, values=None):
        """Return what a statement answers, if anything."""
        connection = psycopg2.connect(self.url)
        try:
            with connection, connection.cursor() as cursor:
                cursor.execute(sql, values)
                return cursor.fetchall() if cursor.description else []
        finally:
            connection.close()

    def run(self, month, *, fails=False, tags=SENSOR):
        """Materialise a month's partition in a real run; returns its id."""

        @dg.asset(key=KEY, partitions_def=MONTHS)
        def candles() -> None:
            if fails:
                raise RuntimeError

        @dg.asset_check(asset=KEY, name="gaps", partitions_def=MONTHS)
        def gaps() -> dg.AssetCheckResult:
            return dg.AssetCheckResult(passed=False)

        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            job = dg.Definitions(assets=[candles], asset_checks=[gaps]).resolve_implicit_global_asset_job_def()
            done = job.execute_in_process(
                instance=self.instance, tags=tags, partition_key=month, run_config=QUIET, raise_on_error=False
            )
        return done.run_id

    def clone(self, run_id, *, at):
        """Copy a run to another date, behind all that is there; returns the copy's id."""
        name = str(uuid4())
        self.sql(CLONE, {"old": run_id, "new": name, "at": at.replace(tzinfo=None)})
        return name

    def remove(self, *run_ids):
        """Take back the runs that others were copied from."""
        for run_id in run_ids:
            self.instance.delete_run(run_id)
            self.sql("DELETE FROM dagster.asset_check_executions WHERE run_id = %s", (run_id,))

    def runs(self):
        """Return the ids of the runs that are left, but for those of the prune job."""
        return {run.run_id for run in self.instance.get_runs() if run.job_name != "prune"}

    def seen(self):
        """Return what the UI shows as the latest of every partition and check."""
        execution = self.instance.event_log_storage.get_latest_asset_check_execution_by_key([CHECK])[CHECK]
        return {
            "partitions": self.instance.event_log_storage.get_latest_storage_id_by_partition(KEY, MATERIALIZED),
            "latest": self.instance.get_latest_materialization_event(KEY),
            "check": (execution.id, execution.status),
            "checks": set(self.instance.event_log_storage.get_asset_check_partition_info([CHECK])),
        }


@pytest.fixture
def history(instance, database_url):
    """Nothing yet."""
    return History(instance, database_url)


def test_old_runs_of_the_sensor_go_and_the_newest_of_every_partition_stays(history, prune, instance):
    """Of hundreds of runs the young stay, what was kept by a person, and the last of each month, whatever its age."""
    january, february = history.run("2024-01"), history.run("2024-02")
    by_hand = history.run("2024-02", tags={})
    old = [history.clone(january, at=NOW - timedelta(days=60, hours=-i)) for i in range(200)]
    kept = history.clone(january, at=NOW - timedelta(days=59))
    instance.add_run_tags(kept, {"keep": "true"})
    last_january = history.clone(january, at=NOW - timedelta(days=50))
    by_hand_old = history.clone(by_hand, at=NOW - timedelta(days=50))
    ageing = [history.clone(february, at=NOW - timedelta(days=RUN_DAYS + 1, hours=-i - 0.5)) for i in range(100)]
    young = set(ageing[24:]) | {history.clone(february, at=NOW)}
    history.remove(january, february, by_hand)
    before = history.seen()
    assert len(before["partitions"]) == 2

    deleted = prune()

    assert history.runs() == young | {kept, last_january, by_hand_old}
    assert deleted["runs deleted"] == len(old) + 24
    assert deleted["events of runs deleted"] > 10 * deleted["runs deleted"]
    assert history.seen() == before
    names = ("event_logs", "asset_check_executions")
    left = {run for name in names for (run,) in history.sql(f"SELECT DISTINCT run_id FROM dagster.{name}")}
    assert left <= history.runs() | {run.run_id for run in instance.get_runs()}
    assert prune()["runs deleted"] == 0


def test_a_run_under_way_and_a_failure_that_nothing_outdid_stay(history, prune, instance):
    """What runs is left alone however long it has been running; a month that failed last is shown as failed."""
    january, failed = history.run("2024-01"), history.run("2024-03", fails=True)
    at = NOW - timedelta(days=40)
    outdone = history.clone(january, at=at)
    running = history.clone(january, at=at)
    history.sql("UPDATE dagster.runs SET status = 'STARTED', end_time = NULL WHERE run_id = %s", (running,))
    first_failure = history.clone(failed, at=at)
    last_failure = history.clone(failed, at=at)
    newest = history.clone(january, at=at)
    history.remove(january, failed)
    assert prune()["runs deleted"] == 2
    assert history.runs() == {running, last_failure, newest}
    assert {outdone, first_failure} & history.runs() == set()


def test_reported_events_go_but_for_the_newest(history, prune, instance):
    """Of events without a run the last month stays, and the newest of each partition and check however old."""
    for month in ["2024-01"] * 100 + ["2024-02"] * 50:
        # The storage keeps a row for a tag of this name.
        tags = {"dagster/partition/month": month}
        instance.report_runless_asset_event(dg.AssetMaterialization(KEY, partition=month, tags=tags))
    for _ in range(50):
        # As those of a partition, which give it up to the next one.
        instance.report_runless_asset_event(
            dg.AssetCheckEvaluation(asset_key=KEY, check_name="gaps", passed=True, metadata={})
        )
    old, n = (NOW - timedelta(days=EVENT_DAYS + 1)).replace(tzinfo=None), 140
    history.sql("UPDATE dagster.event_logs SET timestamp = %s WHERE asset_key IS NULL OR id <= %s", (old, n))
    history.sql("UPDATE dagster.asset_check_executions SET evaluation_event_timestamp = %s", (old,))
    before = history.seen()
    deleted = prune()
    # 99 of January, the first 40 of February; 49 evaluations.
    assert deleted["reported events deleted"] == 139
    assert deleted["reported checks deleted"] == 49
    assert history.seen() == before
    left = "SELECT dagster_event_type, count(*) FROM dagster.event_logs WHERE run_id = '' GROUP BY 1"
    assert dict(history.sql(left)) == {"ASSET_MATERIALIZATION": 11, "ASSET_CHECK_EVALUATION": 1}
    assert history.sql("SELECT count(*) FROM dagster.asset_event_tags") == [(11,)]
    again = prune()
    assert (again["reported events deleted"], again["reported checks deleted"]) == (0, 0)


def test_of_the_results_of_a_check_the_newest_of_each_month_stays(history, prune, instance):
    """However old, whether a run told it or not; the results that gave their month up to a newer one go before it."""
    runs = {month: history.run(month) for month in ("2024-01", "2024-02", "2024-03")}
    old = NOW - timedelta(days=EVENT_DAYS + 1)
    copies = {month: history.clone(run_id, at=old) for month, run_id in runs.items()}
    history.remove(*runs.values())
    for month, passed in [("2024-01", True), ("2024-01", True), ("2024-01", False), ("2024-02", False)]:
        instance.report_runless_asset_event(dg.AssetMaterialization(KEY, partition=month))
        instance.report_runless_asset_event(
            dg.AssetCheckEvaluation(asset_key=KEY, check_name="gaps", passed=passed, partition=month, metadata={})
        )
    # January fails by the lane's last word; March by what a run said after the lane.
    instance.report_runless_asset_event(
        dg.AssetCheckEvaluation(asset_key=KEY, check_name="gaps", passed=True, partition="2024-03", metadata={})
    )
    newest = history.clone(copies["2024-03"], at=old)
    for table, column in (("event_logs", "timestamp"), ("asset_check_executions", "evaluation_event_timestamp")):
        history.sql(f"UPDATE dagster.{table} SET {column} = %s WHERE run_id = ''", (old.replace(tzinfo=None),))
    of_each_month = (
        "SELECT DISTINCT ON (partition) partition, run_id, execution_status FROM dagster.asset_check_executions"
        " WHERE partition IS NOT NULL ORDER BY partition, id DESC"
    )
    before, results = history.seen(), history.sql(of_each_month)
    assert results == [("2024-01", "", "FAILED"), ("2024-02", "", "FAILED"), ("2024-03", newest, "FAILED")]

    deleted = prune()

    # The first of the two that January gave up, and the one of March.
    assert deleted["reported checks deleted"] == 2
    assert deleted["runs deleted"] == 3
    assert (history.runs(), history.sql(of_each_month)) == ({newest}, results)
    assert history.seen() == before
    assert prune()["reported checks deleted"] == 0


def test_a_run_that_the_lane_outdid_goes(history, prune, instance):
    """A partition's newest materialisation may be one that no run told: then the run before it is not needed."""
    january = history.run("2024-01")
    old = history.clone(january, at=NOW - timedelta(days=30))
    history.remove(january)
    instance.report_runless_asset_event(dg.AssetMaterialization(KEY, partition="2024-01"))
    instance.report_runless_asset_event(
        dg.AssetCheckEvaluation(asset_key=KEY, check_name="gaps", passed=True, partition="2024-01", metadata={})
    )
    before = history.seen()
    assert prune()["runs deleted"] == 1
    assert old not in history.runs()
    assert history.seen() == before


def test_how_old_is_old_may_be_said_at_the_launch(history, prune):
    """With no days at all everything goes that nobody needs."""
    january = history.run("2024-01")
    newest = history.clone(january, at=NOW - timedelta(minutes=1))
    assert prune(run_days=0)["runs deleted"] == 1
    assert history.runs() == {newest}


def test_tables_of_another_version_are_left_alone(history, prune):
    """After an update of Dagster somebody has to look first: nothing is deleted, and the run says why."""
    history.sql("UPDATE dagster.alembic_version SET version_num = 'later'")
    with pytest.raises(AssertionError, match=f"schema later, expected {KNOWN_SCHEMA}"):
        prune()
    history.sql("UPDATE dagster.alembic_version SET version_num = %s", (KNOWN_SCHEMA,))


def test_the_tables_are_those_of_the_installed_version(instance, history):
    """The statements were written for the version that is installed, and every table they name is there."""
    _, newest = instance.event_log_storage.alembic_version()
    assert newest == KNOWN_SCHEMA
    found = {name for (name,) in history.sql("SELECT tablename FROM pg_tables WHERE schemaname = 'dagster'")}
    assert set(TABLES) <= found
