"""`python -m benchmarks.soak`: days of market with faults at random, and SIGKILLs; then every minute against the truth.

The real collector as a process, a real PostgreSQL, the demo exchange with a script of faults that is drawn from a seed.
The clock runs fast. Prints one JSON object; the exit status is 1 where a minute is missing, wrong or double.
"""

import argparse
import asyncio
import contextlib
import json
import os
import random
import signal
import sys
import tempfile
import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from pathlib import Path

import asyncpg

from benchmarks.processes import ROOT
from btc_core.model.clock import ClockScale
from btc_core.model.timerange import MINUTE, floor_minute, from_ms, to_ms
from btc_store.connection import connect
from btc_store.embedded import EmbeddedPostgres
from btc_store.ports import free_port
from btc_store.schema import upgrade
from demo.exchange import Exchange, serve_exchange
from demo.faults.fault import Fault
from demo.faults.script import Script, fault, fault_kinds
from demo.market import Market
from demo.wire import MINUTE_MS

# 2025-02-10 00:00 UTC, a Monday.
START = 1_739_145_600
COINS = ("BTC", "ETH", "SOL")
# Market time between two faults on average, and how long one lasts at most.
FAULT_EVERY = timedelta(minutes=6)
LONGEST_FAULT = timedelta(minutes=8)
# When everything is well again, what is missing or restated is found out by the hourly look back at the latest.
CALM = timedelta(minutes=150)
# Without kills at the end: what one process needs over time is looked at.
LAST_STRETCH = 0.2
# Of its life, until a process has all that it needs.
WARM_UP = 0.25
SAMPLE_SECONDS = 0.5
# Always on at this exchange, or not to be undone.
LEFT_OUT = frozenset(
    {"connection_limit", "connection_rate", "weight_limit", "idle_close", "delisted_coin", "renamed_pair"}
)
MOMENTS = frozenset({"abort", "changed_row", "expire", "reset"})
STATUSES = (429, 500, 502, 503)


@dataclass(frozen=True, kw_only=True)
class Trial:
    """What is played.

    Attributes:
        days: Of market time.
        n_kills: How often the process is killed.
        rate: Market seconds in a real one.
        seed: Of the market, the faults and the kills.
    """

    days: float
    n_kills: int
    rate: float
    seed: int


@dataclass
class Lives:
    """The processes of a trial, one after the other.

    Attributes:
        n_killed: How many were killed.
        memory: Resident bytes of the last one, by its age in real seconds.
    """

    n_killed: int = 0
    memory: list[tuple[float, int]] = field(default_factory=list)

    @property
    def growth(self) -> float | None:
        """How much the last process grew after its warm-up, as a fraction."""
        if len(self.memory) < 2:
            return None
        end = self.memory[-1][0]
        settled = [size for age, size in self.memory if age >= WARM_UP * end]
        tail = len(settled) // 4 or 1
        return sum(settled[-tail:]) / sum(settled[:tail]) - 1


def random_faults(seed: int, duration: timedelta) -> list[Fault]:
    """Return faults of all kinds on a time line: the same for the same seed."""
    dice = random.Random(f"{seed}:faults")
    faults: list[Fault] = []
    at = dice.expovariate(1 / FAULT_EVERY.total_seconds())
    # Every kind at least once where there is time for it, then any.
    kinds = sorted(set(fault_kinds()) - LEFT_OUT)
    once = iter(dice.sample(kinds, len(kinds)))
    while at < duration.total_seconds():
        faults.append(_fault(dice, next(once, None) or dice.choice(kinds), at))
        at += dice.expovariate(1 / FAULT_EVERY.total_seconds())
    return faults


def _fault(dice: random.Random, kind: str, at: float) -> Fault:
    parameters: dict[str, object] = {"at": at}
    if kind not in MOMENTS:
        parameters["for_"] = dice.uniform(5, LONGEST_FAULT.total_seconds())
    if kind == "rest_error":
        parameters["status"] = dice.choice(STATUSES)
    if kind in ("changed_row", "unknown_coin") or dice.random() < 0.3:
        parameters["coin"] = dice.choice(COINS)
    if kind == "outage":
        parameters.pop("coin", None)
    return fault(kind, **parameters)


