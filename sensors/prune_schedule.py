"""The schedule that prunes Dagster's own history every night."""

import dagster as dg

# Once a day is enough for what is kept for weeks. Not on the hour, when candles of all intervals close.
CRON = "17 3 * * *"


def build_prune_schedule(job_name: str) -> dg.ScheduleDefinition:
    """Return the schedule for the job that prunes; it runs unless somebody stops it."""
    return dg.ScheduleDefinition(
        name="prune_nightly",
        job_name=job_name,
        cron_schedule=CRON,
        execution_timezone="UTC",
        default_status=dg.DefaultScheduleStatus.RUNNING,
        description="Keeps Dagster's own tables small.",
    )
