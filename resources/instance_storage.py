"""Dagster's own storage: in our database, in a schema beside our tables, on few connections."""

from collections.abc import Sequence
from itertools import groupby
from typing import Any

import sqlalchemy
from dagster import DagsterEventType, EventLogEntry
from dagster._config import UserConfigSchema
from dagster._core.storage.asset_check_execution_record import AssetCheckExecutionRecordStatus
from dagster._core.storage.event_log.schema import AssetCheckExecutionsTable, SqlEventLogStorageTable
from dagster._serdes import ConfigurableClassData, serialize_value
from dagster_postgres import (
    DagsterPostgresStorage,
    PostgresEventLogStorage,
    PostgresRunStorage,
    PostgresScheduleStorage,
)

from btc_store.settings import let_dagster_batch_events, load_settings

SCHEMA = "dagster"
_STATEMENT_TIMEOUT_MS = 60_000
_RECYCLE_SECONDS = 1_800
_MAX_OVERFLOW = 4


_PLANNED = DagsterEventType.ASSET_MATERIALIZATION_PLANNED


class BatchingEventLogStorage(PostgresEventLogStorage):
    """``PostgresEventLogStorage`` for runs over many partitions, which tell thousands of events at once.

    Upstream asks for each event whether its own tables are there, on a second connection, and writes batches one event
    after the other but for one kind of them. And it takes the partitions of a run in no order, whereas the UI shows as
    the latest of an asset or a check what was written last: here they are written in order of time.
    """

    def __init__(self, postgres_url: str) -> None:
        super().__init__(postgres_url)
        self._known_tables: set[str] = set()

    def has_table(self, table_name: str) -> bool:
        """Return whether there is a table; one that was there once stays."""
        if table_name not in self._known_tables and super().has_table(table_name):
            self._known_tables.add(table_name)
        return table_name in self._known_tables

    def store_event_batch(self, events: Sequence[EventLogEntry]) -> None:
        """Store events in their order: those of planned materialisations with a statement for each asset."""
        for kind, group in groupby(events, key=lambda event: event.get_dagster_event().event_type):
            alike = sorted(group, key=_asset_partition)
            if kind == _PLANNED:
                self._store_planned(alike)
            else:
                super().store_event_batch(alike)

    def _store_planned(self, events: Sequence[EventLogEntry]) -> None:
        for _, group in groupby(events, key=lambda event: event.get_dagster_event().asset_key):
            alike = list(group)
            with self.index_transaction() as connection:
                rows = self.prepare_insert_event_batch(alike).returning(sqlalchemy.column("id"))
                newest = max(row[0] for row in connection.execute(rows))
                # As upstream does it: an asset's row speaks of its newest event.
                self._store_asset_event(connection, alike[-1], newest)

    def _store_asset_check_evaluation_planned(self, event: EventLogEntry, event_id: int | None) -> None:
        """Plan a check in the months of a run, in their order; else as upstream does it."""
        planned = event.get_dagster_event().asset_check_planned_data
        subset = planned.partitions_subset
        row = {
            "asset_key": planned.asset_key.to_string(),
            "check_name": planned.check_name,
            "run_id": event.run_id,
            "execution_status": AssetCheckExecutionRecordStatus.PLANNED.value,
            "evaluation_event": serialize_value(event),
            "evaluation_event_timestamp": self._event_insert_timestamp(event),
            "evaluation_event_storage_id": event_id,
        }
        rows = [{**row, "partition": key} for key in (sorted(subset.get_partition_keys()) if subset else [None])]
        with self.index_connection() as connection:
            connection.execute(AssetCheckExecutionsTable.insert().values(rows))

    def store_asset_check_event(self, event: EventLogEntry, event_id: int | None) -> None:
        """Store a check's event; a result about a partition speaks of its newest materialisation.

        Upstream says so for runs over one partition alone, and counts what speaks of none as not checked.
        """
        super().store_asset_check_event(event, event_id)
        if event.dagster_event_type != DagsterEventType.ASSET_CHECK_EVALUATION:
            return
        said = event.get_dagster_event().asset_check_evaluation_data
        if said.partition is None or said.target_materialization_data is not None:
            return
        logs = SqlEventLogStorageTable.c
        newest = (
            sqlalchemy.select(sqlalchemy.func.max(logs.id))
            .where(logs.asset_key == said.asset_key.to_string())
            .where(logs.dagster_event_type == DagsterEventType.ASSET_MATERIALIZATION.value)
            .where(logs.partition == said.partition)
        )
        with self.index_connection() as connection:
            connection.execute(_row_of(event).values(materialization_event_storage_id=newest.scalar_subquery()))

    def _store_runless_asset_check_evaluation(self, event: EventLogEntry, event_id: int | None) -> None:
        """Store a result that no run told. The index takes one for each partition: the one before gives its place up.

        It stays as history, without the partition.
        """
        if event.get_dagster_event().asset_check_evaluation_data.partition is not None:
            with self.index_connection() as connection:
                connection.execute(_row_of(event).values(partition=None))
        super()._store_runless_asset_check_evaluation(event, event_id)


