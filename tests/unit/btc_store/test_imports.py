"""Which files of candles can be read, and what is said of those that cannot."""

import gzip
import zipfile
from datetime import UTC, datetime, timedelta
from pathlib import Path

import polars as pl
import pytest
from hypothesis import given
from hypothesis import strategies as st

from btc_core.errors import ImportFileError, InputError
from btc_core.model.candle import TOO_FINE, TOO_HIGH, TOO_MUCH
from btc_store.imports import check_source_name, read_candle_file, source_name

START = datetime(2025, 1, 1, tzinfo=UTC)
MINUTE = timedelta(minutes=1)
HEADER = "time,open,high,low,close,volume,trades"
ROWS = (
    "2025-01-01T00:00:00Z,100.0,102.5,99.0,101.0,5.5,12",
    "2025-01-01T00:01:00Z,101.0,101.0,100.0,100.5,2.0,3",
    "2025-01-01T00:02:00Z,100.5,100.5,100.5,100.5,0.0,0",
)
VALUES = [(100.0, 102.5, 99.0, 101.0, 5.5), (101.0, 101.0, 100.0, 100.5, 2.0), (100.5, 100.5, 100.5, 100.5, 0.0)]
EXPECTED = pl.DataFrame(
    {
        "time": [START, START + MINUTE, START + 2 * MINUTE],
        "symbol": ["BTC"] * 3,
        **{name: [values[i] for values in VALUES] for i, name in enumerate(("open", "high", "low", "close", "volume"))},
        "trades": [12, 3, 0],
    },
    schema_overrides={"time": pl.Datetime("us", "UTC"), "trades": pl.Int32},
)
# What an exchange's archive has in the columns behind the volume.
ARCHIVE_TAIL = "1735689659999,768978.7,{trades},3.9,369757.3,0"


@pytest.fixture
def written(tmp_path):
    """A function that writes text or bytes to a file and returns its path."""

    def write(content, name="candles.csv"):
        path = tmp_path / name
        path.write_bytes(content if isinstance(content, bytes) else content.encode())
        return path

    return write


def csv_text(*rows, header=HEADER):
    """Return a CSV file's text."""
    return "\n".join([header, *(rows or ROWS)]) + "\n"


def archive_text(unit):
    """Return an exchange archive's text, with times in so many units a second."""
    lines = []
    for i, (values, trades) in enumerate(zip(VALUES, (12, 3, 0), strict=True)):
        opened = int((START + i * MINUTE).timestamp()) * unit
        prices = ",".join(f"{value:.8f}" for value in values)
        lines.append(f"{opened},{prices},{ARCHIVE_TAIL.format(trades=trades)}")
    return "\n".join(lines) + "\n"


def refusal_of(path):
    """Return the sentence with which a file is refused."""
    with pytest.raises(ImportFileError) as caught:
        read_candle_file(path, "BTC")
    text = str(caught.value)
    assert text.startswith(f"{path}: ")
    assert text.endswith("nothing of the file was stored")
    assert "\n" not in text
    return text


def test_csv_with_our_header(written):
    """Our names, ISO times in UTC."""
    assert read_candle_file(written(csv_text()), "BTC").equals(EXPECTED)


@pytest.mark.parametrize(
    ("pattern", "offset"),
    [
        ("%Y-%m-%dT%H:%M:%S", 0),
        ("%Y-%m-%d %H:%M", 0),
        ("%Y-%m-%d %H:%M:%S.000000+00:00", 0),
        ("%Y-%m-%dT%H:%M:%S+0200", 2),
        ("%Y-%m-%dT%H:%M:%S-05:00", -5),
    ],
)
def test_iso_times(written, pattern, offset):
    """Without an offset a time is UTC; with one it is the same instant in UTC."""
    rows = [
        f"{START + i * MINUTE + timedelta(hours=offset):{pattern}},{row.partition(',')[2]}"
        for i, row in enumerate(ROWS)
    ]
    assert read_candle_file(written(csv_text(*rows)), "BTC").equals(EXPECTED)


