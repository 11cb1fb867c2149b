"""A short soak: hours of market with faults at random and kills, and then every minute against the truth."""

from pathlib import Path

import pytest

from benchmarks.soak import Trial, is_good, random_faults, soak
from demo.faults.script import fault_kinds

pytestmark = pytest.mark.e2e

# Six market hours and the calm after them, in less than a minute.
TRIAL = Trial(days=0.25, n_kills=10, rate=600, seed=2)


async def test_six_hours_of_faults_and_kills_leave_nothing_missing_and_nothing_wrong(
    database_url: str, tmp_path: Path
) -> None:
    """0 missing, 0 wrong, 0 double; every change kept; within our own budget of requests and connections."""
    figures = await soak(database_url, tmp_path, TRIAL)
    assert is_good(figures), figures
    assert figures["n_kills"] == TRIAL.n_kills
    assert figures["n_unconfirmed"] == 0, figures
    assert figures["n_minutes"] > 3 * 6 * 60
    assert figures["most_rest_weight_a_minute"] <= 600
    assert figures["most_connections_a_minute"] <= 20
    # The faults were there.
    assert figures["corrections"]
    assert figures["findings"]["quarantined"] > 0


def test_the_same_seed_gives_the_same_faults() -> None:
    """And a week has every kind that can be undone."""
    from datetime import timedelta

    week = random_faults(1, timedelta(days=7))
    assert week == random_faults(1, timedelta(days=7))
    assert week != random_faults(2, timedelta(days=7))
    assert len({fault.kind for fault in week}) > len(fault_kinds()) - 10
