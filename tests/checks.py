"""What the tests of quality checks share: evidence from rows, and what a check says of it."""

import json
from collections.abc import Mapping
from datetime import UTC, datetime, timedelta

import polars as pl

from btc_core.check import Evidence, NamedCheck, load_check
from btc_core.model.interval import ONE_MINUTE, Interval
from btc_core.model.timerange import MINUTE, TimeRange
from btc_core.parameters import Number

START = datetime(2025, 2, 14, tzinfo=UTC)
DAY = TimeRange(START, START + timedelta(days=1))
TIMES = {"time": pl.Datetime("us", "UTC")}


def times(*numbers: int) -> pl.DataFrame:
    """Return minutes after the start as a frame of times."""
    return pl.DataFrame({"time": [START + n * MINUTE for n in numbers]}, schema=TIMES)


def named(name: str, **parameters: Number) -> NamedCheck:
    """Return a check with some parameters changed."""
    check = load_check(name)
    return NamedCheck(name, check.rule, {**check.parameters, **parameters})


def found(
    check: NamedCheck,
    frames: Mapping[str, pl.DataFrame],
    *,
    interval: Interval = ONE_MINUTE,
    within: TimeRange = DAY,
    now: datetime = DAY.end,
) -> list[tuple[int, int | None, str, dict[str, object]]]:
    """Return what a check finds: first minute, end, severity and what it tells, nulls left out."""
    evidence = Evidence(symbol="BTC", interval=interval, within=within, now=now, frames=frames)
    return [
        (
            (start - START) // MINUTE,
            None if end is None else (end - START) // MINUTE,
            severity,
            {name: value for name, value in json.loads(details).items() if value is not None},
        )
        for start, end, details, severity in check.find(evidence).iter_rows()
    ]
