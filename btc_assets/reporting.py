"""What every materialisation says of itself: rows, range, seconds."""

import time
from collections.abc import Mapping, Sequence
from typing import Any

import dagster as dg

from btc_assets.partitions import Partition
from btc_core.model.timerange import TimeRange, format_time
from btc_store.derive import Written


def describe(
    context: dg.AssetExecutionContext,
    *,
    key: dg.AssetKey,
    partition: Partition,
    spans: Sequence[TimeRange],
    written: Written | None,
    started: float,
    extra: Mapping[str, Any] | None = None,
) -> None:
    """Attach metadata to one partition of an asset.

    Args:
        context: The run's context.
        key: The asset.
        partition: The partition that was worked on.
        spans: Open times of the candles that were derived.
        written: How many rows were computed and written; None where there was nothing to do.
        started: ``time.monotonic()`` before the work.
        extra: Further metadata, a picture for instance.
    """
    done = written or Written()
    found = {
        "rows derived": done.n_rows,
        "rows written": done.n_written,
        "range": " · ".join(f"{format_time(span.start)} to {format_time(span.end)}" for span in spans[:5]) or "nothing",
        "ranges": len(spans),
        "seconds": round(time.monotonic() - started, 3),
    }
    context.add_asset_metadata(metadata={**found, **(extra or {})}, asset_key=key, partition_key=partition.key)
