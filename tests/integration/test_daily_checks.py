"""The sensor of the daily checks: what it asks for, once a day, and that a run of it makes them."""

import random
import warnings
from datetime import UTC, datetime, timedelta

import dagster as dg
import msgspec
import pytest

from btc_assets.candles import build_minutes
from btc_assets.partitions import build_partitions
from btc_assets.quality import build_checks, place_checks
from btc_core.check import load_checks
from btc_core.model.timerange import TimeRange, merge_ranges
from btc_core.partitions import months_of
from btc_store.frames import open_frames
from resources.progress import Progress
from resources.timescale import Timescale
from sensors.daily_checks import MONTHS_OF_A_RUN, SYMBOL_TAG, Cursor, build_daily_checks_sensor
from sensors.requests import RANGE_END, RANGE_START, RUN_KEY_TAG, touched_of
from tests.dagster_runs import QUIET, days
from tests.derivation import made_minutes, minute, minutes_frame, query, store_minutes

START = datetime(2024, 3, 30, tzinfo=UTC)
SPAN = days(START, 3)
HISTORY = TimeRange(datetime(2017, 1, 1, tzinfo=UTC), datetime.max.replace(tzinfo=UTC))
LABELS = ("1m", "1h")
# A look is made when 20 minutes of a day are over.
NOON = datetime(2026, 5, 1, 12, tzinfo=UTC)
DAY = timedelta(days=1)


class Market:
    """A database, an instance of Dagster, and the sensor between them on a clock that stands."""

    def __init__(self, url, settings_for, instance):
        self.url, self.settings_for, self.instance, self.cursor = url, settings_for, instance, None

    def settings(self, now=NOON):
        """Settings whose market's clock shows an instant."""
        return self.settings_for(self.url, BTC_CLOCK=f"{now.timestamp()},{datetime.now(UTC).timestamp()},0.001")

    def definitions(self):
        """The daily checks of minutes, their job and their sensor."""
        settings = self.settings()
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
                sensors=[build_daily_checks_sensor("daily", symbols=["BTC", "ETH"], labels=LABELS, history=HISTORY)],
                resources={"timescale": Timescale(settings), "progress": Progress()},
                executor=dg.in_process_executor,
            )

    def tick(self, now=NOON):
        """Evaluate the sensor once; returns what it asks for, or why it does not."""
        resources = {"timescale": Timescale(self.settings(now))}
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            with dg.build_sensor_context(self.instance, self.cursor, resources=resources) as context:
                data = self.definitions().get_sensor_def("daily").evaluate_tick(context)
        self.cursor = data.cursor
        return data.run_requests[0] if data.run_requests else data.skip_message

    def launch(self, request):
        """Run what was asked for, as the daemon does."""
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            return (
                self.definitions()
                .resolve_job_def("daily")
                .execute_in_process(
                    instance=self.instance,
                    tags={**request.tags, RUN_KEY_TAG: request.run_key},
                    run_config=QUIET,
                    raise_on_error=False,
                )
            )

    def store(self, minutes, symbol="BTC"):
        """Write minutes, as an import does."""
        with open_frames(self.url) as frames:
            store_minutes(frames, symbol, minutes)


@pytest.fixture
def market(database_url, settings_for):
    """A market on the day after the sensor was first there, with three days of the past in the table."""
    with dg.DagsterInstance.ephemeral() as instance:
        made = Market(database_url, settings_for, instance)
        assert made.tick(NOON - DAY) == "what was written is looked at once a day, next at 2026-05-01 00:20Z"
        made.store(made_minutes(SPAN, random.Random(5), n_gaps=0))
        yield made


def test_the_days_that_were_written_are_asked_for(market):
    """One run, over both months, told which days and of which intervals."""
    request = market.tick()
    assert (request.tags[RANGE_START], request.tags[RANGE_END]) == ("2024-03-01|BTC", "2024-04-01|BTC")
    assert touched_of(request.tags) == {"1m": [SPAN], "1h": [SPAN]}
    assert request.tags[SYMBOL_TAG] == "BTC"


def test_a_day_begins_when_its_yesterday_is_confirmed(market):
    """Nothing is asked for before 00:20, and once a day."""
    midnight = NOON.replace(hour=0)
    assert market.tick(midnight + timedelta(minutes=19)).endswith("next at 2026-05-01 00:20Z")
    request = market.tick(midnight + timedelta(minutes=20))
    assert market.launch(request).success
    assert market.tick().endswith("next at 2026-05-02 00:20Z")


