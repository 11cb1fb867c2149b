"""The reading endpoints over a real database: pages, ranges, names, and what is refused."""

from datetime import datetime, timedelta

import psycopg2
import pytest

from tests.api_market import END, GAP, SILENT, START, pages, reading

HOUR = timedelta(hours=1)


def stored(url, sql, *values):
    """Return the rows of a question to the database."""
    connection = psycopg2.connect(url)
    try:
        with connection.cursor() as cursor:
            cursor.execute(sql, values)
            return cursor.fetchall()
    finally:
        connection.close()


def at(row, name="time"):
    """Return a time of a row."""
    return datetime.fromisoformat(row[name])


@pytest.mark.parametrize("order", ["asc", "desc"])
@pytest.mark.parametrize("interval", ["1m", "37m"])
async def test_the_pages_of_candles_are_the_table(http, market, order, interval):
    """Every candle of a range once, in order; the last page is not full."""
    wanted = stored(
        market[0].database_url,
        "SELECT time, open, high, low, close, volume, trades, minutes FROM candles "
        f"WHERE interval = %s AND time >= %s AND time < %s ORDER BY time {order}",
        *(interval, START + HOUR, END - HOUR),
    )
    asked = {"interval": interval, "start": str(START + HOUR), "end": str(END - HOUR), "limit": 701, "order": order}
    if interval == "37m":
        asked["limit"] = 10
    rows = await pages(http, "/api/v1/candles", symbol="BTC", **asked)
    names = ("open", "high", "low", "close", "volume", "trades", "minutes")
    assert [(at(row), *(row[name] for name in names)) for row in rows] == wanted
    assert len(wanted) > asked["limit"]


async def test_a_range_is_half_open(http):
    """The start is in, the end is not."""
    rows = await pages(http, "/api/v1/candles", start="2025-02-10T01:00", end="2025-02-10T01:03Z")
    assert [row["time"] for row in rows] == [f"2025-02-10T01:0{n}:00Z" for n in range(3)]


async def test_the_latest_candle(http):
    """One object; of an interval without candles, 404."""
    latest = (await http.get("/api/v1/candles/latest", params={"interval": "37m"})).json()
    (newest,) = (await http.get("/api/v1/candles?interval=37m&order=desc&limit=1")).json()["items"]
    assert latest == newest
    none = await http.get("/api/v1/candles/latest?interval=1M")
    assert (none.status_code, none.json()["error"]) == (404, "not_found")


@pytest.mark.parametrize("order", ["asc", "desc"])
@pytest.mark.parametrize("names", [[], ["ma44"]])
async def test_the_pages_of_indicators_are_the_table(http, market, order, names):
    """All names or some, in order of time and name, across the ends of pages."""
    wanted = stored(
        market[0].database_url,
        "SELECT time, indicator_name, value FROM indicators WHERE interval = '37m' "
        f"AND (%s OR indicator_name = ANY (%s)) ORDER BY time {order}, indicator_name {order}",
        *(not names, names),
    )
    rows = await pages(http, "/api/v1/indicators", interval="37m", name=names, limit=7, order=order)
    assert [(at(row), row["indicator_name"], row["value"]) for row in rows] == wanted
    assert len(wanted) > 20


@pytest.mark.parametrize("order", ["asc", "desc"])
@pytest.mark.parametrize("asked", [{}, {"interval": "37m"}, {"strategy": "ma44"}, {"holds": "false"}])
async def test_the_pages_of_decisions_are_the_table(http, market, order, asked):
    """Of all strategies or one, with their snapshots."""
    wanted = stored(
        market[0].database_url,
        "SELECT time, interval, strategy, seq, signal, indicator_snapshot FROM decisions "
        "WHERE (%s::text IS NULL OR interval = %s) AND (%s::text IS NULL OR strategy = %s) AND (%s OR signal <> 'HOLD')"
        f" ORDER BY time {order}, interval {order}, strategy {order}, seq {order}",
        *(*(asked.get("interval"),) * 2, *(asked.get("strategy"),) * 2, "holds" not in asked),
    )
    rows = await pages(http, "/api/v1/decisions", **asked, limit=9, order=order)
    names = ("interval", "strategy", "seq", "signal", "indicator_snapshot")
    assert [(at(row), *(row[name] for name in names)) for row in rows] == wanted
    assert len(wanted) > 1


