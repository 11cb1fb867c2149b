"""Bring a database to the schema of this version, and tell which it has."""

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import psycopg2
import sqlalchemy
from alembic import command
from alembic.config import Config as AlembicConfig
from alembic.migration import MigrationContext
from alembic.script import ScriptDirectory
from psycopg2.errors import InsufficientPrivilege
from sqlalchemy.exc import DBAPIError

from btc_core.errors import DatabaseError
from btc_store.connection import explain_text
from btc_store.statements import statement

# Two upgrades at once would both create the tables: this lock makes the second wait and find nothing to do.
_UPGRADE_LOCK = 0x62_74_63


def upgrade(url: str) -> tuple[str | None, str]:
    """Apply the missing migrations. Returns the revision before (None: empty database) and after.

    Raises:
        DatabaseError: If the database is away, refuses us, or is newer than this program.
    """
    with _connection(url) as connection:
        connection.exec_driver_sql(f"SELECT pg_advisory_lock({_UPGRADE_LOCK})")
        before, head = _revision(connection), _head()
        connection.commit()
        known = {script.revision for script in ScriptDirectory.from_config(_alembic()).walk_revisions()}
        if before is not None and before not in known:
            raise DatabaseError(
                f"the database has schema {before}, newer than this program's {head}: update the program; "
                "nothing was changed"
            )
        config = _alembic()
        config.attributes["connection"] = connection
        command.upgrade(config, "head")
        # Not a revision: the same database may be given another edition of TimescaleDB later.
        connection.exec_driver_sql(statement("compress_old_chunks"))
        connection.commit()
        connection.exec_driver_sql(f"SELECT pg_advisory_unlock({_UPGRADE_LOCK})")
        connection.commit()
        return before, head


def revisions(url: str) -> tuple[str | None, str]:
    """Return the revision that the database has (None: no tables) and the one that this program wants."""
    with _connection(url) as connection:
        return _revision(connection), _head()


@contextmanager
def _connection(url: str) -> Iterator[sqlalchemy.Connection]:
    engine = sqlalchemy.create_engine(
        url.replace("postgresql://", "postgresql+psycopg2://", 1),
        poolclass=sqlalchemy.NullPool,
        connect_args={"connect_timeout": 10},
    )
    try:
        with engine.connect() as connection:
            yield connection
    except (DBAPIError, psycopg2.Error) as error:
        # SQLAlchemy wraps what its own statements raise; a revision's text goes to the driver itself.
        origin = getattr(error, "orig", error)
        if not isinstance(origin, psycopg2.OperationalError | InsufficientPrivilege):
            raise
        raise explain_text(str(origin), origin.pgcode, url) from error


def _alembic() -> AlembicConfig:
    config = AlembicConfig()
    config.set_main_option("script_location", str(Path(__file__).parent / "migrations"))
    return config


def _revision(connection: sqlalchemy.Connection) -> str | None:
    context = MigrationContext.configure(connection, opts={"version_table_schema": "public"})
    return context.get_current_revision()


def _head() -> str:
    head = ScriptDirectory.from_config(_alembic()).get_current_head()
    assert head is not None, "the migrations folder is part of this program"
    return head