def test_a_repaired_day_of_the_past_is_asked_for(market, monkeypatch):
    """What was looked at is looked at no more; a minute that is written later brings its day back."""
    monkeypatch.setattr("sensors.daily_checks.MARGIN", timedelta(0))
    assert market.launch(market.tick()).success
    assert market.tick(NOON + DAY).endswith("next at 2026-05-03 00:20Z")
    market.store(minutes_frame([minute(1500, START, price=150.0)]))
    request = market.tick(NOON + 2 * DAY)
    assert touched_of(request.tags)["1m"] == [days(START + DAY, 1)]


def test_a_look_by_a_clock_that_was_ahead_hides_no_day(market):
    """The database's clock was set back since: what was written before the instant of that look is asked for."""
    assert market.launch(market.tick()).success
    cursor = msgspec.json.decode(market.cursor, type=Cursor)
    cursor.looked_at += timedelta(days=2)
    market.cursor = msgspec.json.encode(cursor).decode()
    market.store(minutes_frame([minute(1500, START, price=150.0)]))
    assert any(each.clip(days(START + DAY, 1)) for each in touched_of(market.tick(NOON + DAY).tags)["1m"])


def test_a_failed_run_is_asked_for_again_on_the_next_day(market):
    """A run that is under way is waited for; one that fails, or never starts, leaves its days to the next look."""
    request = market.tick()
    run = market.instance.create_run_for_job(
        market.definitions().resolve_job_def("daily"), tags={RUN_KEY_TAG: request.run_key}
    )
    assert market.tick() == "a run for BTC is under way"
    market.instance.report_run_canceled(run)
    assert market.tick().endswith("next at 2026-05-02 00:20Z")
    again = market.tick(NOON + DAY)
    assert touched_of(again.tags) == touched_of(request.tags)
    assert market.tick(NOON + DAY).endswith("next at 2026-05-03 00:20Z"), "it never started"
    assert touched_of(market.tick(NOON + 2 * DAY).tags) == touched_of(request.tags)


def test_no_run_has_to_be_kept_for_it(market, monkeypatch):
    """Where Dagster's history was deleted, what was looked at is known all the same."""
    monkeypatch.setattr("sensors.daily_checks.MARGIN", timedelta(0))
    assert market.launch(market.tick()).success
    market.tick()
    for run in market.instance.get_runs():
        market.instance.delete_run(run.run_id)
    assert market.tick(NOON + DAY).endswith("next at 2026-05-03 00:20Z")


def test_years_are_asked_for_in_parts_the_newest_first(market):
    """Eight years of two symbols: one run at a time, six months each, and in the end every day was in one of them."""
    years = TimeRange(datetime(2018, 1, 15, tzinfo=UTC), datetime(2026, 1, 15, tzinfo=UTC))
    for symbol in ("BTC", "ETH"):
        market.store(minutes_frame([minute(0, years.start), minute(0, years.end - DAY)]), symbol)
    asked = {"BTC": [], "ETH": []}
    while not isinstance(request := market.tick(), str):
        touched = touched_of(request.tags)["1m"]
        assert len(months_of(TimeRange(touched[0].start, touched[-1].end))) <= MONTHS_OF_A_RUN
        others = [spans for symbol, spans in asked.items() if symbol != request.tags[SYMBOL_TAG] and spans]
        assert all(each[-1].start <= touched[-1].end for each in others), "no symbol waits for another's past"
        asked[request.tags[SYMBOL_TAG]] += touched
        market.instance.create_run_for_job(
            market.definitions().resolve_job_def("daily"),
            tags={RUN_KEY_TAG: request.run_key},
            status=dg.DagsterRunStatus.SUCCESS,
        )
    assert asked["BTC"] == sorted(asked["BTC"], reverse=True)
    assert {symbol: merge_ranges(spans) for symbol, spans in asked.items()} == {"BTC": [years], "ETH": [years]}


def test_a_run_has_a_result_for_each_month_and_check(market):
    """The outlier is in its month's table; the other month passes; findings are kept."""
    market.store(minutes_frame([minute(1000, START, price=150.0)]))
    result = market.launch(market.tick())
    told = {(e.check_name, e.partition): e for e in result.get_asset_check_evaluations()}
    months = ("2024-03-01|BTC", "2024-04-01|BTC")
    assert set(told) == {(name, month) for name in ("outliers", "zero_volume", "revisions") for month in months}
    march = told["outliers", months[0]]
    assert (march.passed, march.severity) == (False, dg.AssetCheckSeverity.WARN)
    jump = (START + timedelta(minutes=1000)).strftime("%Y-%m-%d %H:%MZ")
    assert jump in {record.data["from"] for record in march.metadata["which"].value.records}
    with open_frames(market.url) as frames:
        kinds = query(frames, "SELECT DISTINCT kind FROM data_quality WHERE resolved_at IS NULL")["kind"].to_list()
    assert kinds == ["outlier"]
