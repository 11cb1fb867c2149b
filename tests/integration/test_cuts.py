"""Law 5 over the whole chain: a real month comes in pieces, is corrected, and is worked on by lanes that die.

The minutes are those of April 2021 with its outages, its neighbours, and the 70 minutes that the exchange restated: the
earlier print comes first. Each step is drawn from a seed: which minutes arrive or are said to be without trades, who
looks at them, in which order, and at which of its writes the server ends its connection. What the tables say in the end
is what one pass says.
"""

import asyncio
import dataclasses
import warnings
from collections.abc import Callable, Iterator, Mapping, Sequence
from datetime import UTC, datetime, timedelta
from pathlib import Path
from random import Random

import dagster as dg
import msgspec
import polars as pl
import psycopg2
import pytest

from benchmarks.one_pass import check_all, derive_all, differences, outcome
from btc_assets.partitions import Partition
from btc_assets.quality import PlacedCheck, place_checks
from btc_core.check import load_checks
from btc_core.config import Config, parse_config
from btc_core.errors import DatabaseError
from btc_core.model.timerange import MINUTE, TimeRange, parse_time
from btc_core.partitions import month_key, months_of
from btc_store.connection import connect
from btc_store.derive import Provenance, derive_candles, derive_decisions, derive_indicators
from btc_store.evidence import EvidenceReader
from btc_store.findings import heal_minutes, lock_minutes, mark_minutes
from btc_store.frames import Frames, open_frames
from btc_store.quality import judge
from btc_store.settings import Settings, read_config
from live.plan import Plan, plan_of
from live.work import look
from resources.timescale import Timescale
from sensors.pending import Cursor
from sensors.requests import RANGE_END, RANGE_START, touched_of
from tests.conftest import ROOT
from tests.dagster_runs import QUIET, definitions
from tests.derivation import shared_minutes, store_minutes, written


def _minutes(start: str, end: str) -> TimeRange:
    return TimeRange(datetime.fromisoformat(start + "Z"), datetime.fromisoformat(end + "Z"))


# A Monday on which a 3d candle opens, before the month; to the first days of the next one.
SPAN = TimeRange(datetime(2021, 3, 29, tzinfo=UTC), datetime(2021, 5, 4, 5, 0, tzinfo=UTC))
# History that is there when the trial begins.
KNOWN = timedelta(days=3)
EARLIER = "data/candles/binance_btcusdt_1m_2021-04_earlier_print.parquet"
YEAR = "data/candles/binance_btcusdt_1m_2021.parquet"
LATEST = timedelta(days=12)
# When minutes that are not there are said to be without trades; some of them twice.
TOLD = (
    (datetime(2021, 4, 20, 5, tzinfo=UTC), "no_trade", _minutes("2021-04-20 02:00", "2021-04-20 03:10")),
    (datetime(2021, 4, 22, 1, tzinfo=UTC), "no_trade", _minutes("2021-04-20 03:00", "2021-04-20 04:30")),
    (datetime(2021, 4, 25, 9, tzinfo=UTC), "no_trade", _minutes("2021-04-25 04:01", "2021-04-25 08:45")),
)
TABLES = ("candles", "indicators", "decisions", "data_quality", "live_state", "outbox")
RESTING, DEADLY = 2_000_000, 1_000_000
MOST_WRITES = 60


def _config() -> Config:
    """Return the repository's configuration, with indicators of each kind, and averages that days and weeks fill.

    Of the intervals one of a kind: minutes, odd ones and their quarters, hours, days, and those of the calendar.
    """
    tree = msgspec.to_builtins(read_config(ROOT / "config.yaml"))
    tree["intervals"] = ["5m", "37m", "1h", "2h", "148m", "12h", "1d", "3d", "1w", "1M"]
    # Of two strategies that differ in a number one is enough.
    del tree["strategies"]["ma125"], tree["indicators"]["ma125"]
    tree["history_start"] = datetime(2021, 1, 1).date()
    tree["indicators"] |= {
        "ema5": {"function": "ema", "parameters": {"period": 5}, "intervals": ["1h", "1d"]},
        "vwap": {"function": "vwap", "intervals": ["37m"]},
        "obv": {"function": "obv", "intervals": ["12h"]},
        "z": {"function": "zscore", "parameters": {"period": 3}, "intervals": ["3d", "1w"]},
    }
    tree["strategies"] |= {"ma": {"intervals": ["2h", "1d", "3d", "1w"], "parameters": {"period": 2}}}
    return parse_config(tree)


