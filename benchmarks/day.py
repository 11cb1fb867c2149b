"""`python -m benchmarks.day`: a market day through the whole house, in which every part of it dies and comes back.

The demo exchange, the collector, the live lane, Dagster and a database of its own, on a fast clock. Every part is ended
once in order and once by SIGKILL; while the lane is away, Dagster does its work. At the end the tables are held against
the market's own minutes, and against one pass over them in another database. Prints one JSON object; the exit status is
1 where anything differs.
"""

import argparse
import json
import os
import signal
import sys
import tempfile
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from pathlib import Path

from benchmarks.databases import another_database
from benchmarks.market import SYMBOL
from benchmarks.one_pass import derived_outcome, differences, one_pass, query
from benchmarks.processes import ROOT
from benchmarks.stage import DAGSTER, Stage, open_stage
from btc_core.model.clock import ClockScale
from btc_core.model.timerange import MINUTE, TimeRange, to_ms
from btc_store.embedded import EmbeddedPostgres
from btc_store.frames import Frames, open_frames
from btc_store.schema import upgrade
from btc_store.settings import Settings, load_settings
from demo.market import Market
from live.plan import Plan, plan_of
from live.work import look

START = datetime(2025, 3, 4, tzinfo=UTC)
SEED = 7
# Real seconds that a part is away.
AWAY_SECONDS = 3.0
# Dagster has nothing to do when no run was under way for as long as its sensors need for a look, and a run to start.
QUIET_SECONDS, PATIENCE_SECONDS = 10.0, 180.0
LOOK_SECONDS = 0.2
# So many runs are waited for while the lane is away.
N_RUNS = 2

_STORED = """SELECT time, open, high, low, close, volume, trades FROM candles
WHERE symbol = $1 AND interval = '1m' ORDER BY time"""
_NEWEST = "SELECT max(time) FROM candles WHERE symbol = $1 AND interval = '1m'"
_RUNS = "SELECT status, count(*) AS n FROM dagster.runs GROUP BY status ORDER BY status"
_DECIDERS = """SELECT CASE run_id WHEN 'live' THEN 'live lane' ELSE 'runs' END AS who, count(*) AS n
FROM decisions GROUP BY 1 ORDER BY 1"""


@dataclass(frozen=True, kw_only=True)
class Trial:
    """What is played: hours of market time, and market seconds in a real one."""

    hours: float
    rate: float


@dataclass
class House:
    """A stage, the database under it, and what happened.

    Attributes:
        restarts: What was ended, and how, in order.
        revived: Processes that ended by themselves and were started again, as a supervisor does it.
    """

    stage: Stage
    server: EmbeddedPostgres
    restarts: list[str] = field(default_factory=list[str])
    revived: list[str] = field(default_factory=list[str])

    def restart(self, number: int, *names: str) -> None:
        """End processes by a signal; start them again after some seconds."""
        self.restarts.append(f"{' '.join(names)} by {signal.Signals(number).name}")
        for name in names:
            self.stage.stop(name, number)
        self.stand_by(time.time() + AWAY_SECONDS)
        for name in names:
            self.stage.start(name)

    def restart_lane_late(self, number: int) -> None:
        """End the live lane by a signal; start it again when runs have done its work for a while."""
        self.restarts.append(f"live by {signal.Signals(number).name}, until Dagster has done its work")
        self.stage.stop("live", number)
        n_before, deadline = self.stage.n_runs()[0], time.time() + PATIENCE_SECONDS
        while self.stage.n_runs()[0] < n_before + N_RUNS and time.time() < deadline:
            self.stand_by(time.time() + LOOK_SECONDS)
        self.stage.start("live")

    def restart_database(self, number: int) -> None:
        """End the database server by a signal and start it again on its port."""
        self.restarts.append(f"database by {signal.Signals(number).name}")
        file = self.server.data / "postmaster.pid"
        os.kill(int(file.read_text(encoding="ascii").splitlines()[0]), number)
        self.server.wait()
        self.server.stop()
        self.server.start()

    def stand_by(self, until: float) -> None:
        """Wait until a real time; start again what ends by itself meanwhile."""
        while (left := until - time.time()) > 0:
            for name, process in list(self.stage.running.items()):
                if process.poll() is not None:
                    said = self.stage.log(name).strip().splitlines()[-1:]
                    self.revived.append(f"{name} with {process.returncode} after {self.restarts[-1:]}: {said}")
                    self.stage.stop(name)
                    self.stage.start(name)
            time.sleep(min(left, LOOK_SECONDS))


def play(server: EmbeddedPostgres, folder: Path, trial: Trial) -> dict[str, object]:
    """Play a trial on an empty database and return its figures."""
    started = time.time()
    clock = ClockScale(START.timestamp(), started, trial.rate)
    with open_stage(folder, server.url, clock) as stage:
        settings = load_settings(stage.env)
        house = House(stage, server)
        stage.start_market()
        stage.start("live")
        stage.start_dagster()
        end = clock.real + 3600 * trial.hours / trial.rate
        for share, act in _acts(house):
            house.stand_by(clock.real + share * (end - clock.real))
            act()
        house.stand_by(end)
        stage.stop("collector")
        _wait_until_quiet(house)
        ended = settings.now()
    figures = _judge(server.url, settings, ended)
    return {
        "market_hours": round((ended - START) / timedelta(hours=1), 1),
        "rate": trial.rate,
        **figures,
        "restarts": house.restarts,
        "revived": house.revived,
        "real_seconds": round(time.time() - started, 1),
    }


