"""The asset ``lake``: what a launch of months writes and says; and what the schedule asks for."""

import random
import warnings
from datetime import UTC, datetime, timedelta

import dagster as dg
import pytest

from btc_assets.lake import LAKE_JOB
from btc_core.model.timerange import TimeRange
from btc_store.frames import open_frames
from btc_store.lake import open_lake
from resources.timescale import Timescale
from sensors.lake_schedule import build_lake_schedule
from sensors.requests import RANGE_END, RANGE_START
from tests.dagster_runs import QUIET, definitions, run_asset
from tests.derivation import made_minutes, store_minutes
from tests.integration.test_archive import DAYS
from tests.lakes import FEBRUARY, write

HOUR = timedelta(hours=1)
HISTORY = TimeRange(datetime(2017, 1, 1, tzinfo=UTC), datetime(9000, 1, 1, tzinfo=UTC))


@pytest.fixture
def settings(settings_for, database_url, tmp_path):
    """Settings with a lake of their own, over four days of minutes at the end of a month."""
    with open_frames(database_url) as frames:
        store_minutes(frames, "BTC", made_minutes(DAYS, random.Random(2), n_gaps=0))
    sim, real = DAYS.end.timestamp(), datetime.now(UTC).timestamp()
    return settings_for(database_url, BTC_LAKE=str(tmp_path / "lake"), BTC_CLOCK=f"{sim},{real},1")


@pytest.fixture
def instance():
    """An instance of Dagster that forgets."""
    with dg.DagsterInstance.ephemeral() as ephemeral:
        yield ephemeral


def metadata_of(result):
    """Return what a run says of each partition."""
    assert result.success
    return {
        event.partition: {
            name: value.value for name, value in event.step_materialization_data.materialization.metadata.items()
        }
        for event in result.get_asset_materialization_events()
    }


def test_months_say_what_they_hold_and_why_not(settings, instance):
    """Rows, bytes, checksum and path; a month that is not over, and one without a minute, say so."""
    months = TimeRange(datetime(2024, 1, 1, tzinfo=UTC), DAYS.end)
    said = metadata_of(run_asset(settings, instance, ["lake"], months))
    january, february, march = (said[f"2024-{month:02}-01|BTC"] for month in (1, 2, 3))
    assert january["left out"] == "no minute of BTC is stored in this month"
    assert (february["rows"], february["states"], february["parts written"]) == (3 * 1440, {"confirmed": 3 * 1440}, 1)
    assert "left out" not in february
    lake = open_lake(settings.lake, settings.lake_cache)
    (manifest,) = lake.find([f"candles/{FEBRUARY}"])
    (file,) = manifest.tables["candles"].files
    assert february["checksum"] == file.sha256
    assert february["path"] == f"{settings.lake}/candles/{FEBRUARY}/{file.name}"
    assert march["left out"].startswith("the month is not over: kept as it stands in unsettled/")
    again = metadata_of(run_asset(settings, instance, ["lake"], months))
    assert [each["parts written"] for each in again.values()] == [0, 0, 0]


def test_the_schedule_asks_for_what_is_missing_or_changed(settings, instance):
    """From the first month that is behind to the present one; the job does it, and then the present one is left."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        job = definitions(settings).resolve_job_def(LAKE_JOB)
        schedule = build_lake_schedule(LAKE_JOB, ["BTC"], HISTORY)

    def asked():
        with dg.build_schedule_context(resources={"timescale": Timescale(settings)}) as context:
            return schedule(context).tags

    tags = asked()
    assert (tags[RANGE_START], tags[RANGE_END]) == ("2024-02-01|BTC", "2024-03-01|BTC")
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        assert job.execute_in_process(instance=instance, tags=tags, run_config=QUIET).success
    assert asked()[RANGE_START] == "2024-03-01|BTC"
    with open_frames(settings.database_url) as frames:
        write(frames, "UPDATE candles SET high = high + 1 WHERE time = '2024-02-27 03:00Z'")
    assert asked()[RANGE_START] == "2024-02-01|BTC"


def test_a_lake_that_is_away_is_a_reason_to_skip(settings_for, database_url, monkeypatch):
    """The tick says what is wrong, and the next one tries again."""
    monkeypatch.setattr("btc_store.lake_places._RETRIES", 0)
    for name, value in {"ENDPOINT_URL": "http://127.0.0.1:9", "ACCESS_KEY_ID": "x", "SECRET_ACCESS_KEY": "x"}.items():
        monkeypatch.setenv(f"AWS_{name}", value)
    with open_frames(database_url) as frames:
        store_minutes(frames, "BTC", made_minutes(TimeRange(DAYS.start, DAYS.start + HOUR), random.Random(2), n_gaps=0))
    settings = settings_for(database_url, BTC_LAKE="s3://nobodys/x")
    schedule = build_lake_schedule(LAKE_JOB, ["BTC"], HISTORY)
    with dg.build_schedule_context(resources={"timescale": Timescale(settings)}) as context:
        assert "the lake s3://nobodys/x cannot be used" in schedule(context).skip_message
