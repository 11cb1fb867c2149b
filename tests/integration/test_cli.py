"""``btc`` on a real database: in this process for what it answers, as the console script for what a shell sees."""

import asyncio
import json
import os
import signal
import subprocess
import sys
import time
from datetime import UTC, datetime, timedelta
from pathlib import Path

import polars as pl
import psycopg2
import pytest
from click.testing import CliRunner

from btc_assets.cli import main
from btc_core.model.candle import Candle, State
from btc_store.candles import upsert_candles
from btc_store.connection import connect
from btc_store.frames import open_frames
from tests.integration.test_schema import HEAD

ROOT = Path(__file__).resolve().parents[2]
SCRIPT = Path(sys.executable).parent / "btc"
START = datetime(2025, 1, 1, tzinfo=UTC)
MINUTE = timedelta(minutes=1)
HEADER = "time,open,high,low,close,volume,trades"


@pytest.fixture
def btc(settings_for, database_url):
    """A function that runs ``btc`` in this process on the fresh database; BTC and ETH are configured."""

    def run(*args, url=database_url, **environ):
        settings = settings_for(url, BTC_SYMBOLS="BTC,ETH", COLLECTOR_HTTP_PORT="1", **environ)
        return CliRunner().invoke(main, [str(arg) for arg in args], obj=settings)

    return run


@pytest.fixture
def script(database_url, tmp_path):
    """A function that runs the console script as a shell does, with nothing of this process's environment."""

    def run(*args, **environ):
        env = {"PATH": os.environ["PATH"], "HOME": str(tmp_path), "DATABASE_URL": database_url, **environ}
        return subprocess.run(
            [SCRIPT, *map(str, args)], env=env, cwd=ROOT, capture_output=True, text=True, timeout=120, check=False
        )

    return run


@pytest.fixture
def candle_file(tmp_path):
    """A function that writes minutes, START + each of the offsets, to a CSV file."""

    def write(offsets=range(5), close=101.0, name="kraken_2025.csv"):
        rows = [f"{START + i * MINUTE:%Y-%m-%dT%H:%MZ},100,102,99,{close},5,10" for i in offsets]
        path = tmp_path / name
        path.write_text("\n".join([HEADER, *rows]) + "\n")
        return path

    return write


def answer_of(result):
    """Return the one JSON object on standard output of a command that succeeded."""
    assert (result.exit_code, result.stderr) == (0, "")
    assert result.stdout.count("\n") == 1
    return json.loads(result.stdout)


async def n_candles(connection):
    """Return how many candles are stored."""
    return await connection.fetchval("SELECT count(*) FROM candles")


def test_upgrade_makes_the_tables_once(btc, empty_database_url):
    """The second time nothing is to be done."""
    assert "no tables of ours" in btc("db", "status", url=empty_database_url).stdout
    first = answer_of(btc("db", "upgrade", "--json", url=empty_database_url))
    assert first["before"] is None
    again = answer_of(btc("db", "upgrade", "--json", url=empty_database_url))
    assert again == {"before": first["after"], "after": first["after"]}
    assert "is up to date" in btc("db", "upgrade", url=empty_database_url).stdout


def test_status_of_an_empty_database(btc):
    """It says how to get candles."""
    result = btc("db", "status")
    assert result.exit_code == 0
    assert "up to date" in result.stdout
    assert "no candles are stored: import some" in result.stdout


def test_status_counts_by_symbol_and_interval(btc, candle_file, database_url):
    """Rows, first and last of each series; the size of each table."""
    btc("import", candle_file(), "--symbol", "BTC")
    btc("import", candle_file(range(3)), "--symbol", "ETH")
    hour = {"time": [START], "open": [1.0], "high": [1.0], "low": [1.0], "close": [1.0], "volume": [1.0]}
    with open_frames(database_url) as frames, frames.transaction():
        frames.put("incoming", pl.DataFrame({**hour, "trades": [1], "minutes": [60]}))
        frames.run("upsert_derived", "BTC", "1h")
    status = answer_of(btc("db", "status", "--json"))
    assert status["schema"]["found"] == status["schema"]["wanted"]
    assert status["series"] == [
        {
            "symbol": symbol,
            "interval": interval,
            "n_rows": n_rows,
            "first": "2025-01-01T00:00:00Z",
            "last": f"2025-01-01T00:0{last}:00Z",
        }
        for symbol, interval, n_rows, last in [("BTC", "1m", 5, 4), ("BTC", "1h", 1, 0), ("ETH", "1m", 3, 2)]
    ]
    assert {row["name"] for row in status["tables"]} >= {"candles", "decisions", "data_quality"}
    assert status["tables"][0]["n_bytes"] > 0
    text = btc("db", "status").stdout
    assert "BTC     1m           5  2025-01-01 00:00Z  2025-01-01 00:04Z" in text


