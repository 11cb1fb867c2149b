"""The sensor that notices silence: one event when the answer changes, none while it stays."""

from datetime import UTC, datetime, timedelta

import dagster as dg
import pytest

from btc_assets.quality import build_present_results, place_checks
from btc_core.check import load_checks
from btc_core.model.timerange import MINUTE
from btc_store.frames import open_frames
from resources.timescale import Timescale
from sensors.staleness import build_staleness_sensor
from tests.derivation import minute, minutes_frame, query, store_minutes

COLLECTOR = "hyperliquid"
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
        sensor = build_staleness_sensor(build_present_results(placed, ["BTC", "ETH"]))
        with (
            dg.DagsterInstance.ephemeral() as instance,
            dg.build_sensor_context(
                cursor=cursor[0], instance=instance, resources={"timescale": Timescale(settings)}
            ) as context,
        ):
            data = sensor.evaluate_tick(context)
        cursor[0] = data.cursor
        told.extend(data.asset_events)
        return [(event.description, event.passed, event.severity.value) for event in data.asset_events]

    at.told = told
    return at


def test_dagster_takes_more_than_one_result_of_a_month(look, database_url, instance):
    """Its table refuses a second result of one partition without a run."""
    with open_frames(database_url) as frames:
        store_minutes(frames, "BTC", minutes_frame([minute(n, START) for n in range(5)]), source=COLLECTOR)
    for n in (6, 9, 6):
        look(START + n * MINUTE)
    assert len(look.told) == 3
    for result in look.told:
        instance.report_runless_asset_event(result)


def test_it_tells_when_the_answer_changes(look, database_url):
    """Fresh, late, silent, back again; the finding opens and closes with it, over the end of a month too."""
    with open_frames(database_url) as frames:
        store_minutes(frames, "BTC", minutes_frame([minute(n, START) for n in range(5)]), source=COLLECTOR)
        assert look(START + 6 * MINUTE) == [("nothing is wrong", True, "WARN")]
        assert look(START + 7 * MINUTE) == []
        assert look(START + 9 * MINUTE) == [("1 of 2 symbols: BTC: no minute comes any more", False, "WARN")]
        assert look(START + 30 * MINUTE) == [("1 of 2 symbols: BTC: no minute comes any more", False, "ERROR")]
        assert look(START + 31 * MINUTE) == []
        store_minutes(frames, "BTC", minutes_frame([minute(n, START) for n in range(5, 32)]), source=COLLECTOR)
        assert look(START + timedelta(minutes=33)) == [("nothing is wrong", True, "WARN")]
        rows = query(frames, "SELECT severity, resolved_at IS NULL AS open FROM data_quality WHERE kind = 'stale'")
    assert rows.rows() == [("error", False)]


def test_a_symbol_that_passes_hides_no_other(look, database_url):
    """One result speaks of all symbols, as bad as the worst of them, with each in its table."""
    with open_frames(database_url) as frames:
        for symbol, n in (("BTC", 40), ("ETH", 5)):
            store_minutes(frames, symbol, minutes_frame([minute(i, START) for i in range(n)]), source=COLLECTOR)
        assert look(START + 41 * MINUTE) == [("1 of 2 symbols: ETH: no minute comes any more", False, "ERROR")]
        assert look(START + 45 * MINUTE) == [("2 of 2 symbols: BTC, ETH: no minute comes any more", False, "ERROR")]
    assert [record.data["symbol"] for record in look.told[-1].metadata["which"].value.records] == ["BTC", "ETH"]


def test_who_has_only_imported_sees_no_red(look, database_url):
    """However old the newest minute is: no collector is missed that never was; a warning says so."""
    with open_frames(database_url) as frames:
        store_minutes(frames, "BTC", minutes_frame([minute(n, START) for n in range(5)]))
        why = "the newest minute was imported, no collector has written since"
        assert look(START + timedelta(days=300)) == [(f"1 of 2 symbols: BTC: {why}", False, "WARN")]
        # Once the collector has written, its silence is an error.
        store_minutes(frames, "BTC", minutes_frame([minute(5, START)]), source=COLLECTOR)
        (told,) = look(START + timedelta(days=301))
        assert told == ("1 of 2 symbols: BTC: no minute comes any more", False, "ERROR")
