"""Whole Polars frames in and out of PostgreSQL, by ADBC: no row ever becomes a Python object."""

from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from datetime import datetime
from typing import Any
from urllib.parse import quote, urlencode

import adbc_driver_manager
import adbc_driver_postgresql.dbapi
import msgspec
import polars as pl

from btc_core.errors import LockedError
from btc_core.model.interval import Interval
from btc_core.model.timerange import TimeRange
from btc_store.connection import explain_text
from btc_store.interrupts import Waiter
from btc_store.statements import statement

# Seconds for a connection. A server whose machine has gone answers nothing, and no statement of ours ends by itself:
# after 30 s without traffic it is asked every 10 s, and after three of those it is gone.
_LIMITS = {"connect_timeout": 10, "keepalives_idle": 30, "keepalives_interval": 10, "keepalives_count": 3}
_LOCK_NOT_AVAILABLE = "canceling statement due to lock timeout"

# So many rows are what the planner expects of a table that it knows nothing of.
SMALL = 500

Value = str | int | float | datetime | None

_TYPES: Mapping[type[pl.DataType], str] = {
    pl.Datetime: "timestamptz",
    pl.String: "text",
    pl.Float64: "float8",
    pl.Int64: "bigint",
    pl.Int32: "integer",
    pl.Int16: "smallint",
    pl.Boolean: "boolean",
}


class Frames:
    """One connection that speaks in frames. Statements are those of ``btc_store/sql``."""

    def __init__(self, connection: adbc_driver_postgresql.dbapi.Connection) -> None:
        self._connection = connection
        self._waiter = Waiter(self.cancel)
        self._depth = 0
        self._is_lost = False
        self._locked: set[str] = set()

    def lock(self, symbol: str) -> None:
        """Let nobody else derive a symbol until the transaction ends; asked again, it is held already.

        Raises:
            LockedError: If somebody holds it for longer than this connection waits.
        """
        if symbol in self._locked:
            return
        try:
            self.read("lock_symbol", symbol)
        except LockedError:
            raise LockedError(symbol) from None
        self._locked.add(symbol)

    def read(self, name: str, *values: Value) -> pl.DataFrame:
        """Return what a statement answers."""
        return self.ask(statement(name), *values)

    def ask(self, sql: str, *values: Value) -> pl.DataFrame:
        """Return what SQL answers that is no file: made of the catalogue's names (``lake_tables.py``)."""
        try:
            return self._answer(sql, values)
        except BaseException:
            # The driver has begun a transaction, which is spoilt; within ours that is not for us to end.
            if self._depth == 0:
                with suppress(adbc_driver_manager.Error):
                    self._connection.rollback()
            raise

    def run(self, name: str, *values: Value, **tables: pl.DataFrame) -> int:
        """Execute a statement that writes; returns the number of rows it wrote.

        Args:
            name: Of the statement.
            values: Of its parameters.
            tables: Frames that it reads as tables of these names.
        """
        given, told = "", list(values)
        for table, frame in tables.items():
            if frame.height > SMALL:
                self.put(table, frame)
            else:
                # A temporary table costs three milliseconds, and rows in PostgreSQL's catalogue that somebody must
                # clean away: a few rows go along with the statement.
                told.append(msgspec.json.encode(frame.to_dicts()).decode())
                given += f"{table} AS MATERIALIZED ({_rows_of(frame, len(told))}), "
        # The driver does not count the rows of a statement with parameters, so PostgreSQL does.
        counted = f"WITH {given}written AS ({statement(name)} RETURNING 1) SELECT count(*) FROM written"  # noqa: S608  # our own files
        return int(self._answer(counted, told).item())

    def put(self, table: str, frame: pl.DataFrame) -> None:
        """Put a frame into a temporary table that lasts until the transaction ends."""

        def put() -> None:
            with self._connection.cursor() as cursor:
                cursor.execute(f"DROP TABLE IF EXISTS pg_temp.{table}")
                cursor.adbc_ingest(table, frame, mode="create", temporary=True)
                # Without statistics the planner takes a new table for a small one and joins it row by row.
                if frame.height > SMALL:
                    cursor.execute(f"ANALYZE pg_temp.{table}")

        self._waiter.wait_for(put)

    def cancel(self) -> None:
        """End the statement that another thread waits for: it fails there with KeyboardInterrupt, like Ctrl-C."""
        # Where the connection is gone, or closed meanwhile, nobody waits.
        with suppress(adbc_driver_manager.Error):
            self._connection.adbc_cancel()

    def close(self) -> None:
        """End the connection."""
        self._waiter.close()
        self._connection.close()

    def _answer(self, sql: str, values: Sequence[Value]) -> pl.DataFrame:
        """Return what a statement answers, which Ctrl-C ends."""

        def answer() -> pl.DataFrame:
            with self._connection.cursor() as cursor, _told():
                cursor.execute(sql, _bound(values))
                return cursor.fetch_polars()

        return self._waiter.wait_for(answer)

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
            if self._depth == 0:
                self._locked.clear()

    @contextmanager
    def snapshot(self) -> Iterator[None]:
        """As ``transaction``, of a block that is in no other; all that it reads is of one moment."""
        assert not self._depth, "a transaction that has begun is of its own moment"
        # A question outside of a block has begun one, too.
        self._connection.rollback()
        with self.transaction():
            self.read("see_one_moment")
            yield


