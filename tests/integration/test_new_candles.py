"""The sensor on a real database and a real instance: what it asks for, once, and again after a failure."""

import random
import warnings
from datetime import UTC, datetime, timedelta

import dagster as dg
import msgspec
import polars as pl
import pytest

from btc_core.model.timerange import MINUTE, TimeRange
from btc_store.frames import open_frames
from resources.timescale import Timescale
from sensors.pending import Cursor
from sensors.requests import RANGE_END, RANGE_START, touched_of
from tests.dagster_runs import QUIET, days, definitions
from tests.derivation import made_minutes, note_no_trade, query, store_minutes

START = datetime(2024, 5, 3, tzinfo=UTC)
SPAN = days(START, 3)
SYMBOLS = ["BTC", *(f"S{n:02}" for n in range(1, 20))]


class Market:
    """A database, an instance of Dagster and the sensor between them."""

    def __init__(self, settings, instance):
        self.settings, self.instance, self.cursor = settings, instance, None
        self.definitions = definitions(settings)

    def tick(self):
        """Evaluate the sensor once, as the daemon does."""
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            sensor = self.definitions.get_sensor_def("new_candles")
            resources = {"timescale": Timescale(self.settings)}
            with dg.build_sensor_context(cursor=self.cursor, instance=self.instance, resources=resources) as context:
                data = sensor.evaluate_tick(context)
        self.cursor = data.cursor
        return data

    def launch(self, request):
        """Run what the sensor asked for, as the daemon does."""
        tags = {**request.tags, "dagster/run_key": request.run_key}
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            return self.definitions.resolve_job_def("derive").execute_in_process(
                instance=self.instance,
                tags=tags,
                asset_selection=list(request.asset_selection),
                run_config=QUIET,
                raise_on_error=False,
            )

    def store(self, minutes, *symbols):
        """Write minutes, as the collector or an import does."""
        with open_frames(self.settings.database_url) as frames:
            for symbol in symbols or ["BTC"]:
                store_minutes(frames, symbol, minutes)


@pytest.fixture
def market(database_url, settings_for):
    """An empty market."""
    with dg.DagsterInstance.ephemeral() as instance:
        yield Market(settings_for(database_url), instance)


@pytest.fixture
def many(database_url, settings_for):
    """An empty market with twenty symbols, an hour after the first minute; its clock hardly moves."""
    clock = f"{(START + 60 * MINUTE).timestamp()},{datetime.now(UTC).timestamp()},0.001"
    with dg.DagsterInstance.ephemeral() as instance:
        yield Market(settings_for(database_url, BTC_SYMBOLS=",".join(SYMBOLS), BTC_CLOCK=clock), instance)


@pytest.fixture
def minutes():
    """Three days without a gap."""
    return made_minutes(SPAN, random.Random(3), n_gaps=0)


def test_an_empty_table_is_a_reason_to_skip(market):
    """Without a candle there is nothing to ask for, and the sensor says so."""
    data = market.tick()
    assert not data.run_requests
    assert data.skip_message == "no 1m candle is stored"


def test_an_import_is_one_run(market, minutes):
    """All of it is asked for at once: the months it touches, every interval, and reported as a materialisation."""
    market.store(minutes)
    data = market.tick()
    (request,) = data.run_requests
    # The candle that opens in the last minutes of the third day closes in the same month.
    assert (request.tags[RANGE_START], request.tags[RANGE_END]) == ("2024-05-01|BTC", "2024-05-01|BTC")
    assert set(touched_of(request.tags)) == set(market.settings.config.intervals)
    assert dg.AssetKey(["decisions", "ma44"]) in request.asset_selection
    assert [event.asset_key.to_user_string() for event in data.asset_events] == ["candles/1m"]
    assert market.launch(request).success
    assert not market.tick().run_requests


def test_a_run_under_way_is_waited_for(market, minutes):
    """While a run is under way nothing more is asked for; what comes meanwhile is in the next request."""
    first, second = minutes[:-60], minutes[-60:]
    market.store(first)
    (request,) = market.tick().run_requests
    run = market.definitions.resolve_job_def("derive")
    created = market.instance.create_run_for_job(run, tags={"dagster/run_key": request.run_key})
    market.store(second)
    data = market.tick()
    assert (data.run_requests, data.skip_message) == ([], "a run for BTC is under way")
    market.instance.report_run_canceled(created)
    state = _after_tick(market)
    assert state.retry_at is not None
    assert state.pending["3m"][-1][1] == SPAN.end


def test_a_corrected_minute_touches_its_range_alone(market, minutes):
    """After a correction the request names the corrected minute and nothing else."""
    market.store(minutes)
    market.launch(market.tick().run_requests[0])
    market.tick()
    at = START + 1500 * MINUTE
    corrected = minutes.filter(pl.col("time") == at).with_columns(pl.col("high") + 1)
    market.store(corrected)
    (request,) = market.tick().run_requests
    assert set(map(tuple, touched_of(request.tags).values())) == {(TimeRange(at, at + MINUTE),)}
    assert market.launch(request).success
    assert not market.tick().run_requests


