"""Stored minutes for whoever simulates: from the lake the months that it has as the database has them, else from there.

Whether a month is the same is asked of the database: as many rows, as many of them confirmed, as many from the
exchange, as many revisions, the same newest write. Revisions only grow, so what is the same in all of these is the same
to the bit.
"""

import logging
from collections.abc import Sequence

import polars as pl

from btc_core.errors import LakeError
from btc_core.model.interval import ONE_MINUTE
from btc_core.model.timerange import TimeRange
from btc_core.partitions import months_of
from btc_core.resample import CANDLE_SCHEMA
from btc_store.frames import Frames, read_candles
from btc_store.lake import Lake, Manifest, folder_of
from btc_store.lake_tables import CANDLES, MONTH, UNSETTLED

logger = logging.getLogger(__name__)


def read_minutes(frames: Frames, symbol: str, span: TimeRange, lake: Lake | None) -> pl.DataFrame:
    """Return the stored minutes that open in a range, ascending, in ``CANDLE_SCHEMA``.

    Args:
        frames: The database.
        symbol: Whose.
        span: Of open times.
        lake: Where closed months may be; None: all comes from the database.
    """
    archived = _archived(frames, symbol, span, lake) if lake is not None else {}
    parts: list[pl.DataFrame] = []
    done = span.start
    for month in months_of(span):
        rows = _rows(lake, archived[month]) if lake is not None and month in archived else None
        if rows is None:
            continue
        if done < month.start:
            parts.append(read_candles(frames, symbol, ONE_MINUTE, TimeRange(done, month.start)))
        wanted = pl.col("time").is_between(span.start, span.end, closed="left")
        is_cut = month.start < span.start or span.end < month.end
        parts.append(rows.filter(wanted) if is_cut else rows)
        done = min(month.end, span.end)
    if done < span.end:
        parts.append(read_candles(frames, symbol, ONE_MINUTE, TimeRange(done, span.end)))
    return parts[0] if len(parts) == 1 else pl.concat(parts, rechunk=True)


def _archived(frames: Frames, symbol: str, span: TimeRange, lake: Lake) -> dict[TimeRange, Manifest]:
    """Return the months of a range that the lake has as the database has them now."""
    known = _known(symbol, months_of(span), lake)
    if not known:
        return {}
    rows = frames.read("archived_candles", symbol, min(month.start for month in known), max(m.end for m in known))
    digests: dict[str, str] = dict(rows.select("month", "digest").iter_rows())
    return {
        month: manifest
        for month, manifests in known.items()
        for manifest in manifests
        if manifest.digest == digests.get(month.start.strftime(MONTH))
    }


def _known(symbol: str, months: Sequence[TimeRange], lake: Lake) -> dict[TimeRange, list[Manifest]]:
    """Return what the lake has of some months, settled or not."""
    folders = {
        folder_of(kind.name, {"symbol": symbol, "month": month.start.strftime(MONTH)}): month
        for kind in (UNSETTLED, CANDLES)
        for month in months
    }
    known: dict[TimeRange, list[Manifest]] = {}
    try:
        for month, manifest in zip(folders.values(), lake.find(list(folders)), strict=True):
            if manifest is not None:
                known.setdefault(month, []).append(manifest)
    except LakeError as error:
        logger.warning("lake is not used", extra={"reason": str(error)})
        return {}
    return known


def _rows(lake: Lake, manifest: Manifest) -> pl.DataFrame | None:
    """Return a month's minutes, None where its file is not as it should be: the database has them too."""
    try:
        parts = list(lake.rows(manifest, "candles", columns=CANDLE_SCHEMA.names()))
        return pl.concat(parts).select(CANDLE_SCHEMA.names()).cast(CANDLE_SCHEMA)  # pyright: ignore[reportArgumentType]
    except (LakeError, pl.exceptions.PolarsError) as error:
        logger.warning("lake is not used", extra={"reason": str(error)})
        return None
