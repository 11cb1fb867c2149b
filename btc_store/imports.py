"""Files of 1m candles into the table: read, checked as a whole, compared, stored; all of a file or nothing of it.

A file is Parquet or CSV, by its content and not by its name, and may be gzipped. CSV has a header with our names, or is
an exchange archive: twelve columns, usually without a header.
"""

import gzip
import re
import zlib
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime, timedelta
from io import BytesIO
from pathlib import Path
from typing import NoReturn

import polars as pl

from btc_core.errors import ImportFileError, InputError, TimeError
from btc_core.model.candle import MOST_TRADES, MOST_VOLUME, TOO_FINE, TOO_HIGH, TOO_MUCH, State
from btc_core.model.timerange import EPOCH, MINUTE, format_time, parse_time
from btc_core.ticks import is_too_fine, is_too_high
from btc_store.frames import Frames

EXCHANGE_SAID = "stored from the exchange"
NOT_OVER = "the minute is not over"
# Where a file's name begins with its date, or is one.
UNNAMED = "file"

_VALUES = ("open", "high", "low", "close", "volume")
_REQUIRED = ("time", *_VALUES)
# The columns of data.binance.vision's kline files, in order (https://github.com/binance/binance-public-data, "Klines").
_ARCHIVE = (
    *("open_time", *_VALUES, "close_time", "quote_volume", "count"),
    *("taker_buy_volume", "taker_buy_quote_volume", "ignore"),
)
_ARCHIVE_NAMES = {"open_time": "time", "count": "trades"}
_EXPECTED = "time, open, high, low, close, volume, and trades where they are counted"
TIMES = "ISO 8601 or whole seconds, ms, µs or ns since 1970"
_TIME = pl.Datetime("us", "UTC")
_LAST_TIME = datetime(9999, 1, 1, tzinfo=UTC)
_DATE_PART = re.compile(r"(?<![0-9])(?:19|20)[0-9]{2}(?:[0-9]{2}){0,2}(?![0-9])")
_SOURCE_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9_.:-]{0,59}")
# So many candles at equal distances of more than a minute are not minutes with gaps.
_MIN_GRID_ROWS = 10
_N_EXAMPLES = 3
# More of a wrong text than this helps nobody.
_SHOWN_LENGTH = 80


@dataclass(frozen=True, slots=True, kw_only=True)
class ImportReport:
    """What became of the rows of a file; ``n_rows`` is the sum of the counts.

    Attributes:
        source: What the stored rows have as ``source``.
        n_rows: Rows in the file.
        start, end: Open times of the first and the last candle.
        new: Stored for the first time.
        changed: Differ from an earlier import; the old values are kept in ``candle_revisions``.
        same: Stored already, or repeated in the file.
        refused: Not stored, by reason.
        examples: The first open times for each reason.
    """

    source: str
    n_rows: int
    start: datetime
    end: datetime
    new: int
    changed: int
    same: int
    refused: Mapping[str, int] = field(default_factory=dict)
    examples: Mapping[str, list[datetime]] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class _Table:
    """A file's cells as they stand there, with the number of each row, and how a row is called ("line")."""

    path: Path
    place: str
    cells: pl.DataFrame

    def refuse(self, found: str, rows: pl.DataFrame) -> NoReturn:
        """Refuse the file for some of its rows, of which the first is shown."""
        others = f" (and {rows.height - 1:,} more rows are wrong)" if rows.height > 1 else ""
        raise _refusal(self.path, f"{self.place} {rows['row'][0]:,}: {found}{others}. Correct the file")


def source_name(path: Path) -> str:
    """Return the name that an import has by default: the file's name before its date, ``file`` where none is left.

    ``BTCUSDT-1m-2021-04-25.csv.gz`` is ``BTCUSDT-1m``.
    """
    stem = path.name.partition(".")[0]
    date = _DATE_PART.search(stem)
    name = re.sub(r"[^A-Za-z0-9_-]+", "-", stem[: date.start()] if date else stem)
    return name.strip("_-")[:60] or UNNAMED