async def soak(url: str, folder: Path, trial: Trial) -> dict[str, object]:
    """Play a trial on an empty database and return its figures."""
    clock = ClockScale(START, time.time(), trial.rate)
    duration = timedelta(days=trial.days)
    faults = random_faults(trial.seed, duration)
    market = Market(seed=trial.seed, coins=COINS)
    async with serve_exchange(market, clock, faults=Script(tuple(faults), seed=trial.seed)) as exchange:
        config = folder / "config.yaml"
        config.write_text((ROOT / "config.yaml").read_text(encoding="utf-8"), encoding="utf-8")
        env = {
            "DATABASE_URL": url,
            "BTC_SYMBOLS": ",".join(COINS),
            "BTC_CONFIG": str(config),
            "BTC_CLOCK": f"{clock.sim},{clock.real},{clock.rate}",
            "COLLECTOR_HTTP_PORT": str(free_port()),
            "HYPERLIQUID_WS_URL": exchange.ws_url,
            "HYPERLIQUID_API_URL": exchange.api_url,
        }
        lives = Lives()
        await _live_and_die(trial, env, folder / "collector.log", clock, lives)
        figures = await _judge(url, exchange, trial)
    return {
        **figures,
        "n_faults": len(faults),
        "n_kills": lives.n_killed,
        "memory_mb": round(lives.memory[-1][1] / 1e6, 1) if lives.memory else None,
        "memory_growth": None if lives.growth is None else round(lives.growth, 4),
        "most_rest_weight_a_minute": exchange.weights.most,
        "most_connections_a_minute": exchange.connects.most,
        "n_connections": exchange.n_links,
        "real_seconds": round(time.time() - clock.real, 1),
    }


async def _live_and_die(trial: Trial, env: dict[str, str], log: Path, clock: ClockScale, lives: Lives) -> None:
    """Run the collector through the trial, and the calm after it; kill it at random, start it again."""
    dice = random.Random(f"{trial.seed}:kills")
    seconds = trial.days * 86_400
    kills = sorted(dice.uniform(30, (1 - LAST_STRETCH) * seconds) for _ in range(trial.n_kills))
    for market_seconds in [*kills, seconds + CALM.total_seconds()]:
        end = clock.real + market_seconds / trial.rate
        is_last = market_seconds > seconds
        with log.open("ab") as said:
            process = await asyncio.create_subprocess_exec(
                sys.executable, "-m", "collector", cwd=ROOT, env={**_clean(), **env}, stderr=said
            )
        try:
            await _watch(process, end, lives if is_last else None)
        finally:
            if process.returncode is None:
                process.send_signal(signal.SIGTERM if is_last else signal.SIGKILL)
            await process.wait()
        lives.n_killed += not is_last


async def _watch(process: asyncio.subprocess.Process, end: float, lives: Lives | None) -> None:
    """Wait until a real time, and note what the process needs. One that ends by itself is a failure."""
    began = time.time()
    while (left := end - time.time()) > 0:
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(min(left, SAMPLE_SECONDS)):
                await process.wait()
            raise RuntimeError(f"the collector ended by itself with {process.returncode}")
        if lives is not None:
            lives.memory.append((time.time() - began, _resident_bytes(process.pid)))


async def _judge(url: str, exchange: Exchange, trial: Trial) -> dict[str, object]:
    """Hold every minute of every coin against the truth."""
    start = from_ms(START * 1000)
    end = floor_minute(start + timedelta(days=trial.days) + CALM - 5 * MINUTE)
    figures: dict[str, object] = {"market_days": trial.days, "rate": trial.rate, "seed": trial.seed}
    counts = dict.fromkeys(("n_minutes", "n_missing", "n_wrong", "n_double", "n_unconfirmed", "n_unkept"), 0)
    examples: list[str] = []
    async with connect(url) as connection:
        for coin in COINS:
            async for name, what in _complaints(connection, exchange, coin, start, end):
                counts[name] += 1
                if name != "n_minutes" and len(examples) < 10:
                    examples.append(f"{coin} {name} {what}")
        rows = await connection.fetch(
            "SELECT reason, count(*) AS n FROM candle_revisions GROUP BY reason ORDER BY reason"
        )
        states = await connection.fetch(
            "SELECT state, count(*) AS n FROM minute_states WHERE time >= $1 AND time < $2 GROUP BY state", start, end
        )
        kinds = await connection.fetch("SELECT kind, count(*) AS n FROM data_quality GROUP BY kind ORDER BY kind")
    return {
        **figures,
        **counts,
        "states": {row["state"]: row["n"] for row in states},
        "corrections": {row["reason"]: row["n"] for row in rows},
        "findings": {row["kind"]: row["n"] for row in kinds},
        "examples": examples,
    }