async def test_decisions_are_their_newest_word_unless_all_is_asked_for(http, market):
    """What was said first stays."""
    (first,) = (await http.get("/api/v1/decisions?interval=37m&limit=1")).json()["items"]
    connection = psycopg2.connect(market[0].database_url)
    with connection, connection.cursor() as cursor:
        cursor.execute(
            "INSERT INTO decisions (time, symbol, interval, strategy, seq, signal, confidence, exposure, price, "
            "indicator_snapshot, parameters, revision, run_id, code_version, decided_at) "
            "SELECT time, symbol, interval, strategy, seq, 'OPEN_SHORT', confidence, -1, price, indicator_snapshot, "
            "parameters, 1, run_id, code_version, now() FROM decisions "
            "WHERE time = %s AND interval = '37m' AND strategy = %s",
            (first["time"], first["strategy"]),
        )
    connection.close()
    asked = {"interval": "37m", "strategy": first["strategy"], "limit": 1}
    newest = (await http.get("/api/v1/decisions", params=asked)).json()["items"]
    every = (await http.get("/api/v1/decisions", params={**asked, "revision": "all", "limit": 2})).json()["items"]
    assert [(row["revision"], row["exposure"]) for row in newest] == [(1, -1)]
    assert [row["revision"] for row in every] == [0, 1]


async def test_findings_days_and_gaps(http):
    """What is missing, what nobody traded in, and how whole each day is."""
    days = {row["day"]: row for row in await pages(http, "/api/v1/quality/days", symbol="BTC")}
    assert list(days) == ["2025-02-10", "2025-02-11", "2025-02-12"]
    assert (days["2025-02-11"]["missing"], days["2025-02-11"]["no_trade"]) == (12, 0)
    assert (days["2025-02-12"]["missing"], days["2025-02-12"]["no_trade"]) == (0, 3)
    for row in days.values():
        assert row["expected"] == 1440 == row["stored"] + row["missing"] + row["no_trade"] + row["unrecoverable"]
    gaps = await pages(http, "/api/v1/quality/gaps")
    assert [(at(row, "start_time"), at(row, "end_time"), row["minutes"], row["state"]) for row in gaps] == [
        (SILENT.start, SILENT.end, 3, "no_trade"),
        (GAP.start, GAP.end, 12, "missing"),
    ]
    findings = await pages(http, "/api/v1/quality", limit=1)
    assert {row["kind"] for row in findings} >= {"gap", "no_trade"}
    assert len(await pages(http, "/api/v1/quality", kind="gap", interval="1m")) == 1
    assert await pages(http, "/api/v1/quality", open="false") == []


@pytest.mark.parametrize(
    ("path", "error", "hint"),
    [
        ("/api/v1/candles?symbol=BTX", "unknown_symbol", "Did you mean BTC?"),
        ("/api/v1/candles?interval=36m", "unknown_interval", "37m"),
        ("/api/v1/candles?interval=soon", "invalid_input", ""),
        ("/api/v1/candles?order=up", "invalid_input", ""),
        ("/api/v1/candles?limit=0", "invalid_input", ""),
        ("/api/v1/candles?limit=5001", "invalid_input", ""),
        ("/api/v1/candles?start=2025-02-01&end=2025-01-01", "invalid_input", ""),
        ("/api/v1/candles?start=yesterday", "invalid_input", ""),
        ("/api/v1/candles?cursor=x", "invalid_input", ""),
        ("/api/v1/candles?cursor=9999-12-31T23:59:59.999999Z", "invalid_input", ""),
        ("/api/v1/indicators?interval=37m&name=ma45", "unknown_indicator", "Did you mean ma44"),
        ("/api/v1/indicators?cursor=x", "invalid_input", ""),
        ("/api/v1/decisions?strategy=ma4", "unknown_strategy", "Did you mean ma44"),
        ("/api/v1/decisions?signal=BUY", "invalid_input", ""),
        ("/api/v1/decisions?cursor=2025-01-01|a|b|c|d", "invalid_input", ""),
        ("/api/v1/decisions?cursor=2025-01-01|%00|b|1|2", "invalid_input", ""),
        ("/api/v1/indicators?interval=37m&cursor=2025-01-01|%00", "invalid_input", ""),
        ("/api/v1/quality?kind=odd", "invalid_input", ""),
        ("/api/v1/quality?cursor=-1", "invalid_input", ""),
        ("/api/v1/quality/days?start=2010-01-01", "invalid_input", ""),
        ("/api/v1/candles?symbol=' OR 1=1 --", "unknown_symbol", ""),
    ],
)
async def test_what_cannot_be_asked_is_refused_with_a_way_out(http, path, error, hint):
    """422, one shape, near misses."""
    answer = await http.get(path)
    assert answer.status_code == 422, answer.text
    assert set(answer.json()) == {"error", "detail", "hint"}
    assert answer.json()["error"] == error
    assert hint in answer.json()["hint"]


async def test_where_nothing_is_stored_there_are_no_days(settings_for, database_url):
    """Nothing was expected, so nothing is missing."""
    async with reading(settings_for(database_url)) as empty:
        assert await pages(empty, "/api/v1/quality/days") == []
        assert await pages(empty, "/api/v1/quality/gaps") == []
        assert (await empty.get("/api/v1/stats")).json()["open"] is None
        assert (await empty.get("/api/v1/candles")).json() == {"items": [], "next": None}
