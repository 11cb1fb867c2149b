"""The job ``prune``: Dagster keeps every run and event for ever; what nobody looks at any more is deleted at night.

What stays: runs that a person started or tagged ``keep``, and whatever holds the newest materialisation of an asset
partition or the newest evaluation of a check. Statements are in ``btc_store/sql``; they name Dagster's own tables, so
they are run on the version of these tables that they were written for, and on no other.
"""

from datetime import UTC, datetime, timedelta

import dagster as dg
from dagster_postgres import PostgresEventLogStorage

from btc_core.errors import DataError
from btc_store.backtest_rows import end_abandoned
from btc_store.frames import Frames, Value
from btc_store.outbox import prune_outbox
from btc_store.stream_changes import prune_stream
from resources.instance_storage import vacuum
from resources.timescale import Timescale

PRUNE_JOB = "prune"
# Runs of the sensor are looked at when something went wrong, and that is seen within two weeks, also after a holiday.
RUN_DAYS = 14
# Events that no run told are what the UI draws as history of an asset: a month of it.
EVENT_DAYS = 30
# What the outbox says is in the UI seconds later; a week of it is for whoever looks for a fault.
OUTBOX_DAYS = 7
# Who was away for longer than this reads anew what the live stream would have told.
STREAM_DAYS = 2
# The last migration of Dagster's tables, and those of them that shrink.
KNOWN_SCHEMA = "29b539ebc72a"  # pragma: allowlist secret
TABLES = ("runs", "run_tags", "event_logs", "asset_event_tags", "asset_check_executions", "job_ticks")
# A batch is a transaction: two seconds at most, and no lock that a run waits for.
BATCH = 500
# Behind whatever else waits in the queue, and never twice at once (dagster.yaml).
TAGS = {"dagster/priority": "-10", "btc/prune": "nightly"}


class PruneConfig(dg.Config):
    """How old things are when they are deleted, in days; a launch in the UI may say otherwise."""

    run_days: int = RUN_DAYS
    event_days: int = EVENT_DAYS
    outbox_days: int = OUTBOX_DAYS
    stream_days: int = STREAM_DAYS


def build_prune_job() -> dg.JobDefinition:
    """Return the job that deletes old runs and events."""

    @dg.op(description="Deletes old runs of sensors and schedules, and old events that no run told; then VACUUM.")
    def prune_history(
        context: dg.OpExecutionContext, config: PruneConfig, timescale: dg.ResourceParam[Timescale]
    ) -> None:
        now = datetime.now(UTC)
        check_schema(context.instance)
        with timescale.frames() as frames:
            deleted = {
                **prune_runs(frames, before=now - timedelta(days=config.run_days)),
                **prune_reported(frames, before=now - timedelta(days=config.event_days)),
                "outbox rows": prune_outbox(frames, before=now - timedelta(days=config.outbox_days)),
                "notes of the stream": prune_stream(frames, before=now - timedelta(days=config.stream_days)),
            }
            ended = end_abandoned(frames)
        vacuum(timescale.settings.database_url, TABLES)
        context.log.info("deleted: %s", ", ".join(f"{n} {name}" for name, n in deleted.items()))
        told = {f"{name} deleted": n for name, n in deleted.items()}
        context.add_output_metadata(told | {"backtests ended that were killed": ended})

    @dg.job(
        name=PRUNE_JOB,
        tags=TAGS,
        description="Keeps Dagster's own tables small: runs of sensors and schedules older than two weeks, and events "
        "without a run older than a month. The newest of every asset partition and check stays, and every run that a "
        "person started or tagged `keep`.",
    )
    def prune() -> None:
        prune_history()

    return prune


def check_schema(instance: dg.DagsterInstance) -> None:
    """Do nothing where Dagster's tables are as the statements know them.

    Raises:
        DataError: If they are of another version, or not in PostgreSQL.
    """
    storage = instance.event_log_storage
    found = storage.alembic_version() if isinstance(storage, PostgresEventLogStorage) else None
    if found is None or found[0] != KNOWN_SCHEMA:
        raise DataError(
            f"Dagster's tables have schema {found and found[0]}, expected {KNOWN_SCHEMA} in our database: nothing was "
            "deleted. Look whether btc_store/sql/prune_*.sql still hold for them, then change KNOWN_SCHEMA"
        )


def prune_runs(frames: Frames, *, before: datetime) -> dict[str, int]:
    """Delete what sensors and schedules started and what ended before an instant, with its events."""
    return _in_batches(frames, "prune_runs", before.timestamp())


def prune_reported(frames: Frames, *, before: datetime) -> dict[str, int]:
    """Delete what was reported without a run before an instant: check evaluations and events of assets."""
    return {**_in_batches(frames, "prune_checks", before), **_in_batches(frames, "prune_events", before)}


def _in_batches(frames: Frames, name: str, before: Value) -> dict[str, int]:
    """Run a statement on one batch after the other, each a transaction; return the sums of what it counts."""
    last_id: int | None = 0
    sums: dict[str, int] = {}
    while last_id is not None:
        with frames.transaction():
            (counted,) = frames.read(name, last_id, before, BATCH).iter_rows(named=True)
        last_id = counted.pop("last_id")
        for column, n in counted.items():
            sums[column] = sums.get(column, 0) + n
    return sums
