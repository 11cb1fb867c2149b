"""Processes that live and die together: start them with logs of their own, notice the first death, stop them all.

Which processes there are is in ``services``.

Why not honcho: it starts everything at once, keeps a Python process beside each child and mixes their output on the
screen; here one waits for another, and the screen tells a story.
"""

import asyncio
import os
import signal
import sys
from collections.abc import Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

from btc_core.errors import ConfigError, DataError
from btc_store.ports import HOST, is_free

# How long a process may take to end after SIGTERM; then comes SIGKILL.
STOP_SECONDS = 10.0
# And how long its own children may, once it has ended.
REST_SECONDS = 3.0
POLL_SECONDS = 0.05
N_LAST_LINES = 20

# Runs between us and each process. PYTHONDONTWRITEBYTECODE would have every process compile what it imports anew. On
# Linux, option 1 of prctl(2) asks for a SIGTERM when we die without having stopped anybody.
_LAUNCH = """
import ctypes, os, signal, sys
parent, n_variables, *words = sys.argv[1:]
if sys.platform == "linux":
    ctypes.CDLL(None).prctl(1, signal.SIGTERM)
if os.getppid() != int(parent):
    sys.exit("the parent is gone")
os.environ.pop("PYTHONDONTWRITEBYTECODE", None)
os.environ.update(word.split("=", 1) for word in words[: int(n_variables)])
command = words[int(n_variables) :]
os.execvp(command[0], command)
"""


@dataclass(frozen=True, slots=True, kw_only=True)
class Program:
    """A process to start.

    Attributes:
        name: What people read, and the name of its log.
        command: The program and its arguments.
        variables: Added to our own environment.
        port: On which it listens once it is ready; None where nobody waits for it.
    """

    name: str
    command: Sequence[str]
    variables: Mapping[str, str]
    port: int | None = None


@dataclass(frozen=True, slots=True)
class Death:
    """A process that ended before it was told to.

    Attributes:
        name: Which one.
        status: Its exit status; negative where a signal ended it.
        last_lines: The end of its output.
    """

    name: str
    status: int
    last_lines: Sequence[str]


class Stack:
    """Running processes; a context that stops them, the last started first to be waited for.

    Args:
        folder: The working directory of every process.
        logs: Where their output goes, a file each; created.
    """

    def __init__(self, folder: Path, logs: Path) -> None:
        self.logs = logs
        self._folder = folder
        self._processes: dict[str, asyncio.subprocess.Process] = {}
        self._watchers: dict[str, asyncio.Task[int]] = {}
        self._death: asyncio.Future[Death] = asyncio.get_running_loop().create_future()
        self._is_stopping = False

    async def complete(self, program: Program) -> None:
        """Run a process to its end.

        Raises:
            DataError: If it fails.
        """
        await self.start(program, is_to_end=True)
        status = await self._watchers[program.name]
        del self._processes[program.name], self._watchers[program.name]
        if status != 0:
            said = " ".join(self.last_lines(program.name, N_LAST_LINES))
            raise DataError(f"{program.name} failed with status {status}: {said}")

    async def start(self, program: Program, *, is_to_end: bool = False) -> None:
        """Start a process; return at once. One that is to end by itself is no death when it does."""
        self.logs.mkdir(parents=True, exist_ok=True)
        variables = [f"{name}={value}" for name, value in program.variables.items()]
        with self._log(program.name).open("wb") as output:
            process = await asyncio.create_subprocess_exec(
                *(sys.executable, "-I", "-S", "-c", _LAUNCH, str(os.getpid()), str(len(variables))),
                *variables,
                *program.command,
                stdin=asyncio.subprocess.DEVNULL,
                stdout=output,
                stderr=output,
                cwd=self._folder,
                # A session of its own: Ctrl-C on the terminal reaches us, and we stop them in order.
                start_new_session=True,
            )
        self._processes[program.name] = process
        self._watchers[program.name] = asyncio.create_task(self._watch(program.name, process, is_to_end=is_to_end))

    async def ready(self, program: Program) -> None:
        """Wait until a process listens on its port. Waits for ever: whoever calls this looks at ``death`` too."""
        assert program.port is not None, "there is something to wait for"
        while not await _listens(program.port):
            await asyncio.sleep(POLL_SECONDS)

    @property
    def names(self) -> list[str]:
        """Return the running processes, the last started first."""
        return list(reversed(self._processes))

    def last_lines(self, name: str, n: int) -> list[str]:
        """Return the end of what a process wrote."""
        return last_lines(self._log(name), n)

    async def death(self) -> Death:
        """Wait for the first process that ends by itself."""
        return await asyncio.shield(self._death)

    async def stop(self, names: Sequence[str]) -> None:
        """Stop processes; return when nothing of them is left."""
        self._is_stopping = True
        chosen = {name: self._processes[name] for name in names}
        for process in chosen.values():
            # The whole group: what the code location runs is told too, and marks its run as ended.
            _signal_group(process.pid, signal.SIGTERM)
        groups = [process.pid for process in chosen.values()]
        if chosen:
            await asyncio.wait([self._watchers[name] for name in chosen], timeout=STOP_SECONDS)
            await _gone(groups)
        for name, process in chosen.items():
            _signal_group(process.pid, signal.SIGKILL)
            await self._watchers[name]
            del self._processes[name], self._watchers[name]

    async def _watch(self, name: str, process: asyncio.subprocess.Process, *, is_to_end: bool) -> int:
        status = await process.wait()
        if not is_to_end and not self._is_stopping and not self._death.done():
            self._death.set_result(Death(name, status, last_lines(self._log(name))))
        return status

    def _log(self, name: str) -> Path:
        return self.logs / f"{name.replace(' ', '-')}.log"


def last_lines(log: Path, n: int = N_LAST_LINES) -> list[str]:
    """Return the end of a log."""
    return log.read_text(encoding="utf-8", errors="replace").splitlines()[-n:]


def check_port(port: int, *, wanted_for: str, way_out: str) -> None:
    """Do nothing where a port is free.

    Raises:
        ConfigError: If it is taken.
    """
    if not is_free(port):
        raise ConfigError(f"port {port}, wanted for {wanted_for}, is in use: stop what listens there, or {way_out}")


async def _listens(port: int) -> bool:
    try:
        _, writer = await asyncio.open_connection(HOST, port)
    except OSError:
        return False
    writer.close()
    with suppress(OSError):
        await writer.wait_closed()
    return True


async def _gone(groups: Sequence[int]) -> None:
    """Wait until the leaders' own children have ended too, but not long."""
    with suppress(TimeoutError):
        async with asyncio.timeout(REST_SECONDS):
            while any(_exists(group) for group in groups):
                await asyncio.sleep(POLL_SECONDS)


def _exists(group: int) -> bool:
    try:
        os.killpg(group, 0)
    except ProcessLookupError:
        return False
    except PermissionError:
        # macOS says so of a group of zombies.
        return False
    return True


def _signal_group(group: int, number: signal.Signals) -> None:
    with suppress(ProcessLookupError, PermissionError):
        os.killpg(group, number)