async def _complaints(connection: asyncpg.Connection, exchange: Exchange, coin: str, start: datetime, end: datetime):
    """Yield a name of a count and an example for each minute, and for what is wrong with it."""
    states = await connection.fetch(
        "SELECT time, array_agg(state) AS states FROM minute_states WHERE symbol = $1 AND time >= $2 AND time < $3 "
        "GROUP BY time",
        coin,
        start,
        end,
    )
    rows = await connection.fetch(
        "SELECT c.*, (SELECT count(*) FROM candle_revisions WHERE symbol = c.symbol AND time = c.time) AS n_kept "
        "FROM candles c WHERE symbol = $1 AND interval = '1m' AND time >= $2 AND time < $3",
        coin,
        start,
        end,
    )
    state_of = {row["time"]: row["states"] for row in states}
    stored = {row["time"]: row for row in rows}
    for i in range((end - start) // MINUTE):
        minute = start + i * MINUTE
        yield "n_minutes", ""
        for name, what in _faults(exchange, coin, minute, state_of.get(minute, []), stored.get(minute)):
            yield name, f"{minute:%m-%d %H:%M} {what}"


def _faults(
    exchange: Exchange, coin: str, minute: datetime, states: Sequence[str], row: asyncpg.Record | None
) -> Iterator[tuple[str, str]]:
    """Return what is wrong with one minute."""
    truth = exchange.truth(coin, to_ms(minute) // MINUTE_MS)
    if len(states) > 1:
        yield "n_double", str(states)
    if row is None:
        if truth is not None or states != ["no_trade"]:
            yield "n_missing", str(states)
        return
    values = tuple(row[name] for name in ("open", "high", "low", "close", "volume"))
    said = truth and tuple(float(text) for text in (truth.open, truth.high, truth.low, truth.close, truth.volume))
    if truth is None or (values, row["trades"]) != (said, truth.trades):
        yield "n_wrong", f"{states} {values} {row['trades']}, the truth is {said} {truth and truth.trades}"
    elif states != ["confirmed"]:
        yield "n_unconfirmed", str(states)
    if row["revision"] != row["n_kept"]:
        yield "n_unkept", f"revision {row['revision']}, {row['n_kept']} kept"


def _resident_bytes(pid: int) -> int:
    try:
        return int(Path(f"/proc/{pid}/statm").read_text(encoding="ascii").split()[1]) * os.sysconf("SC_PAGE_SIZE")
    except OSError:
        return 0


def _clean() -> dict[str, str]:
    return {name: value for name, value in os.environ.items() if name != "PYTHONDONTWRITEBYTECODE"}


def is_good(figures: dict[str, object]) -> bool:
    """Return whether no minute is missing, wrong or double, and every change was kept."""
    return not any(figures[name] for name in ("n_missing", "n_wrong", "n_double", "n_unkept"))


def main() -> int:
    """Play the trial that the command line describes; print its figures."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.soak", description=__doc__)
    parser.add_argument("--days", type=float, default=7, help="of market time (default 7)")
    parser.add_argument("--kills", type=int, default=200, help="how often the process is killed (default 200)")
    parser.add_argument("--rate", type=float, default=600, help="market seconds in a real one (default 600)")
    parser.add_argument("--seed", type=int, default=1, help="of market, faults and kills (default 1)")
    options = parser.parse_args()
    trial = Trial(days=options.days, n_kills=options.kills, rate=options.rate, seed=options.seed)
    fetched = ROOT / ".cache" / "pg17" / "bin"
    with tempfile.TemporaryDirectory(prefix="btc-soak-") as name:
        folder = Path(name)
        folder.chmod(0o755)
        with EmbeddedPostgres(folder / "pg", bin_folder=fetched if fetched.exists() else None) as server:
            upgrade(server.url)
            figures = asyncio.run(soak(server.url, folder, trial))
    sys.stdout.write(json.dumps(figures) + "\n")
    return 0 if is_good(figures) else 1


if __name__ == "__main__":
    sys.exit(main())
