"""The schedule of the daily checks: what it asks for, and that a run of it makes them."""

import random
import warnings
from datetime import UTC, datetime, timedelta

import dagster as dg
import pytest

from btc_assets.candles import build_minutes
from btc_assets.partitions import build_partitions
from btc_assets.quality import build_checks, place_checks
from btc_core.check import load_checks
from btc_core.model.timerange import MINUTE, TimeRange
from btc_store.frames import open_frames
from resources.progress import Progress
from resources.timescale import Timescale
from sensors.quality_schedule import SYMBOL_TAG, build_quality_schedule
from sensors.requests import RANGE_END, RANGE_START, touched_of
from tests.dagster_runs import QUIET, days
from tests.derivation import made_minutes, minute, minutes_frame, query, store_minutes

START = datetime(2024, 3, 30, tzinfo=UTC)
SPAN = days(START, 3)
HISTORY = TimeRange(datetime(2017, 1, 1, tzinfo=UTC), datetime(2030, 1, 1, tzinfo=UTC))


@pytest.fixture
def settings(database_url, settings_for):
    """Settings over a database with three days over the end of a month."""
    with open_frames(database_url) as frames:
        store_minutes(frames, "BTC", made_minutes(SPAN, random.Random(5), n_gaps=0))
    return settings_for(database_url)


@pytest.fixture
def instance(tmp_path):
    """An instance of Dagster on disk: a schedule opens it by its address."""
    with dg.DagsterInstance.local_temp(str(tmp_path)) as opened:
        yield opened


def definitions(settings):
    """Return the daily checks of minutes, their job and their schedule."""
    partitions = build_partitions(settings.config)
    names = ("outliers", "zero_volume", "revisions")
    placed = place_checks(settings.config, [check for check in load_checks() if check.name in names])
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        job = dg.define_asset_job("daily", selection=dg.AssetSelection.checks(*placed), partitions_def=partitions)
        return dg.Definitions(
            assets=[build_minutes(partitions)],
            asset_checks=build_checks(placed, partitions),
            jobs=[job],
            schedules=[build_quality_schedule("daily", symbols=["BTC"], labels=["1m", "1h"], history=HISTORY)],
            resources={"timescale": Timescale(settings), "progress": Progress()},
            executor=dg.in_process_executor,
        )


def asked(settings, instance):
    """Return what the schedule asks for on a day."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        schedule = definitions(settings).get_schedule_def("quality_daily")
        context = dg.build_schedule_context(
            instance, scheduled_execution_time=SPAN.end, resources={"timescale": Timescale(settings)}
        )
        return schedule.evaluate_tick(context)


def launch(settings, instance, request):
    """Run what was asked for."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        job = definitions(settings).resolve_job_def("daily")
        return job.execute_in_process(instance=instance, tags=dict(request.tags), run_config=QUIET)


def test_the_days_that_were_written_are_asked_for(settings, instance):
    """One run, over both months, told which days and of which intervals."""
    (request,) = asked(settings, instance).run_requests
    assert (request.tags[RANGE_START], request.tags[RANGE_END]) == ("2024-03-01|BTC", "2024-04-01|BTC")
    assert touched_of(request.tags) == {"1m": [SPAN], "1h": [SPAN]}
    assert request.tags[SYMBOL_TAG] == "BTC"


def test_it_asks_again_until_a_run_succeeds_and_then_for_what_is_new(settings, instance, monkeypatch):
    """A tick that was missed, or a run that failed, leaves nothing out; a repaired day of the past is asked for."""
    (request,) = asked(settings, instance).run_requests
    assert asked(settings, instance).run_requests[0].tags == request.tags
    assert launch(settings, instance, request).success
    monkeypatch.setattr("sensors.quality_schedule.MARGIN", timedelta(0))
    assert asked(settings, instance).skip_message == "no minute was written since the last run that succeeded"
    with open_frames(settings.database_url) as frames:
        store_minutes(frames, "BTC", minutes_frame([minute(1500, START, price=150.0)]))
    (request,) = asked(settings, instance).run_requests
    assert touched_of(request.tags)["1m"] == [days(START + timedelta(days=1), 1)]


def test_a_run_has_a_result_for_each_month_and_check(settings, instance):
    """The outlier is in its month's table; the other month passes; findings are kept."""
    with open_frames(settings.database_url) as frames:
        store_minutes(frames, "BTC", minutes_frame([minute(1000, START, price=150.0)]))
    (request,) = asked(settings, instance).run_requests
    result = launch(settings, instance, request)
    told = {(e.check_name, e.partition): e for e in result.get_asset_check_evaluations()}
    months = ("2024-03-01|BTC", "2024-04-01|BTC")
    assert set(told) == {(name, month) for name in ("outliers", "zero_volume", "revisions") for month in months}
    march = told["outliers", months[0]]
    assert (march.passed, march.severity) == (False, dg.AssetCheckSeverity.WARN)
    jump = (START + 1000 * MINUTE).strftime("%Y-%m-%d %H:%MZ")
    assert jump in {record.data["from"] for record in march.metadata["which"].value.records}
    with open_frames(settings.database_url) as frames:
        kinds = query(frames, "SELECT DISTINCT kind FROM data_quality WHERE resolved_at IS NULL")["kind"].to_list()
    assert kinds == ["outlier"]
