"""What the collector costs a machine: memory, processor, libraries; the real process, 20 symbols, 200 frames a second.

Linux alone: the figures are the kernel's, from ``/proc``.
"""

import os
import re
import subprocess
import sys
import time
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from benchmarks.busy import COINS
from benchmarks.databases import another_database
from benchmarks.figure import Figure
from benchmarks.processes import ROOT, background
from btc_store.ports import free_port

WARM_UP_SECONDS = 20
MEASURED_SECONDS = 60
START_SECONDS = 30
# The limits that the project sets itself.
MOST_MEGABYTES = 64
MOST_CPU_SHARE = 0.03
FORBIDDEN = ("polars", "duckdb", "dagster", "numpy", "pyarrow", "sqlalchemy", "matplotlib")
# As far back as the exchange's REST goes.
HISTORY_MINUTES = 5_000
COLLECTOR_LOG = "collector.log"
_FRAMES = re.compile(rb"^collector_(?:frames|messages)_total(?:\{[^}]*\})? ([0-9.e+]+)$", re.MULTILINE)
_ADDRESS = re.compile(r"^(HYPERLIQUID_\w+_URL)=(\S+)$", re.MULTILINE)
_IMPORTED = re.compile(r"^import time: +\d+ \| +\d+ \| +([\w.]+)$", re.MULTILINE)


@dataclass(frozen=True)
class Usage:
    """What the kernel and the process say of a process at one moment; memory in MB."""

    at: float
    cpu_seconds: float
    resident: float
    proportional: float
    peak: float
    n_frames: float


def measure(url: str, folder: Path) -> Iterator[Figure]:
    """Measure a collector that is up to date, then the peak of one that fetches all history at its start."""
    if sys.platform != "linux":
        sys.stderr.write("footprint: left out, it needs Linux\n")
        return
    with _collector(url, folder, history=0) as (process, port):
        time.sleep(WARM_UP_SECONDS)
        before = _usage(process, port)
        time.sleep(MEASURED_SECONDS)
        after = _usage(process, port)
    yield from _steady(before, after)
    modules = set(_IMPORTED.findall((folder / COLLECTOR_LOG).read_text(encoding="utf-8")))
    found = sorted({name.partition(".")[0] for name in modules} & set(FORBIDDEN))
    yield Figure(
        name="collector_modules", value=len(modules), unit="modules imported", beside={"limit": 0, "forbidden": found}
    )
    with _collector(another_database(url, "history"), folder, history=HISTORY_MINUTES) as (process, port):
        time.sleep(WARM_UP_SECONDS + MEASURED_SECONDS)
        peak = _usage(process, port).peak
    yield _beside("collector_history_peak_memory", peak, "MB resident at most, history of 20 symbols", MOST_MEGABYTES)


def _steady(before: Usage, after: Usage) -> Iterator[Figure]:
    seconds = after.at - before.at
    rate = (after.n_frames - before.n_frames) / seconds
    load = f"{len(COINS)} symbols, {rate:.0f} frames/s"
    yield _beside("collector_resident_memory", after.resident, f"MB, {load}", MOST_MEGABYTES)
    yield _beside("collector_proportional_memory", after.proportional, f"MB, {load}", MOST_MEGABYTES)
    share = (after.cpu_seconds - before.cpu_seconds) / seconds
    yield _beside("collector_cpu_share", share, f"of one core, {load}", MOST_CPU_SHARE)


def _beside(name: str, value: float, unit: str, limit: float) -> Figure:
    beside = {"limit": limit, "ratio": round(value / limit, 2)}
    return Figure(name=name, value=round(value, 4 if value < 1 else 1), unit=unit, beside=beside)


@contextmanager
def _collector(url: str, folder: Path, *, history: int) -> Iterator[tuple[subprocess.Popen[bytes], int]]:
    """Run an exchange and a collector for the time of a ``with`` block, which gets the latter and its port."""
    port, exchange_log = free_port(), folder / "exchange.log"
    exchange = [sys.executable, "-m", "benchmarks.busy", "--history", str(history)]
    with background([exchange], env={}, log=exchange_log) as (process,):
        addresses = _addresses(exchange_log, process)
        # What the collector leaves on disk lies beside its configuration.
        config = folder / "config.yaml"
        config.write_text((ROOT / "config.yaml").read_text(encoding="utf-8"), encoding="utf-8")
        env = {"DATABASE_URL": url, "BTC_SYMBOLS": ",".join(COINS), "COLLECTOR_HTTP_PORT": str(port)}
        env |= {"BTC_CONFIG": str(config), "PYTHONPROFILEIMPORTTIME": "1", **addresses}
        collector = [sys.executable, "-m", "collector"]
        with background([collector], env=env, log=folder / COLLECTOR_LOG) as (measured,):
            yield measured, port


def _addresses(log: Path, process: subprocess.Popen[bytes]) -> dict[str, str]:
    """Return the variables that the exchange prints."""
    deadline = time.monotonic() + START_SECONDS
    while time.monotonic() < deadline and process.poll() is None:
        found = dict(_ADDRESS.findall(log.read_text(encoding="utf-8")))
        if len(found) == 2:
            return found
        time.sleep(0.05)
    raise RuntimeError(f"the exchange did not start: {log.read_text(encoding='utf-8')[-500:]}")


def _usage(process: subprocess.Popen[bytes], port: int) -> Usage:
    if process.poll() is not None:
        raise RuntimeError(f"the collector ended with {process.returncode}")
    proc = Path("/proc") / str(process.pid)
    # The command's name may hold blanks; what follows its bracket does not. Fields 14 and 15: user and system time.
    fields = (proc / "stat").read_text(encoding="ascii").rpartition(")")[2].split()
    memory = dict(re.findall(r"^(\w+): +(\d+) kB$", (proc / "smaps_rollup").read_text(encoding="ascii"), re.MULTILINE))
    (peak,) = re.findall(r"^VmHWM:\s+(\d+) kB$", (proc / "status").read_text(encoding="ascii"), re.MULTILINE)
    with urllib.request.urlopen(f"http://127.0.0.1:{port}/metrics", timeout=5) as answer:
        frames = sum(float(number) for number in _FRAMES.findall(answer.read()))
    return Usage(
        at=time.monotonic(),
        cpu_seconds=(int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK"),
        resident=int(memory["Rss"]) / 1024,
        proportional=int(memory["Pss"]) / 1024,
        peak=int(peak) / 1024,
        n_frames=frames,
    )
