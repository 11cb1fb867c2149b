"""SQL over the lake and the results: what it sees, what it says of mistakes, and that it can change nothing."""

import random
from pathlib import Path

import polars as pl
import pytest

from btc_core.errors import InputError, LakeError
from btc_store.frames import open_frames
from btc_store.lake import open_lake
from btc_store.lake_sql import VIEWS, asked, explained
from tests.derivation import made_minutes, store_minutes
from tests.integration.test_archive import DAYS
from tests.lakes import fill_lake, write

COUNT = "SELECT count(*) AS n, min(time), max(high) FROM candles"


@pytest.fixture
def frames(database_url):
    """A database with four days of minutes over the end of a month."""
    with open_frames(database_url) as opened:
        store_minutes(opened, "BTC", made_minutes(DAYS, random.Random(2), n_gaps=0))
        yield opened


@pytest.fixture
def lake(tmp_path):
    """A lake in which nothing is yet."""
    return open_lake(str(tmp_path / "lake"), tmp_path / "cache")


def ask(sql, lake, frames=None):
    """Return the rows of an answer, and how many of the views' rows came from the database."""
    with asked(sql, lake, frames) as answer:
        return list(answer.rows), answer.n_from_database


def refusal(sql, lake, frames=None):
    """Return the sentence with which a query is refused."""
    with pytest.raises(InputError) as caught:
        ask(sql, lake, frames)
    assert "\n" not in str(caught.value)
    return str(caught.value)


def test_the_same_answer_before_and_after_archiving(frames, lake, tmp_path):
    """What the lake has not yet comes from the database; then from the files, and from them alone without it."""
    before, n_from_database = ask(COUNT, lake, frames)
    assert (before[0][0], n_from_database) == (DAYS.n_minutes, DAYS.n_minutes)
    fill_lake(frames, tmp_path / "lake")
    assert ask(COUNT, lake, frames) == (before, 0)
    assert ask(COUNT, lake) == (before, 0)
    high = made_minutes(DAYS, random.Random(2), n_gaps=0).slice(0, 1).with_columns(high=pl.lit(999.0))
    store_minutes(frames, "BTC", high)
    rows, n_from_database = ask(COUNT, lake, frames)
    assert (rows[0][0], rows[0][2], n_from_database) == (DAYS.n_minutes, 999.0, 3 * 1440), "the month that changed"
    assert ask("SELECT count(*) FROM candle_revisions", lake, frames)[0] == [(1,)]


def test_every_table_is_a_view(frames, lake):
    """With the table's columns, where there is no row too; SHOW TABLES names them."""
    assert [name for (name,) in ask("SHOW TABLES", lake, frames)[0]] == sorted(VIEWS)
    write(frames, "INSERT INTO instruments (symbol, coin, max_leverage) VALUES ('BTC', 'BTC', 40)")
    for name in VIEWS:
        described = {column: type_ for column, type_, *_ in ask(f"DESCRIBE {name}", lake, frames)[0]}
        names = pl.Series(frames.read("table_columns", name)["name"]).to_list()
        assert list(described) == names, name
        assert described.get("time", "TIMESTAMP WITH TIME ZONE") == "TIMESTAMP WITH TIME ZONE"


MISTAKES = {
    "SELEC 1": 'syntax error at or near "SELEC" (line 1, column 1)',
    "SELECT clos FROM candles": 'Referenced column "clos" not found in FROM clause!',
    "SELECT * FROM cadles": 'Table with name cadles does not exist! Did you mean "candles"? (line 1, column 15)',
    "SELECT 1,\n  2 +* 3": "(line 2, column 5)",
    "SELECT CAST('x' AS INTEGER)": "Could not convert string 'x' to INT32",
    "": "expected one SELECT, found nothing",
}


def test_a_mistake_is_one_sentence_with_its_place(frames, lake):
    """What DuckDB says of it, on one line, and where."""
    for sql, said in MISTAKES.items():
        assert said in refusal(sql, lake, frames), sql


def test_the_place_in_a_long_line():
    """DuckDB shows a part of it, with dots; the column is that of the whole line."""
    sql = "SELECT " + "1+" * 100 + "b FROM candles"
    shown = "..." + sql[150:230]
    message = f"Binder Error: no b\n\nLINE 1: {shown}\n{' ' * (len('LINE 1: ') + shown.index('b'))}^"
    assert explained(sql, message) == f"no b (line 1, column {sql.index('b') + 1})"


FORBIDDEN = [
    "COPY (SELECT 1) TO '{}/x.csv'",
    "COPY candles TO '{}/lake/x.parquet'",
    "EXPLAIN ANALYZE COPY (SELECT 1) TO '{}/x.csv'",
    "EXPORT DATABASE '{}/x'",
    "CREATE TABLE x AS SELECT 1",
    "ATTACH '{}/x.db'",
    "INSTALL httpfs",
    "LOAD httpfs",
    "SET enable_external_access = true",
    "PRAGMA enable_profiling",
    "SELECT 1; COPY (SELECT 1) TO '{}/x.csv'",
    "SELECT * FROM read_csv('/etc/passwd')",
    "SELECT * FROM '/etc/passwd.csv'",
    "SELECT * FROM read_text('{}/lake/../secret')",
    "SELECT * FROM read_text('{}/lake-cache/secret')",
    "SELECT * FROM glob('/etc/*')",
    "SELECT * FROM read_blob('/proc/self/environ')",
    "SELECT * FROM read_parquet('https://example.com/x.parquet')",
    "SELECT * FROM sources",
    "DELETE FROM candles",
]


def test_a_query_reads_the_lake_and_writes_nothing(frames, lake, tmp_path):
    """No file outside of it is read, none is written, nothing is loaded, and no setting gives way."""
    fill_lake(frames, tmp_path / "lake")
    (tmp_path / "secret").write_text("x")
    before = sorted(path for path in tmp_path.rglob("*"))
    for sql in FORBIDDEN:
        assert refusal(sql.format(tmp_path), lake, frames)
    assert sorted(path for path in tmp_path.rglob("*")) == before


def test_the_files_of_the_lake_may_be_read_by_name(frames, lake, tmp_path):
    """As other programs read them: with the folders as columns."""
    fill_lake(frames, tmp_path / "lake")
    sql = f"SELECT DISTINCT symbol, month FROM read_parquet('{tmp_path}/lake/candles/*/*/candles-*.parquet')"
    assert ask(sql, lake)[0] == [("BTC", "2024-02")]


def test_a_lake_without_the_table_and_no_database(lake):
    """Nothing can be said of its columns."""
    assert "has no rows of decisions, and no database is reached" in refusal("SELECT * FROM decisions", lake)


def test_a_file_that_is_gone_is_said(frames, lake, tmp_path):
    """A lake that is not whole answers nothing that looks right."""
    fill_lake(frames, tmp_path / "lake")
    (manifest,) = Path(tmp_path / "lake" / "candles").rglob("*.json")
    text = manifest.read_text()
    manifest.write_text("{")
    with pytest.raises(LakeError, match=r"is damaged: .*`btc archive` writes it anew"):
        ask(COUNT, lake)
    manifest.write_text(text)
    (file,) = Path(tmp_path / "lake" / "candles").rglob("*.parquet")
    file.unlink()
    with pytest.raises(LakeError, match="is missing, its manifest names it"):
        ask(COUNT, lake)