CONFIG = _config()
PLAN: Plan = plan_of(CONFIG)


Told = tuple[datetime, str, TimeRange]


class Hands:
    """A clock that shows what it is set to, in the place of ``ClockScale``."""

    def __init__(self, shown: datetime) -> None:
        self.shown = shown

    def instant(self, _real_seconds: float) -> datetime:
        """Return what is shown."""
        return self.shown

    def real_seconds(self, seconds: float) -> float:
        """Return what a wait takes."""
        return seconds


class Killer:
    """Ends a connection at one of its writes, in the middle of its transaction.

    A sequence counts statements that write. It is not rolled back, so whoever comes next lives.

    Attributes:
        n_struck: How often it did.
    """

    n_struck = 0

    def __init__(self, url: str) -> None:
        self._connection = psycopg2.connect(url)
        self._connection.autocommit = True
        self._run(f"CREATE SEQUENCE deaths START {RESTING}")
        self._run(
            "CREATE FUNCTION die() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN "
            f"IF nextval('deaths') = {DEADLY} THEN PERFORM pg_terminate_backend(pg_backend_pid()); END IF; "
            "RETURN NULL; END $$"
        )
        for table in TABLES:
            self._run(
                f"CREATE TRIGGER dies AFTER INSERT OR UPDATE OR DELETE ON {table} FOR EACH STATEMENT "
                "EXECUTE FUNCTION die()"
            )

    def arm(self, after: int) -> None:
        """Let the connection die that makes so many writes from now on."""
        self._run(f"SELECT setval('deaths', {DEADLY - after})")

    def rest(self) -> None:
        """Let everybody live."""
        self._run(f"SELECT setval('deaths', {RESTING})")

    def lets(self, work: Callable[[], object]) -> bool:
        """Work; returns whether the connection lived. An error that is not ours is raised."""
        try:
            work()
        except DatabaseError:
            if not DEADLY <= self._run("SELECT last_value FROM deaths") < RESTING:
                raise
            self.n_struck += 1
            return False
        return True

    def forget_lane(self) -> None:
        """Let the live lane look dead: its last look was a while ago."""
        self._run("UPDATE live_state SET looked_at = looked_at - interval '1 minute'")

    def close(self) -> None:
        """Close the connection."""
        self._connection.close()

    def _run(self, sql: str) -> int:
        with self._connection.cursor() as cursor:
            cursor.execute(sql)
            return cursor.fetchone()[0] if cursor.description else 0


