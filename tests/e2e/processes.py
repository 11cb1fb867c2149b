"""Start the project's processes as a user would, and wait for what they do."""

import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent.parent
# How often a condition is looked at; a condition that never comes true fails at its deadline.
LOOK_SECONDS = 0.05


@dataclass
class Processes:
    """Processes of one test; all end with it.

    Attributes:
        folder: Where each one's output goes, ``<name>.log``.
        env: What all of them are told.
    """

    folder: Path
    env: dict[str, str]
    running: dict[str, subprocess.Popen[bytes]] = field(default_factory=dict)

    def start(self, name: str, *arguments: str, python: Sequence[str] = (sys.executable,)) -> subprocess.Popen[bytes]:
        """Start ``python -m …``, this one or another; what it prints goes to its log."""
        with (self.folder / f"{name}.log").open("ab") as log:
            process = subprocess.Popen(
                [*python, "-m", *arguments], cwd=ROOT, env={**_environment(), **self.env}, stdout=log, stderr=log
            )
        self.running[name] = process
        return process

    def log(self, name: str) -> str:
        """Return what a process said so far."""
        return (self.folder / f"{name}.log").read_text(errors="replace")

    def wait_for(self, what: str, condition: Callable[[], bool], *, seconds: float) -> None:
        """Wait until a condition holds; a process that died meanwhile, or the deadline, fails the test."""
        deadline = time.monotonic() + seconds
        while not condition():
            for name, process in self.running.items():
                assert process.poll() is None, f"{name} ended with {process.returncode}: {self.log(name)[-2000:]}"
            assert time.monotonic() < deadline, f"{what} did not come within {seconds} s: " + self._logs()
            time.sleep(LOOK_SECONDS)

    def stop(self, name: str, number: int = signal.SIGTERM) -> int:
        """Send a signal, wait for the end and return the exit code."""
        process = self.running.pop(name)
        process.send_signal(number)
        return process.wait(timeout=30)

    def _logs(self) -> str:
        return "\n".join(f"--- {name}\n{self.log(name)[-1500:]}" for name in self.running)


@contextmanager
def processes(folder: Path, **env: str) -> Iterator[Processes]:
    """Yield an empty set of processes; end what is left of it."""
    group = Processes(folder, env)
    try:
        yield group
    finally:
        for process in group.running.values():
            process.kill()
            process.wait(timeout=30)


def start_exchange(group: Processes, *arguments: str) -> None:
    """Start the demo exchange and tell the other processes its addresses."""
    group.start("exchange", "demo.serve", *arguments)
    group.wait_for("the exchange's addresses", lambda: "HYPERLIQUID_API_URL=" in group.log("exchange"), seconds=30)
    lines = [line for line in group.log("exchange").splitlines() if line.startswith("HYPERLIQUID_")]
    group.env.update(line.split("=", 1) for line in lines)


def scaled_clock(sim: float, rate: float) -> str:
    """Return a BTC_CLOCK that shows ``sim`` now."""
    return f"{sim},{time.time()},{rate}"


def _environment() -> dict[str, str]:
    dropped = ("PYTHONDONTWRITEBYTECODE", "DATABASE_URL", "BTC_CLOCK", "BTC_SYMBOLS", "BTC_CONFIG")
    return {name: value for name, value in os.environ.items() if name not in dropped}