@pytest.mark.parametrize("unit", [1, 10**3, 10**6, 10**9], ids=["s", "ms", "us", "ns"])
def test_whole_number_times_say_their_unit_by_size(written, unit):
    """Seconds, milliseconds, microseconds and nanoseconds are told apart, with a header and without."""
    rows = [f"{int((START + i * MINUTE).timestamp()) * unit},{row.partition(',')[2]}" for i, row in enumerate(ROWS)]
    assert read_candle_file(written(csv_text(*rows)), "BTC").equals(EXPECTED)
    assert read_candle_file(written(archive_text(unit), "archive.csv"), "BTC").equals(EXPECTED)


def test_archive_that_changes_its_unit(written):
    """Each row says its own unit: an archive of 2024 and one of 2025 put together are read right."""
    lines = archive_text(10**3).splitlines()[:1] + archive_text(10**6).splitlines()[1:]
    assert read_candle_file(written("\n".join(lines)), "BTC").equals(EXPECTED)


def test_archive_with_the_exchanges_own_header(written):
    """The futures archives name their columns: open_time is the time, count the number of trades."""
    header = (
        "open_time,open,high,low,close,volume,close_time,quote_volume,count,taker_buy_volume,"
        "taker_buy_quote_volume,ignore"
    )
    assert read_candle_file(written(f"{header}\n{archive_text(1000)}"), "BTC").equals(EXPECTED)


def test_gzip_is_known_by_its_content(written):
    """Gzipped text is read under any name."""
    packed = gzip.compress(csv_text().encode())
    assert read_candle_file(written(packed, "a.csv.gz"), "BTC").equals(EXPECTED)
    assert read_candle_file(written(packed, "a.csv"), "BTC").equals(EXPECTED)


def test_extra_columns_and_the_files_own_symbol_do_not_count(written):
    """A symbol in the file is not the one the rows get."""
    rows = [f"ETHUSDT,{row},note" for row in ROWS]
    path = written(csv_text(*rows, header=f"symbol,{HEADER},remark"))
    assert read_candle_file(path, "BTC").equals(EXPECTED)


def test_header_in_capitals_with_quotes_and_a_byte_order_mark(written):
    """Spreadsheets write CSV like this, with blank lines and CRLF."""
    header = '\ufeff"Time", "Open","High","Low","Close","Volume","Trades"'
    path = written(csv_text(*ROWS, "", header=header).replace("\n", "\r\n"))
    assert read_candle_file(path, "BTC").equals(EXPECTED)


def test_trades_are_optional(written):
    """Where trades are not counted, or not in a row, they are null."""
    without = [row.rpartition(",")[0] for row in ROWS]
    no_column = read_candle_file(written(csv_text(*without, header=HEADER.removesuffix(",trades"))), "BTC")
    assert no_column["trades"].to_list() == [None] * 3
    empty = read_candle_file(written(csv_text(ROWS[0], f"{without[1]},", f"{without[2]},")), "BTC")
    assert empty["trades"].to_list() == [12, None, None]


def test_trades_and_volume_need_not_go_together(written):
    """Archives hold minutes with volume and no trades: no reason to refuse."""
    rows = [ROWS[0].replace(",12", ",0"), ROWS[2][:-1] + "7"]
    assert read_candle_file(written(csv_text(*rows)), "BTC")["trades"].to_list() == [0, 7]


def test_rows_come_back_ascending(written):
    """Newest first is how some exchanges list."""
    assert read_candle_file(written(csv_text(*reversed(ROWS))), "BTC").equals(EXPECTED)


def test_a_repeated_row_is_no_contradiction(written):
    """Downloads that overlap say the same twice."""
    assert read_candle_file(written(csv_text(*ROWS, ROWS[1])), "BTC").unique(maintain_order=True).equals(EXPECTED)