async def test_import_reports(btc, candle_file, connection):
    """New, then same; the numbers for programs and the sentence for people."""
    path = candle_file()
    first = answer_of(btc("import", path, "--symbol", "btc", "--json"))
    assert first == {
        "symbol": "BTC",
        "n_rows": 5,
        "new": 5,
        "changed": 0,
        "same": 0,
        "refused": 0,
        "files": [
            {
                "file": str(path),
                "source": "import:kraken",
                "n_rows": 5,
                "start": "2025-01-01T00:00:00Z",
                "end": "2025-01-01T00:04:00Z",
                "new": 5,
                "changed": 0,
                "same": 0,
                "refused": {},
                "examples": {},
            }
        ],
    }
    again = btc("import", path, "--symbol", "BTC")
    assert again.stdout == (
        f"{path}: 5 rows of BTC as import:kraken, 2025-01-01 00:00Z to 2025-01-01 00:04Z: "
        "0 new, 0 changed, 5 same, 0 refused\n"
    )
    assert await n_candles(connection) == 5


def test_import_of_minutes_before_history_says_that_nothing_is_made_of_them(btc, tmp_path):
    """They are stored; the partitions begin with history_start."""
    path = tmp_path / "old.csv"
    path.write_text(f"{HEADER}\n2010-07-18T00:00Z,100,102,99,101,5,10\n", encoding="utf-8")
    result = btc("import", path, "--symbol", "BTC")
    assert result.exit_code == 0
    assert "1 new" in result.stdout
    assert "before 2017-01-01 00:00Z nothing is derived: set history_start" in result.stdout


def test_import_names_its_source(btc, candle_file):
    """--source wins over the file's name."""
    answer = answer_of(btc("import", candle_file(), "--symbol", "BTC", "--source", "archive", "--json"))
    assert answer["files"][0]["source"] == "import:archive"


async def test_import_says_what_was_refused_and_why(btc, candle_file, connection):
    """What the exchange said stays; the sentence shows which minutes."""
    said = Candle(
        time=START,
        symbol="BTC",
        open=100.0,
        high=102.0,
        low=99.0,
        close=100.0,
        volume=5.0,
        trades=10,
        source="rest",
        state=State.CONFIRMED,
    )
    await upsert_candles(connection, [said])
    result = btc("import", candle_file(), "--symbol", "BTC")
    assert result.exit_code == 0
    assert "4 new, 0 changed, 0 same, 1 refused" in result.stdout
    assert "refused, stored from the exchange: 1 (first 2025-01-01 00:00Z)" in result.stdout


async def test_import_of_several_files(btc, candle_file, connection):
    """Each is stored by itself: those before the wrong one stay, and the error says which one it is."""
    good = candle_file(range(3), name="a.csv")
    bad = candle_file(range(3, 6), close=200.0, name="b.csv")
    result = btc("import", good, bad, candle_file(range(6, 9), name="c.csv"), "--symbol", "BTC", "--json")
    assert (result.exit_code, result.stdout) == (1, "")
    done, error = result.stderr.splitlines()
    assert done.startswith(f"{good}: 3 rows of BTC")
    assert error.startswith(f"{bad}: line 2: high is below open or close")
    assert await n_candles(connection) == 3


async def test_import_for_a_symbol_that_is_not_configured(btc, candle_file, connection):
    """Bad usage; nothing is stored."""
    result = btc("import", candle_file(), "--symbol", "DOGE")
    assert result.exit_code == 2
    assert "unknown symbol 'DOGE'" in result.stderr
    assert await n_candles(connection) == 0


def test_gaps(btc, candle_file):
    """Ranges and minutes between the first and the last stored minute, for both kinds of reader."""
    btc("import", candle_file([0, 1, 4, 5, 9]), "--symbol", "BTC")
    answer = answer_of(btc("gaps", "--symbol", "BTC", "--json"))
    assert (answer["n_stored"], answer["n_ranges"], answer["n_minutes"]) == (5, 2, 5)
    assert answer["ranges"] == [
        {"start": "2025-01-01T00:02:00Z", "end": "2025-01-01T00:04:00Z", "n_minutes": 2},
        {"start": "2025-01-01T00:06:00Z", "end": "2025-01-01T00:09:00Z", "n_minutes": 3},
    ]
    text = btc("gaps", "--symbol", "BTC").stdout
    assert text.startswith("BTC: 2 ranges, 5 minutes missing\n")
    assert "2025-01-01 00:06Z  2025-01-01 00:09Z        3\n" in text


