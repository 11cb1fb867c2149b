"""Files of 1m candles."""

import gzip
from pathlib import Path

import pytest

from btc_core.errors import ImportFileError
from demo.candlefile import read_candle_file
from demo.wire import Ohlcv

HEADER = "time,symbol,open,high,low,close,volume,trades\n"
ROW = "2021-01-01T00:00Z,BTCUSDT,28923.63,28961.66,28913.12,28961.66,27.457032,1292\n"
MINUTE = 26_824_320


def written(path: Path, text: str) -> Path:
    """Write a file and return its path."""
    path.write_text(text, encoding="utf-8")
    return path


def test_a_csv_file_is_read_exactly(tmp_path):
    """Values are the file's; a single symbol is taken whatever its name."""
    candles = read_candle_file(written(tmp_path / "a.csv", HEADER + ROW), "BTC")
    assert candles == {MINUTE: Ohlcv(28923.63, 28961.66, 28913.12, 28961.66, 27.457032, 1292)}


def test_a_gzipped_csv_file_is_read_too(tmp_path):
    """``.csv.gz`` is what people keep."""
    path = tmp_path / "a.csv.gz"
    path.write_bytes(gzip.compress((HEADER + ROW).encode()))
    assert list(read_candle_file(path, "BTC")) == [MINUTE]


def test_a_parquet_file_equals_the_csv_file(tmp_path):
    """The schema of the shared data."""
    import polars as pl

    text = written(tmp_path / "a.csv", HEADER + ROW)
    pl.read_csv(text, try_parse_dates=True).write_parquet(tmp_path / "a.parquet")
    assert read_candle_file(tmp_path / "a.parquet", "BTC") == read_candle_file(text, "BTC")


def test_one_symbol_of_several_is_chosen(tmp_path):
    """Of a file with several symbols only the one that is played is taken."""
    both = HEADER + ROW + ROW.replace("BTCUSDT", "ETH").replace("00:00Z", "00:01Z")
    path = written(tmp_path / "a.csv", both)
    assert list(read_candle_file(path, "ETH")) == [MINUTE + 1]
    with pytest.raises(ImportFileError, match="expected candles of SOL, found BTCUSDT, ETH"):
        read_candle_file(path, "SOL")


def test_missing_counts_of_trades_are_made_up(tmp_path):
    """The exchange always sends a count: at least 1 where there was volume, 0 where there was none."""
    flat = "2021-01-01T00:01Z,BTCUSDT,5,5,5,5,0,\n"
    candles = read_candle_file(written(tmp_path / "a.csv", HEADER + ROW.replace("1292", "") + flat), "BTC")
    assert candles[MINUTE].trades > 0
    assert candles[MINUTE + 1].trades == 0


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("", "missing: time, symbol"),
        (HEADER, "found no row"),
        (HEADER + ROW.replace("00:00Z", "00:00:30Z"), "row 1: expected the start of a minute"),
        (HEADER + ROW.replace("28913.12", "29999"), "contradict each other"),
        (HEADER + ROW.replace("28913.12", "nan"), "contradict each other"),
        (HEADER + ROW.replace("28913.12", "cheap"), "row 1: could not convert"),
    ],
)
def test_a_file_that_cannot_be_played_is_refused(tmp_path, text, message):
    """The error names the row and what was expected."""
    with pytest.raises(ImportFileError, match=message):
        read_candle_file(written(tmp_path / "a.csv", text), "BTC")


@pytest.mark.parametrize("name", ["none.csv", "none.parquet", "none.csv.gz"])
def test_a_file_that_is_not_there_is_named(tmp_path, name):
    """One sentence, not a traceback."""
    with pytest.raises(ImportFileError, match=f"cannot read .*{name}: No such file"):
        read_candle_file(tmp_path / name, "BTC")


def test_a_parquet_file_that_is_none_is_refused(tmp_path):
    """Nor is text in a file of that name."""
    with pytest.raises(ImportFileError, match="expected a Parquet file"):
        read_candle_file(written(tmp_path / "a.parquet", HEADER + ROW), "BTC")