def check_source_name(name: str) -> str:
    """Return the name if an import can have it.

    Raises:
        InputError: If it is empty, too long or has other characters than letters, digits and ``_.:-``.
    """
    if _SOURCE_NAME.fullmatch(name) is None:
        raise InputError(f"{name!r} is no name of a source: expected up to 60 letters, digits and _ . : - (kraken)")
    return name


def import_candles(frames: Frames, symbol: str, path: Path, name: str, *, now: datetime) -> ImportReport:
    """Store the candles of a file as ``import:<name>``, all of them or none; twice is once.

    A minute that is not over at ``now`` is left out and counted as refused: its candle may still change.

    Raises:
        ImportFileError: If the file cannot be taken as it is, or none of its minutes is over.
        DatabaseError: If the database is away, or has another schema.
    """
    rows = read_candle_file(path, symbol)
    over = rows.filter(pl.col("time") <= now - MINUTE)
    if not over.height:
        raise _refusal(
            path,
            f"expected minutes that are over, found {format_time(rows['time'][0])} as the first, and it is "
            f"{format_time(now)}. Correct the times",
        )
    report = import_rows(frames, symbol, over, name)
    early = rows.filter(pl.col("time") > now - MINUTE)
    if not early.height:
        return report
    return replace(
        report,
        n_rows=rows.height,
        refused={**report.refused, NOT_OVER: early.height},
        examples={**report.examples, NOT_OVER: early["time"].head(_N_EXAMPLES).to_list()},
    )


def import_rows(frames: Frames, symbol: str, rows: pl.DataFrame, name: str) -> ImportReport:
    """Store 1m candles as ``import:<name>``, all of them or none; twice is once.

    Args:
        frames: The database.
        symbol: Whose candles.
        rows: As ``read_candle_file`` returns them, at least one.
        name: What the source is called.

    Raises:
        DatabaseError: If the database is away, or has another schema.
    """
    candles = rows.unique("time", keep="first", maintain_order=True).with_columns(
        source=pl.lit(f"import:{check_source_name(name)}"), state=pl.lit(State.CONFIRMED.value)
    )
    first, last = candles["time"][0], candles["time"][-1]
    with frames.transaction():
        frames.read("lock_symbol", symbol)
        frames.put("incoming", candles)
        if candles["trades"].null_count():
            frames.run("keep_trades", symbol, first, last)
        counts: dict[str, int] = dict(frames.read("compare_incoming", symbol, first, last).iter_rows())
        n_refused = counts.get("refused", 0)
        examples = frames.read("refused_incoming", symbol, first, last, _N_EXAMPLES)["time"] if n_refused else None
        if counts.keys() & {"new", "changed"}:
            frames.run("leave_known", symbol, first, last)
            frames.run("upsert_minutes")
    # Only when the rows are there for everybody: a collector that waits for one of them holds the lock that is needed
    # here. Should we be killed in between, a stored minute outweighs what a finding says of it all the same.
    with frames.transaction():
        frames.read("lock_minutes", symbol)
        frames.read("heal_minutes", symbol, first, last + MINUTE)
    return ImportReport(
        source=f"import:{name}",
        n_rows=rows.height,
        start=first,
        end=last,
        new=counts.get("new", 0),
        changed=counts.get("changed", 0),
        same=counts.get("same", 0) + rows.height - candles.height,
        refused={EXCHANGE_SAID: n_refused} if n_refused else {},
        examples={EXCHANGE_SAID: examples.to_list()} if examples is not None else {},
    )


def read_candle_file(path: Path, symbol: str) -> pl.DataFrame:
    """Return the 1m candles of a file: ``time, symbol, open, high, low, close, volume, trades``, ascending.

    A row that repeats another one word for word is kept; times are unique otherwise. The file's own symbol column does
    not count. Times are ISO 8601 (UTC without an offset) or whole seconds, milliseconds, microseconds or nanoseconds
    since 1970, told apart by their size. ``trades`` is null where the file does not count them.

    Raises:
        ImportFileError: If the file is unreadable, lacks a column, holds text for a number, holds candles of another
            interval, or a row contradicts itself or another one.
    """
    table = _open_table(path)
    columns = [_times(table), *(_numbers(table, name) for name in _VALUES), _trades(table)]
    candles = pl.DataFrame([table.cells["row"], *columns])
    _refuse_contradictions(table, candles)
    _refuse_repeated_times(table, candles)
    candles = candles.sort("time", maintain_order=True)
    _refuse_other_intervals(path, candles["time"].unique(maintain_order=True))
    return candles.select("time", pl.lit(symbol).alias("symbol"), *_VALUES, "trades")


