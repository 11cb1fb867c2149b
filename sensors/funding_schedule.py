"""The schedule that fetches the newest funding rates."""

from collections.abc import Sequence
from datetime import timedelta

import dagster as dg

from btc_core.model.timerange import TimeRange
from btc_core.partitions import months_of
from resources.timescale import Timescale
from sensors.requests import partition_range_tags

# A backtest over the last days should know what they cost. Not on the hour, when candles close.
CRON = "23 */6 * * *"
# So far back the months are fetched again: on a month's first days the one before, too.
REACH = timedelta(days=2)


def build_funding_schedule(job_name: str, symbols: Sequence[str]) -> dg.ScheduleDefinition:
    """Return the schedule: one run for the present month of all symbols; it runs unless somebody stops it."""

    @dg.schedule(
        name="funding_fetch",
        job_name=job_name,
        cron_schedule=CRON,
        execution_timezone="UTC",
        default_status=dg.DefaultScheduleStatus.RUNNING,
        description="Fetches the newest funding rates and the terms of coins.",
    )
    def funding_fetch(timescale: dg.ResourceParam[Timescale]) -> dg.RunRequest:
        now = timescale.now()
        months = months_of(TimeRange(now - REACH, now))
        return dg.RunRequest(tags=partition_range_tags(symbols[0], months, last_symbol=symbols[-1]))

    return funding_fetch
