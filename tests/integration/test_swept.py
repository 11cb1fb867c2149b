"""The assets ``sweeps/<name>`` on a real instance: what ``btc sweep`` says, kept, gone on with, told of as metadata."""

import random
import warnings
from dataclasses import replace
from datetime import UTC, date, datetime

import dagster as dg
import msgspec
import psycopg2
import pytest
from click.testing import CliRunner

from btc_assets.commands import sweep
from btc_assets.definitions import build_definitions
from btc_core.config import SweepConfig
from btc_core.model.timerange import TimeRange
from btc_store.frames import open_frames
from tests.dagster_runs import QUIET
from tests.derivation import made_minutes, store_minutes

HISTORY = TimeRange(datetime(2024, 6, 3, tzinfo=UTC), datetime(2024, 6, 15, tzinfo=UTC))
WINDOWS = SweepConfig(
    strategy="ma_cross",
    symbols=("BTC",),
    intervals=("37m", "1h"),
    parameters={"fast": "3:9:3", "slow": (20, 30, 40)},
    start=HISTORY.start.date(),
    end=HISTORY.end.date(),
    sort="total_return",
    backtest={"taker_bps": 3},
)
WALK = msgspec.structs.replace(WINDOWS, intervals=("1h",), walk_forward="6d/2d", sort="sharpe")


@pytest.fixture
def settings_of(database_url, settings_for):
    """A function that returns settings with sweeps over a database with twelve days of minutes."""
    with open_frames(database_url) as frames:
        store_minutes(frames, "BTC", made_minutes(HISTORY, random.Random(3), n_gaps=4))

    def made(**sweeps):
        settings = settings_for(database_url)
        return replace(settings, config=msgspec.structs.replace(settings.config, sweeps=sweeps))

    return made


def launch(settings, instance, name):
    """Materialise a sweep, as a launch in the UI does."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        job = build_definitions(settings).resolve_implicit_global_asset_job_def()
        return job.execute_in_process(
            instance=instance, asset_selection=[dg.AssetKey(["sweeps", name])], run_config=QUIET, raise_on_error=False
        )


def metadata_of(result):
    """Return what a materialisation says of itself."""
    (event,) = result.get_asset_materialization_events()
    return event.materialization.metadata


def kept(settings):
    """Return what the table holds of finished sweeps."""
    with psycopg2.connect(settings.database_url) as connection, connection.cursor() as cursor:
        cursor.execute("SELECT results FROM sweeps WHERE results IS NOT NULL")
        found = [row[0] for row in cursor.fetchall()]
    connection.close()
    return found


def test_it_says_what_the_command_says(settings_of, instance):
    """The same trials, the same table, the same verdict: the command finds them finished."""
    settings = settings_of(windows=WINDOWS)
    result = launch(settings, instance, "windows")
    assert result.success
    said = metadata_of(result)
    asked = "--symbol BTC --interval 37m,1h --strategy ma_cross --param fast=3:9:3 --param slow=20,30,40 --taker-bps 3 "
    asked += "--start 2024-06-03 --end 2024-06-15 --sort total_return"
    by_command = CliRunner().invoke(sweep.COMMAND, [*asked.split()], obj=settings, catch_exceptions=False)
    (results,) = kept(settings)
    assert (said["trials"].value, results["n_finished"], results["sort"]) == (18, 18, "total_return")
    rows = [[cell.strip() for cell in line.split("|")[1:-1]] for line in said["best"].value.splitlines()[2:]]
    lines = by_command.stdout.splitlines()
    assert [line.split() for line in lines[2 : 2 + len(rows)]] == rows
    assert all(sentence.removeprefix("- ") in lines for sentence in said["verdict"].value.splitlines())
    assert said["best: total return"].value == results["best"]["outcome"]["total_return"]
    assert any(name.startswith("heat, BTC") and "data:image/png" in each.value for name, each in said.items())


def test_what_is_finished_is_not_tried_again(settings_of, instance):
    """A second launch goes on where the first one was: here at the end; its log says so."""
    settings = settings_of(windows=WINDOWS)
    first = metadata_of(launch(settings, instance, "windows"))
    again = launch(settings, instance, "windows")
    second = metadata_of(again)
    assert first["fingerprint"] == second["fingerprint"]
    assert first["best"] == second["best"]
    told = [entry.user_message for entry in instance.all_logs(again.run_id) if entry.user_message]
    assert any("18 of 18 trials are finished already" in message for message in told)


def test_a_walk_forward_shows_its_windows(settings_of, instance):
    """Beside the best of the last training: each choice, and what it earned afterwards."""
    said = metadata_of(launch(settings_of(walk=WALK), instance, "walk"))
    walked = said["walk-forward"].value
    assert len(walked.split("\n\n")[0].splitlines()) == 2 + 3
    assert "out of sample: return" in walked


def test_without_minutes_it_fails_with_a_sentence(settings_of, instance):
    """And is not tried again by itself."""
    empty = msgspec.structs.replace(WINDOWS, start=date(2023, 1, 1), end=date(2023, 2, 1))
    result = launch(settings_of(empty=empty), instance, "empty")
    assert not result.success
    (failed,) = [event for event in result.all_events if event.is_step_failure]
    assert "sweeps.empty: " in str(failed.step_failure_data.error)
