"""Holes in the past, filled from another source: what is missing, who knows the minutes beside it, how far they differ.

Asking the source is for others (``resources``); here its pages are stored as imports are, and compared.
"""

from bisect import bisect_right
from collections import Counter
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from statistics import median

import msgspec
import polars as pl

from btc_core.history import Page
from btc_core.model.candle import Candle
from btc_core.model.timerange import MINUTE, TimeRange, merge_ranges
from btc_store.frames import Frames
from btc_store.imports import import_rows

# Both sources are asked for so much on either side of a hole, to compare them.
OVERLAP = timedelta(days=1)
# Two exchanges' prices of one instrument differ by a few hundredths of a percent; more than this is another instrument.
FAR_APART = 0.005

_ROW_SCHEMA = pl.Schema(
    {"time": pl.Datetime("us", "UTC"), "symbol": pl.String}
    | dict.fromkeys(("open", "high", "low", "close", "volume"), pl.Float64)
    | {"trades": pl.Int32}
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Overlap:
    """How far the closes of two sources are apart where both have minutes; differences are fractions of the stored one.

    Attributes:
        start, end: The first compared minute, and the end of the last.
        stored: What was compared with: the ``source`` of the stored minutes.
        n_compared: Minutes that both have.
        n_differ: Minutes whose closes are not the same.
        max_difference, median_difference: Relative, without sign.
    """

    start: datetime
    end: datetime
    stored: list[str]
    n_compared: int
    n_differ: int
    max_difference: float
    median_difference: float


@dataclass(slots=True)
class Filled:
    """What became of the missing minutes.

    Attributes:
        n_stored: Minutes that are stored now.
        refused: Rows that were not stored, by reason.
        overlap: None where the sources have no minute in common.
    """

    n_stored: int = 0
    refused: Counter[str] = field(default_factory=Counter)
    overlap: Overlap | None = None


@dataclass(frozen=True, slots=True)
class Stretch:
    """What is asked at once: holes near each other, and the minutes of other sources beside them.

    Attributes:
        span: What is asked for.
        missing: The holes, ascending.
        others: ``time, close, source`` of stored minutes in the span.
    """

    span: TimeRange
    missing: list[TimeRange]
    others: pl.DataFrame


def missing_ranges(frames: Frames, symbol: str, span: TimeRange) -> list[TimeRange]:
    """Return the minutes of a range that are not stored and not known to be without trades, as ascending ranges."""
    with frames.transaction():
        return [TimeRange(*row) for row in frames.read("missing_ranges", symbol, span.start, span.end).iter_rows()]


def imports_of_others(frames: Frames, symbol: str, span: TimeRange, name: str) -> list[tuple[str, TimeRange]]:
    """Return which imports but ``import:<name>`` lie in a range, each with its extent there."""
    with frames.transaction():
        rows = frames.read("imports_of_others", symbol, span.start, span.end, f"import:{name}").iter_rows()
    return [(source, TimeRange(first, last + MINUTE)) for source, first, last in rows]


def plan_stretches(frames: Frames, symbol: str, missing: Sequence[TimeRange], name: str) -> list[Stretch]:
    """Return what to ask a source for: the holes, and up to a day on either side where others have minutes."""
    stretches: list[Stretch] = []
    for wide in merge_ranges([TimeRange(hole.start - OVERLAP, hole.end + OVERLAP) for hole in missing]):
        with frames.transaction():
            others = frames.read("closes_of_others", symbol, wide.start, wide.end, f"import:{name}")
        holes = [hole for hole in missing if hole.overlaps(wide)]
        known = [TimeRange(others["time"][0], others["time"][-1] + MINUTE)] if others.height else []
        ends = [*holes, *known]
        span = TimeRange(min(one.start for one in ends), max(one.end for one in ends))
        stretches.append(Stretch(span, holes, others))
    return stretches


def fill(
    frames: Frames,
    symbol: str,
    stretches: Sequence[Stretch],
    name: str,
    *,
    pages: Callable[[TimeRange], Iterable[Page]],
    advance: Callable[[float], None],
) -> Filled:
    """Store what a source has of the missing minutes, page by page, and compare it with others' minutes beside them.

    What is stored stays when a later page fails.

    Args:
        frames: The database.
        symbol: Whose candles.
        stretches: From ``plan_stretches``.
        name: What the source is called: its rows get ``import:<name>``.
        pages: Asks the source for a range.
        advance: Told the number of minutes that a page was about.
    """
    filled = Filled()
    pairs: list[pl.DataFrame] = []
    for stretch in stretches:
        for page in pages(stretch.span):
            rows = _frame(_inside(page.candles, stretch.missing))
            if rows.height:
                report = import_rows(frames, symbol, rows, name)
                filled.n_stored += report.new
                # Whoever stored a minute since we looked was the exchange itself.
                filled.refused.update(report.refused)
            filled.refused.update(page.refused)
            if stretch.others.height:
                theirs = _frame(page.candles).select("time", "close")
                pairs.append(theirs.join(stretch.others, on="time", suffix="_stored"))
            advance(page.span.n_minutes)
    filled.overlap = compare_closes(pl.concat(pairs)) if pairs else None
    if filled.overlap is not None:
        record_overlap(frames, symbol, filled.overlap, name)
    return filled


def compare_closes(pairs: pl.DataFrame) -> Overlap | None:
    """Return how far two sources are apart, None where they have nothing in common.

    Args:
        pairs: ``time, close, close_stored, source`` of the minutes that both have; ``source`` is that of the stored.
    """
    if not pairs.height:
        return None
    times: list[datetime] = pairs["time"].to_list()
    differences: list[float] = (pairs["close"] / pairs["close_stored"] - 1).abs().to_list()
    return Overlap(
        start=min(times),
        end=max(times) + MINUTE,
        stored=pairs["source"].unique().sort().to_list(),
        n_compared=len(times),
        n_differ=int((pairs["close"] != pairs["close_stored"]).sum()),
        max_difference=max(differences),
        median_difference=median(differences),
    )


def record_overlap(frames: Frames, symbol: str, overlap: Overlap, name: str) -> None:
    """Keep a comparison as a finding: a warning where the sources are far apart, else a note that is closed already."""
    severity = "warning" if overlap.median_difference > FAR_APART else "info"
    details = msgspec.json.encode({"source": f"import:{name}", **msgspec.to_builtins(overlap)}).decode()
    with frames.transaction():
        frames.run("insert_mismatch", symbol, severity, overlap.start, overlap.end, details)


def _inside(candles: Sequence[Candle], holes: Sequence[TimeRange]) -> list[Candle]:
    """Return the candles that open in one of ascending ranges."""
    starts = [hole.start for hole in holes]
    places = [bisect_right(starts, candle.time) - 1 for candle in candles]
    return [one for one, i in zip(candles, places, strict=True) if i >= 0 and one.time in holes[i]]


def _frame(candles: Sequence[Candle]) -> pl.DataFrame:
    rows = [tuple(getattr(candle, name) for name in _ROW_SCHEMA) for candle in candles]
    return pl.DataFrame(rows, schema=_ROW_SCHEMA, orient="row")
