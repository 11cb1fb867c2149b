"""``btc derive``: candles, indicators and decisions of a range, as one run of Dagster in this process."""

import logging
import time
from datetime import datetime

import dagster as dg

from btc_assets.commands.options import command, end_option, json_option, pass_settings, start_option, symbol_option
from btc_assets.commands.output import answer, progress
from btc_assets.definitions import DERIVE_JOB, build_definitions
from btc_core.errors import DataError, TimeError
from btc_core.model.timerange import TimeRange, format_time
from btc_core.partitions import months_of
from btc_store.frames import open_frames
from btc_store.settings import Settings
from resources.progress import Progress
from resources.run_launcher import process_tag
from sensors.requests import partition_range_tags, touched_tag

# Dagster's own log goes to its event log; the terminal belongs to the user.
_QUIET = {"loggers": {"console": {"config": {"log_level": "CRITICAL"}}}}


@command(example="btc derive --symbol BTC --start 2021-01-01 --end 2022-01-01")
@symbol_option
@start_option(required=True)
@end_option()
@json_option
@pass_settings
def COMMAND(settings: Settings, *, symbol: str, start: datetime, end: datetime | None, as_json: bool) -> None:  # noqa: N802  # the constant that cli.py looks for
    """Derive candles, indicators and decisions of a range through Dagster, in one run.

    What is derived and the same already is not touched; the run and its checks are in Dagster's UI.
    """
    asked = TimeRange(start, end or settings.now())
    _refuse_before_history(settings, asked)
    started = time.monotonic()
    result = derive(settings, symbol, asked)
    written = _rows_written(result)
    seconds = round(time.monotonic() - started, 3)
    report = {
        "symbol": symbol,
        "start": asked.start,
        "end": asked.end,
        "run_id": result.run_id,
        "rows_written": written,
        "seconds": seconds,
    }
    parts = ", ".join(f"{n:,} {group}" for group, n in written.items())
    answer(report, as_json=as_json, text=f"{symbol}: new or changed: {parts} ({seconds} s, run {result.run_id})")


def derive(settings: Settings, symbol: str, asked: TimeRange) -> dg.ExecuteInProcessResult:
    """Run Dagster's derive job over the candles that hold a minute of the range and belong to one of its months.

    Raises:
        DataError: If the run fails; the message is the run's own.
        DatabaseError: If the database is away or lacks our tables.
    """
    config = settings.config
    with open_frames(settings.database_url) as frames:
        frames.read("newest_minute_before", symbol, asked.end)
    months = months_of(asked)
    tags = {
        **partition_range_tags(symbol, months),
        **touched_tag({interval.label: [asked] for interval in config.derived_intervals}),
        # By it Dagster's monitoring sees when this process was killed.
        **process_tag(),
    }
    # Candles, gaps and indicators, and decisions and accounts of each strategy: once per month.
    n_steps = len(months) * (3 + 2 * len(config.strategies))
    logging.getLogger("dagster").setLevel(logging.CRITICAL)
    with (
        dg.DagsterInstance.from_config(str(settings.dagster_home)) as instance,
        progress(f"deriving {symbol}", total=n_steps) as advance,
    ):
        job = build_definitions(settings, Progress(advance)).resolve_job_def(DERIVE_JOB)
        result = job.execute_in_process(instance=instance, tags=tags, run_config=_QUIET, raise_on_error=False)
    if not result.success:
        raise DataError(_why(result))
    return result


def _refuse_before_history(settings: Settings, asked: TimeRange) -> None:
    first = settings.config.history_start_time
    if asked.start < first:
        raise TimeError(
            f"--start {format_time(asked.start)} lies before the first partition: expected {format_time(first)} or "
            "later; history_start in config.yaml moves it"
        )


def _rows_written(result: dg.ExecuteInProcessResult) -> dict[str, int]:
    """Return how many rows were new or changed, by group of assets."""
    written = {"candles": 0, "indicators": 0, "decisions": 0, "paper": 0}
    for event in result.get_asset_materialization_events():
        materialization = event.step_materialization_data.materialization
        # Accounts go to the present whatever months are asked for: one of these has the rows of all.
        if rows := materialization.metadata.get("rows written"):
            written[materialization.asset_key.path[0]] += int(str(rows.value))
    return written


def _why(result: dg.ExecuteInProcessResult) -> str:
    failed = [event for event in result.all_events if event.is_step_failure]
    error = failed[0].step_failure_data.error if failed else None
    while error is not None and error.cause is not None:
        error = error.cause
    reason = error.message.strip().splitlines()[0] if error else "Dagster does not say why"
    return f"the run {result.run_id} failed: {reason}. Nothing half done was stored; run it again"