def test_parquet(tmp_path):
    """Our own schema, with a symbol of its own."""
    path = tmp_path / "a.parquet"
    EXPECTED.with_columns(symbol=pl.lit("BTCUSDT")).write_parquet(path)
    assert read_candle_file(path, "BTC").equals(EXPECTED)


@pytest.mark.parametrize(
    "time",
    [
        pl.col("time").dt.replace_time_zone(None),
        pl.col("time").dt.convert_time_zone("Asia/Tokyo"),
        pl.col("time").cast(pl.Datetime("ns", "UTC")),
        pl.col("time").dt.epoch("ms"),
        pl.col("time").dt.to_string("%Y-%m-%dT%H:%M:%SZ"),
    ],
    ids=["naive", "zone", "ns", "ms", "text"],
)
def test_parquet_times(tmp_path, time):
    """A naive time is UTC; whole numbers and texts are read as in CSV."""
    path = tmp_path / "a.parquet"
    EXPECTED.with_columns(time).write_parquet(path)
    assert read_candle_file(path, "BTC").equals(EXPECTED)


def test_parquet_numbers(tmp_path):
    """Whole numbers, decimals and small floats are prices too."""
    path = tmp_path / "a.parquet"
    types = {"open": pl.Decimal(10, 2), "high": pl.Float32, "volume": pl.Float32, "trades": pl.Float64}
    EXPECTED.cast(types).write_parquet(path)
    assert read_candle_file(path, "BTC").equals(EXPECTED)


@pytest.mark.parametrize("name", ["time", "open", "high", "low", "close", "volume"])
def test_missing_column(written, tmp_path, name):
    """The sentence names the column, what is expected and what is there; in both formats."""
    index = HEADER.split(",").index(name)
    lines = [",".join(part for i, part in enumerate(line.split(",")) if i != index) for line in (HEADER, *ROWS)]
    text = refusal_of(written("\n".join(lines)))
    assert f"no column '{name}': expected time, open, high, low, close, volume, and trades" in text
    assert f"found {lines[0]}".replace(",", ", ") in text
    path = tmp_path / "a.parquet"
    EXPECTED.drop(name).write_parquet(path)
    assert f"no column '{name}'" in refusal_of(path)


@pytest.mark.parametrize("name", ["open", "high", "low", "close", "volume"])
def test_text_for_a_number(written, name):
    """The sentence names the line, the column and the text."""
    row = dict(zip(HEADER.split(","), ROWS[1].split(","), strict=True)) | {name: "n/a"}
    text = refusal_of(written(csv_text(ROWS[0], ",".join(row.values()), ROWS[2])))
    assert f"line 3: expected a number in column '{name}', found 'n/a'" in text


@pytest.mark.parametrize("trades", ["many", "-1", "1.5", "3000000000", "nan"])
def test_trades_that_are_no_count(written, trades):
    """Trades are whole, at least 0 and fit the table."""
    row = ROWS[1].rpartition(",")[0]
    text = refusal_of(written(csv_text(ROWS[0], f"{row},{trades}")))
    assert "line 3: expected a number" in text
    assert f"in column 'trades', found '{trades}'" in text


def test_empty_cell(written):
    """A price that is not there is not 0."""
    text = refusal_of(written(csv_text(ROWS[0], "2025-01-01T00:01:00Z,101,101,100,,2,3")))
    assert "line 3: expected a number in column 'close', found nothing" in text


def test_null_in_parquet(tmp_path):
    """Parquet rows are counted from 1."""
    path = tmp_path / "a.parquet"
    EXPECTED.with_columns(low=pl.Series([99.0, None, None])).write_parquet(path)
    text = refusal_of(path)
    assert "row 2: expected a number in column 'low', found nothing (and 1 more rows are wrong)" in text