def is_good(figures: dict[str, object]) -> bool:
    """Return whether no minute is missing or wrong, and the tables are those of one pass."""
    return not any(figures[name] for name in ("n_missing", "n_wrong", "differences"))


def _acts(house: House) -> Iterator[tuple[float, Callable[[], None]]]:
    """Yield what happens, and after what share of the trial."""
    yield 0.15, lambda: house.restart(signal.SIGKILL, "collector")
    yield 0.25, lambda: house.restart(signal.SIGTERM, *DAGSTER)
    yield 0.35, lambda: house.restart_lane_late(signal.SIGKILL)
    yield 0.50, lambda: house.restart_database(signal.SIGINT)
    yield 0.60, lambda: house.restart(signal.SIGKILL, *DAGSTER)
    yield 0.70, lambda: house.restart_database(signal.SIGKILL)
    yield 0.80, lambda: house.restart(signal.SIGTERM, "collector")
    yield 0.85, lambda: house.restart(signal.SIGTERM, "live")


def _wait_until_quiet(house: House) -> None:
    """Wait until Dagster has no run under way for as long as it takes to look at its sensors twice."""
    deadline, quiet_since = time.time() + PATIENCE_SECONDS, time.time()
    while time.time() - quiet_since < QUIET_SECONDS and time.time() < deadline:
        house.stand_by(time.time() + 1)
        if house.stage.n_runs()[1]:
            quiet_since = time.time()


def _judge(url: str, settings: Settings, ended: datetime) -> dict[str, object]:
    """Hold the minutes against the market, and what was derived of them against one pass."""
    spare, plan = another_database(url, "one_pass"), plan_of(settings.config)
    with open_frames(url) as frames:
        told = _hold_minutes(frames)
        (newest,) = query(frames, _NEWEST, SYMBOL).row(0)
        now = _later(plan, newest, ended)
        n_last = _look_once_more(frames, plan, now)
        runs, deciders = (dict(query(frames, sql).rows()) for sql in (_RUNS, _DECIDERS))
    one_pass(url, spare, config=settings.config, now=now)
    with open_frames(url) as left, open_frames(spare) as right:
        ours, others = derived_outcome(left, SYMBOL), derived_outcome(right, SYMBOL)
    return {
        **told,
        "rows_compared": {name: frame.height for name, frame in others.items()},
        "differences": differences(ours, others),
        # Of candles that waited for minutes when everything ended.
        "n_written_by_last_look": n_last,
        "runs": runs,
        "decisions_by": deciders,
    }


def _later(plan: Plan, newest: datetime, now: datetime) -> datetime:
    """Return an instant at which nothing is waited for: candles that hold the newest minute are open, or given up."""
    closes = [interval.close_of(interval.floor(newest)) for interval in plan.intervals]
    while any(close <= now < close + plan.rule.wait for close in closes):
        now += MINUTE
    return now


def _look_once_more(frames: Frames, plan: Plan, now: datetime) -> int:
    """Do what the lane would do next; return how many rows that wrote."""
    n_written = 0
    while done := look(frames, plan, now=now, is_thorough=True):
        n_written += done.n_written
    return n_written


def _hold_minutes(frames: Frames) -> dict[str, object]:
    """Return how many of the market's minutes are stored, missing between the first and the last, or others."""
    stored = {row[0]: row[1:] for row in query(frames, _STORED, SYMBOL).iter_rows()}
    span = TimeRange(min(stored), max(stored) + MINUTE)
    market = Market(seed=SEED, coins=[SYMBOL])
    missing, wrong = 0, list[str]()
    for i in range(span.n_minutes):
        minute = span.start + i * MINUTE
        if minute not in stored:
            missing += 1
        elif stored[minute] != tuple(market.values(SYMBOL, to_ms(minute) // 60_000)):
            wrong.append(f"{minute:%m-%d %H:%M}")
    return {"n_minutes": span.n_minutes, "n_missing": missing, "n_wrong": len(wrong), "examples": wrong[:10]}


def main(arguments: Sequence[str] | None = None) -> int:
    """Play the trial that the command line describes; print its figures."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.day", description=__doc__)
    parser.add_argument("--hours", type=float, default=24.0, help="of market time (default 24)")
    parser.add_argument("--rate", type=float, default=60.0, help="market seconds in a real one (default 60)")
    options = parser.parse_args(arguments)
    fetched = ROOT / ".cache" / "pg17" / "bin"
    with tempfile.TemporaryDirectory(prefix="btc-day-") as name:
        folder = Path(name)
        folder.chmod(0o755)
        with EmbeddedPostgres(folder / "pg", bin_folder=fetched if fetched.exists() else None) as server:
            upgrade(server.url)
            figures = play(server, folder / "house", Trial(hours=options.hours, rate=options.rate))
    sys.stdout.write(json.dumps(figures) + "\n")
    return 0 if is_good(figures) else 1


if __name__ == "__main__":
    sys.exit(main())