class DagsterLane:
    """The real sensor on a real instance; what it asks for is done asset by asset, in any order of months.

    Attributes:
        n_runs: How many runs ended, by how.
    """

    def __init__(self, settings: Settings, instance: dg.DagsterInstance, chance: Random, killer: Killer) -> None:
        self.settings, self.instance, self._chance, self._killer = settings, instance, chance, killer
        self.cursor: str | None = None
        self.n_runs = {True: 0, False: 0}
        self._definitions = definitions(settings)
        self._checks: Mapping[dg.AssetCheckKey, PlacedCheck] = place_checks(CONFIG, load_checks(CONFIG.quality))

    def work(self, *, for_real: bool = False) -> bool:
        """Evaluate the sensor and run what it asks for; returns whether there was anything, or is to be asked again."""
        self._forget_the_wait()
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            resources = {"timescale": Timescale(self.settings)}
            with dg.build_sensor_context(cursor=self.cursor, instance=self.instance, resources=resources) as context:
                data = self._definitions.get_sensor_def("new_candles").evaluate_tick(context)
        self.cursor = data.cursor
        for request in data.run_requests:
            tags = {**request.tags, "dagster/run_key": request.run_key}
            job = self._definitions.resolve_job_def("derive")
            if for_real:
                part = job.get_subset(
                    asset_selection=set(request.asset_selection), asset_check_selection=set(request.asset_check_keys)
                )
                done = part.execute_in_process(
                    instance=self.instance, tags=tags, run_config=QUIET, raise_on_error=False
                )
                self.n_runs[done.success] += 1
                continue
            succeeded = self._killer.lets(lambda request=request: self._run(request))
            self.n_runs[succeeded] += 1
            status = dg.DagsterRunStatus.SUCCESS if succeeded else dg.DagsterRunStatus.FAILURE
            self.instance.add_run(dg.DagsterRun(job_name="derive", status=status, tags=tags))
        waits = any(state.retry_at for state in msgspec.json.decode(data.cursor, type=Cursor).symbols.values())
        return bool(data.run_requests) or waits

    def _forget_the_wait(self) -> None:
        """Ask again at once after a failed run, whatever the real clock says."""
        if self.cursor is None:
            return
        cursor = msgspec.json.decode(self.cursor, type=Cursor)
        for state in cursor.symbols.values():
            state.retry_at = None
        self.cursor = msgspec.json.encode(cursor).decode()

    def _run(self, request: dg.RunRequest) -> None:
        """Do what the assets and checks of a run do: partitions in any order, some of them twice."""
        first, last = (parse_time(request.tags[tag].partition("|")[0]) for tag in (RANGE_START, RANGE_END))
        touched = touched_of(request.tags)
        partitions = [
            Partition(f"{month_key(month)}|BTC", "BTC", month, touched)
            for month in months_of(TimeRange(first, last + MINUTE))
        ]
        self._chance.shuffle(partitions)
        if self._chance.random() < 0.2:
            partitions += partitions
        with open_frames(self.settings.database_url) as frames:
            for partition in partitions:
                self._derive(frames, partition)
            for partition in partitions:
                self._judge(frames, partition, request)

    def _derive(self, frames: Frames, partition: Partition) -> None:
        now = self.settings.now()
        spans = {i: each for i in PLAN.intervals if (each := partition.spans(i, now=now))}
        derive_candles(frames, "BTC", spans)
        by = Provenance(run_id="run", now=now)
        for interval, each in self._chance.sample(list(spans.items()), len(spans)):
            if interval in PLAN.indicators:
                derive_indicators(frames, "BTC", interval, each, PLAN.indicators[interval])
            for strategy in PLAN.strategies.get(interval, []):
                derive_decisions(frames, "BTC", interval, each, strategy, rule=PLAN.rule, by=by)

    def _judge(self, frames: Frames, partition: Partition, request: dg.RunRequest) -> None:
        now = self.settings.now()
        asked = [self._checks[key] for key in request.asset_check_keys or () if key in self._checks]
        scopes = [scope for placed in asked for scope in placed.scopes(partition, now)]
        judge(EvidenceReader(frames=frames, symbol="BTC", now=now), scopes, within=partition.month)


def tell(url: str, symbol: str, kind: str, minutes: TimeRange) -> None:
    """Say of minutes that are not there what they are, as the collector does."""

    async def said() -> None:
        async with connect(url) as connection:
            await mark_minutes(connection, symbol, kind, [minutes], severity="info", details={})

    asyncio.run(said())


def heal(url: str, symbol: str, window: TimeRange) -> None:
    """Take back what was said of minutes that have come, as the collector does."""

    async def healed() -> None:
        async with connect(url) as connection, connection.transaction():
            await lock_minutes(connection, [symbol])
            await heal_minutes(connection, {symbol: window})

    asyncio.run(healed())