def test_gaps_of_a_range(btc, candle_file):
    """Only what lies in it; a gap that reaches over its ends is cut."""
    btc("import", candle_file([0, 1, 4, 5, 9]), "--symbol", "BTC")
    asked = ("gaps", "--symbol", "BTC", "--json", "--start", "2025-01-01T00:03", "--end", "2025-01-01T00:08")
    answer = answer_of(btc(*asked))
    assert (answer["n_stored"], answer["n_ranges"], answer["n_minutes"]) == (2, 2, 3)


def test_no_gaps(btc, candle_file):
    """Complete and empty are told apart; both succeed."""
    assert "no 1m candle is stored" in btc("gaps", "--symbol", "ETH").stdout
    btc("import", candle_file(), "--symbol", "ETH")
    result = btc("gaps", "--symbol", "ETH", "--start", "2025-01-01")
    assert result.exit_code == 0
    assert result.stdout == "ETH from 2025-01-01 00:00Z: no minute is missing between the 5 stored ones\n"


@pytest.mark.parametrize("kind", ["csv", "parquet"])
async def test_export_comes_back(btc, candle_file, tmp_path, kind, connection):
    """What is exported imports as the same; nothing but the file is left."""
    btc("import", candle_file(), "--symbol", "BTC")
    path = tmp_path / "out" / f"x.{kind}"
    path.parent.mkdir()
    path.write_text("old")
    asked = ("export", "--symbol", "BTC", "--interval", "1m", "--format", kind, "-o", path)
    assert answer_of(btc(*asked, "--json")) == {
        "file": str(path),
        "symbol": "BTC",
        "interval": "1m",
        "n_rows": 5,
        "start": "2025-01-01T00:00:00Z",
        "end": "2025-01-01T00:04:00Z",
    }
    assert list(path.parent.iterdir()) == [path]
    answer = answer_of(btc("import", path, "--symbol", "BTC", "--json"))
    assert (answer["new"], answer["same"]) == (0, 5)


def test_export_is_what_the_file_is_called(btc, candle_file, tmp_path):
    """Without --format; and a name that says something else than it is refused."""
    btc("import", candle_file(), "--symbol", "BTC")
    asked = ("export", "--symbol", "BTC", "--interval", "1m", "-o")
    for name, first in (("x.parquet", b"PAR1"), ("x.csv", b"time"), ("x.txt", b"time")):
        assert btc(*asked, tmp_path / name).exit_code == 0
        assert (tmp_path / name).read_bytes()[:4] == first
    refused = btc(*asked, tmp_path / "y.parquet", "--format", "csv")
    assert refused.exit_code == 2
    assert "its name says parquet, and --format says csv" in refused.stderr
    assert not (tmp_path / "y.parquet").exists()


@pytest.mark.parametrize("kind", ["csv", "parquet"])
def test_export_into_what_is_no_file(btc, candle_file, tmp_path, kind):
    """A pipe (or /dev/null) is written into, a link stays one."""
    btc("import", candle_file(), "--symbol", "BTC")
    pipe, link = tmp_path / "pipe", tmp_path / "link"
    os.mkfifo(pipe)
    link.symlink_to(tmp_path / "there")
    asked = ("export", "--symbol", "BTC", "--interval", "1m", "--format", kind, "-o")
    assert btc(*asked, link).exit_code == 0
    assert link.is_symlink()
    # Opened for both, so that nobody waits for the other side; what is written fits into the pipe.
    reader = os.open(pipe, os.O_RDWR | os.O_NONBLOCK)
    assert btc(*asked, pipe).exit_code == 0
    assert pipe.is_fifo()
    assert os.read(reader, 1 << 16) == (tmp_path / "there").read_bytes()
    os.close(reader)


def test_export_of_a_range_to_standard_output(btc, candle_file):
    """The start is in it, the end is not."""
    btc("import", candle_file(), "--symbol", "BTC")
    asked = ("--start", "2025-01-01T00:01", "--end", "2025-01-01T00:03", "-o", "-")
    result = btc("export", "--symbol", "BTC", "--interval", "1m", *asked)
    assert result.stdout.splitlines() == [
        "time,symbol,open,high,low,close,volume,trades,minutes",
        "2025-01-01T00:01:00Z,BTC,100.0,102.0,99.0,101.0,5.0,10,1",
        "2025-01-01T00:02:00Z,BTC,100.0,102.0,99.0,101.0,5.0,10,1",
    ]


