"""docs/howto/sweep.md as a user follows it: every command runs, and its configuration is one."""

import random
import re
import shlex
from datetime import UTC, datetime, timedelta
from pathlib import Path

import polars as pl
import pytest
import yaml
from click.testing import CliRunner

from btc_assets.commands import sweep
from btc_assets.sweeps import build_sweeps
from btc_core.config import parse_config
from btc_core.model.timerange import TimeRange
from btc_store.frames import open_frames
from btc_store.settings import read_config
from tests.derivation import made_minutes, store_minutes

PAGE = (Path(__file__).resolve().parents[2] / "docs/howto/sweep.md").read_text(encoding="utf-8")
YEAR = TimeRange(datetime(2021, 1, 1, tzinfo=UTC), datetime(2022, 1, 1, tzinfo=UTC))


def blocks(language):
    """Return the fenced blocks of a language."""
    return re.findall(rf"^```{language}\n(.*?)^```$", PAGE, re.M | re.S)


def commands():
    """Return the arguments of every `btc sweep` on the page."""
    lines = "".join(blocks("sh")).replace("\\\n", " ").splitlines()
    return [shlex.split(line)[2:] for line in lines if line.startswith("btc sweep ")]


@pytest.fixture
def settings(database_url, settings_for):
    """Settings over a database with a day of every nine of the page's year: windows are of the calendar."""
    days = [TimeRange(YEAR.start + timedelta(days=n), YEAR.start + timedelta(days=n + 1)) for n in range(0, 365, 9)]
    minutes = pl.concat(made_minutes(day, random.Random(n), n_gaps=0) for n, day in enumerate(days))
    with open_frames(database_url) as frames:
        store_minutes(frames, "BTC", minutes)
    return settings_for(database_url)


def test_every_command_of_the_page_runs(settings, tmp_path, monkeypatch):
    """With what the page says of its answer: verdict, windows, the grid over two parameters, the report."""
    monkeypatch.chdir(tmp_path)
    said = {}
    for arguments in commands():
        done = CliRunner().invoke(sweep.COMMAND, arguments, obj=settings, catch_exceptions=False)
        assert done.exit_code == 0, done.output
        said[arguments[-2]] = done.stdout.splitlines()
    assert said.keys() == {"--top", "--walk-forward", "--report"}
    assert said["--top"][-1].startswith("its neighbours in the grid: ")
    assert said["--walk-forward"][0] == "walk-forward 6M/1M, rolling: 6 of 6 windows"
    head, columns, *grid = said["--report"][-13:-1]
    assert head == "sharpe on BTC 37m: fast across, slow down, the best in brackets"
    assert len(columns.split()) == 10
    assert [line.split()[0] for line in grid] == [str(slow) for slow in range(20, 201, 20)]
    assert sum(line.count("[") for line in grid) == 1
    assert "<html" in (tmp_path / "sweep.html").read_text(encoding="utf-8")


def test_its_configuration_is_one():
    """The section of the page, in the configuration that is shipped."""
    (section,) = [yaml.safe_load(block) for block in blocks("yaml")]
    shipped = Path(__file__).resolve().parents[2] / "config.yaml"
    with_sweeps = yaml.safe_load(shipped.read_text(encoding="utf-8")) | section
    built, broken = build_sweeps(parse_config(with_sweeps), now=YEAR.end + timedelta(days=900))
    assert ([asset.key.path for asset in built], broken) == ([["sweeps", "windows"]], [])
    assert read_config(shipped).sweeps == {}
