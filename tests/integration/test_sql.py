"""``btc archive``, ``btc restore`` and ``btc sql`` as they are called; and the page about them, as it says."""

import csv
import io
import json
import random
import re
import shlex
from datetime import UTC, datetime
from pathlib import Path

import pytest
from click.testing import CliRunner

from btc_assets.cli import main
from btc_core.model.timerange import TimeRange
from btc_store.frames import open_frames
from tests.conftest import _execute
from tests.derivation import made_minutes, store_minutes
from tests.integration.test_archive import DAYS
from tests.lakes import SPAN, archived_rows, fill, small_minutes

PAGE = Path(__file__).resolve().parents[2] / "docs" / "lake.md"


@pytest.fixture
def btc(settings_for, database_url, tmp_path):
    """A function that runs ``btc`` in this process, with a lake of its own."""

    def run(*args, url=database_url, **environ):
        settings = settings_for(url, **{"BTC_LAKE": str(tmp_path / "lake"), **environ})
        return CliRunner().invoke(main, [str(arg) for arg in args], obj=settings)

    return run


@pytest.fixture
def filled(database_url):
    """A database with four days of minutes over the end of a month."""
    with open_frames(database_url) as frames:
        store_minutes(frames, "BTC", made_minutes(DAYS, random.Random(2), n_gaps=0))
        yield frames


def answer_of(result):
    """Return the one JSON object of a command that succeeded."""
    assert result.exit_code == 0, result.output
    return json.loads(result.stdout)


def test_there_and_back(btc, filled):
    """Archived, forgotten, restored: what each says for people and for programs."""
    rows = archived_rows(filled)
    said = btc("archive")
    assert said.exit_code == 0
    assert "2 of 2 parts written" in said.stdout
    assert "BTC 2024-03: " in said.stdout
    assert "are missing, the first 2024-03-02 00:00Z" in said.stdout
    again = answer_of(btc("archive", "--symbol", "btc", "--month", "2024-02", "--json"))
    assert (again["n_parts"], again["n_written"], again["n_rows"]) == (1, 0, 3 * 1440)
    assert again["parts"][0]["checksum"]
    _forget(filled)
    restored = btc("restore")
    assert "btc derive --symbol BTC --start 2024-02-27" in restored.stdout
    assert archived_rows(filled) == rows
    again = answer_of(btc("restore", "--start", "2024-03-01", "--json"))
    assert (again["n_parts"], again["n_new"], again["n_same"], again["n_kept"]) == (1, 0, 1440, 0)


def _forget(frames):
    with frames.transaction():
        frames.ask("WITH gone AS (DELETE FROM candles RETURNING 1) SELECT count(*) FROM gone")


def test_an_archive_that_would_lose_rows_says_so(btc, filled):
    """The database began anew: exit 1 and a sentence for each month, until somebody decides."""
    btc("archive")
    with filled.transaction():
        gone = "DELETE FROM candles WHERE time < '2024-02-28' RETURNING 1"
        filled.ask(f"WITH gone AS ({gone}) SELECT count(*) FROM gone")
    refused = btc("archive")
    assert refused.exit_code == 1
    assert "1 left as the lake has them" in refused.stdout
    assert "the lake has 4,320 rows, the database 2,880. `btc restore` brings the others back" in refused.stderr
    assert btc("archive", "--replace").exit_code == 0


def test_a_damaged_lake_is_restored_when_asked_for_the_rest(btc, filled, tmp_path):
    """Nothing is written before; --skip-damaged takes the rest and still says that something is wrong."""
    btc("archive")
    (file,) = (tmp_path / "lake" / "candles").rglob("*.parquet")
    file.write_bytes(b"x")
    _forget(filled)
    refused = btc("restore")
    assert (refused.exit_code, refused.stdout) == (1, "")
    assert file.name in refused.stderr
    assert refused.stderr.count("\n") == 1
    assert archived_rows(filled)["candles"] == []
    rest = btc("restore", "--skip-damaged")
    assert rest.exit_code == 1
    assert "damaged, left out: candles/symbol=BTC/month=2024-02" in rest.stdout
    assert len(archived_rows(filled)["candles"]) == 1440


