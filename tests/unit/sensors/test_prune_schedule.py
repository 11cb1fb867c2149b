"""When Dagster's history is pruned."""

from datetime import UTC, datetime

import dagster as dg

from sensors.prune_schedule import CRON, build_prune_schedule


def test_it_prunes_every_night():
    """At 03:17 UTC, by itself, with one run a night."""
    schedule = build_prune_schedule("prune")
    assert (schedule.cron_schedule, schedule.execution_timezone) == (CRON, "UTC")
    assert schedule.default_status is dg.DefaultScheduleStatus.RUNNING
    at = datetime(2025, 1, 2, 3, 17, tzinfo=UTC)
    with dg.build_schedule_context(scheduled_execution_time=at) as context:
        assert len(schedule.evaluate_tick(context).run_requests) == 1
