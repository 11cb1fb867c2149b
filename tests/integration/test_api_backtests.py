"""The endpoints about backtests over a real database, with a made-up Dagster."""

import gzip
from datetime import UTC, datetime, timedelta
from uuid import UUID, uuid4

import pytest

from tests.dagster_web import api_with_dagster

START = datetime(2025, 2, 14, tzinfo=UTC)
HOUR = timedelta(hours=1)
ASKED = {"symbol": "BTC", "intervals": ["37m", "1h"], "strategy": "ma", "start_date": "2025-01-01"}
ROW = """
    INSERT INTO backtest_runs (id, strategy, symbol, interval, start_time, end_time, status, config, results, run_id,
                               created_at)
    VALUES ($1, $2, 'BTC', '37m', $3, $3, $4, '{"capital": 10000}', $5, $6, $3::timestamptz + $7 * interval '1 hour')"""


@pytest.fixture
async def api(settings_for, database_url):
    """A client of a running API, and the Dagster that it asks."""
    async with api_with_dagster(settings_for, database_url) as running:
        yield running


async def store(connection, *, strategy="ma", status="finished", results=None, run_id=None, hours=0, is_held=True):
    """Write a backtest's row; return its id. One that goes on is computed by the connection's session, or by nobody."""
    id_ = uuid4()
    await connection.execute(ROW, id_, strategy, START, status, results, run_id, hours)
    if status == "running" and is_held:
        await connection.execute("SELECT pg_advisory_lock(backtest_lock($1))", id_)
    return id_


async def test_it_is_queued_from_the_first_moment(api):
    """One for each interval; the run is tagged with the first id, and says all that was asked."""
    http, web = api
    answer = await http.post("/backtests", json={**ASKED, "parameters": {"period": 20}, "capital": 5})
    told = answer.json()
    assert (answer.status_code, answer.headers["location"]) == (202, f"/api/v1/backtests/{told['id']}")
    assert [part["interval"] for part in told["backtests"]] == ["37m", "1h"]
    (run,) = web.runs
    assert run["runConfig"]["ops"]["op"]["config"] == {
        "id": told["id"],
        "symbol": "BTC",
        "intervals": ["37m", "1h"],
        "strategy": "ma",
        "parameters": {"period": 20},
        "start": "2025-01-01T00:00:00+00:00",
        "end": run["runConfig"]["ops"]["op"]["config"]["end"],
        "rules": {"capital": 5.0},
    }
    for part in told["backtests"]:
        found = (await http.get(f"/backtests/{part['id']}")).json()
        assert (found["id"], found["interval"], found["status"]) == (part["id"], part["interval"], "queued")
    third = str(UUID(int=UUID(told["id"]).int + 2))
    assert (await http.get(f"/backtests/{third}")).status_code == 404


@pytest.mark.parametrize(
    ("status", "told"), [("QUEUED", "queued"), ("STARTED", "queued"), ("FAILURE", "failed"), ("CANCELED", "cancelled")]
)
async def test_before_it_has_a_row_its_run_says_how_it_is(api, status, told):
    """A run that ended without making one is told as it ended."""
    http, web = api
    id_ = (await http.post("/backtests", json=ASKED)).json()["id"]
    web.runs[0].update(status=status, endTime=web.now if told != "queued" else None)
    found = (await http.get(f"/backtests/{id_}")).json()
    assert (found["status"], found["error"] is None) == (told, told == "queued")


@pytest.mark.parametrize(
    ("status", "told"),
    [("STARTED", "running"), ("FAILURE", "failed"), ("CANCELED", "cancelled"), ("SUCCESS", "failed")],
)
async def test_a_run_that_died_without_a_word_is_told(api, connection, status, told):
    """Its row still says that it is running; in the list as by its id. A command's row is believed."""
    http, web = api
    id_ = await store(connection, status="running", run_id=web.add(status))
    other = await store(connection, status="running", run_id="btc backtest")
    found = (await http.get(f"/backtests/{id_}")).json()
    assert found["status"] == told
    assert bool(found["error"]) == (told != "running")
    listed = {each["id"]: each["status"] for each in (await http.get("/backtests")).json()["items"]}
    assert listed == {str(id_): told, str(other): "running"}