def test_export_of_nothing(btc, tmp_path):
    """A failed operation leaves an older file as it is; an interval that nobody has is bad usage."""
    path = tmp_path / "x.csv"
    path.write_text("old")
    result = btc("export", "--symbol", "BTC", "--interval", "37m", "-o", path)
    assert result.exit_code == 1
    assert "no 37m candle of BTC is stored in that range" in result.stderr
    unknown = btc("export", "--symbol", "BTC", "--interval", "38m", "-o", path)
    assert unknown.exit_code == 2
    assert unknown.stderr.startswith("unknown interval '38m'. Did you mean 3")
    assert path.read_text() == "old"


def test_export_to_a_place_that_cannot_be_written(btc, candle_file):
    """The sentence names the file."""
    btc("import", candle_file(), "--symbol", "BTC")
    result = btc("export", "--symbol", "BTC", "--interval", "1m", "-o", "/proc/x.csv")
    assert result.exit_code == 1
    assert result.stderr.startswith("/proc/x.csv cannot be written")


def verdicts(answer):
    """Return the verdict of each check by its name."""
    return {check["name"]: check["verdict"] for check in answer["checks"]}


def test_doctor_of_a_fresh_database(btc):
    """Nothing fails: what is not there yet is a warning."""
    answer = answer_of(btc("doctor", "--json"))
    assert answer["ok"] is True
    found = verdicts(answer)
    assert {name for name, verdict in found.items() if verdict == "ok"} >= {
        *("configuration", "database", "schema", "TimescaleDB", "clock", "findings")
    }
    assert {name for name, verdict in found.items() if verdict == "warn"} == {
        *("Dagster storage", "newest minute of BTC", "newest minute of ETH", "collector")
    }


def execute(url, sql, *values):
    """Run a statement from a test that has no event loop of its own: ``btc`` starts one."""

    async def run():
        async with connect(url) as connection:
            await connection.execute(sql, *values)

    asyncio.run(run())


def test_doctor_on_a_scaled_clock(btc, candle_file, database_url):
    """Ages are on the market's clock, which the database must share; findings are counted."""
    btc("import", candle_file(), "--symbol", "BTC")
    finding = "INSERT INTO data_quality (symbol, interval, kind, severity) VALUES ('BTC', '1m', 'gap', 'error')"
    execute(database_url, finding)
    now = (START + 6 * MINUTE).timestamp()
    clock = f"{now},{datetime.now(UTC).timestamp()},1"
    answer = answer_of(btc("doctor", "--json", BTC_CLOCK=clock))
    found = verdicts(answer)
    assert (found["newest minute of BTC"], found["clock"], found["findings"]) == ("ok", "warn", "warn")
    scale = "UPDATE market_clock SET sim = $1, real = extract(epoch FROM clock_timestamp()), rate = 1"
    execute(database_url, scale, now)
    clock = f"{now},{datetime.now(UTC).timestamp()},1"
    assert verdicts(answer_of(btc("doctor", "--json", BTC_CLOCK=clock)))["clock"] == "ok"


def test_doctor_of_a_database_without_tables(btc, empty_database_url):
    """It fails and says what to run."""
    result = btc("doctor", url=empty_database_url)
    assert result.exit_code == 1
    assert f"fail  schema: expected {HEAD}, found no tables of ours — run `btc db upgrade`" in result.stdout


@pytest.mark.parametrize("command", [("gaps",), ("export", "--interval", "1m", "-o", "-")])
def test_database_without_tables(btc, empty_database_url, command):
    """A failed operation whose sentence says what to run."""
    result = btc(*command, "--symbol", "BTC", url=empty_database_url)
    assert (result.exit_code, result.stdout) == (1, "")
    assert result.stderr.endswith("lacks our tables: run `btc db upgrade`\n")


def test_script_answers(script, candle_file):
    """Answers are on standard output, and nothing is on standard error."""
    done = script("import", candle_file(), "--symbol", "BTC", "--json")
    assert (done.returncode, done.stderr) == (0, "")
    assert json.loads(done.stdout)["new"] == 5
    status = script("db", "status")
    assert (status.returncode, status.stderr) == (0, "")
    assert "BTC     1m           5" in status.stdout


def test_script_without_a_database(script):
    """Wrong port: a sentence on standard error, 1; with --debug the traceback before it."""
    url = "postgresql://btc_bot@127.0.0.1:1/btc_data"
    done = script("db", "status", "--json", DATABASE_URL=url)
    assert (done.returncode, done.stdout) == (1, "")
    assert done.stderr.startswith("no usable database at 127.0.0.1:1 (")
    assert done.stderr.count("\n") == 1
    debug = script("--debug", "db", "status", DATABASE_URL=url)
    assert debug.returncode == 1
    assert "Traceback" in debug.stderr