def test_minutes_known_to_be_without_trades_are_derived_again(market, minutes):
    """A candle that was skipped for them is decided on, by a run for their range alone (law 4)."""
    first = START + 2480 * MINUTE
    quiet = TimeRange(first, first + 20 * MINUTE)
    market.store(minutes.filter(~pl.col("time").is_between(quiet.start, quiet.end, closed="left")))
    market.launch(market.tick().run_requests[0])
    market.tick()
    skipped = (
        "SELECT DISTINCT start_time FROM data_quality WHERE kind = 'gap' AND details ? 'strategy'"
        " AND resolved_at IS NULL AND interval = '37m' AND start_time < $1 ORDER BY 1"
    )
    with open_frames(market.settings.database_url) as frames:
        short = query(frames, skipped, quiet.end)["start_time"].to_list()
        assert short
        note_no_trade(frames, "BTC", [quiet])
    (request,) = market.tick().run_requests
    assert set(map(tuple, touched_of(request.tags).values())) == {(quiet,)}
    assert market.launch(request).success
    with open_frames(market.settings.database_url) as frames:
        assert query(frames, skipped, quiet.end).is_empty()
        said = "SELECT DISTINCT time FROM decisions WHERE interval = '37m' AND time >= $1 AND time <= $2 ORDER BY 1"
        assert query(frames, said, short[0], short[-1])["time"].to_list() == short
    assert not market.tick().run_requests


def test_a_failed_run_is_asked_for_again(market, minutes):
    """Its minutes are pending again, and asked for at a later time: nothing that was stored is ever lost."""
    market.store(minutes)
    (request,) = market.tick().run_requests
    assert not market.tick().run_requests, "a run that never started counts as failed and is not asked for at once"
    state = _after_tick(market)
    assert state.n_failed == 1
    cursor = msgspec.json.decode(market.cursor, type=Cursor)
    cursor.symbols["BTC"].retry_at = datetime.now(UTC) - timedelta(seconds=1)
    market.cursor = msgspec.json.encode(cursor).decode()
    (again,) = market.tick().run_requests
    assert again.run_key != request.run_key
    assert touched_of(again.tags) == touched_of(request.tags)


def _after_tick(market):
    """Return the symbol's state after one more tick."""
    market.tick()
    return msgspec.json.decode(market.cursor, type=Cursor).symbols["BTC"]


def test_minutes_before_the_first_partition_are_left_alone(market, minutes):
    """What lies before history_start has no partition: it is stored, and the rest is derived all the same."""
    early = minutes.with_columns(pl.col("time") - timedelta(days=365 * 10))
    market.store(early)
    market.store(minutes)
    (request,) = market.tick().run_requests
    assert request.tags[RANGE_START] == "2024-05-01|BTC"


def test_twenty_symbols_that_close_together_are_one_run(many, minutes):
    """A run costs seconds whatever it does: what changed alike is derived together, all of it and nothing else."""
    many.store(minutes[:45], *SYMBOLS)
    (request,) = many.tick().run_requests
    assert (request.tags[RANGE_START], request.tags[RANGE_END]) == ("2024-05-01|BTC", "2024-05-01|S19")
    result = many.launch(request)
    assert result.success
    made = {m.partition for m in result.asset_materializations_for_node("candles")}
    assert made == {f"2024-05-01|{symbol}" for symbol in SYMBOLS}
    with open_frames(many.settings.database_url) as frames:
        counts = query(frames, "SELECT symbol, count(*) FROM candles WHERE interval = '5m' GROUP BY 1 ORDER BY 1")
        assert counts.rows() == [(symbol, 9) for symbol in SYMBOLS]
    assert not many.tick().run_requests


def test_a_symbol_that_changed_otherwise_has_its_own_run(many, minutes):
    """A run is about symbols beside each other: the one with a hole stands between two of them."""
    many.store(minutes[:45], *SYMBOLS[:7], *SYMBOLS[8:])
    many.store(minutes[:45].filter(pl.col("time") != START + 20 * MINUTE), SYMBOLS[7])
    data = many.tick()
    ends = [(request.tags[RANGE_START][11:], request.tags[RANGE_END][11:]) for request in data.run_requests]
    assert ends == [("BTC", "S06"), ("S07", "S07"), ("S08", "S19")]
    assert len(data.asset_events) == len(SYMBOLS)


def test_a_symbol_whose_run_failed_keeps_no_other_waiting(many, minutes):
    """After a run that failed each of its symbols is asked for alone: the others are done, whatever one of them has."""
    many.store(minutes[:45], *SYMBOLS[:3])
    assert len(many.tick().run_requests) == 1
    many.tick()
    cursor = msgspec.json.decode(many.cursor, type=Cursor)
    for state in cursor.symbols.values():
        state.retry_at = datetime.now(UTC) - timedelta(seconds=1)
    many.cursor = msgspec.json.encode(cursor).decode()
    assert [request.tags[RANGE_START][11:] for request in many.tick().run_requests] == SYMBOLS[:3]