def test_parquet_column_that_holds_no_numbers(tmp_path):
    """A column of truth values is not prices."""
    path = tmp_path / "a.parquet"
    EXPECTED.with_columns(close=pl.lit(value=True)).write_parquet(path)
    assert "expected numbers in column 'close', found Boolean" in refusal_of(path)


def test_parquet_column_that_holds_no_times(tmp_path):
    """Fractions are not times: nobody says of what. Floats of 32 bits hold no second of this century exactly."""
    path = tmp_path / "a.parquet"
    EXPECTED.with_columns(time=pl.lit(1735689600.5)).write_parquet(path)
    assert "row 1: expected a time in ISO 8601 or whole seconds" in refusal_of(path)
    EXPECTED.with_columns(time=pl.lit(1735689600, pl.Float32)).write_parquet(path)
    assert "expected times in column 'time', found Float32" in refusal_of(path)


@pytest.mark.parametrize("unit", [1, 10**3, 10**6, 10**9], ids=["s", "ms", "us", "ns"])
def test_whole_numbers_may_be_floats(written, tmp_path, unit):
    """Pandas makes floats of a column of numbers beside a gap."""
    times = [(START + i * MINUTE).timestamp() * unit for i in range(3)]
    rows = [f"{time:.1f},{row.partition(',')[2]}" for time, row in zip(times, ROWS, strict=True)]
    assert read_candle_file(written(csv_text(*rows)), "BTC").equals(EXPECTED)
    path = tmp_path / "a.parquet"
    EXPECTED.with_columns(time=pl.Series(times)).write_parquet(path)
    assert read_candle_file(path, "BTC").equals(EXPECTED)


@pytest.mark.parametrize("unit", ["ms", "us", "ns"])
@pytest.mark.parametrize("number", [2**62, -(2**62), -60_000_000])
def test_parquet_times_that_cannot_be(tmp_path, unit, number):
    """A time that Python cannot hold, or before 1970, is no time; a test with damaged files found the first."""
    path = tmp_path / "a.parquet"
    times = pl.Series("time", [0, 0, number]).cast(pl.Datetime(unit, "UTC"))
    EXPECTED.with_columns(times).write_parquet(path)
    text = refusal_of(path)
    # In nanoseconds the largest is a time of the year 2116, and no start of a minute.
    assert "row 3: expected a time" in text or "row 3: the time is not the start of a minute" in text


@pytest.mark.parametrize("time", ["yesterday", "2025-13-01", "20250101", "", "1735689660.5"])
def test_text_that_is_no_time(written, time):
    """A date in digits is too small to be a number of seconds that anyone means."""
    text = refusal_of(written(csv_text(ROWS[0], f"{time},101,101,100,100,2,3")))
    assert "line 3: expected a time in ISO 8601" in text


def test_whole_number_after_iso_times(written):
    """One file, one way to write a time."""
    assert "line 3: expected a time" in refusal_of(written(csv_text(ROWS[0], "1735689660000,101,101,100,100,2,3")))


@pytest.mark.parametrize(
    ("values", "reason"),
    [
        ("00:01:30Z,101,101,100,100.5,2,3", "the time is not the start of a minute"),
        ("00:01:00.5Z,101,101,100,100.5,2,3", "the time is not the start of a minute"),
        ("00:01:00Z,101,100000000000,100,100.5,2,3", TOO_HIGH),
        ("00:01:00Z,101,101,0.000000014,100.5,2,3", TOO_FINE),
        ("00:01:00Z,101,101,100,100.5,1.5e308,3", TOO_MUCH),
        ("00:01:00Z,NaN,101,100,100.5,2,3", "a price is not a positive finite number"),
        ("00:01:00Z,101,inf,100,100.5,2,3", "a price is not a positive finite number"),
        ("00:01:00Z,101,101,0,100.5,2,3", "a price is not a positive finite number"),
        ("00:01:00Z,101,101,-100,100.5,2,3", "a price is not a positive finite number"),
        ("00:01:00Z,101,99,100,100.5,2,3", "high is below low"),
        ("00:01:00Z,101,100.7,100,100.5,2,3", "high is below open or close"),
        ("00:01:00Z,101,101,100.7,100.5,2,3", "low is above open or close"),
        ("00:01:00Z,101,101,100,100.5,-2,3", "the volume is not a finite number of at least 0"),
        ("00:01:00Z,101,101,100,100.5,nan,3", "the volume is not a finite number of at least 0"),
        ("00:01:00Z,101,101,100,100.5,inf,3", "the volume is not a finite number of at least 0"),
    ],
)
def test_row_that_contradicts_itself(written, values, reason):
    """The sentence names the first such line, why, and its values."""
    text = refusal_of(written(csv_text(ROWS[0], f"2025-01-01T{values}", ROWS[2])))
    assert f"line 3: {reason}: time 2025-01-01T00:01:" in text
    assert "more rows" not in text


