"""The sensor that notices silence: one event when the answer changes, none while it stays."""

import warnings
from datetime import UTC, datetime, timedelta

import dagster as dg
import pytest

from btc_assets.quality import build_present_results, place_checks
from btc_core.check import load_checks
from btc_core.model.timerange import MINUTE
from btc_store.frames import open_frames
from btc_store.settings import project_root
from resources.timescale import Timescale
from sensors.staleness import build_staleness_sensor
from tests.derivation import minute, minutes_frame, query, store_minutes

START = datetime(2024, 3, 31, 23, 50, tzinfo=UTC)


@pytest.fixture
def look(database_url, settings_for):
    """A function that evaluates the sensor at an instant of the market, as the daemon does."""
    cursor: list[str | None] = [None]
    told = []

    def at(instant):
        # The market's clock hardly moves.
        clock = f"{instant.timestamp()},{datetime.now(UTC).timestamp()},0.001"
        settings = settings_for(database_url, BTC_CLOCK=clock)
        placed = place_checks(settings.config, load_checks())
        sensor = build_staleness_sensor(build_present_results(placed, ["BTC"]))
        with (
            dg.DagsterInstance.ephemeral() as instance,
            dg.build_sensor_context(
                cursor=cursor[0], instance=instance, resources={"timescale": Timescale(settings)}
            ) as context,
        ):
            data = sensor.evaluate_tick(context)
        cursor[0] = data.cursor
        told.extend(data.asset_events)
        return [(event.metadata["partition"].value, event.passed, event.severity.value) for event in data.asset_events]

    at.told = told
    return at


def test_dagster_takes_more_than_one_result_of_a_month(look, database_url, monkeypatch):
    """Its table refuses a second result of one partition without a run."""
    monkeypatch.setenv("DATABASE_URL", database_url)
    with open_frames(database_url) as frames:
        store_minutes(frames, "BTC", minutes_frame([minute(n, START) for n in range(5)]))
    for n in (6, 9, 6):
        look(START + n * MINUTE)
    assert len(look.told) == 3
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        with dg.DagsterInstance.from_config(str(project_root())) as instance:
            for result in look.told:
                instance.report_runless_asset_event(result)


def test_it_tells_when_the_answer_changes(look, database_url):
    """Fresh, late, silent, back again; the finding opens and closes with it, over the end of a month too."""
    with open_frames(database_url) as frames:
        store_minutes(frames, "BTC", minutes_frame([minute(n, START) for n in range(5)]))
        assert look(START + 6 * MINUTE) == [("2024-03-01|BTC", True, "WARN")]
        assert look(START + 7 * MINUTE) == []
        assert look(START + 9 * MINUTE) == [("2024-03-01|BTC", False, "WARN")]
        assert look(START + 30 * MINUTE) == [("2024-04-01|BTC", False, "ERROR")]
        assert look(START + 31 * MINUTE) == []
        store_minutes(frames, "BTC", minutes_frame([minute(n, START) for n in range(5, 32)]))
        assert look(START + timedelta(minutes=33)) == [("2024-04-01|BTC", True, "WARN")]
        rows = query(frames, "SELECT severity, resolved_at IS NULL AS open FROM data_quality WHERE kind = 'stale'")
    assert rows.rows() == [("error", False)]
