"""``btc backfill`` on a real database: another exchange by ccxt's own client, the exchange itself by the demo's."""

import asyncio
import json
import os
import subprocess
import sys
import time
from datetime import UTC, datetime, timedelta
from pathlib import Path

import msgspec
import pytest
from click.testing import CliRunner

from btc_assets.cli import main
from btc_core.model.candle import Candle, State
from btc_core.model.clock import ClockScale
from btc_core.model.timerange import EPOCH, MINUTE
from btc_store.candles import upsert_candles
from demo.exchange import serve_exchange
from demo.feeds import FileFeed
from demo.wire import Ohlcv
from tests.kline_server import serve_klines

ROOT = Path(__file__).resolve().parents[2]
SCRIPT = Path(sys.executable).parent / "btc"
START = datetime(2021, 4, 25, tzinfo=UTC)
# The exchange's clock stands here when a test begins: it still has the last 5,000 minutes.
NOW = START + timedelta(days=10, seconds=30)


def row(close):
    """Return the values of a minute with a close: open, high, low, close, volume."""
    return (close, close, close, close, 2.0)


def candle(n, *, close=100.0, source="rest", trades=7):
    """Return the n-th minute after START."""
    prices = dict.fromkeys(("open", "high", "low", "close"), close)
    return Candle(
        time=START + n * MINUTE,
        symbol="BTC",
        volume=2.0,
        trades=trades,
        source=source,
        state=State.CONFIRMED,
        **prices,
    )


@pytest.fixture
def elsewhere(monkeypatch):
    """Another exchange with three days of BTC/USDT, of which one hour is missing there."""
    minutes = {START + n * MINUTE: row(100.0) for n in range(-1440, 2 * 1440) if not 600 <= n < 660}
    with serve_klines({"BTCUSDT": minutes}, monkeypatch) as exchange:
        yield exchange


@pytest.fixture
def btc(settings_for, database_url, tmp_path):
    """A function that runs ``btc backfill`` with the history source that is configured for BTC."""

    def run(*args, history="ccxt:elsewhere", start=START, end=START + timedelta(days=1)):
        config = tmp_path / "config.yaml"
        config.write_text(f"symbols: {{BTC: {{history: '{history}'}}}}\nintervals: [3m]\nhistory_start: 2017-01-01\n")
        settings = settings_for(database_url, BTC_CONFIG=str(config))
        ends = ["--start", start.isoformat(), "--end", end.isoformat()]
        return CliRunner().invoke(main, ["backfill", "--symbol", "BTC", *ends, *args], obj=settings)

    return run


def answer_of(result):
    """Return the JSON object of a command that succeeded."""
    assert (result.exit_code, result.stderr) == (0, "")
    return json.loads(result.stdout)


async def findings(connection):
    """Return the findings about two sources."""
    return await connection.fetch("SELECT * FROM data_quality WHERE kind = 'mismatch' ORDER BY id")


async def test_years_before_the_exchange_come_from_the_configured_one(btc, elsewhere, connection):
    """They are stored with their source and without a number of trades; what is not there stays absent."""
    report = answer_of(btc("--json"))
    (part,) = report["parts"]
    assert (part["source"], part["n_missing"], part["n_stored"]) == ("ccxt:elsewhere/BTC/USDT", 1440, 1380)
    assert (report["n_missing"], report["n_stored"], report["n_absent"]) == (1440, 1380, 60)
    assert part["overlap"] is None
    (stored,) = await connection.fetch(
        "SELECT count(*) AS n, min(time) AS first, max(time) AS last, count(trades) AS counted, min(source) AS source, "
        "max(source) AS last_source, min(state) AS state FROM candles"
    )
    assert (stored["n"], stored["counted"]) == (1380, 0)
    assert (stored["first"], stored["last"]) == (START, START + 1439 * MINUTE)
    assert (stored["source"], stored["last_source"], stored["state"]) == (
        *("import:ccxt-elsewhere",) * 2,
        "confirmed",
    )