def test_trades_that_no_minute_has(written):
    """As many as the busiest minute on record are taken, a million and one are not."""
    busy, absurd = ROWS[0].replace(",12", ",55181"), ROWS[0].replace(",12", ",1000001")
    assert read_candle_file(written(csv_text(busy)), "BTC")["trades"].to_list() == [55181]
    text = refusal_of(written(csv_text(absurd)))
    assert "line 2: expected a number of trades up to 1,000,000 in column 'trades', found '1000001'" in text


def test_rows_that_contradict_themselves_are_counted(written):
    """The first is shown, the others are counted."""
    bad = "2025-01-01T00:01:00Z,101,99,100,100.5,2,3"
    text = refusal_of(written(csv_text(ROWS[0], bad, bad.replace("00:01", "00:03"), bad.replace("00:01", "00:04"))))
    assert "line 3: high is below low" in text
    assert "(and 2 more rows are wrong)" in text


def test_a_time_with_different_values(written):
    """A file that says two things about a minute says nothing."""
    text = refusal_of(written(csv_text(*ROWS, ROWS[1].replace("100.5", "100.6"))))
    assert "line 3: 2025-01-01 00:01Z stands in the file more than once, with different values" in text


@pytest.mark.parametrize(("step", "n_rows"), [(5, 12), (60, 30)])
def test_candles_of_another_interval(written, step, n_rows):
    """5m candles stored as minutes would be minutes with invented gaps."""
    rows = [f"{START + i * step * MINUTE:%Y-%m-%dT%H:%MZ},100,101,99,100,1,1" for i in range(n_rows)]
    text = refusal_of(written(csv_text(*rows)))
    assert f"expected 1m candles, found them {step} minutes apart" in text


def test_a_few_minutes_apart_are_corrections(written):
    """Single minutes that were restated lie anywhere."""
    rows = [f"{START + i * 5 * MINUTE:%Y-%m-%dT%H:%MZ},100,101,99,100,1,1" for i in range(5)]
    assert read_candle_file(written(csv_text(*rows)), "BTC").height == 5


@pytest.mark.parametrize("content", ["", "\n\n", HEADER, HEADER + "\n"])
def test_no_rows(written, content):
    """An empty file is the wrong file."""
    assert "expected candles, found" in refusal_of(written(content))


def test_parquet_without_rows(tmp_path):
    """An empty table is the wrong file too."""
    path = tmp_path / "a.parquet"
    EXPECTED.clear().write_parquet(path)
    assert "found no rows" in refusal_of(path)


def test_headerless_file_that_is_no_archive(written):
    """Without a header only the archives' columns are known."""
    text = refusal_of(written("\n".join(ROWS)))
    assert "exchange archive's 12 columns, found 7 columns without a header" in text


def test_line_with_too_few_fields(written):
    """What a broken download looks like."""
    text = refusal_of(written(archive_text(1000)[:-30]))
    assert "line 3: expected 12 fields, found" in text
    assert "is the file cut off?" in text


