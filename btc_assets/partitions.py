"""Dagster's partitions, month × symbol, and the work that a run is asked to do in them.

Nothing here knows how anything is derived; ``btc_core.partitions`` says which month owns a candle.
"""

import time
from collections.abc import Iterator

import dagster as dg

from btc_core.config import Config
from btc_core.model.timerange import parse_time
from btc_core.partitions import MONTH_KEY, Partition, month_range
from resources.progress import Progress
from sensors.requests import touched_of

MONTH, SYMBOL = "month", "symbol"
# A line in the run's log is an event that Dagster keeps: a backfill of years tells how far it is no more often.
LOG_SECONDS = 5.0


def build_partitions(config: Config) -> dg.MultiPartitionsDefinition:
    """Return the partitions: every month from ``history_start`` to the present one, for every symbol."""
    months = dg.MonthlyPartitionsDefinition(start_date=config.history_start_time.strftime(MONTH_KEY), end_offset=1)
    return dg.MultiPartitionsDefinition({MONTH: months, SYMBOL: dg.StaticPartitionsDefinition(list(config.symbols))})


def partitions_of(
    context: dg.AssetExecutionContext | dg.AssetCheckExecutionContext, progress: Progress
) -> Iterator[Partition]:
    """Yield the partitions of a run in order of time; say when each is done with, now and then in the run's log too."""
    touched = touched_of(context.run.tags)
    # Dagster promises no order; a key begins with its month.
    keys, told = sorted(context.partition_keys), time.monotonic()
    for n, key in enumerate(keys, start=1):
        dimensions = key.keys_by_dimension if isinstance(key, dg.MultiPartitionKey) else {}
        month = month_range(parse_time(dimensions[MONTH]))
        yield Partition(key, dimensions[SYMBOL], month, touched)
        progress.advance(1)
        if len(keys) > 1 and (n == len(keys) or time.monotonic() - told >= LOG_SECONDS):
            context.log.info("%d of %d partitions are done, the last is %s", n, len(keys), key)
            told = time.monotonic()