async def test_one_that_nobody_computes_has_failed(api, connection):
    """Whoever computed it, by its id, in the list, by its status; and it can be removed."""
    http, web = api
    ids = [
        str(await store(connection, status="running", run_id=run_id, is_held=False))
        for run_id in ("btc backtest", web.add("STARTED"))
    ]
    for id_ in ids:
        found = (await http.get(f"/backtests/{id_}")).json()
        assert (found["status"], "without a word" in found["error"]) == ("failed", True)
    for status, told in (("failed", set(ids)), ("running", set())):
        assert {
            each["id"] for each in (await http.get("/backtests", params={"status": status})).json()["items"]
        } == told
    for id_ in ids:
        answer = await http.delete(f"/backtests/{id_}")
        assert (answer.status_code, answer.json()["status"]) == (202, "removing")


async def test_while_dagster_is_away_what_is_known_is_told(api, connection):
    """Rows are; whatever needs a run is not."""
    http, web = api
    known = await store(connection, status="running", run_id=web.add("STARTED"))
    web.says, web.status = "", 502
    assert (await http.get(f"/backtests/{known}")).json()["status"] == "running"
    assert len((await http.get("/backtests")).json()["items"]) == 1
    for answer in (
        await http.post("/backtests", json=ASKED),
        await http.get(f"/backtests/{uuid4()}"),
        await http.delete(f"/backtests/{known}"),
        await http.get("/strategies"),
    ):
        assert (answer.status_code, answer.json()["error"], "retry-after" in answer.headers) == (
            503,
            "dagster_unavailable",
            True,
        )
    wrong = await http.post("/backtests", json={**ASKED, "symbol": "BTX"})
    assert (wrong.status_code, wrong.json()["hint"]) == (422, "Did you mean BTC?")


async def test_the_same_key_is_one_backtest(api):
    """Until it is removed; another request with it is a conflict."""
    http, web = api
    key = {"Idempotency-Key": "k"}
    first, second = [(await http.post("/backtests", json=ASKED, headers=key)).json() for _ in range(2)]
    assert first == second
    assert len(web.runs) == 1
    other = await http.post("/backtests", json={**ASKED, "capital": 5}, headers=key)
    assert (other.status_code, other.json()["error"]) == (409, "conflict")
    web.runs[0].update(status="FAILURE", endTime=web.now)
    assert (await http.delete(f"/backtests/{first['id']}")).json()["status"] == "removing"
    web.runs[0].update(status="SUCCESS", endTime=web.now)
    assert (await http.get(f"/backtests/{first['id']}")).status_code == 404
    assert (await http.post("/backtests", json=ASKED, headers=key)).json() == first
    assert (await http.get(f"/backtests/{first['id']}")).json()["status"] == "queued"


async def test_deleting_ends_what_goes_on_and_removes_what_is_over(api, connection):
    """What a command computes is stopped where it runs."""
    http, web = api
    run_id = web.add("STARTED")
    running = await store(connection, status="running", run_id=run_id)
    assert (await http.delete(f"/backtests/{running}")).json() == {"id": str(running), "status": "cancelling"}
    assert next(run["status"] for run in web.runs if run["runId"] == run_id) == "CANCELED"
    over = await store(connection)
    answer = await http.delete(f"/backtests/{over}")
    assert (answer.status_code, answer.json()["status"]) == (202, "removing")
    assert web.runs[0]["jobName"] == "remove_backtest"
    assert web.runs[0]["runConfig"]["ops"]["op"]["config"] == {"id": str(over)}
    command = await store(connection, status="running", run_id="btc backtest")
    assert (await http.delete(f"/backtests/{command}")).status_code == 409
    assert (await http.delete(f"/backtests/{uuid4()}")).status_code == 404


