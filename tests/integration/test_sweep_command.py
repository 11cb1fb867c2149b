"""``btc sweep`` on a real database: its figures beside those of ``btc backtest``, and Ctrl-C in the middle."""

import json
import random
import re
from datetime import UTC, datetime
from pathlib import Path

import pytest
from click.testing import CliRunner

from benchmarks.one_pass import query
from btc_assets.commands import backtest, sweep
from btc_core.model.timerange import TimeRange
from btc_core.plugins import add_folder, plugin_names
from btc_core.simulator.outcome import Outcome
from btc_core.strategy import PACKAGE
from btc_store.frames import open_frames
from tests.derivation import made_minutes, store_minutes

HISTORY = TimeRange(datetime(2024, 6, 3, tzinfo=UTC), datetime(2024, 6, 9, tzinfo=UTC))
SINCE = "2024-06-04"
IMPATIENT = """
import os
import signal

import polars as pl

from btc_core.parameters import Parameter
from btc_core.strategy import Strategy


def wanted(parameters):
    def interrupt(price):
        # Polars asks with two rows first, for the type: Ctrl-C is pressed once.
        if len(price) > 2:
            os.kill(os.getpid(), signal.SIGINT)
        return price

    price = pl.col("close")
    return (price.map_batches(interrupt) if parameters["n"] == 60 else price) * 0 + 1


STRATEGY = Strategy(
    description="Somebody presses Ctrl-C while its 60th trial runs.",
    parameters={"n": Parameter(1, 1, 1000, "its number")},
    indicators=lambda _: [],
    wanted=wanted,
    confidence=lambda _: pl.lit(1.0),
)
"""


@pytest.fixture
def run(settings_for, database_url):
    """A function that runs a command with arguments on a database with six days of two symbols."""
    with open_frames(database_url) as opened:
        for symbol in ("BTC", "ETH"):
            store_minutes(opened, symbol, made_minutes(HISTORY, random.Random(symbol), n_gaps=6))
    settings = settings_for(database_url, BTC_SYMBOLS="BTC,ETH")

    def invoke(command, *args, end=("--end", "2024-06-09")):
        return CliRunner().invoke(command, [*args, "--start", SINCE, *end], obj=settings)

    return invoke


@pytest.fixture
def impatient(tmp_path, monkeypatch):
    """A strategy of one's own that is interrupted."""
    import btc_core.strategies as package

    monkeypatch.setattr(package, "__path__", list(package.__path__))
    Path(tmp_path / "own_impatient.py").write_text(IMPATIENT, encoding="utf-8")
    add_folder(PACKAGE, str(tmp_path))
    yield "own_impatient"
    plugin_names.cache_clear()


def test_its_figures_are_those_of_the_backtest_command(run):
    """Every trial of two symbols and two intervals, costs and all, to the last bit."""
    costs = ("--taker-bps", "3", "--leverage", "2", "--stop-bps", "90", "--json")
    swept = run(
        sweep.COMMAND, "--symbol", "BTC,ETH", "--interval", "37m,2h", "--strategy", "ma", *costs,
        "--param", "period=5:25:10", "--param", "side=long_only,long_short", "--sort", "total_return",
    )  # fmt: skip
    assert swept.exit_code == 0, swept.output
    answer = json.loads(swept.stdout)
    assert (answer["n_trials"], answer["n_finished"], len(answer["trials"])) == (24, 24, 20)
    returns = [trial["total_return"] for trial in answer["trials"]]
    assert returns == sorted(returns, reverse=True)
    for trial in answer["trials"][::6]:
        given = [part for name, value in trial["parameters"].items() for part in ("--param", f"{name}={value}")]
        alone = json.loads(
            run(
                backtest.COMMAND, "--symbol", trial["symbol"], "--intervals", trial["interval"], "--strategy", "ma",
                *given, *costs,
            ).stdout
        )  # fmt: skip
        assert {name: trial[name] for name in Outcome.__struct_fields__} == {
            name: alone[name] for name in Outcome.__struct_fields__
        }
    best = answer["best"]
    assert best["outcome"]["total_return"] == returns[0]
    assert best["n_neighbours"] in {1, 2}


