"""From a candle's last minute in the table to its decision in the table, and until Dagster's web server shows it.

By sensor and run alone, and with the live lane and the sensor that tells Dagster of its work. A run makes its checks.
"""

import random
import statistics
import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from pathlib import Path

import polars as pl

from benchmarks.databases import another_database, connection, derive_settled, store_arrived, store_settled
from benchmarks.figure import Figure
from benchmarks.market import SYMBOL, YEAR
from benchmarks.stage import Stage, open_stage
from btc_core.model.clock import ClockScale
from btc_core.model.interval import parse_interval
from btc_core.model.timerange import TimeRange
from btc_core.partitions import month_key, month_of

N_CANDLES = 20
# Fills the averages of 44 days. A whole number of both 37m and days after the year's start.
HISTORY = timedelta(days=74)
INTERVAL = parse_interval("37m")
LENGTH = timedelta(minutes=37)
STRATEGY = "ma44"
# A candle of market time in so many real seconds: more than a run takes.
CANDLE_SECONDS = 12.0
# Until everything runs and has seen the history.
SETUP_SECONDS = 45.0
# Dagster looks at its sensors every five seconds: a candle comes at any moment between two looks.
SENSOR_LOOP_SECONDS = 5.0
TIMEOUT_SECONDS = 120
# How often the benchmark looks; far below what it measures.
LOOK_SECONDS, PAGE_LOOK_SECONDS = 0.02, 0.2
# What there is to reach, and what Dagster's default settings gave on a prototype of four assets: median and largest.
DECISION_AIMS, DEFAULTS = {"p50": 6.0, "p95": 10.0}, {"p50": 20.9, "p95": 32.5}
SHOWN_AIM = 15.0

_DECIDED = """
SELECT 1 FROM decisions
WHERE symbol = %s AND interval = %s AND strategy = %s AND backtest_id IS NULL AND time = %s"""


@dataclass(frozen=True)
class Waited:
    """Seconds from a candle's last row to its decision, and to the web server's word of it."""

    decided: float
    shown: float


def measure(url: str, file: Path, folder: Path) -> Iterator[Figure]:
    """Measure both lanes, each on a database of its own."""
    year = pl.read_parquet(file)
    for lane, what in (("sensor", "sensor and run"), ("live", "live lane and outbox sensor")):
        waited = _lane(another_database(url, f"by_{lane}"), folder / lane, year, has_live=lane == "live")
        unit = f"s, {len(waited)} candles of 37m, {what}"
        if lane == "sensor":
            decided = [each.decided for each in waited]
            for name, aim in DECISION_AIMS.items():
                value = quantile(decided, name)
                beside = {"aim": aim, "ratio": round(value / aim, 2)}
                defaults = {"peer": "Dagster's defaults", "seconds": DEFAULTS[name]}
                yield Figure(
                    name=f"close_to_decision_{name}", value=round(value, 2), unit=unit, beside={**beside, **defaults}
                )
        for name in DECISION_AIMS:
            value = quantile([each.shown for each in waited], name)
            yield Figure(
                name=f"close_to_page_{lane}_{name}",
                value=round(value, 2),
                unit=unit + ", until the web server shows the materialisation",
                beside={"aim": SHOWN_AIM, "ratio": round(value / SHOWN_AIM, 2)},
            )


def quantile(values: Sequence[float], name: str) -> float:
    """Return ``p50`` or ``p95`` of values: the median, or the value that 95 % do not exceed."""
    ascending = sorted(values)
    return statistics.median(ascending) if name == "p50" else ascending[-(-95 * len(ascending) // 100) - 1]


def _lane(url: str, folder: Path, year: pl.DataFrame, *, has_live: bool) -> list[Waited]:
    start = INTERVAL.floor(YEAR.start + HISTORY)
    history = TimeRange(YEAR.start, start)
    store_settled(url, year, history)
    derive_settled(url, history)
    clock = ClockScale(start.timestamp(), time.time() + SETUP_SECONDS, LENGTH.total_seconds() / CANDLE_SECONDS)
    with open_stage(folder, url, clock) as stage:
        if has_live:
            stage.start("live")
        stage.start_dagster()
        stage.wait("a run over the history", stage.has_run, seconds=TIMEOUT_SECONDS)
        dice = random.Random(1)
        opens = [start + n * LENGTH for n in range(N_CANDLES + 1)]
        # The first one meets what was still to do of the history.
        return [_one(stage, clock, time_, dice.uniform(0, SENSOR_LOOP_SECONDS)) for time_ in opens][1:]


def _one(stage: Stage, clock: ClockScale, time_: datetime, delay: float) -> Waited:
    """Write a candle's minutes some time after its close and look what becomes of them."""
    close = time_ + LENGTH
    due = clock.real + (close.timestamp() - clock.sim) / clock.rate
    time.sleep(max(0.0, due - time.time()) + delay)
    store_arrived(stage.url, TimeRange(time_, close))
    written = time.time()
    with connection(stage.url) as opened, opened.cursor() as cursor:

        def is_decided() -> bool:
            cursor.execute(_DECIDED, (SYMBOL, INTERVAL.label, STRATEGY, time_))
            return cursor.fetchone() is not None

        stage.wait(f"a decision on {time_}", is_decided, seconds=TIMEOUT_SECONDS, look=LOOK_SECONDS)
    decided = time.time() - written
    partition = f"{month_key(month_of(close))}|{SYMBOL}"

    def is_shown() -> bool:
        return stage.is_shown(f"decisions/{STRATEGY}", partition, after=written)

    stage.wait(f"the page's word of {time_}", is_shown, seconds=TIMEOUT_SECONDS, look=PAGE_LOOK_SECONDS)
    return Waited(decided, time.time() - written)
