"""What the lake holds: which tables, cut into which parts. Reading and writing their rows; nothing of files.

A part is what is written and restored as one. The columns of a table are those of the catalogue, so that what a
migration adds is archived too; that is why this SQL is composed here, of names that PostgreSQL itself tells, and not a
file of ``btc_store/sql``.
"""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import UTC, datetime

import polars as pl

from btc_core.errors import LakeError
from btc_core.model.timerange import TimeRange
from btc_core.partitions import month_range
from btc_store.frames import Frames, Value

# So many rows are in memory at once, and in a file: a month of minutes has 44,640.
ROWS_AT_ONCE = 50_000
MONTH = "%Y-%m"
# What goes through Arrow as it is; everything else (jsonb, uuid …) goes as PostgreSQL's text of it.
_PLAIN = frozenset(
    {
        "text",
        "double precision",
        "real",
        "bigint",
        "integer",
        "smallint",
        "boolean",
        "bytea",
        "timestamp with time zone",
    }
)


@dataclass(frozen=True, slots=True)
class Table:
    """A table, or the part of one, that is archived.

    Attributes:
        name: Of the table.
        where: Which rows belong to a part; $1, $2 … are what ``values_of`` returns.
        order: By which columns they are written: unique within a part.
        identity: The column that PostgreSQL counts; None where there is none.
        unit: The first columns of ``order`` that name what was said at once or builds on it: where other rows of it
            are stored, none of it is restored. Empty where each row stands for itself.
    """

    name: str
    where: str
    order: str
    identity: str | None = None
    unit: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Kind:
    """A kind of part.

    Attributes:
        name: Also the folder in the lake; the statement ``archived_<name>`` lists its parts with a digest each.
        keys: What names a part: folders ``key=value``.
        tables: Its tables; the first has a row wherever there is a part.
        time: The column that says when the first and the last row are; None where none does.
        is_whole: Whether a part is left out as a whole where its first row is stored already.
        asked: The keys that the conditions of its tables take; all of them where it is empty.
    """

    name: str
    keys: tuple[str, ...]
    tables: tuple[Table, ...]
    time: str | None = None
    is_whole: bool = False
    asked: tuple[str, ...] = ()

    @property
    def is_monthly(self) -> bool:
        """Whether its parts are months."""
        return "month" in self.keys


def _monthly(
    name: str,
    table: str,
    where: str = "",
    *,
    time: str = "time",
    order: str,
    identity: str | None = None,
    unit: tuple[str, ...] = (),
) -> Kind:
    inside = f"symbol = $1 AND {time} >= $2 AND {time} < $3{where}"
    return Kind(name, ("symbol", "month"), (Table(table, inside, order, identity, unit),), time)


def _of_backtest(name: str, order: str, key: str = "backtest_id") -> Table:
    return Table(name, f"{key} = $1::uuid", order)


def _of_account(name: str, order: str) -> Table:
    return Table(name, "strategy = $1 AND symbol = $2 AND interval = $3", order)


