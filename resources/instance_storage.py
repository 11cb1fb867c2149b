"""Dagster's own storage: in our database, in a schema beside our tables, on few connections."""

from typing import Any

import sqlalchemy
from dagster._config import UserConfigSchema
from dagster._serdes import ConfigurableClassData
from dagster_postgres import DagsterPostgresStorage

from btc_store.settings import load_settings

SCHEMA = "dagster"
_STATEMENT_TIMEOUT_MS = 60_000
_RECYCLE_SECONDS = 1_800
_MAX_OVERFLOW = 4


class PooledPostgresStorage(DagsterPostgresStorage):
    """``DagsterPostgresStorage`` at the address of our settings, with a pool of connections.

    Upstream opens a connection for every statement, also while nothing happens; the pool that the web server
    asks for is asked for by every process here. Ends with https://github.com/dagster-io/dagster/pull/33936.
    """

    @classmethod
    def config_type(cls) -> UserConfigSchema:
        """Return what ``dagster.yaml`` may say under ``config``: nothing, the address is in our settings."""
        return {}

    @classmethod
    def from_config_value(cls, inst_data: ConfigurableClassData | None, config_value: Any) -> "PooledPostgresStorage":
        """Connect to the database of our settings, in the schema ``dagster``."""
        del config_value  # empty, see config_type
        url = load_settings().database_url
        _create_schema(url)
        storage = cls(postgres_url=_in_schema(url), inst_data=inst_data)
        for part in (storage.event_log_storage, storage.run_storage, storage.schedule_storage):
            part.optimize_for_webserver(_STATEMENT_TIMEOUT_MS, _RECYCLE_SECONDS, _MAX_OVERFLOW)
        return storage


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
