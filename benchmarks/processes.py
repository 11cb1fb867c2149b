"""Whole processes, measured by the operating system: what a user waits for and what the machine holds."""

import os
import subprocess
import sys
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
_OURS = ("PYTHONDONTWRITEBYTECODE", "DATABASE_URL", "BTC_CLOCK", "BTC_SYMBOLS", "BTC_CONFIG")


@dataclass(frozen=True)
class Spent:
    """What a finished process took."""

    seconds: float
    cpu_seconds: float
    peak_memory_mb: float


def run(*command: str, env: Mapping[str, str], output: Path | None = None) -> Spent:
    """Run a command to its end; what it prints goes to a file, or nowhere.

    Raises:
        RuntimeError: If it ends unsuccessfully; the message is what it said.
    """
    with Path(os.devnull if output is None else output).open("wb") as printed:
        started = time.monotonic()
        process = subprocess.Popen(
            command, env={**clean_environment(), **env}, cwd=ROOT, stdout=printed, stderr=subprocess.PIPE
        )
    assert process.stderr is not None
    said = process.stderr.read()
    _, status, usage = os.wait4(process.pid, 0)
    process.returncode = os.waitstatus_to_exitcode(status)
    process.stderr.close()
    if process.returncode:
        raise RuntimeError(f"{' '.join(command)} ended with {process.returncode}: {said.decode()[-500:]}")
    return Spent(time.monotonic() - started, usage.ru_utime + usage.ru_stime, usage.ru_maxrss / 1024)


def program(name: str) -> str:
    """Return the path of a console script of this environment."""
    return str(Path(sys.executable).with_name(name))


@contextmanager
def background(
    commands: Sequence[Sequence[str]], *, env: Mapping[str, str], log: Path
) -> Iterator[list[subprocess.Popen[bytes]]]:
    """Run commands for the time of a ``with`` block, which gets the processes; what they say goes to a file."""
    with log.open("wb") as said:
        started = [
            subprocess.Popen(command, env={**clean_environment(), **env}, cwd=ROOT, stdout=said, stderr=said)
            for command in commands
        ]
        try:
            yield started
        finally:
            for process in started:
                process.terminate()
            for process in started:
                process.wait(timeout=30)


def clean_environment() -> dict[str, str]:
    """Return the environment without what is ours to say, and without the switch that makes processes compile anew."""
    return {name: value for name, value in os.environ.items() if name not in _OURS}