CANDLES = _monthly("candles", "candles", " AND interval = '1m'", order="time")
# Months that are not over, or in which a minute is open: as they stand.
UNSETTLED = replace(CANDLES, name="unsettled")
QUALITY = _monthly("quality", "data_quality", time="detected_at", order="id", identity="id")
# In the order in which they are restored.
KINDS = {
    kind.name: kind
    for kind in (
        Kind(
            "terms",
            (),
            (Table("instruments", "true", "symbol"), Table("symbol_coins", "true", "symbol")),
        ),
        CANDLES,
        UNSETTLED,
        _monthly("revisions", "candle_revisions", order="time, revision"),
        _monthly("funding", "funding", order="time"),
        QUALITY,
        _monthly(
            "decisions",
            "decisions",
            " AND backtest_id IS NULL",
            order="time, interval, strategy, revision, seq",
            unit=("time", "interval", "strategy"),
        ),
        Kind(
            "backtests",
            ("symbol", "id"),
            (
                _of_backtest("backtest_runs", "id", "id"),
                _of_backtest("backtest_trades", "seq"),
                _of_backtest("backtest_equity", "time"),
                _of_backtest("decisions", "time, revision, seq"),
                _of_backtest("backtest_reports", "backtest_id"),
            ),
            is_whole=True,
            asked=("id",),
        ),
        Kind(
            "paper",
            ("strategy", "symbol", "interval"),
            (
                _of_account("paper_accounts", "strategy"),
                _of_account("paper_trades", "seq"),
                _of_account("paper_equity", "time"),
                _of_account("paper_checkpoints", "through"),
            ),
            is_whole=True,
        ),
    )
}
# What is made again, or is about the present alone.
NOT_ARCHIVED = {
    "indicators": "btc derive makes them of the candles",
    "sweeps": "btc sweep makes them again",
    "sweep_trials": "btc sweep makes them again",
    "live_state": "the live lane's memory of its last look",
    "market_clock": "the processes that run say it",
    "no_trade_changes": "what is to be derived again",
    "outbox": "what Dagster is to be shown",
    "incidents": "what was wrong is told, and findings say it",
    "alert_messages": "what is said is said",
    "alert_deliveries": "what is said is said",
    "alert_channels": "how each does shows itself",
    "alert_state": "the memory of the last look",
    "stream_changes": "what the live stream has to tell",
    "database_identity": "another database is another one",
    "alembic_version": "btc db upgrade writes it",
}


def values_of(kind: Kind, keys: Mapping[str, str]) -> tuple[Value, ...]:
    """Return what the conditions of a part's tables take."""
    if not kind.is_monthly:
        return tuple(keys[key] for key in kind.asked or kind.keys)
    month = month_of_key(keys["month"])
    return keys["symbol"], month.start, month.end


def month_of_key(text: str) -> TimeRange:
    """Return the month that ``2024-05`` names."""
    return month_range(datetime.strptime(text, MONTH).replace(tzinfo=UTC))


def columns_of(frames: Frames, table: str) -> dict[str, str]:
    """Return the columns of a table with their types, as PostgreSQL writes them."""
    return dict(frames.read("table_columns", table).iter_rows())


def read_rows(frames: Frames, kind: Kind, table: Table, keys: Mapping[str, str]) -> Iterator[pl.DataFrame]:
    """Yield the rows of a part, some ten thousand at once; at least one frame, which may be empty."""
    columns = columns_of(frames, table.name)
    sql = (
        f"SELECT {', '.join(_out(name, type_) for name, type_ in columns.items())} FROM public.{table.name} "  # noqa: S608  # names of the catalogue
        f"WHERE {table.where} ORDER BY {table.order} LIMIT {ROWS_AT_ONCE} OFFSET "
    )
    n_read = 0
    while True:
        rows = frames.ask(f"{sql}{n_read}", *values_of(kind, keys))
        if rows.height or not n_read:
            yield rows
        n_read += rows.height
        if rows.height < ROWS_AT_ONCE:
            return


