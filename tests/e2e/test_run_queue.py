"""Dagster's daemon on our ``dagster.yaml``: live work overtakes a backfill, and a run that was killed is failed."""

import os
import random
import signal
import warnings
from contextlib import contextmanager
from datetime import UTC, datetime

import dagster as dg
import psycopg2
import pytest
from dagster._cli.job import _create_run
from dagster._core.workspace.context import WorkspaceProcessContext
from dagster._core.workspace.load_target import GrpcServerTarget

from btc_core.model.timerange import TimeRange
from btc_core.partitions import months_of
from btc_store.frames import open_frames
from btc_store.ports import free_port
from btc_store.settings import project_root
from sensors.requests import partition_range_tags
from tests.derivation import made_minutes, store_minutes
from tests.e2e.processes import ROOT, processes

pytestmark = pytest.mark.e2e

SECONDS = 60
YEAR = TimeRange(datetime(2023, 1, 1, tzinfo=UTC), datetime(2024, 1, 1, tzinfo=UTC))
DAY = TimeRange(datetime(2024, 5, 3, tzinfo=UTC), datetime(2024, 5, 4, tzinfo=UTC))
QUEUED, STARTED = dg.DagsterRunStatus.QUEUED, dg.DagsterRunStatus.STARTED
SENSOR = {"dagster/sensor_name": "new_candles"}


@pytest.fixture
def home(tmp_path, monkeypatch, database_url):
    """Our dagster.yaml with shorter waits."""
    text = (project_root() / "dagster.yaml").read_text()
    for name, seconds in {"poll_interval_seconds": 30, "user_code_failure_retry_delay": 15}.items():
        assert f"{name}: {seconds}" in text
        text = text.replace(f"{name}: {seconds}", f"{name}: 1")
    (tmp_path / "dagster.yaml").write_text(text)
    monkeypatch.setenv("DATABASE_URL", database_url)
    return tmp_path


@pytest.fixture
def dagster(home, database_url):
    """The daemon, a code location, and what a test asks of them."""
    with (
        warnings.catch_warnings(),
        processes(home, DATABASE_URL=database_url, DAGSTER_HOME=str(home), PYTHONPATH=str(ROOT)) as group,
        dg.DagsterInstance.from_config(str(home)) as instance,
    ):
        warnings.simplefilter("ignore")
        yield Dagster(group, instance, home)


class Dagster:
    """Dagster's processes and its instance."""

    def __init__(self, group, instance, home):
        self.group, self.instance, self.port = group, instance, free_port()
        text = f"load_from:\n  - grpc_server: {{host: 127.0.0.1, port: {self.port}, location_name: btc}}\n"
        (home / "workspace.yaml").write_text(text)
        self.start_location()
        group.wait_for("the code location", lambda: "Started Dagster code server" in group.log("location"), seconds=60)
        group.start("daemon", "dagster._daemon", "run", "-w", str(home / "workspace.yaml"))

    def start_location(self):
        """Start the process that holds the definitions and runs the runs."""
        options = ("-h", "127.0.0.1", "-p", str(self.port), "--location-name", "btc")
        self.group.start("location", "dagster", "api", "grpc", "-m", "btc_assets.definitions", *options)

    def launch_backfills(self, n):
        """Put backfills of a year into the queue, as the UI does; returns their ids."""
        tags = {**partition_range_tags("BTC", months_of(YEAR)), "dagster/backfill": "a year"}
        target = GrpcServerTarget(host="127.0.0.1", port=self.port, socket=None, location_name="btc")
        with WorkspaceProcessContext(self.instance, target) as process:
            workspace = process.create_request_context()
            location = workspace.get_code_location("btc")
            (repository,) = location.get_repositories().values()
            runs = [
                _create_run(
                    self.instance, location, repository, repository.get_full_job("derive"), {}, tags, None, None
                )
                for _ in range(n)
            ]
            return [self.instance.submit_run(run.run_id, workspace).run_id for run in runs]

    def wait_for_status(self, run_id, *wanted):
        """Wait until a run is in one of the states."""
        self.group.wait_for(f"{run_id} {wanted}", lambda: self.status(run_id) in wanted, seconds=SECONDS)

    def status(self, run_id):
        """Return a run's state."""
        return self.instance.get_run_by_id(run_id).status

    def runs_of_the_sensor(self):
        """Return the runs that the sensor asked for."""
        return self.instance.get_runs(dg.RunsFilter(tags=SENSOR))

    def process_of(self, run_id):
        """Return the process that executes a run, once it says so."""
        found = []

        def is_told():
            events = self.instance.all_logs(run_id, of_type=dg.DagsterEventType.ENGINE_EVENT)
            data = [event.dagster_event.event_specific_data.metadata for event in events]
            found.extend(int(metadata["pid"].value) for metadata in data if "pid" in metadata)
            return bool(found)

        self.group.wait_for(f"the process of {run_id}", is_told, seconds=SECONDS)
        return found[0]


@contextmanager
def nothing_is_derived(url):
    """Hold the lock that every derivation takes: runs that begin do not end."""
    connection = psycopg2.connect(url)
    try:
        with connection.cursor() as cursor:
            cursor.execute("SELECT pg_advisory_xact_lock(hashtext('derive BTC'))")
        yield
    finally:
        connection.close()


def test_live_work_overtakes_a_backfill_and_a_killed_run_is_failed(dagster, database_url):
    """A new minute's run starts at once, before backfills that wait for longer; killed, it is failed and pending again.

    First the process of a run is killed, then one together with its code location, as a power cut does.
    """
    with nothing_is_derived(database_url):
        running, *waiting = dagster.launch_backfills(3)
        dagster.wait_for_status(running, STARTED)
        with open_frames(database_url) as frames:
            store_minutes(frames, "BTC", made_minutes(DAY, random.Random(1), n_gaps=0))
        dagster.group.wait_for("the sensor's run", dagster.runs_of_the_sensor, seconds=SECONDS)
        (live,) = dagster.runs_of_the_sensor()
        dagster.wait_for_status(live.run_id, STARTED)
        assert [dagster.status(run) for run in (running, *waiting)] == [STARTED, QUEUED, QUEUED]

        os.kill(dagster.process_of(live.run_id), signal.SIGKILL)
        dagster.wait_for_status(live.run_id, dg.DagsterRunStatus.FAILURE)
        # Its minutes are pending again: the sensor's memory is in its state.
        dagster.group.wait_for(
            "the sensor's notice", lambda: '"n_failed":1' in cursor_of(database_url), seconds=SECONDS
        )

        orphan = dagster.process_of(running)
        dagster.group.stop("location", signal.SIGKILL)
        os.kill(orphan, signal.SIGKILL)
        dagster.wait_for_status(running, dg.DagsterRunStatus.FAILURE)
        dagster.start_location()
        # Its place is free, and what was in the queue has waited.
        dagster.wait_for_status(waiting[0], STARTED)


def cursor_of(url):
    """Return what the daemon has stored of the sensor, as text."""
    connection = psycopg2.connect(url)
    try:
        with connection.cursor() as cursor:
            cursor.execute("SELECT string_agg(job_body, ' ') FROM dagster.jobs")
            return (cursor.fetchone()[0] or "").replace("\\", "")
    finally:
        connection.close()
