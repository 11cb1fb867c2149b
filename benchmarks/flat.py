"""One closed candle with a month of history and with eight years: what it costs must not hang on what is stored.

Law 11. The same minutes come into two databases, turn about; the sensor looks, and what it asks for is run: every
interval, indicators, decisions and checks. Then the same by a look of the live lane.
"""

import statistics
import time
import warnings
from collections import Counter
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from operator import attrgetter
from pathlib import Path
from typing import Any

import dagster as dg
import msgspec
import polars as pl

from benchmarks.databases import another_database, derive_settled, store_arrived, store_settled
from benchmarks.figure import Figure
from btc_assets.definitions import DERIVE_JOB, build_definitions
from btc_core.model.clock import ClockScale
from btc_core.model.interval import parse_interval
from btc_core.model.timerange import TimeRange
from btc_store.frames import Frames, open_frames
from btc_store.settings import Settings, load_settings
from live.plan import plan_of
from live.work import look
from resources.timescale import Timescale
from sensors.pending import Cursor

# Both histories end here, in the middle of a month; the longer one begins after the `history_start` of config.yaml.
END = datetime(2025, 1, 10, tzinfo=UTC)
HISTORIES = {"month": timedelta(days=31), "years": timedelta(days=8 * 365)}
# Of each day the candle that is open at midnight is measured: the day and most other intervals close with it.
N_DAYS = 12
INTERVAL = parse_interval("37m")
LENGTH = timedelta(minutes=37)
LIMIT_RATIO = 1.2
# So many statements are told that cost most for the longer history.
N_TOLD = 3

_QUIET = {"loggers": {"console": {"config": {"log_level": "CRITICAL"}}}}
_FRAMES_METHODS = ("read", "run", "put")


@dataclass(frozen=True)
class Cost:
    """What one candle took, in milliseconds: all of it, and by statement."""

    whole: float
    statements: Mapping[str, float]

    @property
    def in_database(self) -> float:
        """All statements together."""
        return sum(self.statements.values())


@dataclass
class House:
    """A database with so much history, and Dagster's side of it.

    Attributes:
        settings: Of the processes on it.
        instance: Dagster's, in memory: its own tables do not hang on the history of ours.
        cursor: What the sensor remembers.
    """

    settings: Settings
    instance: dg.DagsterInstance
    cursor: str = msgspec.json.encode(Cursor(through=END)).decode()


# Works on what has arrived in a house.
Way = Callable[[House, Settings], Cost]


def measure(url: str, file: Path) -> Iterator[Figure]:
    """Measure on two new databases of a server."""
    warnings.simplefilter("ignore")
    year = pl.read_parquet(file)
    with dg.DagsterInstance.ephemeral() as one, dg.DagsterInstance.ephemeral() as other:
        houses = {name: _furnish(url, name, year, it) for name, it in zip(HISTORIES, (one, other), strict=True)}
        midnights = [END + timedelta(days=n) for n in range(1, 2 * N_DAYS + 1)]
        yield from _figures("sensor_and_run", _play(houses, midnights[:N_DAYS], by_sensor))
        yield from _figures("live_look", _play(houses, midnights[N_DAYS:], by_lane))


def by_sensor(house: House, settings: Settings) -> Cost:
    """Let the sensor look, and run what it asks for.

    Raises:
        RuntimeError: If it asks for nothing, or the run fails.
    """
    definitions = build_definitions(settings)
    sensor, job = definitions.get_sensor_def("new_candles"), definitions.resolve_job_def(DERIVE_JOB)
    resources = {"timescale": Timescale(settings)}
    context = dg.build_sensor_context(cursor=house.cursor, instance=house.instance, resources=resources)
    with context, timed_statements() as counted:
        started = time.perf_counter()
        data = sensor.evaluate_tick(context)
        for asked in data.run_requests or ():
            checks = set(asked.asset_check_keys or ())
            chosen = job.get_subset(asset_selection=set(asked.asset_selection or ()), asset_check_selection=checks)
            tags = {**asked.tags, "dagster/run_key": str(asked.run_key)}
            chosen.execute_in_process(instance=house.instance, tags=tags, run_config=_QUIET)
        whole = 1e3 * (time.perf_counter() - started)
    if not data.run_requests:
        raise RuntimeError(f"the sensor asked for nothing at {settings.now()}: {data.skip_message}")
    house.cursor = data.cursor or house.cursor
    return Cost(whole, dict(counted))


