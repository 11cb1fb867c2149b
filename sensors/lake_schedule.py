"""The schedule that writes to the lake what it has not yet, once a day."""

from collections.abc import Sequence
from datetime import datetime

import dagster as dg

from btc_core.errors import LakeError
from btc_core.model.timerange import TimeRange
from btc_core.partitions import month_range, months_of
from btc_store.archive import months_behind
from btc_store.lake import open_lake
from resources.timescale import Timescale
from sensors.requests import partition_range_tags

# Not on the hour, when candles close; after the night's daily checks and the prune.
CRON = "7 4 * * *"


def build_lake_schedule(job_name: str, symbols: Sequence[str], history: TimeRange) -> dg.ScheduleDefinition:
    """Return the schedule: one run for the months that the lake has not as they are; it runs unless somebody stops it.

    Args:
        job_name: What it starts.
        symbols: All that are configured, in order.
        history: The range of the partitions.
    """

    @dg.schedule(
        name="archive_daily",
        job_name=job_name,
        cron_schedule=CRON,
        execution_timezone="UTC",
        default_status=dg.DefaultScheduleStatus.RUNNING,
        description="Writes to the lake what it has not yet, or not as it is now.",
    )
    def archive_daily(timescale: dg.ResourceParam[Timescale]) -> dg.RunRequest | dg.SkipReason:
        settings = timescale.settings
        try:
            lake = open_lake(settings.lake, settings.lake_cache)
            with timescale.frames() as frames:
                behind = [months_behind(frames, lake, symbol, now=timescale.now()) for symbol in symbols]
        except LakeError as error:
            return dg.SkipReason(str(error))
        months = months_due([month for each in behind for month in each], history, now=timescale.now())
        return dg.RunRequest(tags=partition_range_tags(symbols[0], months, last_symbol=symbols[-1]))

    return archive_daily


def months_due(behind: Sequence[TimeRange], history: TimeRange, *, now: datetime) -> list[TimeRange]:
    """Return the months from the first one that is behind to the present one, which always is: one run's range."""
    inside = [month for month in behind if month.overlaps(history)]
    return months_of(TimeRange(min([month.start for month in inside], default=month_range(now).start), now))
