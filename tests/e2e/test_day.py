"""A short day: every part of the house dies and comes back, and the tables are those of one pass."""

from pathlib import Path

import pytest

from benchmarks.day import Trial, is_good, play
from btc_store.embedded import EmbeddedPostgres
from btc_store.schema import upgrade
from tests.conftest import FETCHED, Server

pytestmark = pytest.mark.e2e

TRIAL = Trial(hours=2, rate=240)


@pytest.fixture
def own_server(server: Server, tmp_path: Path):
    """A server that a test may kill; the session's other tests keep theirs."""
    tmp_path.chmod(0o755)
    folder = FETCHED / "bin" if server.has_timescaledb and (FETCHED / "bin").exists() else None
    with EmbeddedPostgres(tmp_path / "pg", bin_folder=folder, is_disposable=True) as own:
        upgrade(own.url)
        yield own


def test_a_day_with_every_restart_ends_as_one_pass_does(own_server: EmbeddedPostgres, tmp_path: Path) -> None:
    """Laws 5, 7 and 9 over real processes: collector, lane, Dagster and database, in order and by SIGKILL."""
    figures = play(own_server, tmp_path / "house", TRIAL)
    assert is_good(figures), figures
    assert figures["n_minutes"] > 5000
    assert len(figures["restarts"]) == 8
    # Both lanes have worked.
    assert set(figures["decisions_by"]) == {"live lane", "runs"}, figures