def by_lane(_house: House, settings: Settings) -> Cost:
    """Let the live lane look until nothing is due."""
    plan = plan_of(settings.config)
    with open_frames(settings.database_url) as frames, timed_statements() as counted:
        started = time.perf_counter()
        while look(frames, plan, now=settings.now()):
            pass
        return Cost(1e3 * (time.perf_counter() - started), dict(counted))


@contextmanager
def timed_statements() -> Iterator[Counter[str]]:
    """Count the milliseconds of every statement that frames execute for the time of a ``with`` block, by name."""
    counted: Counter[str] = Counter()
    known = {name: getattr(Frames, name) for name in _FRAMES_METHODS}
    for name, method in known.items():
        setattr(Frames, name, _timed(method, counted))
    try:
        yield counted
    finally:
        for name, method in known.items():
            setattr(Frames, name, method)


def _timed(method: Callable[..., Any], counted: Counter[str]) -> Callable[..., Any]:
    def timed(frames: Frames, name: str, *values: Any, **more: Any) -> Any:
        started = time.perf_counter()
        try:
            return method(frames, name, *values, **more)
        finally:
            counted[name] += 1e3 * (time.perf_counter() - started)  # pyright: ignore[reportArgumentType]

    return timed


def _furnish(url: str, name: str, year: pl.DataFrame, instance: dg.DagsterInstance) -> House:
    """Create a database with a history in which everything is derived."""
    address = another_database(url, f"flat_{name}")
    history = TimeRange(END - HISTORIES[name], END)
    store_settled(address, year, history)
    derive_settled(address, history)
    return House(load_settings({"DATABASE_URL": address}), instance)


def _play(houses: Mapping[str, House], midnights: Sequence[datetime], way: Way) -> dict[str, list[Cost]]:
    """Bring in the minutes up to the candle that is open at midnight; then it alone, which is measured."""
    costs: dict[str, list[Cost]] = {name: [] for name in houses}
    before = midnights[0] - timedelta(days=1)
    for midnight in midnights:
        last = INTERVAL.floor(midnight)
        for span in (TimeRange(before, last), TimeRange(last, last + LENGTH)):
            for name, house in houses.items():
                address = house.settings.database_url
                store_arrived(address, span)
                # The clock hardly moves: it shows the instant at which the candle is due.
                clock = ClockScale(span.end.timestamp() + 3, time.time(), 1e-9)
                cost = way(house, replace(house.settings, clock=clock))
                if span.start == last:
                    costs[name].append(cost)
        before = last + LENGTH
    return costs


def _figures(name: str, costs: Mapping[str, Sequence[Cost]]) -> Iterator[Figure]:
    parts = {"whole": attrgetter("whole"), "statements": attrgetter("in_database")}
    for part, of in parts.items():
        month, years = (statistics.median(map(of, costs[history])) for history in HISTORIES)
        beside = {"peer": "a month of history", "ms": round(month, 1), "ratio": round(years / month, 3)}
        if part == "statements":
            beside["dearer_ms"] = _dearer(costs)
        yield Figure(
            name=f"flat_{name}_{part}",
            value=round(years, 1),
            unit=f"ms, median of {len(costs['years'])} candles at midnight with 8 years of minutes",
            beside={**beside, "limit": LIMIT_RATIO},
        )


def _dearer(costs: Mapping[str, Sequence[Cost]]) -> dict[str, float]:
    """Return by how many milliseconds which statements cost more with the longer history, the worst first."""
    month, years = (_by_statement(costs[history]) for history in HISTORIES)
    more = sorted(((ms - month.get(name, 0.0), name) for name, ms in years.items()), reverse=True)
    return {name: round(ms, 1) for ms, name in more[:N_TOLD]}


def _by_statement(costs: Sequence[Cost]) -> dict[str, float]:
    names = {name for cost in costs for name in cost.statements}
    return {name: statistics.median(cost.statements.get(name, 0.0) for cost in costs) for name in names}