class PooledPostgresStorage(DagsterPostgresStorage):
    """``DagsterPostgresStorage`` at the address of our settings, with a pool of connections.

    Upstream opens a connection for every statement, also while nothing happens; the pool that the web server
    asks for is asked for by every process here. Ends with https://github.com/dagster-io/dagster/pull/33936.
    """

    def __init__(self, postgres_url: str, inst_data: ConfigurableClassData | None = None) -> None:
        # As upstream's, which would make an event log of its own first.
        super(DagsterPostgresStorage, self).__init__()
        self.postgres_url, self.should_autocreate_tables, self._inst_data = postgres_url, True, inst_data
        self._run_storage = PostgresRunStorage(postgres_url)
        self._event_log_storage = BatchingEventLogStorage(postgres_url)
        self._schedule_storage = PostgresScheduleStorage(postgres_url)

    @classmethod
    def config_type(cls) -> UserConfigSchema:
        """Return what ``dagster.yaml`` may say under ``config``: nothing, the address is in our settings."""
        return {}

    @classmethod
    def from_config_value(cls, inst_data: ConfigurableClassData | None, config_value: Any) -> "PooledPostgresStorage":
        """Connect to the database of our settings, in the schema ``dagster``."""
        del config_value  # empty, see config_type
        let_dagster_batch_events()
        url = load_settings().database_url
        _create_schema(url)
        storage = cls(postgres_url=_in_schema(url), inst_data=inst_data)
        for part in (storage.event_log_storage, storage.run_storage, storage.schedule_storage):
            part.optimize_for_webserver(_STATEMENT_TIMEOUT_MS, _RECYCLE_SECONDS, _MAX_OVERFLOW)
        return storage


def _row_of(event: EventLogEntry) -> sqlalchemy.Update:
    """Return the update of the row of a check's result about a partition: there is one for each run."""
    said, row = event.get_dagster_event().asset_check_evaluation_data, AssetCheckExecutionsTable.c
    return (
        AssetCheckExecutionsTable.update()
        .where(row.asset_key == said.asset_key.to_string())
        .where(row.check_name == said.check_name)
        .where(row.run_id == event.run_id)
        .where(row.partition == said.partition)
    )


def _asset_partition(event: EventLogEntry) -> tuple[str, str]:
    said = event.get_dagster_event()
    return (said.asset_key.to_string() if said.asset_key else "", said.partition or "")


def vacuum(url: str, tables: Sequence[str]) -> None:
    """Give the space of deleted rows of Dagster's tables free for new ones; nobody waits for it."""
    engine = sqlalchemy.create_engine(
        sqlalchemy.make_url(url).set(drivername="postgresql+psycopg2"), isolation_level="AUTOCOMMIT"
    )
    try:
        with engine.connect() as connection:
            for table in tables:
                connection.exec_driver_sql(f"VACUUM (ANALYZE) {SCHEMA}.{table}")
    finally:
        engine.dispose()


def _in_schema(url: str) -> str:
    """Return the address with our schema as the only one in sight, and with the driver that is installed."""
    parsed = sqlalchemy.make_url(url).set(drivername="postgresql+psycopg2")
    return parsed.update_query_dict({"options": f"-csearch_path={SCHEMA}"}).render_as_string(hide_password=False)


def _create_schema(url: str) -> None:
    engine = sqlalchemy.create_engine(sqlalchemy.make_url(url).set(drivername="postgresql+psycopg2"))
    try:
        with engine.begin() as connection:
            # Two processes that start on an empty database would both create it; IF NOT EXISTS does not see the other.
            connection.exec_driver_sql(f"SELECT pg_advisory_xact_lock(hashtext('schema {SCHEMA}'))")
            connection.exec_driver_sql(f"CREATE SCHEMA IF NOT EXISTS {SCHEMA}")
    finally:
        engine.dispose()
