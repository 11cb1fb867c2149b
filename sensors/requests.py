"""The tags by which a run is told what to derive."""

import json
from collections.abc import Mapping, Sequence

from btc_core.model.timerange import TimeRange, parse_time
from btc_core.partitions import month_key
from btc_core.pending import MAX_RANGES, coarsen

# Dagster's own names for a run over a range of partitions.
RANGE_START = "dagster/asset_partition_range_start"
RANGE_END = "dagster/asset_partition_range_end"
# Dagster's own name for the key of a request; a sensor finds the run that it asked for by it.
RUN_KEY_TAG = "dagster/run_key"
# By interval label, the minutes that changed: {"37m": [["2025-01-01T00:00:00+00:00", …], …]}
TOUCHED = "btc/touched"

Touched = Mapping[str, Sequence[TimeRange]]


def partition_range_tags(symbol: str, months: Sequence[TimeRange], *, last_symbol: str | None = None) -> dict[str, str]:
    """Return the tags of a run over consecutive months of a symbol, or of all that are configured up to another one."""
    last = last_symbol or symbol
    return {RANGE_START: f"{month_key(months[0])}|{symbol}", RANGE_END: f"{month_key(months[-1])}|{last}"}


def touched_tag(touched: Touched) -> dict[str, str]:
    """Return the tag that names the minutes to derive from, by interval."""
    texts = {
        label: [[span.start.isoformat(), span.end.isoformat()] for span in coarsen(ranges, MAX_RANGES)]
        for label, ranges in touched.items()
    }
    return {TOUCHED: json.dumps(texts)}


def touched_of(tags: Mapping[str, str]) -> Touched | None:
    """Return the minutes that a run's tag names, or None where it has none: everything in its partitions."""
    if TOUCHED not in tags:
        return None
    texts: dict[str, list[list[str]]] = json.loads(tags[TOUCHED])
    return {
        label: [TimeRange(parse_time(start), parse_time(end)) for start, end in ranges]
        for label, ranges in texts.items()
    }
