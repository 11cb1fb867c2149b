"""Dagster's own storage: in our database, beside our tables, on few connections."""

import warnings

import dagster as dg
import psycopg2

from tests.dagster_runs import QUIET


def rows(url, sql):
    """Return what a question to the database answers."""
    connection = psycopg2.connect(url)
    try:
        with connection, connection.cursor() as cursor:
            cursor.execute(sql)
            return cursor.fetchall()
    finally:
        connection.close()


def test_dagster_keeps_its_tables_in_its_own_schema(instance, database_url):
    """Runs and events are in the schema dagster; public holds our tables alone, with our own schema version."""
    assert instance.get_runs() == []
    schemas = "SELECT schemaname FROM pg_tables WHERE tablename = '{}'"
    assert rows(database_url, schemas.format("runs")) == [("dagster",)]
    assert rows(database_url, schemas.format("event_logs")) == [("dagster",)]
    assert sorted(rows(database_url, schemas.format("alembic_version"))) == [("dagster",), ("public",)]


def test_statements_share_connections(instance, database_url):
    """Many events open no connection each: what upstream does 400 times a minute on an idle instance."""
    key = dg.AssetKey(["candles", "1m"])
    instance.report_runless_asset_event(dg.AssetMaterialization(key))
    started = "SELECT sessions FROM pg_stat_database WHERE datname = current_database()"
    before = rows(database_url, "SELECT pg_stat_force_next_flush()") and rows(database_url, started)[0][0]
    for _ in range(20):
        instance.report_runless_asset_event(dg.AssetMaterialization(key))
    after = rows(database_url, started)[0][0]
    # The questions of this test are sessions too.
    assert after - before < 10
    assert instance.get_latest_materialization_event(key) is not None


def test_events_of_many_partitions_are_stored_together(instance, database_url, monkeypatch):
    """A run over two years tells what it will make and what it made, each event once, in a few statements."""
    monkeypatch.setenv("DAGSTER_EVENT_BATCH_SIZE", "200")
    months = dg.MonthlyPartitionsDefinition(start_date="2021-01-01", end_date="2023-01-01")

    @dg.multi_asset(
        specs=[dg.AssetSpec(["candles", label]) for label in ("1h", "37m")],
        partitions_def=months,
        backfill_policy=dg.BackfillPolicy.single_run(),
    )
    def candles(context: dg.AssetExecutionContext):
        for key in context.selected_asset_keys:
            yield dg.MaterializeResult(asset_key=key)

    keys = months.get_partition_keys()
    tags = {"dagster/asset_partition_range_start": keys[0], "dagster/asset_partition_range_end": keys[-1]}
    statements = "SELECT xact_commit FROM pg_stat_database WHERE datname = current_database()"
    rows(database_url, "SELECT pg_stat_force_next_flush()")
    before = rows(database_url, statements)[0][0]
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        done = dg.materialize([candles], instance=instance, tags=tags, run_config=QUIET)
    after = rows(database_url, statements)[0][0]
    counts = "SELECT dagster_event_type, asset_key, count(*), count(DISTINCT partition) FROM dagster.event_logs"
    found = {(kind, key): n for kind, key, *n in rows(database_url, counts + " GROUP BY 1, 2") if key}
    assert found == {
        (kind, f'["candles", "{label}"]'): [24, 24]
        for kind in ("ASSET_MATERIALIZATION", "ASSET_MATERIALIZATION_PLANNED")
        for label in ("1h", "37m")
    }
    # 96 events of partitions, of which each took three transactions before.
    assert after - before < 96
    newest = instance.get_latest_materialization_event(dg.AssetKey(["candles", "1h"]))
    assert newest.asset_materialization.partition == keys[-1]
    planned = "SELECT DISTINCT last_run_id FROM dagster.asset_keys"
    assert rows(database_url, planned) == [(done.run_id,)]


MONTHS = [f"2021-{month:02}|BTC" for month in range(1, 13)]
PARTITIONS = dg.StaticPartitionsDefinition(MONTHS)
KEY, SUMS = dg.AssetKey(["candles", "37m"]), dg.AssetCheckKey(dg.AssetKey(["candles", "37m"]), "sums")


def result(month, *, passed=True):
    """Return a check's result about a month."""
    return dg.AssetCheckEvaluation(asset_key=KEY, check_name="sums", passed=passed, partition=month)


def run_year(instance, *, failed=()):
    """Materialise a year's months and check them in one run."""

    @dg.asset(key=KEY, partitions_def=PARTITIONS, backfill_policy=dg.BackfillPolicy.single_run())
    def candles() -> dg.MaterializeResult:
        return dg.MaterializeResult()

    @dg.multi_asset_check(specs=[dg.AssetCheckSpec("sums", asset=KEY, partitions_def=PARTITIONS)])
    def checks(context: dg.AssetCheckExecutionContext):
        yield from (result(month, passed=month not in failed) for month in sorted(context.partition_keys))
        yield dg.Output(None, "candles__37m_sums")

    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        job = dg.Definitions(assets=[candles], asset_checks=[checks]).resolve_implicit_global_asset_job_def()
        tags = {"dagster/asset_partition_range_start": MONTHS[0], "dagster/asset_partition_range_end": MONTHS[-1]}
        assert job.execute_in_process(instance=instance, tags=tags, run_config=QUIET).success


def shown(instance):
    """Return the months that the UI shows for each status of the check; others it counts as missing."""
    state = instance.event_log_storage.get_asset_check_state([(SUMS, PARTITIONS)])[SUMS]
    return {name.value: set(each.value.get_partition_keys()) for name, each in state.subsets.items() if each.value}


def test_the_latest_of_an_asset_and_of_a_check_is_the_newest_month(instance, database_url, monkeypatch):
    """Upstream takes the partitions of a run from a set: what the UI shows as the latest would be any month."""
    monkeypatch.setenv("DAGSTER_EVENT_BATCH_SIZE", "200")
    run_year(instance)
    assert instance.get_latest_materialization_event(KEY).asset_materialization.partition == MONTHS[-1]
    told = rows(database_url, "SELECT partition, execution_status FROM dagster.asset_check_executions ORDER BY id")
    assert told == [(month, "SUCCEEDED") for month in MONTHS]


def test_a_checked_month_is_shown_as_checked(instance):
    """A run over many months checks each; a month that is made anew is unchecked until somebody looks again."""
    run_year(instance, failed=MONTHS[3:4])
    assert shown(instance) == {"FAILED": {MONTHS[3]}, "SUCCEEDED": {*MONTHS} - {MONTHS[3]}}
    instance.report_runless_asset_event(dg.AssetMaterialization(KEY, partition=MONTHS[3]))
    assert shown(instance) == {"SUCCEEDED": {*MONTHS} - {MONTHS[3]}}


def test_results_without_a_run_follow_each_other(instance, database_url):
    """Of a month's results the newest counts, over that of a run too; all stay in the check's history."""
    run_year(instance)
    for passed in (True, False, False):
        instance.report_runless_asset_event(dg.AssetMaterialization(KEY, partition=MONTHS[5]))
        instance.report_runless_asset_event(result(MONTHS[5], passed=passed))
        instance.report_runless_asset_event(result(MONTHS[6]))
    assert shown(instance) == {"FAILED": {MONTHS[5]}, "SUCCEEDED": {*MONTHS} - {MONTHS[5]}}
    found = instance.event_log_storage.get_asset_check_execution_history(SUMS, limit=100)
    assert len(found) == len(MONTHS) + 6
    assert [record.partition for record in found[:2]] == [MONTHS[6], MONTHS[5]]