def test_line_with_too_many_fields(written):
    """A decimal comma makes two fields of one."""
    assert "line 2: expected 7 fields, found 8" in refusal_of(written(csv_text(ROWS[0].replace("100.0", "100,0"))))


def test_truncated_gzip(written):
    """Half a download."""
    packed = gzip.compress(csv_text().encode())
    assert "expected a whole gzip file" in refusal_of(written(packed[:-12], "a.csv.gz"))


def test_damaged_gzip(written):
    """A checksum that does not fit."""
    packed = bytearray(gzip.compress(csv_text().encode()))
    packed[30] ^= 0xFF
    assert "expected a whole gzip file" in refusal_of(written(bytes(packed), "a.csv.gz"))


@pytest.mark.parametrize("kept", [4, 8, 100, 500])
def test_truncated_parquet(tmp_path, kept):
    """Parquet keeps its table of contents at the end: without it nothing can be read."""
    path = tmp_path / "a.parquet"
    EXPECTED.write_parquet(path)
    path.write_bytes(path.read_bytes()[:kept])
    assert "expected a whole Parquet file" in refusal_of(path)


def test_zip_archive(tmp_path):
    """The exchange packs its archives so: the sentence says what to do."""
    path = tmp_path / "BTCUSDT-1m-2025-01-01.zip"
    with zipfile.ZipFile(path, "w") as archive:
        archive.writestr("BTCUSDT-1m-2025-01-01.csv", archive_text(1000))
    assert "Unpack it first" in refusal_of(path)


def test_no_such_file(tmp_path):
    """A wrong name."""
    assert "cannot be read: No such file or directory" in refusal_of(tmp_path / "missing.csv")


def test_folder(tmp_path):
    """A folder is no file."""
    assert "cannot be read: Is a directory" in refusal_of(tmp_path)


def test_other_bytes(written):
    """A picture is no table."""
    assert "expected Parquet, or CSV in UTF-8, found neither" in refusal_of(written(b"\x89PNG\r\n\x1a\n\xff\xfe\x00"))


@given(st.binary(max_size=200))
def test_any_bytes_are_refused_in_a_sentence(tmp_path_factory, content):
    """Whatever a file holds, the answer is candles or a sentence."""
    path = tmp_path_factory.getbasetemp() / "any.csv"
    path.write_bytes(content)
    refusal_of(path)


@given(st.data())
def test_damaged_parquet_never_escapes(tmp_path_factory, data):
    """A changed byte in a Parquet file is candles or a sentence, never a fault of ours."""
    path = tmp_path_factory.getbasetemp() / "damaged.parquet"
    EXPECTED.write_parquet(path)
    content = bytearray(path.read_bytes())
    content[data.draw(st.integers(4, len(content) - 5))] ^= data.draw(st.integers(1, 255))
    path.write_bytes(bytes(content))
    try:
        read_candle_file(path, "BTC")
    except ImportFileError as error:
        assert str(error).startswith(str(path))


@pytest.mark.parametrize(
    ("file", "name"),
    [
        ("BTCUSDT-1m-2021-04-25.csv.gz", "BTCUSDT-1m"),
        ("binance_btcusdt_1m_2021.parquet", "binance_btcusdt_1m"),
        ("btc 20210425.csv", "btc"),
        ("kraken.csv", "kraken"),
        ("2021-04.csv", "file"),
        ("BTC1000.csv", "BTC1000"),
        ("größe 1.csv", "gr-e-1"),
    ],
)
def test_source_name(file, name):
    """The file's name before its date; it is always a name that can be given."""
    assert source_name(Path(file)) == name
    assert check_source_name(name) == name


@pytest.mark.parametrize("name", ["", "a b", "x" * 61, "%", "-x"])
def test_source_name_that_cannot_be(name):
    """The name goes into the table and into messages."""
    with pytest.raises(InputError, match="is no name of a source"):
        check_source_name(name)