def _open_table(path: Path) -> _Table:
    """Return a file's cells: ``row`` and at least the required columns."""
    data = _read_bytes(path)
    table = _parquet_table(path, data) if data[:4] == b"PAR1" else _csv_table(path, data)
    missing = [name for name in _REQUIRED if name not in table.cells.columns]
    if missing:
        found = _shown(", ".join(name for name in table.cells.columns if name != "row"))
        raise _refusal(path, f"no column {missing[0]!r}: expected {_EXPECTED}; found {found}. Rename or add the column")
    if not table.cells.height:
        raise _refusal(path, "expected candles, found no rows. Check that the file is the right one")
    return table


def _read_bytes(path: Path) -> bytes:
    try:
        data = path.read_bytes()
        data = gzip.decompress(data) if data[:2] == b"\x1f\x8b" else data
    except (gzip.BadGzipFile, EOFError, zlib.error) as error:
        raise _refusal(path, f"expected a whole gzip file, found a damaged one ({error}). Fetch it again") from None
    except OSError as error:
        raise _refusal(path, f"cannot be read: {error.strerror or error}. Check the name") from None
    if data[:4] == b"PK\x03\x04":
        raise _refusal(path, "expected Parquet or CSV, found a zip archive. Unpack it first")
    return data


def _parquet_table(path: Path, data: bytes) -> _Table:
    try:
        names = list(pl.read_parquet_schema(BytesIO(data)))
        wanted = [name for name in (*_REQUIRED, "trades") if name in names]
        cells = pl.read_parquet(BytesIO(data), columns=wanted) if len(wanted) >= len(_REQUIRED) else None
    except (pl.exceptions.PolarsError, pl.exceptions.PanicException, OSError) as error:
        reason = _shown(" ".join(str(error).split()))
        raise _refusal(path, f"expected a whole Parquet file, found a damaged one ({reason}). Fetch it again") from None
    if cells is None:
        cells = pl.DataFrame(schema={name: pl.String for name in names if name != "row"})
    return _Table(path, "row", cells.with_row_index("row", offset=1))


def _csv_table(path: Path, data: bytes) -> _Table:
    try:
        lines = pl.read_lines(BytesIO(data.removeprefix(b"\xef\xbb\xbf")), row_index_name="row", row_index_offset=1)
    except pl.exceptions.PolarsError:
        raise _refusal(path, "expected Parquet, or CSV in UTF-8, found neither. Check the file") from None
    lines = lines.filter(pl.col("line").str.strip_chars() != "")
    if not lines.height:
        raise _refusal(path, "expected candles, found an empty file. Check that the file is the right one")
    names = [_unquoted(cell) for cell in str(lines["line"][0]).split(",")]
    has_header = not names[0][:1].isdigit()
    if not has_header and len(names) != len(_ARCHIVE):
        raise _refusal(
            path,
            f"expected a header ({_EXPECTED}) or an exchange archive's {len(_ARCHIVE)} columns, found "
            f"{len(names)} columns without a header. Put the names into the first line",
        )
    table = _Table(path, "line", lines[1:] if has_header else lines)
    return _split(table, [name.casefold() for name in names] if has_header else list(_ARCHIVE))


def _split(table: _Table, names: list[str]) -> _Table:
    """Return the cells of lines under their names; an archive's names become ours."""
    n_fields = pl.col("line").str.count_matches(",", literal=True) + 1
    ragged = table.cells.with_columns(n_fields=n_fields).filter(pl.col("n_fields") != len(names))
    if ragged.height:
        table.refuse(f"expected {len(names)} fields, found {ragged['n_fields'][0]}; is the file cut off?", ragged)
    ours = names if "time" in names else [_ARCHIVE_NAMES.get(name, name) for name in names]
    fields = pl.col("line").str.split_exact(",", len(names) - 1).alias("fields")
    wanted = {name: i for i, name in enumerate(ours) if name in (*_REQUIRED, "trades")}
    cells = table.cells.select(
        "row", *(fields.struct.field(f"field_{i}").str.strip_chars(' \t"').alias(name) for name, i in wanted.items())
    )
    others = [pl.lit(None, pl.String).alias(name) for name in dict.fromkeys(names) if name not in cells.columns]
    return _Table(table.path, table.place, cells.with_columns(others))