def test_script_with_a_wrong_password(script, database_url):
    """No password is ever shown."""
    done = script("gaps", "--symbol", "BTC", DATABASE_URL="", DB_HOST="127.0.0.1", DB_PORT="1", DB_PASSWORD="geheim")
    assert done.returncode == 1
    assert "geheim" not in done.stderr


def test_script_with_a_wrong_port(script):
    """What is no port is bad usage."""
    done = script("gaps", "--symbol", "BTC", DATABASE_URL="", DB_PORT="port")
    assert (done.returncode, done.stdout) == (2, "")
    assert done.stderr == "DB_PORT='port': expected a port number from 1 to 65535\n"


def test_script_with_a_wrong_configuration(script, tmp_path):
    """The file, the key and the near miss are named."""
    path = tmp_path / "config.yaml"
    path.write_text((ROOT / "config.yaml").read_text().replace("intervals:", "intervalls:", 1))
    done = script("gaps", "--symbol", "BTC", BTC_CONFIG=str(path))
    assert (done.returncode, done.stdout) == (2, "")
    assert done.stderr == f"{path}: unknown key 'intervalls'. Did you mean intervals?\n"


@pytest.mark.parametrize(
    ("args", "found"),
    [
        (("gaps", "--symbol", "BTX"), "unknown symbol 'BTX'. Did you mean BTC?"),
        (("gaps", "--symbol", "BTC", "--start", "2022-01-01", "--end", "2021-01-01"), "is reversed"),
        (("export", "--symbol", "BTC", "--interval", "6x", "-o", "-"), "'6x' is no interval"),
        (("imprt",), "unknown command 'imprt'. Did you mean import or export?"),
    ],
)
def test_script_with_wrong_arguments(script, args, found):
    """Bad usage is 2, one line, no traceback."""
    done = script(*args)
    assert (done.returncode, done.stdout) == (2, "")
    assert found in done.stderr
    assert done.stderr.count("\n") == 1


def test_script_whose_reader_goes_away(script, candle_file, database_url):
    """``btc export … | head`` is no error message."""
    script("import", candle_file(range(1440 * 5)), "--symbol", "BTC")
    command = f"{SCRIPT} export --symbol BTC --interval 1m -o - | head -1"
    done = subprocess.run(
        command,
        shell=True,
        env={"PATH": os.environ["PATH"], "DATABASE_URL": database_url},
        cwd=ROOT,
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    assert done.stdout == "time,symbol,open,high,low,close,volume,trades,minutes\n"
    assert done.stderr == ""


def test_script_that_is_interrupted(candle_file, database_url, tmp_path):
    """Ctrl-C while the database works ends with 130 and a sentence about the interruption, not about the database."""
    env = {"PATH": os.environ["PATH"], "DATABASE_URL": database_url}
    holder = psycopg2.connect(database_url)
    try:
        cursor = holder.cursor()
        cursor.execute("SELECT pg_advisory_xact_lock(hashtext('derive BTC'))")
        arguments = [SCRIPT, "import", candle_file(), "--symbol", "BTC"]
        with subprocess.Popen(arguments, env=env, cwd=ROOT, stderr=subprocess.PIPE, text=True) as process:
            for _ in range(300):
                cursor.execute("SELECT count(*) FROM pg_locks WHERE NOT granted")
                if cursor.fetchone() != (0,):
                    break
                time.sleep(0.1)
            process.send_signal(signal.SIGINT)
            try:
                _, errors = process.communicate(timeout=30)
            finally:
                process.kill()
        cursor.execute("SELECT count(*) FROM candles")
        assert cursor.fetchone() == (0,)
    finally:
        holder.close()
    assert process.returncode == 130
    assert errors.strip() == "interrupted: what is finished stays, repeat the command for the rest"


def test_script_imports_the_year(script, shared):
    """From files to the outages of the year, as a person would."""
    done = script("import", shared / "data/candles/binance_btcusdt_1m_2021.parquet", "--symbol", "BTC")
    assert (done.returncode, done.stderr) == (0, "")
    assert "524,607 new, 0 changed, 0 same, 0 refused" in done.stdout
    gaps = script("gaps", "--symbol", "BTC", "--start", "2021-01-01", "--end", "2022-01-01")
    assert "6 ranges, 993 minutes missing" in gaps.stdout
