"""SQL over the lake: DuckDB with a view for each table, read only.

What the lake has not yet is read from the database, where there is one: of the tables that a query names, and of these
the parts that are new. A query may read the lake's files and nothing else, and write nothing.
"""

import re
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import duckdb
import polars as pl

from btc_core.errors import InputError, LakeError
from btc_store.archive import Part, list_parts, symbols_stored
from btc_store.frames import Frames
from btc_store.lake import Lake, Manifest
from btc_store.lake_tables import CANDLES, KINDS, UNSETTLED, Kind, Table, columns_of, read_rows

# The names of the views: those of the tables.
VIEWS = tuple(dict.fromkeys(table.name for kind in KINDS.values() for table in kind.tables))
_ROWS_AT_ONCE = 10_000
# PostgreSQL's types as DuckDB's, where a view has no row that tells them.
_TYPES = {
    "timestamp with time zone": "TIMESTAMPTZ",
    "double precision": "DOUBLE",
    "real": "FLOAT",
    "integer": "INTEGER",
    "smallint": "SMALLINT",
    "bigint": "BIGINT",
    "boolean": "BOOLEAN",
    "bytea": "BLOB",
}
# DuckDB must not fetch anything, nor take Python's variables for tables.
_CONFIG: dict[str, str | bool | int | float | list[str]] = {
    "autoinstall_known_extensions": "false",
    "autoload_known_extensions": "false",
    "python_enable_replacements": "false",
    # What does not fit into memory is an error: nothing is written anywhere.
    "temp_directory": "",
}
_PLACE = re.compile(r"LINE (?P<line>\d+): (?P<shown>.*)\n(?P<before> *)\^")


@dataclass(frozen=True, slots=True)
class Answer:
    """What a query answers.

    Attributes:
        columns: Their names.
        rows: One after the other.
        n_from_database: How many rows of the views are not archived yet, and come from the database.
    """

    columns: list[str]
    rows: Iterator[tuple[Any, ...]]
    n_from_database: int


@contextmanager
def asked(sql: str, lake: Lake, frames: Frames | None) -> Iterator[Answer]:
    """Give what one SELECT answers over the lake, and over what the database has beyond it.

    Args:
        sql: A query in DuckDB's SQL; its views are ``VIEWS``.
        lake: What is archived.
        frames: The database; None: the lake alone.

    Raises:
        InputError: If it is no query, or DuckDB does not take it: what and where.
        LakeError: If a file of the lake is missing or damaged.
    """
    with duckdb.connect(config=_CONFIG) as session, _told(sql):
        _refuse_others(session, sql)
        session.execute("SET TimeZone = 'UTC'")
        sources = _Sources(lake, frames)
        names, fault = _tables_named(session, sql)
        n_rows = sum(sources.define(session, name) for name in VIEWS if name in names)
        if not names or names - set(VIEWS):
            # So that whoever misspells a name is told the right one, and SHOW TABLES shows all.
            for name in sorted(set(VIEWS) - names):
                sources.describe(session, name)
        _lock(session, lake.place.near_root)
        done = session.execute(sql)
        if fault is not None:
            # It was none after all; but what it reads is not known, and empty views are no answer.
            raise fault
        columns = [column[0] for column in done.description or []]
        yield Answer(columns, _rows(done), n_rows)