@contextmanager
def open_frames(url: str, *, lock_seconds: float | None = None) -> Iterator[Frames]:
    """Open a connection for frames for the time of a ``with`` block.

    Args:
        url: Of the database.
        lock_seconds: How long a lock is waited for, real time; None: as long as it takes.

    Raises:
        DatabaseError: If the database is away, refuses us, or has another schema.
    """
    try:
        connection: Any = adbc_driver_postgresql.dbapi.connect(_with_limits(url, lock_seconds))
    except adbc_driver_manager.Error as error:
        raise explain_text(_message(error), error.sqlstate, url) from error
    frames = Frames(connection)
    try:
        yield frames
    except (adbc_driver_manager.OperationalError, adbc_driver_manager.ProgrammingError) as error:
        if _is_interrupted(error):
            raise KeyboardInterrupt from error
        raise explain_text(_message(error), error.sqlstate, url) from error
    finally:
        frames.close()


def read_candles(frames: Frames, symbol: str, interval: Interval, span: TimeRange) -> pl.DataFrame:
    """Return the stored candles that open in a range, ascending, in ``CANDLE_SCHEMA``."""
    return frames.read("read_candles", symbol, interval.label, span.start, span.end)


def _bound(values: Sequence[Value]) -> pl.DataFrame | None:
    """Return values of parameters as a frame of one row: ten times as fast as what the driver makes of them."""
    return pl.DataFrame([tuple(values)], orient="row") if values else None


def _rows_of(frame: pl.DataFrame, n: int) -> str:
    """Return the query that makes a frame's rows of the n-th parameter, their JSON: floats keep every bit."""
    columns = ", ".join(f'"{name}" {_TYPES[dtype.base_type()]}' for name, dtype in frame.schema.items())
    return f"SELECT * FROM json_to_recordset(${n}::json) AS told ({columns})"  # noqa: S608  # names and types alone


def _with_limits(url: str, lock_seconds: float | None) -> str:
    """Return an address with how long is waited: for the server, for one that has vanished, for a lock."""
    limits = _LIMITS if lock_seconds is None else {**_LIMITS, "options": f"-c lock_timeout={lock_seconds * 1000:.0f}"}
    return url + ("&" if "?" in url else "?") + urlencode(limits, quote_via=quote)


@contextmanager
def _told() -> Iterator[None]:
    """Tell a lock that was waited for in vain, and a cancelled statement, from other errors."""
    try:
        yield
    # A statement may fail as its rows are fetched: then the driver's error has come through Polars, as text.
    except (adbc_driver_manager.Error, pl.exceptions.ComputeError) as error:
        if _LOCK_NOT_AVAILABLE in str(error):
            raise LockedError from error
        if _is_interrupted(error):
            raise KeyboardInterrupt from error
        raise


def _is_interrupted(error: Exception) -> bool:
    """Return whether a statement failed because another thread has cancelled it."""
    return "canceling statement due to user request" in str(error)


def _message(error: adbc_driver_manager.Error) -> str:
    """Return libpq's words without the driver's own prefix."""
    return str(error).split("Failed to connect: ")[-1].split("[libpq] ")[-1]
