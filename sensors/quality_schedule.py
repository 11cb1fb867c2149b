"""The schedule of the daily checks: it asks for what was written since they last succeeded, by symbol."""

from collections.abc import Sequence
from datetime import datetime, timedelta

import dagster as dg

from btc_core.model.timerange import EPOCH, TimeRange, merge_ranges
from btc_core.partitions import months_of
from btc_store.changes import MARGIN
from resources.timescale import Timescale
from sensors.requests import partition_range_tags, touched_tag

SYMBOL_TAG = "btc/symbol"
# Twenty past midnight, UTC: yesterday's last minutes are confirmed by then, and its largest candles derived.
CRON = "20 0 * * *"
_DAY = timedelta(days=1)


def build_quality_schedule(
    job_name: str, *, symbols: Sequence[str], labels: Sequence[str], history: TimeRange
) -> dg.ScheduleDefinition:
    """Return the schedule.

    Args:
        job_name: The job that makes the daily checks.
        symbols: The configured symbols.
        labels: The intervals whose candles have daily checks, 1m among them.
        history: What there are partitions for.
    """

    @dg.schedule(
        name="quality_daily",
        job_name=job_name,
        cron_schedule=CRON,
        default_status=dg.DefaultScheduleStatus.RUNNING,
        description="The checks that are made once a day, over the days in which a minute was written since the last "
        "run of them that succeeded: today's, and a repaired day of last year.",
    )
    def quality_daily(
        context: dg.ScheduleEvaluationContext, timescale: dg.ResourceParam[Timescale]
    ) -> list[dg.RunRequest] | dg.SkipReason:
        requests: list[dg.RunRequest] = []
        with timescale.frames() as frames:
            for symbol in symbols:
                since = _last_success(context.instance, job_name, symbol)
                rows = frames.read("written_days", since - MARGIN).rows()
                days = [day for owner, start in rows if owner == symbol and (day := _clipped(start, history))]
                if days:
                    requests.append(_request(symbol, merge_ranges(days), labels))
        return requests or dg.SkipReason("no minute was written since the last run that succeeded")

    return quality_daily


def _clipped(start: datetime, history: TimeRange) -> TimeRange | None:
    return TimeRange(start, start + _DAY).clip(history)


def _last_success(instance: dg.DagsterInstance, job_name: str, symbol: str) -> datetime:
    """Return when the last such run that succeeded was asked for; the epoch where none did."""
    wanted = dg.RunsFilter(job_name=job_name, statuses=[dg.DagsterRunStatus.SUCCESS], tags={SYMBOL_TAG: symbol})
    records = instance.get_run_records(wanted, limit=1)
    return records[0].create_timestamp if records else EPOCH + MARGIN


def _request(symbol: str, days: Sequence[TimeRange], labels: Sequence[str]) -> dg.RunRequest:
    months = months_of(TimeRange(days[0].start, days[-1].end))
    touched = touched_tag(dict.fromkeys(labels, days))
    return dg.RunRequest(tags={**partition_range_tags(symbol, months), **touched, SYMBOL_TAG: symbol})
