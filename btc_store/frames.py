"""Whole Polars frames in and out of PostgreSQL, by ADBC: no row ever becomes a Python object."""

from collections.abc import Iterator
from contextlib import contextmanager, suppress
from datetime import datetime
from typing import Any

import adbc_driver_manager
import adbc_driver_postgresql.dbapi
import polars as pl

from btc_core.model.interval import Interval
from btc_core.model.timerange import TimeRange
from btc_store.connection import explain_text
from btc_store.statements import statement

# So many rows are what the planner expects of a table that it knows nothing of.
SMALL = 500

Value = str | int | float | datetime | None


class Frames:
    """One connection that speaks in frames. Statements are those of ``btc_store/sql``."""

    def __init__(self, connection: adbc_driver_postgresql.dbapi.Connection) -> None:
        self._connection = connection
        self._depth = 0
        self._is_lost = False

    def read(self, name: str, *values: Value) -> pl.DataFrame:
        """Return what a statement answers."""
        with self._connection.cursor() as cursor:
            cursor.execute(statement(name), values or None)
            return cursor.fetch_polars()

    def run(self, name: str, *values: Value) -> int:
        """Execute a statement that writes; returns the number of rows it wrote."""
        # The driver does not count the rows of a statement with parameters, so PostgreSQL does.
        counted = f"WITH written AS ({statement(name)} RETURNING 1) SELECT count(*) FROM written"  # noqa: S608  # our own files
        with self._connection.cursor() as cursor:
            cursor.execute(counted, values or None)
            return int(cursor.fetch_polars().item())

    def put(self, table: str, frame: pl.DataFrame) -> None:
        """Put a frame into a temporary table that lasts until the transaction ends."""
        with self._connection.cursor() as cursor:
            cursor.execute(f"DROP TABLE IF EXISTS pg_temp.{table}")
            cursor.adbc_ingest(table, frame, mode="create", temporary=True)
            # Without statistics the planner takes a new table for a small one and joins it row by row.
            if frame.height > SMALL:
                cursor.execute(f"ANALYZE pg_temp.{table}")

    def cancel(self) -> None:
        """End the statement that another thread waits for: it fails there with KeyboardInterrupt, like Ctrl-C."""
        # Where the connection is gone, or closed meanwhile, nobody waits.
        with suppress(adbc_driver_manager.Error):
            self._connection.adbc_cancel()

    @contextmanager
    def transaction(self) -> Iterator[None]:
        """Commit what the block wrote, all of it or nothing.

        A block inside of another is part of it: the outer one commits, and where the inner one fails, so must it.
        """
        self._depth += 1
        try:
            yield
            assert not self._is_lost, "a block inside failed, and with it what this one wrote"
        except BaseException:
            self._is_lost = True
            self._connection.rollback()
            raise
        else:
            if self._depth == 1:
                self._connection.commit()
        finally:
            self._depth -= 1
            self._is_lost = self._is_lost and self._depth > 0


@contextmanager
def open_frames(url: str) -> Iterator[Frames]:
    """Open a connection for frames for the time of a ``with`` block.

    Raises:
        DatabaseError: If the database is away, refuses us, or has another schema.
    """
    try:
        connection: Any = adbc_driver_postgresql.dbapi.connect(_with_timeout(url))
    except adbc_driver_manager.Error as error:
        raise explain_text(_message(error), error.sqlstate, url) from error
    try:
        yield Frames(connection)
    except (adbc_driver_manager.OperationalError, adbc_driver_manager.ProgrammingError) as error:
        if _is_interrupted(error):
            raise KeyboardInterrupt from error
        raise explain_text(_message(error), error.sqlstate, url) from error
    finally:
        connection.close()


def read_candles(frames: Frames, symbol: str, interval: Interval, span: TimeRange) -> pl.DataFrame:
    """Return the stored candles that open in a range, ascending, in ``CANDLE_SCHEMA``."""
    return frames.read("read_candles", symbol, interval.label, span.start, span.end)


def _with_timeout(url: str) -> str:
    return url + ("&" if "?" in url else "?") + "connect_timeout=10"


def _is_interrupted(error: adbc_driver_manager.Error) -> bool:
    """Return whether a statement failed because of Ctrl-C: the driver cancels it and keeps the signal to itself."""
    return "canceling statement due to user request" in str(error)


def _message(error: adbc_driver_manager.Error) -> str:
    """Return libpq's words without the driver's own prefix."""
    return str(error).split("Failed to connect: ")[-1].split("[libpq] ")[-1]