async def test_writes_need_the_token(settings_for, database_url):
    """Reads do not."""
    async with api_with_dagster(settings_for, database_url, API_TOKEN="t") as (http, _):
        assert (await http.post("/backtests", json=ASKED)).status_code == 401
        assert (await http.delete(f"/backtests/{uuid4()}")).status_code == 401
        told = {"Authorization": "Bearer t"}
        assert (await http.post("/backtests", json=ASKED, headers=told)).status_code == 202
        assert (await http.get("/backtests")).status_code == 200


async def test_the_list_is_paged_and_filtered(api, connection):
    """The newest first; nothing twice, nothing left out."""
    http, _ = api
    ids = [str(await store(connection, strategy="ma" if n % 2 else "dca", hours=n // 2)) for n in range(9)]
    found, cursor = [], None
    while cursor or not found:
        page = (await http.get("/backtests", params={"limit": 4} | ({"cursor": cursor} if cursor else {}))).json()
        found += page["items"]
        cursor = page["next"]
    assert len(found) == 9
    assert {each["id"] for each in found} == set(ids)
    assert [each["created_at"] for each in found] == sorted((each["created_at"] for each in found), reverse=True)
    some = (await http.get("/backtests", params={"strategy": "ma", "status": "finished"})).json()
    assert {each["id"] for each in some["items"]} == set(ids[1::2])
    for wrong in ({"cursor": "x"}, {"cursor": "2025-01-01|x"}, {"limit": 0}, {"limit": 5001}, {"status": "done"}):
        assert (await http.get("/backtests", params=wrong)).status_code == 422


async def test_trades_equity_and_page_of_a_finished_one(api, connection):
    """In pages, either way; the whole curve in few points, with its extremes."""
    http, _ = api
    id_ = await store(connection, results='{"n_trades": 5}')
    await connection.executemany(
        "INSERT INTO backtest_trades (backtest_id, seq, side, entry_time, entry_price, exit_time, exit_price, quantity,"
        " pnl, fees, return, exit_reason) VALUES ($1, $2, 'long', $3, 1, $3, 1, 1, 1, 1, 1, 'signal')",
        [(id_, n, START) for n in range(5)],
    )
    equity = [100.0 + (n * 37) % 101 for n in range(1000)]
    await connection.executemany(
        "INSERT INTO backtest_equity VALUES ($1, $2, $3, 0, 1)",
        [(id_, START + n * HOUR, equity[n]) for n in range(1000)],
    )
    await connection.execute("INSERT INTO backtest_reports VALUES ($1, $2)", id_, gzip.compress(b"<svg>"))
    up = (await http.get(f"/backtests/{id_}/trades", params={"limit": 3})).json()
    rest = (await http.get(f"/backtests/{id_}/trades", params={"limit": 3, "cursor": up["next"]})).json()
    down = (await http.get(f"/backtests/{id_}/trades", params={"limit": 3, "order": "desc"})).json()
    assert [[each["seq"] for each in page["items"]] for page in (up, rest, down)] == [[0, 1, 2], [3, 4], [4, 3, 2]]
    assert rest["next"] is None
    first = (await http.get(f"/backtests/{id_}/equity", params={"limit": 600})).json()
    second = (await http.get(f"/backtests/{id_}/equity", params={"limit": 600, "cursor": first["next"]})).json()
    assert [each["equity"] for each in first["items"] + second["items"]] == equity
    curve = (await http.get(f"/backtests/{id_}/equity", params={"points": 40})).json()["items"]
    shown = [each["equity"] for each in curve]
    assert len(curve) <= 40
    assert (shown[0], shown[-1], min(shown), max(shown)) == (equity[0], equity[-1], min(equity), max(equity))
    whole = (await http.get(f"/backtests/{id_}/equity", params={"points": 1000})).json()["items"]
    assert [each["equity"] for each in whole] == equity
    page = await http.get(f"/backtests/{id_}/report")
    assert (page.text, page.headers["content-encoding"]) == ("<svg>", "gzip")
    plain = await http.get(f"/backtests/{id_}/report", headers={"Accept-Encoding": "identity"})
    assert (plain.text, "content-encoding" in plain.headers) == ("<svg>", False)
    unknown = uuid4()
    for part in ("", "/trades", "/equity", "/report"):
        assert (await http.get(f"/backtests/{unknown}{part}")).status_code == 404