@pytest.mark.parametrize(
    ("args", "said"),
    [
        (["restore"], "has nothing of what was asked"),
        (["restore", "--lake", "s3a://x/y"], "Did you mean s3?"),
        (["archive", "--lake", "s3://"], "expected a bucket after s3://"),
        (["archive", "--month", "2024-13"], "'2024-13' is no month: expected year and month, such as 2024-05"),
        (["archive", "--month", "2024-01", "--start", "2024-01-01"], "expected one or the other"),
        (["sql", "SELECT 1", "--json", "--csv"], "expected one of them"),
    ],
)
def test_what_cannot_be_meant(args, said, settings_for, tmp_path):
    """One sentence, before anybody asks a database."""
    settings = settings_for("postgresql://x@127.0.0.1:1/x", BTC_LAKE=str(tmp_path / "lake"))
    result = CliRunner().invoke(main, args, obj=settings)
    assert result.exit_code != 0
    assert said in result.stderr
    assert result.stderr.count("\n") == 1


def test_an_empty_database(btc):
    """There is nothing to archive; that is no failure."""
    assert "nothing is stored that could be archived" in btc("archive").stdout


def test_sql_answers_as_table_json_and_csv(btc, filled):
    """The same rows; times are UTC, what is not archived yet is said beside."""
    query = "SELECT time, symbol, high, trades, NULL AS nothing FROM candles ORDER BY time LIMIT 2"
    shown = btc("sql", query)
    assert shown.stdout.splitlines()[0].split() == ["time", "symbol", "high", "trades", "nothing"]
    assert "2024-02-27 00:01Z" in shown.stdout
    assert f"2 rows; {DAYS.n_minutes:,} rows of the views are not archived yet" in shown.stderr
    told = answer_of(btc("sql", query, "--json"))
    assert told["n_rows"] == 2
    rows = list(csv.DictReader(io.StringIO(btc("sql", query, "--csv").stdout)))
    assert [row["time"] for row in rows] == ["2024-02-27T00:00:00.000000Z", "2024-02-27T00:01:00.000000Z"]
    assert [float(row["high"]) for row in rows] == [row[2] for row in told["rows"]]
    assert rows[0]["nothing"] == ""


def test_more_rows_than_a_person_reads(btc, filled):
    """The first thousand, and how many there are."""
    shown = btc("sql", "SELECT time FROM candles")
    assert shown.stdout.count("\n") == 1001
    assert f"{DAYS.n_minutes:,} rows, the first 1,000 are shown" in shown.stderr


def test_without_a_database_the_lake_alone_is_asked(btc, filled):
    """And that is said."""
    btc("archive")
    away = btc("sql", "SELECT count(*) AS n FROM candles", url="postgresql://x@127.0.0.1:1/x")
    assert away.exit_code == 0
    assert "the lake alone is asked: no usable database at 127.0.0.1:1" in away.stderr
    assert f"{DAYS.n_minutes:,}" in away.stdout


@pytest.fixture(scope="module")
def documented(server, template, tmp_path_factory):
    """A filled database and its lake, for the page's queries."""
    name = f"{template}_page"
    _execute(server.url, f"CREATE DATABASE {name} TEMPLATE {template} STRATEGY file_copy")
    with open_frames(server.url_of(name)) as frames:
        fill(frames, small_minutes(TimeRange(datetime(2024, 2, 18, tzinfo=UTC), SPAN.end)))
    yield server.url_of(name), tmp_path_factory.mktemp("page") / "lake"
    _execute(server.url, f"DROP DATABASE {name} WITH (FORCE)")


def test_the_commands_of_the_page_work(btc, documented, tmp_path):
    """Every `btc archive`, `btc restore` and `btc sql` line of docs/lake.md, in order; each query answers rows."""
    url, folder = documented
    shell = "\n".join(re.findall(r"^```sh\n(.*?)^```$", PAGE.read_text(encoding="utf-8"), re.M | re.S))
    lines = [shlex.split(line) for line in shell.replace("\\\n", " ").splitlines() if line.startswith("btc ")]
    ours = [line[1:] for line in lines if line[1] in ("archive", "restore", "sql") and "s3://" not in " ".join(line)]
    assert {line[0] for line in ours} == {"archive", "restore", "sql"}
    for line in ours:
        line = [str(tmp_path / "other") if part.startswith("/") else part for part in line]  # noqa: PLW2901
        line = line[: line.index(">")] if ">" in line else line  # noqa: PLW2901
        result = btc(*line, url=url, BTC_LAKE=str(folder))
        assert result.exit_code == 0, (line, result.output)
        if line[0] == "sql":
            assert not result.stderr.startswith("0 rows"), line
