"""Dagster's own storage: in our database, beside our tables, on few connections."""

import warnings

import dagster as dg
import psycopg2
import pytest

from btc_store.settings import project_root
from tests.dagster_runs import QUIET


@pytest.fixture
def instance(database_url, monkeypatch):
    """The instance that dagster.yaml describes, over a fresh database."""
    monkeypatch.setenv("DATABASE_URL", database_url)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        with dg.DagsterInstance.from_config(str(project_root())) as made:
            yield made


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