class _Sources:
    """Where the rows of the views are: files of the lake, and frames of what the database has beyond it."""

    def __init__(self, lake: Lake, frames: Frames | None) -> None:
        self._lake, self._frames = lake, frames
        self._manifests: dict[str, list[Manifest]] = {}
        self._fresh: dict[str, list[Part]] = {}

    def define(self, session: duckdb.DuckDBPyConnection, name: str) -> int:
        """Define the view of a table; return how many of its rows come from the database."""
        files: list[Path] = []
        beyond: list[pl.DataFrame] = []
        for kind, table in _places_of(name):
            fresh = self._parts_beyond(kind)
            stale = {tuple(part.keys.values()) for part in fresh}
            for manifest in self._archived(kind):
                if table.name in manifest.tables and tuple(manifest.keys.values()) not in stale:
                    files += self._lake.local_files(manifest, table.name)
            for part in fresh:
                assert self._frames is not None, "there is none without"
                beyond += [rows for rows in read_rows(self._frames, kind, table, part.keys) if rows.height]
        if not files and not beyond:
            self.describe(session, name, is_named=True)
            return 0
        parts = [_reading(files)] if files else []
        if beyond:
            session.register(f"beyond_{name}", _Stream(pl.concat(beyond)))
            parts.append(f"SELECT * FROM beyond_{name}")  # noqa: S608  # a name of ours
        session.execute(f"CREATE VIEW {name} AS {' UNION ALL BY NAME '.join(parts)}")
        return sum(rows.height for rows in beyond)

    def describe(self, session: duckdb.DuckDBPyConnection, name: str, *, is_named: bool = False) -> None:
        """Define the view of a table without its rows."""
        if self._frames is None:
            if is_named:
                raise InputError(f"the lake {self._lake.place.name} has no rows of {name}, and no database is reached")
            return
        columns = columns_of(self._frames, name).items()
        nulls = ", ".join(f'NULL::{_TYPES.get(type_, "VARCHAR")} AS "{column}"' for column, type_ in columns)
        session.execute(f"CREATE VIEW {name} AS SELECT {nulls} WHERE false")  # names of the catalogue

    def _archived(self, kind: Kind) -> list[Manifest]:
        """Return the parts of a kind in the lake; of minutes a month once, settled or not."""
        if kind.name not in self._manifests:
            kinds = (UNSETTLED.name, CANDLES.name) if kind is CANDLES else (kind.name,)
            found, faults = self._lake.parts(kinds)
            if faults:
                raise LakeError(f"{faults[0]}: `btc archive` writes it anew where the database has the rows")
            newest = {tuple(each.keys.values()): each for each in sorted(found, key=lambda each: each.written_at)}
            self._manifests[kind.name] = [newest[key] for key in sorted(newest)]
        return self._manifests[kind.name]

    def _parts_beyond(self, kind: Kind) -> list[Part]:
        """Return the parts that the database has and the lake has not, or not as they are now."""
        if self._frames is None:
            return []
        if kind.name not in self._fresh:
            known = {tuple(each.keys.values()): each.digest for each in self._archived(kind)}
            self._fresh[kind.name] = [
                part
                for symbol in (symbols_stored(self._frames) if kind.keys else [""])
                for part in list_parts(self._frames, kind, symbol)
                if known.get(tuple(part.keys.values())) != part.digest
            ]
        return self._fresh[kind.name]


class _Stream:
    """A frame as DuckDB takes it without another library; each scan begins anew."""

    def __init__(self, frame: pl.DataFrame) -> None:
        self._frame = frame

    def __arrow_c_stream__(self, requested_schema: object = None) -> object:
        return self._frame.__arrow_c_stream__(requested_schema)


def _places_of(name: str) -> list[tuple[Kind, Table]]:
    """Return the kinds of parts that hold rows of a table."""
    return [
        (kind, table)
        for kind in KINDS.values()
        for table in kind.tables
        if table.name == name and kind is not UNSETTLED
    ]


def _reading(files: Sequence[Path]) -> str:
    listed = ", ".join("'{}'".format(str(file).replace("'", "''")) for file in files)
    return f"SELECT * FROM read_parquet([{listed}], union_by_name = true, hive_partitioning = false)"  # noqa: S608  # the lake's own


def _refuse_others(session: duckdb.DuckDBPyConnection, sql: str) -> None:
    """Refuse anything but one query."""
    statements = session.extract_statements(sql)
    if len(statements) != 1 or statements[0].type != duckdb.StatementType.SELECT:
        kinds = " and ".join(each.type.name for each in statements) or "nothing"
        raise InputError(f"expected one SELECT, found {kinds}: the lake and the results are read only")


def _tables_named(session: duckdb.DuckDBPyConnection, sql: str) -> tuple[set[str], duckdb.Error | None]:
    """Return the names that a query reads from, or what is wrong with it; its execution tells that with the place."""
    try:
        return {name.lower() for name in session.get_table_names(sql)}, None
    except duckdb.Error as error:
        return set(), error


def _lock(session: duckdb.DuckDBPyConnection, folder: Path) -> None:
    """Let a query read the lake's files and nothing else, and change none of this."""
    session.execute(f"SET allowed_directories = ['{str(folder).replace(chr(39), chr(39) * 2)}/']")
    session.execute("SET enable_external_access = false")
    session.execute("SET lock_configuration = true")


def _rows(done: duckdb.DuckDBPyConnection) -> Iterator[tuple[Any, ...]]:
    while rows := done.fetchmany(_ROWS_AT_ONCE):
        yield from rows


@contextmanager
def _told(sql: str) -> Iterator[None]:
    """Say in a sentence what DuckDB has against a query, and where in it."""
    try:
        yield
    except duckdb.Error as error:
        raise InputError(explained(sql, str(error))) from error


def explained(sql: str, message: str) -> str:
    """Return DuckDB's message as a sentence with the place."""
    what = message.partition("LINE ")[0].removeprefix("Invalid Input Error: ")
    _, _, rest = what.partition(" Error: ")
    text = " ".join((rest or what).split())
    place = _PLACE.search(message)
    if place is None:
        return text
    number = int(place["line"])
    # DuckDB shows a part of a long line, with dots for the rest.
    shown, lines = place["shown"].strip("."), sql.splitlines()
    line = lines[number - 1] if number <= len(lines) else ""
    n_dots = len(place["shown"]) - len(place["shown"].lstrip("."))
    column = len(place["before"]) - len(f"LINE {number}: ") - n_dots + max(line.find(shown), 0) + 1
    return f"{text} (line {number}, column {column})"