def _times(table: _Table) -> pl.Series:
    """Return the open times; refuses the file for one that cannot be read."""
    found = table.cells["time"]
    times = read_times(found)
    if times is None:
        raise _refusal(
            table.path, f"expected times in column 'time', found {found.dtype}. Write ISO 8601 or whole milliseconds"
        )
    _refuse_unread(table, found, times, f"a time in {TIMES}")
    return times


def read_times(found: pl.Series) -> pl.Series | None:
    """Return the instants that a column of a file means, null where one cannot be read; None where it holds no times.

    A float is a time where it is whole: pandas makes floats of numbers beside a gap.
    """
    if isinstance(found.dtype, pl.Datetime):
        times = (found.dt.replace_time_zone("UTC") if found.dtype.time_zone is None else found).cast(
            _TIME, strict=False
        )
    elif found.dtype.is_integer():
        times = _from_epoch(found)
    elif found.dtype == pl.Float64:
        times = _from_epoch(found.set(found.floor() != found, None))
    elif found.dtype == pl.String and _is_whole_number(found):
        times = _from_epoch(found.str.replace(r"\.0*$", ""))
    elif found.dtype == pl.String:
        times = pl.Series("time", [_instant(text) for text in found], dtype=_TIME)
    else:
        return None
    return times.set(~times.is_between(EPOCH, _LAST_TIME), None)


def _is_whole_number(texts: pl.Series) -> bool:
    first = texts.drop_nulls().head(1)
    return first.len() > 0 and bool(first.str.contains(r"^[0-9]+(\.0*)?$")[0])


