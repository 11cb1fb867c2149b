"""A journal of the stream's messages, raw and as they came: for finding faults, and for the demo exchange to replay.

A line is ``<receive time, ns since 1970 by the market clock> <message>``. The files are gzip, one for each hour and
each start of the process. Reading the socket never waits for the disk: a thread writes, and what it cannot write is
counted, told and let go.
"""

import asyncio
import gzip
import re
import threading
from collections.abc import Callable, Sequence
from contextlib import suppress
from datetime import UTC, datetime, timedelta
from itertools import groupby
from pathlib import Path
from typing import NamedTuple, Self

from btc_core.model.timerange import EPOCH
from collector.alarms import Alarms

# Real seconds: so much is lost when the process is killed, and so long a stop waits for a disk that hangs.
FLUSH_SECONDS = 5.0
CLOSE_SECONDS = 5.0
# What waits for the disk at most: the better part of a minute at 200 messages a second.
QUEUE_BYTES = 2_000_000

HOUR = timedelta(hours=1)
SUFFIX = ".log.gz"
# Names sort by time, and a colon is not allowed in every file system.
NAME = "%Y-%m-%dT%H-%M-%S.%fZ"
_LINE_BREAKS = re.compile(r"[\r\n]+")


class Received(NamedTuple):
    """A message and when it came, by the market clock."""

    at: datetime
    message: bytes | str

    @property
    def hour(self) -> datetime:
        """The hour in which it came."""
        return EPOCH + (self.at - EPOCH) // HOUR * HOUR

    def line(self) -> str:
        """Return it as one line: JSON has line breaks between values only, and there a blank means the same."""
        message = self.message
        text = message if isinstance(message, str) else message.decode("utf-8", "backslashreplace")
        return f"{(self.at - EPOCH) // timedelta(microseconds=1) * 1000} {_LINE_BREAKS.sub(' ', text)}\n"


class FrameFiles:
    """The files of one process in a folder. Every call may block.

    Args:
        folder: Where they are; it is made when there is something to write.
        keep: Files that are older, by the time in their name, are deleted.
    """

    def __init__(self, folder: Path, *, keep: timedelta) -> None:
        self._folder = folder
        self._keep = keep
        self._hour: datetime | None = None
        self._path = folder

    def write(self, batch: Sequence[Received]) -> None:
        """Append messages, as whole gzip members.

        Raises:
            OSError: If they cannot be written.
        """
        self._folder.mkdir(parents=True, exist_ok=True)
        for hour, group in groupby(batch, key=lambda received: received.hour):
            messages = list(group)
            if hour != self._hour:
                # Never an old file: what a crash has cut off must stay the end of its file.
                self._hour, self._path = hour, self._folder / (messages[0].at.strftime(NAME) + SUFFIX)
            self._append("".join(received.line() for received in messages).encode("utf-8", "backslashreplace"))

    def delete_old(self, now: datetime) -> None:
        """Delete what is too old. A file whose name is not of our kind is left alone.

        Raises:
            OSError: If a file cannot be deleted.
        """
        for path in self._folder.glob("*" + SUFFIX):
            start = _time_in(path)
            if start is not None and start + HOUR < now - self._keep:
                path.unlink(missing_ok=True)

    def _append(self, text: bytes) -> None:
        with self._path.open("ab", buffering=0) as file:
            size = file.tell()
            rest = memoryview(gzip.compress(text, compresslevel=6))
            try:
                while rest:
                    rest = rest[file.write(rest) :]
            except OSError:
                # Half a member would hide what is appended after it.
                try:
                    file.truncate(size)
                except OSError:
                    self._hour = None
                raise


class Recorder:
    """The journal, open for the time of an ``async with`` block.

    Attributes:
        n_lost: Messages that were not written.

    Args:
        folder: Where the files are.
        keep: For how long, in market time.
        alarms: Told of what is not written.
    """

    def __init__(self, folder: Path, *, keep: timedelta, alarms: Alarms) -> None:
        self._files = FrameFiles(folder, keep=keep)
        self._alarms = alarms
        self._lock = threading.Lock()
        self._queue: list[Received] = []
        self._n_bytes = 0
        self._stopping = threading.Event()
        self._ended = asyncio.Event()
        self.n_lost = 0

    async def __aenter__(self) -> Self:
        # A daemon: a disk that hangs must not keep the process from ending.
        work = threading.Thread(target=self._work, args=[asyncio.get_running_loop()], name="recorder", daemon=True)
        work.start()
        return self

    async def __aexit__(self, *_: object) -> None:
        self._stopping.set()
        with suppress(TimeoutError):
            async with asyncio.timeout(CLOSE_SECONDS):
                await self._ended.wait()

    def record(self, message: bytes | str, now: datetime) -> None:
        """Keep a message for the next write. Never waits; what is too much for the memory set aside is let go."""
        with self._lock:
            has_room = self._n_bytes + len(message) <= QUEUE_BYTES
            if has_room:
                self._queue.append(Received(now, message))
                self._n_bytes += len(message)
        if not has_room:
            self._lose(1, "the disk is slower than the stream")

    def _work(self, loop: asyncio.AbstractEventLoop) -> None:
        """Write what waits, now and then and at the end. This is the thread."""
        is_last = False
        while not is_last:
            is_last = self._stopping.wait(FLUSH_SECONDS)
            self._write(loop)
        _tell(loop, self._ended.set)

    def _write(self, loop: asyncio.AbstractEventLoop) -> None:
        with self._lock:
            batch, self._queue, self._n_bytes = self._queue, [], 0
        if not batch:
            return
        n_unwritten = len(batch)
        try:
            self._files.write(batch)
            n_unwritten = 0
            self._files.delete_old(batch[-1].at)
        except OSError as error:
            _tell(loop, self._lose, n_unwritten, str(error))

    def _lose(self, n_messages: int, reason: str) -> None:
        self.n_lost += n_messages
        self._alarms.warn("frames are not recorded", {"n_frames": n_messages, "reason": reason})


def _time_in(path: Path) -> datetime | None:
    """Return when the first message of a file came; None where the name says no time."""
    try:
        return datetime.strptime(path.name.removesuffix(SUFFIX), NAME).replace(tzinfo=UTC)
    except ValueError:
        return None


def _tell(loop: asyncio.AbstractEventLoop, call: Callable[..., None], *arguments: object) -> None:
    """Call something in the loop's thread, unless the loop is gone: the disk hung for longer than a stop waits."""
    with suppress(RuntimeError):
        loop.call_soon_threadsafe(call, *arguments)
