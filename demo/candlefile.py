"""A Parquet or CSV file of 1m candles → the values of each minute.

Columns: ``time`` (the candle's open), ``symbol``, ``open``, ``high``, ``low``, ``close``, ``volume`` and ``trades``,
the last of which may be empty.
"""

import csv
import gzip
import math
import zlib
from collections.abc import Iterator, Mapping
from datetime import datetime
from pathlib import Path

from btc_core.errors import ImportFileError, TimeError
from btc_core.model.timerange import EPOCH, MINUTE, parse_time
from demo.wire import Ohlcv

COLUMNS = ("time", "symbol", "open", "high", "low", "close", "volume", "trades")


def read_candle_file(path: Path, symbol: str) -> dict[int, Ohlcv]:
    """Return the minutes of a file by their number since 1970.

    A file that holds one symbol is taken whatever that is called (``BTCUSDT`` played as ``BTC``); of several, the rows
    of ``symbol``. Where the source counted no trades, a number is made up: the exchange always sends one.

    Raises:
        ImportFileError: If the file cannot be read, a column or the symbol is missing, or a value cannot be used.
    """
    try:
        rows = list(_parquet_rows(path) if path.suffix == ".parquet" else _csv_rows(path))
    except csv.Error as error:
        raise ImportFileError(f"{path}: expected a Parquet or CSV file ({error})") from None
    symbols = {str(row["symbol"]) for row in rows}
    if not rows or (len(symbols) > 1 and symbol not in symbols):
        raise ImportFileError(f"{path}: expected candles of {symbol}, found {', '.join(sorted(symbols)) or 'no row'}")
    chosen = rows if len(symbols) == 1 else [row for row in rows if row["symbol"] == symbol]
    return dict(_minute(row, f"{path}, row {number}") for number, row in enumerate(chosen, start=1))


def _parquet_rows(path: Path) -> Iterator[Mapping[str, object]]:
    # Only who plays a Parquet file needs polars.
    import polars as pl

    try:
        frame = pl.read_parquet(path.read_bytes(), columns=list(COLUMNS))
    except OSError as error:
        raise ImportFileError(f"cannot read {path}: {error.strerror or error}") from None
    except pl.exceptions.PolarsError as error:
        raise ImportFileError(
            f"{path}: expected a Parquet file with {', '.join(COLUMNS)} ({str(error).splitlines()[0]})"
        ) from None
    return frame.iter_rows(named=True)


def _csv_rows(path: Path) -> Iterator[Mapping[str, object]]:
    reader = csv.DictReader(text_lines(path))
    missing = [name for name in COLUMNS if name not in (reader.fieldnames or ())]
    if missing:
        raise ImportFileError(f"{path}: expected the columns {', '.join(COLUMNS)}; missing: {', '.join(missing)}")
    yield from reader


def text_lines(path: Path) -> Iterator[str]:
    """Yield the lines of a text file, plain or ``.gz``.

    Raises:
        ImportFileError: If the file cannot be read, is cut off or is no text.
    """
    try:
        if path.suffix == ".gz":
            with gzip.open(path, "rt", encoding="utf-8") as lines:
                yield from lines
        else:
            with path.open(encoding="utf-8") as lines:
                yield from lines
    except OSError as error:
        raise ImportFileError(f"cannot read {path}: {error.strerror or error}") from None
    except (EOFError, zlib.error, UnicodeDecodeError) as error:
        raise ImportFileError(f"cannot read {path}: it is cut off, or no text ({error})") from None


def _minute(row: Mapping[str, object], where: str) -> tuple[int, Ohlcv]:
    try:
        time = row["time"]
        opened = time if isinstance(time, datetime) else parse_time(str(time))
        first, high, low, close = (float(str(row[name])) for name in COLUMNS[2:6])
        volume = float(str(row["volume"]))
        trades = row["trades"]
        n_trades = _made_up_trades(volume) if trades in (None, "") else int(str(trades))
    except (ValueError, TimeError) as error:
        raise ImportFileError(f"{where}: {error}") from None
    if (opened - EPOCH) % MINUTE:
        raise ImportFileError(f"{where}: expected the start of a minute, found {opened.isoformat()}")
    values = Ohlcv(first, high, low, close, volume, n_trades)
    if not _is_possible(values):
        raise ImportFileError(f"{where}: the values of the minute {opened.isoformat()} contradict each other")
    return (opened - EPOCH) // MINUTE, values


def _is_possible(values: Ohlcv) -> bool:
    # Chained comparisons are false for NaN, so nothing that is no number passes.
    has_range = 0 < values.low <= min(values.open, values.close) <= max(values.open, values.close) <= values.high
    return has_range and 0 <= values.volume < math.inf and (values.trades == 0) == (values.volume == 0)


def _made_up_trades(volume: float) -> int:
    return 0 if volume == 0 else 1 + int(10 * volume**0.5)