def _from_epoch(numbers: pl.Series) -> pl.Series:
    """Return the instants that whole numbers since 1970 mean; null before 1973, where units cannot be told apart.

    From 1973 to 5138 a number's size says its unit. What is finer than a microsecond is dropped.
    """
    n = pl.col("time").cast(pl.Int64, strict=False)
    microseconds = (
        pl.when(n < 10**8)
        .then(None)
        .when(n < 10**11)
        .then(n * 1_000_000)
        .when(n < 10**14)
        .then(n * 1_000)
        .when(n < 10**17)
        .then(n)
        .otherwise(n // 1_000)
    )
    return numbers.to_frame().select(microseconds.cast(_TIME).alias("time")).to_series()


def _instant(text: str | None) -> datetime | None:
    try:
        # A file that began with ISO 8601 does not go on with digits alone: 20250101 could be a date or a number.
        return parse_time(text) if text and not text.isdigit() else None
    except (TimeError, OverflowError):
        return None


def _numbers(table: _Table, name: str) -> pl.Series:
    """Return a column as numbers; refuses the file for a cell that is none."""
    found = table.cells[name]
    if found.dtype != pl.String and not found.dtype.is_numeric():
        raise _refusal(table.path, f"expected numbers in column {name!r}, found {found.dtype}. Correct the file")
    numbers = found.cast(pl.Float64, strict=False)
    _refuse_unread(table, found, numbers, "a number")
    return numbers


def _trades(table: _Table) -> pl.Series:
    """Return the numbers of trades, null where they are not counted; refuses the file for one that is no count."""
    if "trades" not in table.cells.columns:
        return pl.Series("trades", [None] * table.cells.height, dtype=pl.Int32)
    found = table.cells["trades"]
    is_empty = (found == "").fill_null(value=True) if found.dtype == pl.String else found.is_null()
    if is_empty.all():
        return pl.Series("trades", [None] * found.len(), dtype=pl.Int32)
    known = _Table(table.path, table.place, table.cells.filter(~is_empty))
    numbers = _numbers(known, "trades")
    is_count = (numbers >= 0) & (numbers <= MOST_TRADES) & (numbers.floor() == numbers)
    _refuse_unread(
        known, known.cells["trades"], numbers.set(~is_count, None), f"a number of trades up to {MOST_TRADES:,}"
    )
    return (
        table.cells.select("row")
        .join(known.cells.select("row", trades=numbers.cast(pl.Int32)), on="row", how="left", maintain_order="left")
        .get_column("trades")
    )


def _refuse_unread(table: _Table, found: pl.Series, read: pl.Series, expected: str) -> None:
    """Refuse the file where a cell could not be read as what it should be."""
    if not read.null_count():
        return
    unread = table.cells.filter(read.is_null())
    # Polars knows times that Python does not: such a one is shown as the number that it is.
    cell = unread[found.name].to_physical()[0]
    shown = "nothing" if cell is None or cell == "" else repr(_shown(str(cell)))
    table.refuse(f"expected {expected} in column {found.name!r}, found {shown}", unread)


def _refuse_contradictions(table: _Table, candles: pl.DataFrame) -> None:
    """Refuse the file for rows that contradict themselves (see ``btc_core.model.candle.candle_fault``).

    The number of trades does not count: archives hold minutes whose trades and volume do not go together.
    """
    prices = [pl.col(name) for name in _VALUES[:4]]
    top, bottom = pl.max_horizontal("open", "close"), pl.min_horizontal("open", "close")
    faults = {
        "the time is not the start of a minute": pl.col("time") != pl.col("time").dt.truncate("1m"),
        "a price is not a positive finite number": ~pl.all_horizontal(p.is_finite() & (p > 0) for p in prices),
        TOO_HIGH: pl.any_horizontal(is_too_high(p) for p in prices),
        TOO_FINE: pl.any_horizontal(is_too_fine(p) for p in prices),
        "high is below low": pl.col("high") < pl.col("low"),
        "high is below open or close": pl.col("high") < top,
        "low is above open or close": pl.col("low") > bottom,
        "the volume is not a finite number of at least 0": ~(pl.col("volume").is_finite() & (pl.col("volume") >= 0)),
        TOO_MUCH: pl.col("volume") > MOST_VOLUME,
    }
    fault = pl.coalesce(pl.when(is_bad).then(pl.lit(reason)) for reason, is_bad in faults.items())
    bad = candles.with_columns(fault=fault).filter(pl.col("fault").is_not_null())
    if bad.height:
        table.refuse(f"{bad['fault'][0]}: {_row_text(bad)}", bad)


def _refuse_repeated_times(table: _Table, candles: pl.DataFrame) -> None:
    """Refuse the file for a time that it holds with different values."""
    repeated = candles.filter(pl.col("time").is_duplicated())
    different = repeated.filter(pl.struct(*_VALUES, "trades").n_unique().over("time") > 1)
    if different.height:
        time = format_time(different["time"][0])
        table.refuse(f"{time} stands in the file more than once, with different values", different)


def _refuse_other_intervals(path: Path, times: pl.Series) -> None:
    """Refuse candles of another interval: at equal distances of more than a minute, and never closer."""
    steps = times.diff().drop_nulls()
    step: timedelta | None = steps.min()  # pyright: ignore[reportAssignmentType]  # of durations
    if step is None or step <= MINUTE or steps.len() < _MIN_GRID_ROWS:
        return
    if (steps == step).sum() * 2 > steps.len():
        raise _refusal(path, f"expected 1m candles, found them {step // MINUTE} minutes apart. Import 1m candles")


def _row_text(rows: pl.DataFrame) -> str:
    values = rows.row(0, named=True)
    return ", ".join([f"time {values['time']:%Y-%m-%dT%H:%M:%S.%fZ}", *(f"{name} {values[name]}" for name in _VALUES)])


def _refusal(path: Path, text: str) -> ImportFileError:
    return ImportFileError(f"{path}: {text}; nothing of the file was stored")


def _unquoted(cell: str) -> str:
    return cell.strip().strip('"').strip()


def _shown(text: str) -> str:
    return text if len(text) <= _SHOWN_LENGTH else text[: _SHOWN_LENGTH - 1] + "…"
