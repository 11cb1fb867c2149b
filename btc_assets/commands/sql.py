"""``btc sql``: a question in SQL over the lake and the results."""

import csv
import sys
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from datetime import UTC, datetime
from itertools import islice
from typing import TYPE_CHECKING, Any

import click

from btc_assets.commands.options import command, json_option, lake_option, pass_settings
from btc_assets.commands.output import Cell, answer, table
from btc_core.errors import DatabaseError, InputError
from btc_store.settings import Settings

if TYPE_CHECKING:
    from btc_store.frames import Frames

# More rows than this are read by a program and not by a person.
_SHOWN = 1_000


@command(
    example='btc sql "SELECT symbol, count(*) FROM candles GROUP BY symbol"'
    '\nbtc sql "SELECT time, close FROM candles ORDER BY time" --csv > closes.csv'
)
@click.argument("query", metavar='"SELECT …"')
@lake_option
@json_option
@click.option("--csv", "as_csv", is_flag=True, help="Print CSV with a header on standard output.")
@pass_settings
def sql(settings: Settings, *, query: str, lake: str | None, as_json: bool, as_csv: bool) -> None:
    """Ask the lake and the results in DuckDB's SQL, read only.

    The views are named as the tables: candles (1m), decisions, backtest_runs, backtest_trades, backtest_equity,
    data_quality, funding, …; SHOW TABLES lists them. What is not archived yet comes from the database, where it is
    reached.
    """
    if as_json and as_csv:
        raise InputError("--json and --csv: expected one of them")
    from btc_store.lake import open_lake
    from btc_store.lake_sql import asked

    place = open_lake(lake or settings.lake, settings.lake_cache)
    with _database(settings) as frames, asked(query, place, frames) as found:
        if as_csv:
            writer = csv.writer(sys.stdout, lineterminator="\n")
            writer.writerow(found.columns)
            writer.writerows([_plain(cell) for cell in row] for row in found.rows)
        elif as_json:
            rows = list(found.rows)
            value = {"columns": found.columns, "rows": rows, "n_rows": len(rows)}
            answer({**value, "n_from_database": found.n_from_database}, as_json=True, text="")
        else:
            rows = [[_cell(cell) for cell in row] for row in islice(found.rows, _SHOWN)]
            n_more = sum(1 for _ in found.rows)
            click.echo(table(found.columns, rows))
            _note(len(rows), n_more, found.n_from_database)


def _note(n_rows: int, n_more: int, n_from_database: int) -> None:
    more = f", the first {n_rows:,} are shown: --csv and --json print all" if n_more else ""
    beyond = f"; {n_from_database:,} rows of the views are not archived yet" if n_from_database else ""
    click.echo(f"{n_rows + n_more:,} row{'' if n_rows + n_more == 1 else 's'}{more}{beyond}", err=True)


@contextmanager
def _database(settings: Settings) -> "Iterator[Frames | None]":
    """Open the database, or do without where it is away."""
    from btc_store.frames import open_frames

    with ExitStack() as stack:
        frames = None
        try:
            frames = stack.enter_context(open_frames(settings.database_url))
        except DatabaseError as error:
            click.echo(f"the lake alone is asked: {error}", err=True)
        yield frames


def _cell(value: Any) -> Cell:
    """Return a value as the table shows it."""
    if value is None or isinstance(value, str | int | float):
        return str(value) if isinstance(value, bool) else value
    if isinstance(value, datetime):
        return value.astimezone(UTC) if value.tzinfo else value.replace(tzinfo=UTC)
    return f"{len(value):,} bytes" if isinstance(value, bytes) else str(value)


def _plain(value: Any) -> Any:
    """Return a value as CSV has it: times in ISO 8601, UTC."""
    if isinstance(value, datetime):
        return value.astimezone(UTC).strftime("%Y-%m-%dT%H:%M:%S.%fZ") if value.tzinfo else value.isoformat()
    return value.hex() if isinstance(value, bytes) else value


COMMAND = sql
