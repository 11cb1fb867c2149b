"""Backtests asked for over HTTP: a real API, a real Dagster with its web server, its daemon and its run processes."""

import os
import random
import signal
import warnings
from contextlib import contextmanager
from datetime import UTC, datetime

import dagster as dg
import httpx
import psycopg2
import pytest

from btc_core.model.timerange import TimeRange
from btc_store.frames import open_frames
from btc_store.ports import free_port
from btc_store.settings import project_root
from tests.derivation import made_minutes, store_minutes
from tests.e2e.processes import ROOT, processes

pytestmark = pytest.mark.e2e

SECONDS = 90
DAYS = TimeRange(datetime(2024, 5, 3, tzinfo=UTC), datetime(2024, 5, 10, tzinfo=UTC))
ASKED = {
    "symbol": "BTC",
    "intervals": ["37m", "1h"],
    "strategy": "ma",
    "parameters": {"period": 20},
    "start_date": "2024-05-04",
    "end_date": "2024-05-10",
    "slippage_bps": 1,
}


@pytest.fixture
def stack(tmp_path, monkeypatch, database_url):
    """The API, the web server and a code location; the daemon, which takes runs from the queue, comes later."""
    text = (project_root() / "dagster.yaml").read_text()
    assert "poll_interval_seconds: 30" in text
    (tmp_path / "dagster.yaml").write_text(text.replace("poll_interval_seconds: 30", "poll_interval_seconds: 1"))
    monkeypatch.setenv("DATABASE_URL", database_url)
    with open_frames(database_url) as frames:
        store_minutes(frames, "BTC", made_minutes(DAYS, random.Random(1), n_gaps=0))
    env = {"DATABASE_URL": database_url, "DAGSTER_HOME": str(tmp_path), "PYTHONPATH": str(ROOT)}
    with (
        warnings.catch_warnings(),
        processes(tmp_path, **env) as group,
        dg.DagsterInstance.from_config(str(tmp_path)) as instance,
    ):
        warnings.simplefilter("ignore")
        with Stack(group, instance, tmp_path) as started:
            yield started


class Stack:
    """The processes, and what a test asks of them."""

    def __init__(self, group, instance, home):
        self.group, self.instance, self.workspace = group, instance, home / "workspace.yaml"
        location, web, api = free_port(), free_port(), free_port()
        self.workspace.write_text(
            f"load_from:\n  - grpc_server: {{host: 127.0.0.1, port: {location}, location_name: btc}}\n"
        )
        group.env |= {"API_PORT": str(api), "DAGSTER_URL": f"http://127.0.0.1:{web}"}
        group.start("api", "api")
        options = ("-h", "127.0.0.1", "-p", str(location), "--location-name", "btc")
        group.start("location", "dagster", "api", "grpc", "-m", "btc_assets.definitions", *options)
        self.http = httpx.Client(base_url=f"http://127.0.0.1:{api}/api/v1", timeout=30)
        self.web_options = ("-w", str(self.workspace), "-h", "127.0.0.1", "-p", str(web))

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.http.close()

    def serves(self, path):
        """Whether the API answers."""
        try:
            return self.http.get(path).status_code == 200
        except httpx.ConnectError:
            return False

    def start_web(self):
        """Start the web server, without which nothing can be launched."""
        self.group.wait_for(
            "the code location", lambda: "Started Dagster code server" in self.group.log("location"), seconds=60
        )
        self.group.start("web", "resources.webserver", *self.web_options)
        self.group.wait_for("the web server", lambda: self.serves("strategies"), seconds=60)

    def start_daemon(self):
        """Start the daemon."""
        self.group.start("daemon", "dagster._daemon", "run", "-w", str(self.workspace))

    def ask(self, **more):
        """Ask for backtests; return the answer's ids."""
        answer = self.http.post("backtests", json={**ASKED, **more})
        assert answer.status_code == 202, answer.text
        return [part["id"] for part in answer.json()["backtests"]]

    def get(self, id_):
        """Return a backtest."""
        return self.http.get(f"backtests/{id_}").json()

    def wait_for(self, id_, *states):
        """Wait until a backtest is in one of some states; return it."""
        self.group.wait_for(f"{id_} {states}", lambda: self.get(id_).get("status") in states, seconds=SECONDS)
        return self.get(id_)

    def wait_until_gone(self, id_):
        """Wait until there is no such backtest."""
        self.group.wait_for(
            f"{id_} gone", lambda: self.http.get(f"backtests/{id_}").status_code == 404, seconds=SECONDS
        )

    def process_of(self, run_id):
        """Return the process that executes a run."""
        events = self.instance.all_logs(run_id, of_type=dg.DagsterEventType.ENGINE_EVENT)
        data = [event.dagster_event.event_specific_data.metadata for event in events]
        return next(int(metadata["pid"].value) for metadata in data if "pid" in metadata)