@dataclasses.dataclass
class Trial:
    """One month, once.

    Attributes:
        with_live: Whether the live lane works too; else every finding is the Dagster lane's, whose checks look at each
            minute.
    """

    url: str
    chance: Random
    killer: Killer
    dagster: DagsterLane
    clock: Hands
    with_live: bool
    counts: dict[str, int] = dataclasses.field(default_factory=lambda: dict.fromkeys(("chunks", "looks"), 0))

    def play(self, arrivals: pl.DataFrame, told: Sequence[Told]) -> None:
        """Let the minutes arrive as the clock goes on, and the lanes work as chance will have it."""
        while not arrivals.is_empty():
            before = self.clock.shown
            self.clock.shown += self.chance.choice([7, 240, 3000, 4000, 5000, 6000]) * MINUTE
            for at, kind, minutes in told:
                if before < at <= self.clock.shown:
                    tell(self.url, "BTC", kind, minutes)
                    self._act()
            due = pl.col("at") <= self.clock.shown
            fresh = arrivals.filter(due).drop("at").sample(fraction=1.0, shuffle=True, seed=self.chance.randrange(1000))
            arrivals = arrivals.filter(~due)
            for chunk in self._chunks(fresh):
                self._act()
                self._store(chunk)

    def settle(self) -> None:
        """End the last real run half way, then let everybody live and work until nothing is due."""
        self.killer.forget_lane()
        self.killer.arm(3)
        self.dagster.work(for_real=True)
        self.killer.rest()
        self.clock.shown += timedelta(hours=1)
        while (self.with_live and self._look()) or self.dagster.work(for_real=True):
            pass

    def _chunks(self, fresh: pl.DataFrame) -> Iterator[pl.DataFrame]:
        """Yield what arrives in pieces: in time order or in none, the first print of a minute before the last one."""
        for print_ in ("earlier", "final"):
            rows = fresh.filter(pl.col("print") == print_).drop("print")
            rows = rows.sort("time") if self.chance.random() < 0.5 else rows
            n = self.chance.choice([1, 1, 2, 3])
            yield from (part for part in rows.iter_slices(-(-max(rows.height, 1) // n)) if part.height)

    def _store(self, chunk: pl.DataFrame) -> None:
        self.counts["chunks"] += 1
        with open_frames(self.url) as frames:
            store_minutes(frames, "BTC", chunk)
        heal(self.url, "BTC", TimeRange(chunk["time"].min(), chunk["time"].max() + MINUTE))

    def _act(self) -> None:
        actors = [self._look, self.dagster.work] if self.with_live else [self.dagster.work]
        for actor in self.chance.sample(actors, self.chance.randint(0, len(actors))):
            dies = self.chance.random() < 0.25
            if dies:
                self.killer.arm(self.chance.randint(1, MOST_WRITES))
            self.killer.lets(actor)
            self.killer.rest()
            if self.chance.random() < 0.1:
                self.killer.forget_lane()

    def _look(self) -> bool:
        self.counts["looks"] += 1
        with open_frames(self.url) as frames:
            return look(frames, PLAN, now=self.clock.shown, is_thorough=self.chance.random() < 0.5) is not None


@pytest.fixture(scope="module")
def month(shared: Path) -> pl.DataFrame:
    """The month's minutes as they are known today, in both prints."""
    final = shared_minutes(pl.read_parquet(shared / YEAR)).filter(
        pl.col("time").is_between(SPAN.start, SPAN.end, closed="left")
    )
    earlier = shared_minutes(pl.read_parquet(shared / EARLIER))
    assert (earlier.height, earlier.join(final, on=final.columns, how="anti").height) == (70, 70)
    return pl.concat([final.with_columns(print=pl.lit("final")), earlier.with_columns(print=pl.lit("earlier"))])


def arrivals_of(month: pl.DataFrame, chance: Random) -> tuple[pl.DataFrame, list[Told]]:
    """Return when each minute arrives, and when late ones are said to be without trades.

    Most arrive at their close, some hours of them late, the corrected ones days later.
    """
    final, earlier = month.filter(pl.col("print") == "final"), month.filter(pl.col("print") == "earlier")
    hours = final.select(hour=pl.col("time").dt.truncate("1h")).unique(maintain_order=True)["hour"].to_list()
    delays = {hour: chance.randrange(LATEST // MINUTE) for hour in hours if chance.random() < 0.04}
    late = pl.DataFrame([(hour, delays.get(hour, 1)) for hour in hours], schema=["hour", "delay"], orient="row")
    corrected, correction = pl.col("time").is_in(earlier["time"].implode()), chance.choice([20, 300, 1500, 9 * 1440])
    ours = (
        final.with_columns(hour=pl.col("time").dt.truncate("1h"))
        .join(late.with_columns(pl.col("hour").dt.cast_time_unit("us")), on="hour", maintain_order="left")
        .with_columns(delay=pl.when(corrected).then(pl.lit(correction)).otherwise(pl.col("delay")))
        .with_columns(at=pl.max_horizontal(pl.col("time") + pl.duration(minutes="delay"), SPAN.start + KNOWN))
        .drop("hour", "delay")
    )
    told = [(h + timedelta(hours=1), "no_trade", TimeRange(h, h + timedelta(hours=1))) for h in delays]
    first = earlier.with_columns(at=pl.col("time") + MINUTE).select(ours.columns)
    return pl.concat([ours, first]), [*TOLD, *chance.sample(told, len(told) // 2)]


@pytest.fixture
def instance() -> Iterator[dg.DagsterInstance]:
    """An instance of Dagster that forgets."""
    with dg.DagsterInstance.ephemeral() as ephemeral:
        yield ephemeral


@pytest.mark.parametrize(("seed", "with_live"), [(1, True), (2, False)])
def test_a_month_in_pieces_ends_as_one_pass_does(  # noqa: PLR0917  # fixtures
    database_url, settings_for, instance, month, seed, with_live
):
    """Minutes late, shuffled and corrected; lanes in any order, killed half way: candles to findings as in one pass."""
    chance, clock = Random(seed), Hands(SPAN.start + KNOWN)
    settings = dataclasses.replace(settings_for(database_url), config=CONFIG, clock=clock)
    killer = Killer(database_url)
    trial = Trial(database_url, chance, killer, DagsterLane(settings, instance, chance, killer), clock, with_live)
    trial.play(*arrivals_of(month, chance))
    trial.settle()
    killer.close()
    final = month.filter(pl.col("print") == "final").drop("print")
    with open_frames(database_url) as frames:
        store_minutes(frames, "ONE", final)
        for _, kind, minutes in TOLD:
            tell(database_url, "ONE", kind, minutes)
        derive_all(frames, PLAN, "ONE", SPAN, now=clock.shown)
        check_all(frames, CONFIG, "ONE", SPAN, now=clock.shown)
        ends = [_end(frames, symbol, with_checks=not with_live) for symbol in ("BTC", "ONE")]
        assert differences(*ends) == {}
        assert min(frame.height for frame in ends[0].values()) > 0
        before = written(frames, "BTC")
        derive_all(frames, PLAN, "BTC", SPAN, now=clock.shown)
        assert differences(written(frames, "BTC"), before) == {}
    # A trial in which nobody acts, dies or fails shows nothing.
    assert trial.counts["chunks"] >= 30
    assert killer.n_struck + trial.dagster.n_runs[False] >= 5
    assert trial.dagster.n_runs[True] >= 5
    assert trial.counts["looks"] >= 10 * with_live


def _end(frames: Frames, symbol: str, *, with_checks: bool) -> dict[str, pl.DataFrame]:
    """Return what the tables say, but for what was said live before a correction.

    The live lane makes no checks on minutes and candles: beside it, those of the Dagster lane see a part.
    """
    end = outcome(frames, symbol)
    found = end["findings"].filter(pl.col("kind") != "correction")
    is_checked = pl.col("kind").is_in(["gap", "mismatch", "ohlc_invalid"]) & ~pl.col("details").str.contains(
        '"strategy"'
    )
    return {**end, "findings": found if with_checks else found.filter(~is_checked)}