def test_people_read_a_table_and_what_to_think_of_the_best(run):
    """Best first, the swept parameters as columns; a draw of five, the same for a seed."""
    arguments = ("--symbol", "BTC", "--interval", "1h", "--strategy", "ma_cross", "--param", "fast=2:20:1")
    drawn = (*arguments, "--param", "slow=21:60:3", "--random", "5", "--seed", "3", "--top", "3")
    said = run(sweep.COMMAND, *drawn)
    assert said.exit_code == 0, said.output
    lines = said.stdout.splitlines()
    assert lines[0] == "ma_cross, 2024-06-04 00:00Z to 2024-06-09 00:00Z: 5 trials, best first by sharpe"
    assert lines[1].split()[:5] == ["symbol", "interval", "fast", "slow", "total"]
    assert len(lines) == 2 + 3 + 1 + 2
    assert lines[-2].startswith("deflated Sharpe ratio of the best: ")
    assert lines[-1].startswith("its neighbours in the grid: ")
    assert run(sweep.COMMAND, *drawn).stdout == said.stdout


def test_a_plan_begins_with_the_range(run):
    """As in a backtest: equal purchases from the first day on, of coins."""
    said = run(
        sweep.COMMAND, "--symbol", "BTC", "--interval", "1h", "--strategy", "dca", "--param", "every_hours=2,3",
        "--param", "purchases=20", "--json",
    )  # fmt: skip
    answer = json.loads(said.stdout)
    assert answer["config"]["mode"] == "spot"
    assert {trial["parameters"]["start"] for trial in answer["trials"]} == {20240604}
    assert all(trial["n_trades"] == 1 for trial in answer["trials"])


def test_ctrl_c_prints_what_is_finished_and_says_so(run, impatient):
    """The trials before it, their best judged; exit 130, and how many are missing on standard error."""
    said = run(
        sweep.COMMAND, "--symbol", "BTC", "--interval", "1h", "--strategy", impatient, "--param", "n=1:1000:1", "--json"
    )
    assert said.exit_code == 130
    answer = json.loads(said.stdout)
    assert answer["n_trials"] == 1000
    assert 40 < answer["n_finished"] < 80
    assert len(answer["trials"]) == 20
    assert f"interrupted: {answer['n_finished']} of 1,000 trials are finished, and kept" in said.stderr


def test_a_report_is_one_file_with_its_maps(run, tmp_path):
    """It appears when it is complete; a place that cannot be written is refused before anything is tried."""
    asked = ("--symbol", "BTC", "--interval", "1h", "--strategy", "ma", "--param", "period=5:20:5")
    file = tmp_path / "sweep.html"
    said = run(sweep.COMMAND, *asked, "--report", str(file), "--json")
    assert said.exit_code == 0, said.output
    assert json.loads(said.stdout)["report"] == str(file)
    assert 'class="months"' in file.read_text(encoding="utf-8")
    assert [path.name for path in tmp_path.iterdir() if "sweep.html" in path.name] == ["sweep.html"]
    refused = run(sweep.COMMAND, *asked, "--report", str(tmp_path / "away" / "sweep.html"))
    assert refused.exit_code != 0
    assert "expected a place where a file can be written" in str(refused.exception)


def sweeps(url):
    """Return the stored sweeps: how many trials each has, and what it found."""
    with open_frames(url) as frames:
        return query(frames, "SELECT n_trials, results::text AS results FROM sweeps").rows()


def test_what_was_found_is_stored(run, database_url):
    """As --json says it; asked again, the same row."""
    asked = ("--symbol", "BTC", "--interval", "1h", "--strategy", "ma", "--param", "period=5:20:5", "--json")
    for _ in range(2):
        said = json.loads(run(sweep.COMMAND, *asked).stdout)
        ((n_trials, results),) = sweeps(database_url)
        assert (n_trials, json.loads(results)) == (4, said)


def test_after_ctrl_c_without_an_end_the_command_to_go_on_with_names_it(run, impatient, database_url):
    """Without an end the range ends now, which is another one a minute later: what is kept would not be found."""
    asked = ("--symbol", "BTC", "--interval", "1h", "--strategy", impatient, "--param", "n=1:70:1", "--json")
    said = run(sweep.COMMAND, *asked, end=())
    assert said.exit_code == 130
    (end,) = re.findall(r"the same command with (--end \S+) goes on", said.stderr)
    n_kept = json.loads(said.stdout)["n_finished"]
    again = run(sweep.COMMAND, *asked, end=tuple(end.split()))
    # It is interrupted once more, by the trial that was not finished: further on than before.
    assert json.loads(again.stdout)["n_finished"] >= n_kept
    assert len(sweeps(database_url)) == 1