@contextmanager
def nothing_is_read(url):
    """Let every backtest wait for the funding that it is going to read."""
    connection = psycopg2.connect(url)
    try:
        with connection.cursor() as cursor:
            cursor.execute("LOCK TABLE funding IN ACCESS EXCLUSIVE MODE")
        yield
    finally:
        connection.close()


def test_a_backtest_from_the_request_to_its_removal(stack, database_url):
    """Refused while Dagster is away; queued; found by its key; finished; removed. Others are cancelled or killed."""
    stack.group.wait_for("the API", lambda: stack.serves("backtests"), seconds=60)
    refused = stack.http.post("backtests", json=ASKED)
    assert (refused.status_code, refused.json()["error"]) == (503, "dagster_unavailable")
    assert refused.headers["retry-after"]
    stack.start_web()
    near_misses(stack)
    ids = by_its_key(stack)
    waiting = stack.ask(intervals=["2h"])[0]
    assert stack.http.delete(f"backtests/{waiting}").json() == {"id": waiting, "status": "cancelling"}
    assert stack.wait_for(waiting, "cancelled")["finished_at"]
    stack.start_daemon()
    is_finished(stack, ids)
    with nothing_is_read(database_url):
        killed, cancelled = stack.ask(intervals=["4h"])[0], stack.ask(intervals=["8h"])[0]
        run = stack.wait_for(killed, "running")["run_id"]
        # One at a time: the other place is for work that follows the market.
        assert stack.get(cancelled)["status"] == "queued"
        os.kill(stack.process_of(run), signal.SIGKILL)
        assert "without a word" in stack.wait_for(killed, "failed")["error"]
        stack.wait_for(cancelled, "running")
        assert stack.http.delete(f"backtests/{cancelled}").status_code == 202
        stack.wait_for(cancelled, "cancelled")
    nothing = stack.ask(start_date="2023-01-01", end_date="2023-02-01")[0]
    assert "no 1m candle of BTC" in stack.wait_for(nothing, "failed")["error"]
    listed = {each["id"]: each["status"] for each in stack.http.get("backtests").json()["items"]}
    assert listed | {ids[0]: "finished", cancelled: "cancelled", killed: "failed", nothing: "failed"} == listed
    for id_ in (ids[0], killed, waiting):
        assert stack.http.delete(f"backtests/{id_}").json() == {"id": id_, "status": "removing"}
        stack.wait_until_gone(id_)
    assert stack.get(ids[1])["status"] == "finished"


def near_misses(stack):
    """What does not exist is refused before anything is launched."""
    for change, said in (
        ({"symbol": "BTX"}, "BTC"),
        ({"intervals": ["36"]}, "3m"),
        ({"strategy": "ma4"}, "ma44"),
        ({"parameters": {"perod": 20}}, "period"),
        ({"parameters": {"period": 0}}, "period=0 is out of range"),
        ({"slipage_bps": 1}, "slippage_bps"),
        ({"leverage": 1000}, "leverage"),
        ({"end_date": "2024-05-01"}, "reversed"),
    ):
        answer = stack.http.post("backtests", json={**ASKED, **change})
        assert (answer.status_code, said in answer.text) == (422, True), answer.text
    assert not stack.instance.get_runs()


def by_its_key(stack):
    """The same request with the same key is one backtest, another one a conflict."""
    answers = [stack.http.post("backtests", json=ASKED, headers={"Idempotency-Key": "once"}) for _ in range(2)]
    first, second = (answer.json() for answer in answers)
    assert first == second
    assert answers[0].headers["location"] == f"/api/v1/backtests/{first['id']}"
    other = stack.http.post("backtests", json={**ASKED, "capital": 5}, headers={"Idempotency-Key": "once"})
    assert other.status_code == 409
    assert len(stack.instance.get_runs()) == 1
    assert [part["interval"] for part in first["backtests"]] == ["37m", "1h"]
    queued = stack.get(first["backtests"][1]["id"])
    assert (queued["status"], queued["interval"], queued["progress"]) == ("queued", "1h", 0)
    return [part["id"] for part in first["backtests"]]


def is_finished(stack, ids):
    """Figures, trades, a curve and a page of each interval; all in one run."""
    done = [stack.wait_for(id_, "finished", "failed") for id_ in ids]
    assert [each["error"] for each in done] == [None, None]
    assert [(each["interval"], each["progress"], each["config"]["slippage_bps"]) for each in done] == [
        ("37m", 1, 1),
        ("1h", 1, 1),
    ]
    assert len({each["run_id"] for each in done}) == 1
    for each in done:
        trades = stack.http.get(f"backtests/{each['id']}/trades", params={"limit": 5000}).json()["items"]
        assert len(trades) == each["results"]["n_trades"] > 0
        curve = stack.http.get(f"backtests/{each['id']}/equity", params={"points": 50}).json()["items"]
        assert len(curve) <= 50
        assert curve[-1]["equity"] == pytest.approx(each["results"]["final_equity"])
        page = stack.http.get(f"backtests/{each['id']}/report")
        assert (page.status_code, page.headers["content-encoding"], "<svg" in page.text) == (200, "gzip", True)