def insert_rows(frames: Frames, kind: Kind, table: Table, keys: Mapping[str, str], rows: pl.DataFrame) -> int:
    """Insert what is not stored yet, as it was, in the transaction that is open; return how many rows that were.

    Of a unit of the table all rows are there, or none.

    Raises:
        LakeError: If the rows have a column that the table lacks.
    """
    if not rows.height:
        return 0
    columns = columns_of(frames, table.name)
    if unknown := [name for name in rows.columns if name not in columns]:
        raise LakeError(
            f"the lake has a column {table.name}.{unknown[0]}, which this database lacks: run `btc db upgrade`, or "
            "take the version of the program that wrote the lake"
        )
    frames.put("incoming", rows)
    given = ", ".join(f'"{name}"' for name in rows.columns)
    taken = [f'incoming."{name}"::{columns[name]}' for name in rows.columns]
    told, condition = "", ""
    values: tuple[Value, ...] = ()
    if table.identity is not None:
        number = table.identity
        # Another row may have the number meanwhile: then this one gets a new one, above all that are known.
        frames.read("count_beyond", table.name, number, int(rows[number].max()))  # pyright: ignore[reportArgumentType]
        taken[rows.columns.index(number)] = (
            f"CASE WHEN EXISTS (SELECT FROM public.{table.name} AS held WHERE held.{number} = incoming.{number}) "
            f"THEN nextval(pg_get_serial_sequence('public.{table.name}', '{number}')) ELSE incoming.{number} END"
        )
        told, condition = "OVERRIDING SYSTEM VALUE", f"WHERE NOT EXISTS ({_same(table, columns, number)})"
    if table.unit:
        names = ", ".join(table.unit)
        condition = f"WHERE ({names}) NOT IN ({_others(table, columns, rows.columns)})"
        values = values_of(kind, keys)
    sql = (
        f"INSERT INTO public.{table.name} ({given}) {told} SELECT {', '.join(taken)} FROM incoming {condition} "  # noqa: S608
        "ON CONFLICT DO NOTHING RETURNING 1"
    )
    return int(frames.ask(f"WITH written AS ({sql}) SELECT count(*) FROM written", *values).item())  # noqa: S608


def count_differing(frames: Frames, kind: Kind, table: Table, keys: Mapping[str, str], columns: list[str]) -> int:
    """Return how many of the rows that were put last are not stored as they are: others are in their place."""
    types = columns_of(frames, table.name)
    compared = [name for name in columns if name != table.identity]
    theirs = ", ".join(f'incoming."{name}"::{types[name]}::text' for name in compared)
    ours = ", ".join(f'"{name}"::text' for name in compared)
    sql = (
        f"SELECT count(*) FROM (SELECT {theirs} FROM incoming EXCEPT ALL "  # noqa: S608
        f"SELECT {ours} FROM public.{table.name} WHERE {table.where}) AS other"
    )
    return int(frames.ask(sql, *values_of(kind, keys)).item())


def _out(name: str, type_: str) -> str:
    return f'"{name}"' if type_ in _PLAIN else f'"{name}"::text AS "{name}"'


def _same(table: Table, columns: Mapping[str, str], number: str) -> str:
    """Return the query for a stored row that is an incoming one under whatever number.

    What a finding says may be brought to an end later, so its end does not count.
    """
    compared = [name for name in columns if name not in (number, "end_time", "resolved_at")]
    same = " AND ".join(
        f'held."{name}"::text IS NOT DISTINCT FROM incoming."{name}"::{columns[name]}::text' for name in compared
    )
    return f"SELECT FROM public.{table.name} AS held WHERE held.detected_at = incoming.detected_at AND {same}"


def _others(table: Table, columns: Mapping[str, str], names: Sequence[str]) -> str:
    """Return the query for the units, among the times that are incoming, of which a row is stored that is not.

    Sets are compared, not rows joined: that is as fast without statistics, which a table just filled has not.
    """
    unit, place = ", ".join(table.unit), table.unit[0]
    compared = [*table.unit, *(name for name in names if name not in table.unit)]
    as_text = {name: "" if name in table.unit else "::text" for name in compared}
    ours = ", ".join(f'"{name}"{as_text[name]}' for name in compared)
    theirs = ", ".join(f'"{name}"::{columns[name]}{as_text[name]}' for name in compared)
    return (
        f"SELECT {unit} FROM (SELECT {ours} FROM public.{table.name} WHERE {table.where} "  # noqa: S608
        f"AND {place} BETWEEN (SELECT min({place}) FROM incoming) AND (SELECT max({place}) FROM incoming) "
        f"EXCEPT SELECT {theirs} FROM incoming) AS other"
    )
