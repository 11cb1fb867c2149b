"""Dagster's partitions, month × symbol, and the work that a run is asked to do in them.

Nothing here knows how anything is derived; ``btc_core.partitions`` says which month owns a candle.
"""

import time
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime

import dagster as dg

from btc_core.config import Config
from btc_core.model.interval import Interval
from btc_core.model.timerange import TimeRange, merge_ranges, parse_time
from btc_core.partitions import MONTH_KEY, candles_closed_in, month_range
from resources.progress import Progress
from sensors.requests import touched_of

MONTH, SYMBOL = "month", "symbol"
# A line in the run's log is an event that Dagster keeps: a backfill of years tells how far it is no more often.
LOG_SECONDS = 5.0


def build_partitions(config: Config) -> dg.MultiPartitionsDefinition:
    """Return the partitions: every month from ``history_start`` to the present one, for every symbol."""
    months = dg.MonthlyPartitionsDefinition(start_date=config.history_start_time.strftime(MONTH_KEY), end_offset=1)
    return dg.MultiPartitionsDefinition({MONTH: months, SYMBOL: dg.StaticPartitionsDefinition(list(config.symbols))})


@dataclass(frozen=True)
class Partition:
    """One month of one symbol, as a run sees it.

    Attributes:
        key: Dagster's name of the partition.
        touched: By interval label, the minutes that changed; None where all of the month is asked for.
    """

    key: str
    symbol: str
    month: TimeRange
    touched: Mapping[str, Sequence[TimeRange]] | None

    def spans(self, interval: Interval, *, now: datetime) -> list[TimeRange]:
        """Return the open times of the candles to derive: owned by the month, closed by now, and touched."""
        end = min(self.month.end, now)
        owned = candles_closed_in(TimeRange(self.month.start, end), interval) if end > self.month.start else None
        if owned is None or self.touched is None:
            return [owned] if owned else []
        changed = self.touched.get(interval.label, ())
        return merge_ranges([part for minutes in changed if (part := interval.cover(minutes).clip(owned))])


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
