"""The schedule that fetches the newest funding rates."""

from collections.abc import Sequence
from datetime import datetime, timedelta

import dagster as dg

from btc_core.model.timerange import TimeRange
from btc_core.partitions import months_of
from btc_store.funding import edges_of_funding
from resources.timescale import Timescale
from sensors.requests import partition_range_tags

# A backtest over the last days should know what they cost. Not on the hour, when candles close.
CRON = "23 */6 * * *"
# So far back the months are fetched again: on a month's first days the one before, too.
REACH = timedelta(days=2)
# What was missed while nobody ran this is made good so far back; of a coin that is delisted nothing new ever comes.
LONGEST_REACH = timedelta(days=92)


def build_funding_schedule(job_name: str, symbols: Sequence[str]) -> dg.ScheduleDefinition:
    """Return the schedule: one run for the newest months of all symbols; it runs unless somebody stops it."""

    @dg.schedule(
        name="funding_fetch",
        job_name=job_name,
        cron_schedule=CRON,
        execution_timezone="UTC",
        default_status=dg.DefaultScheduleStatus.RUNNING,
        description="Fetches the newest funding rates and the terms of coins.",
    )
    def funding_fetch(timescale: dg.ResourceParam[Timescale]) -> dg.RunRequest:
        with timescale.frames() as frames:
            edges = [edges_of_funding(frames, symbol) for symbol in symbols]
        months = months_due(timescale.now(), [each[1] for each in edges if each])
        return dg.RunRequest(tags=partition_range_tags(symbols[0], months, last_symbol=symbols[-1]))

    return funding_fetch


def months_due(now: datetime, newest: Sequence[datetime]) -> list[TimeRange]:
    """Return the months from the newest settlement of each symbol that has any to the present one."""
    since = max(min([now - REACH, *newest]), now - LONGEST_REACH)
    return months_of(TimeRange(since, now))
