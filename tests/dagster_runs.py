"""What the tests of assets and sensors share: definitions over a test's database, and runs in this process."""

import warnings
from collections.abc import Mapping, Sequence
from datetime import datetime, timedelta

import dagster as dg

from btc_assets.definitions import DERIVE_JOB, build_definitions
from btc_core.model.timerange import TimeRange
from btc_core.partitions import months_of
from btc_store.settings import Settings
from sensors.requests import partition_range_tags, touched_tag

QUIET = {"loggers": {"console": {"config": {"log_level": "CRITICAL"}}}}


def definitions(settings: Settings) -> dg.Definitions:
    """Return our definitions; what Dagster warns of is known (beta parameters, pinned version)."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        return build_definitions(settings)


def run_derive(
    settings: Settings,
    instance: dg.DagsterInstance,
    months: TimeRange,
    *,
    symbol: str = "BTC",
    touched: Mapping[str, Sequence[TimeRange]] | None = None,
) -> dg.ExecuteInProcessResult:
    """Run the derive job over the months of a range, everything in them or what is touched."""
    tags = {**partition_range_tags(symbol, months_of(months)), **(touched_tag(touched) if touched else {})}
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        job = definitions(settings).resolve_job_def(DERIVE_JOB)
        return job.execute_in_process(instance=instance, tags=tags, run_config=QUIET, raise_on_error=False)


def run_asset(
    settings: Settings, instance: dg.DagsterInstance, key: Sequence[str], months: TimeRange
) -> dg.ExecuteInProcessResult:
    """Materialise one asset over the months of a range, as a launch in the UI does."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        job = definitions(settings).resolve_implicit_global_asset_job_def()
        return job.execute_in_process(
            instance=instance,
            tags=partition_range_tags("BTC", months_of(months)),
            asset_selection=[dg.AssetKey(key)],
            run_config=QUIET,
            raise_on_error=False,
        )


def days(start: datetime, n: int) -> TimeRange:
    """Return so many days from a start."""
    return TimeRange(start, start + timedelta(days=n))
