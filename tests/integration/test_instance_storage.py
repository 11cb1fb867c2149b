"""Dagster's own storage: in our database, beside our tables, on few connections."""

import warnings

import dagster as dg
import psycopg2
import pytest

from btc_store.settings import project_root


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
