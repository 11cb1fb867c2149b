"""The tags by which a run is told what to derive."""

import json
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime

from btc_core.model.timerange import TimeRange, parse_time
from btc_core.partitions import month_key
from btc_core.pending import MAX_RANGES, coarsen

# Dagster's own names for a run over a range of partitions.
RANGE_START = "dagster/asset_partition_range_start"
RANGE_END = "dagster/asset_partition_range_end"
# Dagster's own name for the key of a request; a sensor finds the run that it asked for by it.
RUN_KEY_TAG = "dagster/run_key"
# The minutes that changed, by the labels of the intervals that share them; a person reads it in the list of runs:
# {"3m 5m 37m": "2025-01-01T00:00Z/2025-01-01T00:37Z …"}
TOUCHED = "btc/touched"

Touched = Mapping[str, Sequence[TimeRange]]


def partition_range_tags(symbol: str, months: Sequence[TimeRange], *, last_symbol: str | None = None) -> dict[str, str]:
    """Return the tags of a run over consecutive months of a symbol, or of all that are configured up to another one."""
    last = last_symbol or symbol
    return {RANGE_START: f"{month_key(months[0])}|{symbol}", RANGE_END: f"{month_key(months[-1])}|{last}"}


def touched_tag(touched: Touched) -> dict[str, str]:
    """Return the tag that names the minutes to derive from, by interval."""
    sharing: dict[str, list[str]] = {}
    for label, ranges in touched.items():
        text = " ".join(f"{_text(span.start)}/{_text(span.end)}" for span in coarsen(ranges, MAX_RANGES))
        sharing.setdefault(text, []).append(label)
    return {TOUCHED: json.dumps({" ".join(labels): text for text, labels in sharing.items()})}


def touched_of(tags: Mapping[str, str]) -> Touched | None:
    """Return the minutes that a run's tag names, or None where it has none: everything in its partitions."""
    if TOUCHED not in tags:
        return None
    texts: dict[str, str] = json.loads(tags[TOUCHED])
    return {label: [_span(part) for part in text.split()] for labels, text in texts.items() for label in labels.split()}


def _text(instant: datetime) -> str:
    """Return an instant in ISO 8601: minutes as minutes, and every digit of what is none."""
    text = instant.astimezone(UTC).replace(tzinfo=None).isoformat()
    return f"{text.removesuffix(':00') if text.count(':') == 2 else text}Z"


def _span(text: str) -> TimeRange:
    start, _, end = text.partition("/")
    return TimeRange(parse_time(start), parse_time(end))
