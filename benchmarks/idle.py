"""What Dagster costs while hardly anything happens: processor and memory of its processes and of the database.

One symbol on real time. With the live lane nothing is left to run; without it every candle of 3m is a run. Linux alone:
the figures are the kernel's, from ``/proc``.
"""

import os
import re
import sys
import time
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

from benchmarks.databases import connection
from benchmarks.figure import Figure
from benchmarks.stage import DAGSTER, Stage, open_stage
from btc_core.model.clock import ClockScale

# The exchange's history is fetched and derived meanwhile.
WARM_UP_SECONDS = 75
# Longer than the slowest loop of the daemon, and without the lane as long as two candles.
IDLE_SECONDS, RUNNING_SECONDS = 90, 360
# A lane that has not looked for 30 s is taken for dead.
DEATH_SECONDS = 45
# Upstream's own processes on a prototype of four assets with one sensor.
PEER_MB, PEER_SHARE = 378, 0.11

_PSS = re.compile(r"^Pss: +(\d+) kB$", re.MULTILINE)


@dataclass(frozen=True)
class Usage:
    """What processes have used until a moment, and hold at it: seconds of processor, MB of proportional memory."""

    cpu_seconds: float
    megabytes: float


def measure(url: str, folder: Path) -> Iterator[Figure]:
    """Measure with a live lane, then without."""
    if sys.platform != "linux":
        sys.stderr.write("idle: left out, it needs Linux\n")
        return
    # A real market on a day that is over: on real time, and no policy of freshness has anything to complain of.
    clock = ClockScale(datetime(2025, 3, 4, 10, tzinfo=UTC).timestamp(), time.time(), 1.0)
    with open_stage(folder / "idle", url, clock) as stage:
        stage.start_market()
        stage.start("live")
        stage.start_dagster()
        time.sleep(WARM_UP_SECONDS)
        yield from _figures("idle", "live lane does the work", _spend(stage, IDLE_SECONDS), IDLE_SECONDS)
        stage.stop("live")
        time.sleep(DEATH_SECONDS)
        yield from _figures("running", "a run every 3 minutes", _spend(stage, RUNNING_SECONDS), RUNNING_SECONDS)


def _spend(stage: Stage, seconds: float) -> dict[str, Usage]:
    """Return by process what it spends in so many seconds, and holds after them."""
    roots = _roots(stage)
    before = {name: usage(root) for name, root in roots.items()}
    time.sleep(seconds)
    stage.check()
    after = {name: usage(root) for name, root in roots.items()}
    return {name: Usage(after[name].cpu_seconds - before[name].cpu_seconds, after[name].megabytes) for name in roots}


def _roots(stage: Stage) -> dict[str, int]:
    """Return the processes whose trees are looked at."""
    with connection(stage.url) as opened, opened.cursor() as cursor:
        cursor.execute("SELECT current_setting('data_directory')")
        (folder,) = cursor.fetchone() or ("",)
    server = int((Path(folder) / "postmaster.pid").read_text(encoding="ascii").splitlines()[0])
    return {**{name: process.pid for name, process in stage.running.items()}, "database": server}


def _figures(name: str, what: str, spent: Mapping[str, Usage], seconds: float) -> Iterator[Figure]:
    shares = {each: round(usage.cpu_seconds / seconds, 4) for each, usage in spent.items()}
    share = sum(shares[each] for each in DAGSTER)
    others = {each: value for each, value in shares.items() if each != "exchange"}
    yield Figure(
        name=f"dagster_{name}_cpu_share",
        value=round(share, 4),
        unit=f"of one core, {len(DAGSTER)} processes over {seconds} s, {what}",
        beside={
            "peer": "Dagster as it comes, with its database's part",
            "share": PEER_SHARE,
            "ratio_with_database": round((share + shares["database"]) / PEER_SHARE, 2),
            "by_process": others,
        },
    )
    megabytes = {each: round(usage.megabytes, 1) for each, usage in spent.items() if each != "exchange"}
    held = sum(megabytes[each] for each in DAGSTER)
    yield Figure(
        name=f"dagster_{name}_proportional_memory",
        value=round(held),
        unit=f"MB, {len(DAGSTER)} processes, {what}",
        beside={
            "peer": "Dagster as it comes",
            "mb": PEER_MB,
            "ratio": round(held / PEER_MB, 2),
            "by_process": megabytes,
        },
    )


def usage(root: int) -> Usage:
    """Return what a process and its descendants use; what has ended counts with the one that waited for it."""
    ticks, kilobytes = 0, 0
    for pid in _tree(root):
        try:
            ticks += sum(_stat(pid)[11:15])
            kilobytes += sum(map(int, _PSS.findall(Path(f"/proc/{pid}/smaps_rollup").read_text(encoding="ascii"))))
        except (FileNotFoundError, ProcessLookupError):
            # It has ended since.
            continue
    return Usage(ticks / os.sysconf("SC_CLK_TCK"), kilobytes / 1024)


def _tree(root: int) -> list[int]:
    """Return a process and its descendants."""
    children: dict[int, list[int]] = {}
    for path in Path("/proc").iterdir():
        if path.name.isdigit():
            try:
                children.setdefault(_stat(int(path.name))[1], []).append(int(path.name))
            except (FileNotFoundError, ProcessLookupError):
                continue
    found = [root]
    for pid in found:
        found.extend(children.get(pid, ()))
    return found


def _stat(pid: int) -> list[int]:
    """Return the fields of ``/proc/<pid>/stat`` from the third on, as numbers; proc(5) says what they are."""
    # The command's name may hold blanks; what follows its bracket does not. The state is a letter.
    fields = Path(f"/proc/{pid}/stat").read_text(encoding="ascii", errors="replace").rpartition(")")[2].split()
    return [0, *map(int, fields[1:])]
