"""A moving average of 44 candles of 37m, long and short, over eight years of minutes: ours beside the peers.

Each repetition starts a process per side, in turn, so that what else the machine does meets all of them; the figures
are medians. All trade the same: the number of trades and the return of each side stand beside the times. The peers
fill on candles; ours fills on minutes, and reads those where a liquidation, a stop or a target may lie.
"""

import statistics
import sys
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import msgspec

from benchmarks.figure import Figure
from benchmarks.peers.environments import HERE, NoPeerError, python_of
from benchmarks.processes import Spent, run

OURS = "ours"
PEERS = ("vectorbt", "backtesting")
# What is asked of whom, and how often. backtesting.py sweeps one after the other: a quarter of an hour.
CASES: Mapping[str, tuple[Sequence[str], int]] = {
    "simulation": (PEERS, 3),
    "whole": (PEERS, 5),
    "sweep": (("vectorbt",), 1),
}
NAMES = {
    "simulation": "simulation alone",
    "whole": "from Parquet to result JSON, the whole process",
    "sweep": "sweep of 999 windows",
}


@dataclass(frozen=True)
class Answer:
    """What one process of one side took and said."""

    spent: Spent
    said: Mapping[str, Any]

    @property
    def seconds(self) -> float:
        """What it measured itself, else the whole process."""
        return statistics.median(self.said.get("seconds", [self.spent.seconds]))


def measure(file: Path, folder: Path) -> Iterator[Figure]:
    """Measure every case; a peer that cannot be installed is left out with its reason."""
    left_out: dict[str, str] = {}
    for case, (peers, n_times) in CASES.items():
        sides = [OURS, *(peer for peer in peers if _is_there(peer, left_out))]
        # Once for nothing: compilers write their caches, the file is in memory.
        for side in sides if case == "whole" else []:
            answer_of(side, case, file, folder)
        answers: dict[str, list[Answer]] = {side: [] for side in sides}
        for _ in range(n_times):
            for side in sides:
                answers[side].append(answer_of(side, case, file, folder))
        yield from figures(case, answers, {peer: left_out[peer] for peer in peers if peer in left_out})


def answer_of(side: str, case: str, file: Path, folder: Path) -> Answer:
    """Run one side's process for a case."""
    arguments = (case, str(file))
    said = folder / f"{side}.json"
    if side == OURS:
        command = (sys.executable, "-m", "benchmarks.peers.run_ours", *arguments)
    else:
        command = (str(python_of(side)), str(HERE / f"run_{side}.py"), *arguments)
    spent = run(*command, env={}, output=said)
    return Answer(spent, msgspec.json.decode(said.read_bytes()))


def figures(case: str, answers: Mapping[str, Sequence[Answer]], left_out: Mapping[str, str]) -> Iterator[Figure]:
    """Return a figure for each peer, with the ratio, and one for each peer that is left out."""
    ours = summary(answers[OURS])
    for peer in (side for side in answers if side != OURS):
        theirs = summary(answers[peer])
        yield Figure(
            name=f"{NAMES[case]}, beside {peer}",
            value=ours["seconds"],
            unit="s",
            beside={
                "ratio": round(theirs["seconds"] / ours["seconds"], 1),
                "memory_ratio": round(theirs["memory_mb"] / ours["memory_mb"], 1),
                OURS: ours,
                peer: theirs,
            },
        )
    for peer, reason in left_out.items():
        yield Figure(name=f"{NAMES[case]}, without {peer}", value=ours["seconds"], unit="s", beside={"reason": reason})


def summary(answers: Sequence[Answer]) -> dict[str, Any]:
    """Return the medians of some answers, with what was earned: it must be the same for all."""
    told = {name: answers[0].said[name] for name in ("n_trades", "total_return", "best") if name in answers[0].said}
    return {
        "seconds": round(statistics.median(answer.seconds for answer in answers), 5),
        "processor_seconds": round(statistics.median(answer.spent.cpu_seconds for answer in answers), 2),
        "memory_mb": round(statistics.median(answer.said["memory_mb"] for answer in answers)),
        **told,
    }


def _is_there(peer: str, left_out: dict[str, str]) -> bool:
    if peer not in left_out:
        try:
            python_of(peer)
        except NoPeerError as error:
            left_out[peer] = str(error)
    return peer not in left_out
