"""Instants and half-open time ranges, all in UTC."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta

from btc_core.errors import TimeError

EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
MINUTE = timedelta(minutes=1)


@dataclass(frozen=True, slots=True, order=True)
class TimeRange:
    """The instants ``start <= t < end``. Never empty, both ends aware and UTC.

    Raises:
        TimeError: If an end is naive, or ``start`` is not before ``end``.
    """

    start: datetime
    end: datetime

    def __post_init__(self) -> None:
        if self.start.utcoffset() is None or self.end.utcoffset() is None:
            raise TimeError("expected times with a UTC offset, found a naive one")
        if self.start >= self.end:
            found = "is empty" if self.start == self.end else "is reversed"
            raise TimeError(
                f"the range {format_time(self.start)} to {format_time(self.end)} {found}: "
                "the start must lie before the end"
            )

    def __contains__(self, instant: datetime) -> bool:
        return self.start <= instant < self.end

    @property
    def n_minutes(self) -> int:
        """Whole minutes between the ends."""
        return (self.end - self.start) // MINUTE

    def overlaps(self, other: "TimeRange") -> bool:
        """Return whether an instant lies in both ranges."""
        return self.start < other.end and other.start < self.end

    def clip(self, other: "TimeRange") -> "TimeRange | None":
        """Return the part that lies in ``other`` too, or None."""
        start, end = max(self.start, other.start), min(self.end, other.end)
        return TimeRange(start, end) if start < end else None


def merge_ranges(ranges: "list[TimeRange]") -> "list[TimeRange]":
    """Return the same instants as few ascending ranges: overlapping and adjacent ones become one."""
    merged: list[TimeRange] = []
    for item in sorted(ranges):
        if merged and item.start <= merged[-1].end:
            merged[-1] = TimeRange(merged[-1].start, max(merged[-1].end, item.end))
        else:
            merged.append(item)
    return merged


def subtract_ranges(ranges: Sequence[TimeRange], taken: Sequence[TimeRange]) -> list[TimeRange]:
    """Return the parts of ascending, disjoint ranges that lie in none of the taken ones; those may come unordered."""
    left = list(ranges)
    for hole in merge_ranges(list(taken)):
        parts: list[TimeRange] = []
        for item in left:
            if not item.overlaps(hole):
                parts.append(item)
                continue
            if item.start < hole.start:
                parts.append(TimeRange(item.start, hole.start))
            if hole.end < item.end:
                parts.append(TimeRange(hole.end, item.end))
        left = parts
    return left


def parse_time(text: str) -> datetime:
    """Return the instant that an ISO 8601 text names; UTC where no offset is given, a date is its midnight.

    Raises:
        TimeError: If the text is no ISO 8601 date or time.
    """
    try:
        parsed = datetime.fromisoformat(text.strip())
        return parsed.replace(tzinfo=UTC) if parsed.utcoffset() is None else parsed.astimezone(UTC)
    except (ValueError, OverflowError):
        raise TimeError(f"{text!r} is no time: expected ISO 8601, such as 2025-01-31 or 2025-01-31T12:00Z") from None


def format_time(instant: datetime) -> str:
    """Return the instant as people read it: ``2025-01-31 12:00`` and ``Z``; seconds only where there are some."""
    utc = instant.astimezone(UTC)
    pattern = "%Y-%m-%d %H:%MZ" if not (utc.second or utc.microsecond) else "%Y-%m-%d %H:%M:%SZ"
    return utc.strftime(pattern)


def from_ms(milliseconds: int) -> datetime:
    """Return the instant that many milliseconds after 1970, exactly."""
    return EPOCH + timedelta(milliseconds=milliseconds)


def to_ms(instant: datetime) -> int:
    """Return whole milliseconds since 1970."""
    return (instant - EPOCH) // timedelta(milliseconds=1)


def floor_minute(instant: datetime) -> datetime:
    """Return the start of the minute that holds the instant."""
    return EPOCH + (instant - EPOCH) // MINUTE * MINUTE