async def test_twice_asks_for_what_is_still_missing(btc, elsewhere, connection):
    """And changes nothing."""
    btc()
    elsewhere.asked.clear()
    before = await connection.fetch("SELECT * FROM candles ORDER BY time")
    again = answer_of(btc("--json"))
    assert (again["n_missing"], again["n_stored"], again["n_absent"]) == (60, 0, 60)
    assert elsewhere.asked == [(START + 600 * MINUTE, 60)]
    assert await connection.fetch("SELECT * FROM candles ORDER BY time") == before


async def test_nothing_missing_asks_nobody(btc, elsewhere, connection):
    """Minutes that are known to be without trades are not missing."""
    await upsert_candles(connection, [candle(n) for n in range(10) if n != 3])
    await connection.execute(
        "INSERT INTO data_quality (symbol, interval, kind, severity, start_time, end_time) "
        "VALUES ('BTC', '1m', 'no_trade', 'info', $1, $2)",
        START + 3 * MINUTE,
        START + 4 * MINUTE,
    )
    result = btc(end=START + 10 * MINUTE)
    assert result.stdout == "BTC: no minute is missing from 2021-04-25 00:00Z to 2021-04-25 00:10Z\n"
    assert elsewhere.asked == []


async def test_the_overlap_of_two_sources_is_compared(btc, elsewhere, connection):
    """Up to a day beside the hole; the exchange's own minutes stay, the difference is told and noted."""
    known = [candle(n, close=100.0 if n % 4 else 100.1) for n in (*range(-2000, 0), *range(1440, 1540))]
    await upsert_candles(connection, known)
    result = btc("--json")
    overlap = answer_of(result)["parts"][0]["overlap"]
    assert overlap["stored"] == ["rest"]
    assert (overlap["start"], overlap["end"]) == ("2021-04-24T00:00:00Z", "2021-04-26T01:40:00Z")
    assert (overlap["n_compared"], overlap["n_differ"]) == (1440 + 100, (1440 + 100) // 4)
    assert overlap["max_difference"] == pytest.approx(1 - 100 / 100.1)
    assert overlap["median_difference"] == 0
    (finding,) = await findings(connection)
    assert (finding["severity"], finding["start_time"]) == ("info", START - timedelta(days=1))
    assert finding["resolved_at"] is not None
    assert json.loads(finding["details"])["n_compared"] == 1540
    assert await connection.fetchval("SELECT count(*) FROM candles WHERE source = 'rest' AND trades = 7") == 2100
    assert await connection.fetchval("SELECT count(*) FROM candle_revisions") == 0


async def test_sources_that_are_far_apart_are_a_warning(btc, elsewhere, connection):
    """It stays open, and the text says how far; once more is no second finding."""
    await upsert_candles(connection, [candle(n, close=101.0) for n in range(1440, 1450)])
    assert "compared with rest: 10 minutes, 10 closes differ, by 0.9901% in the median" in btc().stdout
    btc()
    (finding,) = await findings(connection)
    assert (finding["severity"], finding["resolved_at"]) == ("warning", None)


async def test_another_exchange_is_refused_until_it_is_configured(btc, elsewhere, connection):
    """The sentence says what to write into config.yaml."""
    result = btc("--source", "ccxt:elsewhere", history="hyperliquid")
    assert (result.exit_code, result.stdout, elsewhere.asked) == (2, "", [])
    assert "write `history: ccxt:elsewhere` under symbols.BTC in config.yaml" in result.stderr
    result = btc("--source", "ccxt:elsewhere/BTC/USDC")
    assert result.exit_code == 2
    assert answer_of(btc("--json", "--source", "ccxt:elsewhere"))["n_stored"] == 1380


async def test_a_third_source_in_the_range_is_refused(btc, elsewhere, connection):
    """The sentence says which source covers which range; beside the range it is compared with."""
    await upsert_candles(connection, [candle(n, source="import:kraken", trades=None) for n in range(100, 200)])
    result = btc()
    assert (result.exit_code, result.stdout, elsewhere.asked) == (1, "", [])
    assert "import:kraken from 2021-04-25 01:40Z to 2021-04-25 03:20Z" in result.stderr
    report = answer_of(btc("--json", end=START + 100 * MINUTE))
    assert report["parts"][0]["overlap"]["stored"] == ["import:kraken"]
    assert (report["n_stored"], report["parts"][0]["overlap"]["n_differ"]) == (100, 0)


async def test_what_is_stored_stays_when_a_later_page_fails(btc, elsewhere, connection, monkeypatch):
    """The next time goes on from there."""
    monkeypatch.setattr("resources.ccxt_history.TRIES", 1)
    answers = iter([None, (503, "<html>")])
    asked = elsewhere.answer
    monkeypatch.setattr(elsewhere, "answer", lambda path: ("klines" in path and next(answers, None)) or asked(path))
    result = btc()
    assert (result.exit_code, result.stdout) == (1, "")
    assert "What is stored stays; try again" in result.stderr
    assert await connection.fetchval("SELECT count(*) FROM candles") == 1000
    assert answer_of(btc("--json"))["n_stored"] == 380


def test_minutes_that_the_exchange_has_no_longer(btc):
    """Nothing could be done: 1, and which source could."""
    result = btc(history="hyperliquid")
    assert (result.exit_code, result.stdout) == (1, "")
    assert "1,440 missing ones are older" in result.stderr
    assert "symbols.BTC.history: ccxt:<exchange>" in result.stderr


def test_minutes_that_the_exchange_still_has_are_its_own(btc, elsewhere):
    """Another exchange is not asked for them, whoever is configured."""
    now = datetime.now(UTC)
    result = btc("--source", "ccxt:elsewhere", start=now - timedelta(hours=2), end=now - timedelta(hours=1))
    assert (result.exit_code, result.stdout, elsewhere.asked) == (1, "", [])
    assert "`--source hyperliquid` fetches them" in result.stderr


@pytest.fixture
async def exchange():
    """The exchange itself, ten days after START; it has no row for one minute, and one without trades."""
    first, last = (START - EPOCH) // MINUTE, (NOW - EPOCH) // MINUTE + 60
    minutes = {n: Ohlcv(100.0 + n % 9, 110.0, 90.0, 100.0 + n % 7, 1.5, 3) for n in range(first, last)}
    newest = (NOW - EPOCH) // MINUTE
    del minutes[newest - 20]
    minutes[newest - 30] = Ohlcv(100.0, 100.0, 100.0, 100.0, 0.0, 0)
    clock = ClockScale(NOW.timestamp(), time.time(), 1)
    async with serve_exchange(FileFeed("BTC", minutes), clock) as served:
        served.clock_text = f"{clock.sim},{clock.real},{clock.rate}"
        yield served


@pytest.fixture
def script(exchange, database_url, tmp_path, monkeypatch):
    """A function that runs ``btc backfill`` as a shell does, against that exchange."""
    config = tmp_path / "config.yaml"
    env = {
        "PATH": os.environ["PATH"],
        "DATABASE_URL": database_url,
        "HYPERLIQUID_API_URL": exchange.api_url,
        "HYPERLIQUID_WS_URL": exchange.ws_url,
        "BTC_CLOCK": exchange.clock_text,
        "BTC_CONFIG": str(config),
    }

    async def run(start, end=None, *more, symbol="BTC: {}", in_process=False):
        config.write_text(f"symbols: {{{symbol}}}\nintervals: [3m]\nhistory_start: 2017-01-01\n")
        ends = ["--start", start.isoformat(), *(["--end", end.isoformat()] if end else [])]
        line = [SCRIPT, "backfill", "--symbol", symbol.partition(":")[0], *ends, *more]
        if in_process:
            for name, value in env.items():
                monkeypatch.setenv(name, value)
            result = await asyncio.to_thread(CliRunner().invoke, main, [str(part) for part in line[1:]])
            return subprocess.CompletedProcess(line, result.exit_code, result.stdout, result.stderr)
        given = {"env": env, "cwd": ROOT, "capture_output": True, "text": True, "timeout": 120}
        done = await asyncio.to_thread(subprocess.run, line, check=False, **given)
        # Both processes say loudly that their clock is scaled.
        done.stderr = done.stderr.replace("scaled clock: time is not real\n", "")
        return done

    return run


def told(done):
    """Return the JSON object of a script that succeeded."""
    assert (done.returncode, done.stderr) == (0, "")
    return json.loads(done.stdout)


async def test_what_the_exchange_still_has_is_asked_of_it(script, connection):
    """Only missing minutes; stored as confirmed, as it says them; a minute without a row stays missing."""
    minute = NOW.replace(second=0)
    known = [msgspec.structs.replace(candle(0), time=minute - n * MINUTE) for n in range(100, 200)]
    await upsert_candles(connection, known)
    report = told(await script(minute - 300 * MINUTE, None, "--json"))
    assert (report["n_missing"], report["n_stored"], report["n_absent"]) == (200, 199, 1)
    assert report["parts"][0]["source"] == "hyperliquid"
    rows = await connection.fetch("SELECT * FROM candles ORDER BY time")
    assert (len(rows), rows[0]["time"], rows[-1]["time"]) == (299, minute - 300 * MINUTE, minute - MINUTE)
    assert {(row["source"], row["state"], row["revision"]) for row in rows} == {("rest", "confirmed", 0)}
    silent = next(row for row in rows if row["time"] == minute - 30 * MINUTE)
    assert (silent["volume"], silent["trades"]) == (0, 0)
    n = (rows[0]["time"] - EPOCH) // MINUTE
    assert (rows[0]["open"], rows[0]["close"], rows[0]["trades"]) == (100 + n % 9, 100 + n % 7, 3)
    again = told(await script(minute - 300 * MINUTE, minute, "--json"))
    assert (again["n_missing"], again["n_stored"], again["n_absent"]) == (1, 0, 1)


async def test_what_it_has_no_longer_is_said(script, connection):
    """What there is is fetched, and the rest is named with the source that could give it."""
    done = await script(NOW - timedelta(minutes=5130), NOW - timedelta(minutes=4900))
    assert done.returncode == 0
    first, note = done.stdout.splitlines()
    assert first == (
        "BTC: 100 of 100 missing minutes from 2021-05-01 12:41Z to 2021-05-01 14:21Z stored, from hyperliquid; "
        "it has no row for 0"
    )
    assert "hyperliquid has the last 5,000 minutes, from 2021-05-01 12:41Z, and 130 missing ones are older" in note
    assert "symbols.BTC.history: ccxt:<exchange>" in note
    assert await connection.fetchval("SELECT min(time) FROM candles") == NOW.replace(second=0) - 4999 * MINUTE


async def test_a_symbol_that_the_exchange_does_not_have(script):
    """Its sentence comes through: near misses and all."""
    done = await script(NOW - timedelta(hours=1), None, "--json", symbol="BTCC: {}")
    assert (done.returncode, done.stdout) == (1, "")
    assert done.stderr.startswith("symbol 'BTCC': the exchange has no such market. Did you mean BTC")


async def test_both_sources_meet_where_the_exchange_begins(script, exchange, connection, monkeypatch):
    """Without --source each is asked for what is its own, and the other's minutes beside it are compared."""
    begin = NOW.replace(second=0) - 4999 * MINUTE
    # The closes of the exchange itself, all higher by the same part.
    theirs = {at: row(1.01 * (100 + (at - EPOCH) // MINUTE % 7)) for at in (begin + n * MINUTE for n in range(-90, 90))}
    config = {"symbol": "BTC: {history: 'ccxt:elsewhere'}", "in_process": True}
    with serve_klines({"BTCUSDT": theirs}, monkeypatch) as elsewhere:
        done = await script(begin - 60 * MINUTE, begin + 60 * MINUTE, "--json", **config)
    report = told(done)
    assert [part["source"] for part in report["parts"]] == ["hyperliquid", "ccxt:elsewhere/BTC/USDT"]
    assert (report["n_missing"], report["n_stored"]) == (120, 120)
    overlap = report["parts"][1]["overlap"]
    assert (overlap["stored"], overlap["n_compared"], overlap["n_differ"]) == (["rest"], 60, 60)
    assert overlap["median_difference"] == pytest.approx(0.01)
    assert elsewhere.asked == [(begin - 60 * MINUTE, 120)]
    rows = await connection.fetch("SELECT source, count(*) AS n FROM candles GROUP BY source ORDER BY source")
    assert [tuple(one) for one in rows] == [("import:ccxt-elsewhere", 60), ("rest", 60)]
