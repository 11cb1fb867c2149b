"""The jobs that the API launches, over a real database: rows from the first moment on, whatever becomes of them."""

import random
import warnings
from datetime import UTC, datetime
from uuid import UUID

import dagster as dg
import psycopg2
import psycopg2.extras
import pytest

from btc_assets import backtest_job
from btc_assets.backtest_job import BACKTEST_JOB, REMOVE_JOB, BacktestJobConfig, catalogue, requests_of
from btc_core.errors import InputError, UnknownNameError
from btc_core.model.timerange import TimeRange
from btc_store.frames import open_frames
from tests.dagster_runs import QUIET, definitions
from tests.derivation import made_minutes, store_minutes

DAYS = TimeRange(datetime(2024, 5, 3, tzinfo=UTC), datetime(2024, 5, 8, tzinfo=UTC))
FIRST = UUID("8d7f7c1e-5d5c-4f0e-9a57-1c2b3a4d5e00")
SECOND = UUID("8d7f7c1e-5d5c-4f0e-9a57-1c2b3a4d5e01")
ASKED = {
    "id": str(FIRST),
    "symbol": "BTC",
    "intervals": ["37m", "1h"],
    "strategy": "ma",
    "parameters": {"period": 10},
    "start": "2024-05-04",
    "end": "2024-05-08",
    "rules": {"slippage_bps": 2},
}
NOW = datetime(2024, 6, 1, tzinfo=UTC)


@pytest.fixture
def settings(settings_for, database_url):
    """Settings over five days of minutes."""
    with open_frames(database_url) as frames:
        store_minutes(frames, "BTC", made_minutes(DAYS, random.Random(1), n_gaps=0))
    return settings_for(database_url)


def run(settings, job, op, config, **options):
    """Run a job in this process."""
    with warnings.catch_warnings(), dg.DagsterInstance.ephemeral() as instance:
        warnings.simplefilter("ignore")
        found = definitions(settings).resolve_job_def(job)
        config = {"ops": {op: {"config": config}}, **QUIET}
        return found.execute_in_process(run_config=config, instance=instance, raise_on_error=False, **options)


def compute(settings, **change):
    """Run the job ``backtest``."""
    return run(settings, BACKTEST_JOB, "compute_backtest", {**ASKED, **change})


def rows(settings):
    """Return the rows of backtests by id."""
    connection = psycopg2.connect(settings.database_url)
    try:
        with connection.cursor(cursor_factory=psycopg2.extras.RealDictCursor) as cursor:
            cursor.execute("SELECT * FROM backtest_runs")
            return {UUID(row["id"]): row for row in cursor.fetchall()}
    finally:
        connection.close()


def test_each_interval_is_a_backtest_of_its_own(settings):
    """Ids differ in the last byte; the run is in the rows; a removed one is gone, and only that."""
    done = compute(settings)
    assert done.success
    found = rows(settings)
    assert {id_: (row["interval"], row["status"], row["run_id"]) for id_, row in found.items()} == {
        FIRST: ("37m", "finished", done.run_id),
        SECOND: ("1h", "finished", done.run_id),
    }
    assert found[FIRST]["config"]["slippage_bps"] == 2
    assert found[FIRST]["config"]["parameters"]["period"] == 10
    assert run(settings, REMOVE_JOB, "delete_backtest", {"id": str(FIRST)}).success
    assert set(rows(settings)) == {SECOND}


def test_one_that_cannot_be_computed_says_why_and_the_others_are_computed(settings):
    """No candle of a month closes within four days."""
    done = compute(settings, intervals=["1M", "1h"])
    assert not done.success
    found = rows(settings)
    assert (found[FIRST]["status"], found[SECOND]["status"]) == ("failed", "finished")
    assert "no 1M candle closes" in found[FIRST]["error"]


def test_where_nothing_is_stored_every_one_says_so(settings):
    """The range holds no minute."""
    assert not compute(settings, start="2020-01-01", end="2020-02-01").success
    assert {row["status"] for row in rows(settings).values()} == {"failed"}
    assert all("no 1m candle of BTC is stored" in row["error"] for row in rows(settings).values())


class Interrupted(BaseException):
    """As Dagster interrupts a run."""


@pytest.mark.parametrize(("error", "status"), [(ZeroDivisionError("x"), "failed"), (Interrupted(), "cancelled")])
def test_a_run_that_is_ended_leaves_none_that_waits(settings, monkeypatch, error, status):
    """A fault of ours is a failure, an interruption is none."""

    def ended(*_arguments, **_options):
        raise error

    monkeypatch.setattr(backtest_job, "run_backtest", ended)
    with open_frames(settings.database_url) as frames, pytest.raises(type(error)):
        asked = BacktestJobConfig(**ASKED)
        backtest_job._compute_all(frames, asked, backtest_job.Timescale(settings), run_id="x")
    assert {row["status"] for row in rows(settings).values()} == {status}


def test_what_cannot_be_meant_is_one_sentence(settings):
    """A launch from Dagster's pages is checked as one from the API."""
    config = settings.config
    for change, error in (
        ({"symbol": "BTX"}, UnknownNameError),
        ({"strategy": "ma4"}, UnknownNameError),
        ({"parameters": {"perod": 4}}, UnknownNameError),
        ({"intervals": ["1m"]}, InputError),
        ({"intervals": []}, InputError),
        ({"rules": {"leverage": 1000}}, InputError),
        ({"end": "2024-05-01"}, InputError),
    ):
        with pytest.raises(error):
            requests_of(BacktestJobConfig(**{**ASKED, **change}), config, now=NOW)


def test_a_plan_begins_with_its_range_and_is_paid_in_full(settings):
    """Unless another day is given; the configured leverage is the perpetual's."""
    (plan, *_) = requests_of(
        BacktestJobConfig(**{**ASKED, "strategy": "dca", "parameters": {}}), settings.config, now=NOW
    )
    assert plan.strategy.parameters["start"] == 20240504
    assert plan.config.leverage == 1


def test_the_catalogue_names_every_strategy_with_its_parameters():
    """The API reads it instead of importing them."""
    found = {told["name"]: told for told in catalogue()}
    assert {"ma", "ma44", "dca", "buy_and_hold"} <= set(found)
    (period,) = (each for each in found["ma"]["parameters"] if each["name"] == "period")
    assert period["low"] <= period["default"] <= period["high"]
