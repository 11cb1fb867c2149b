"""Closed candles on disk while the database is away: append-only files, replayed in order, by the next process too.

A file holds a candle a line, as JSON. Its name tells the database, and a lock tells whether its writer lives: what
nobody holds, whoever starts next for the same database takes over.
"""

import fcntl
import hashlib
import logging
import os
import threading
from collections.abc import Iterator, Sequence
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

import msgspec

from btc_core.errors import SpoolError
from btc_core.model.candle import Candle

logger = logging.getLogger(__name__)

# Candles that are replayed at once: a transaction's worth.
CHUNK = 1000
MEGABYTE = 1_000_000


@dataclass(slots=True)
class _File:
    """A file that we hold the lock of.

    Attributes:
        descriptor: Open for reading and writing; the lock lives as long as it.
        n_bytes: How much of it is written for certain.
        n_candles: Lines in it that are not stored yet.
        n_stored_bytes: Where they begin.
    """

    path: Path
    descriptor: int
    n_bytes: int
    n_candles: int
    n_stored_bytes: int = 0


class Spool:
    """Candles that wait on disk for one database.

    It waits for the disk: add from a thread where a loop must not stand still.

    Args:
        folder: Where the files lie; made where it does not exist.
        database: Which one, by its own mark: another one at the same address does not get the files.
        megabytes: Bound of all our files together, in millions of bytes.

    Raises:
        SpoolError: If the folder cannot be used.
    """

    def __init__(self, folder: Path, database: str, *, megabytes: float) -> None:
        self._folder = folder
        self._name = f"spool-{hashlib.sha256(database.encode()).hexdigest()[:12]}"
        self._max_bytes = int(megabytes * MEGABYTE)
        self._encoder = msgspec.json.Encoder()
        self._decoder = msgspec.json.Decoder(Candle)
        # A thread cannot be cancelled: one that its task no longer waits for may still be adding.
        self._turn = threading.Lock()
        # Oldest first. Appended to is the one that this process has begun, however often it is read meanwhile: a file
        # for each try to reach the database would be too many for an outage of days.
        self._files: list[_File] = []
        self._own: _File | None = None
        # What was read to its end: where that was, and how many lines.
        self._read: list[tuple[_File, int, int]] = []
        try:
            folder.mkdir(parents=True, exist_ok=True)
            for path in sorted(folder.glob(f"{self._name}-*.jsonl")):
                self._take_over(path)
        except OSError as error:
            raise SpoolError(f"{folder} cannot hold candles ({error.strerror or error}): make it writable") from error
        if self._files:
            logger.info("candles of an earlier process found", extra={"n_candles": self.n_candles})

    @property
    def n_candles(self) -> int:
        """How many candles wait; versions of one minute count each."""
        return sum(file.n_candles for file in self._files)

    def add(self, candles: Sequence[Candle]) -> None:
        """Append candles and wait until they are on the disk: all of them, or none with an error.

        Raises:
            SpoolError: If the disk does not take them, or the spool would be larger than its bound.
        """
        if candles:
            with self._turn:
                self._add(candles)

    def __iter__(self) -> Iterator[list[Candle]]:
        """Read what waits, in the order in which it was added, at most ``CHUNK`` at once.

        What is added meanwhile is not among it, and waits for the next time.
        """
        with self._turn:
            self._read = []
            found = [(file, file.n_bytes, file.n_candles) for file in self._files]
        for file, end, n_candles in found:
            yield from self._chunks(file, end)
            self._read.append((file, end, n_candles))

    def clear(self) -> None:
        """Let go of what was read to its end: it is stored. A file to which nothing was added since is removed."""
        with self._turn:
            for file, end, n_candles in self._read:
                if file.n_bytes > end:
                    file.n_stored_bytes, file.n_candles = end, file.n_candles - n_candles
                    continue
                _remove(file)
                self._files.remove(file)
            if self._own not in self._files:
                self._own = None
            self._read = []

    def close(self) -> None:
        """Let the next process have the files."""
        with self._turn:
            for file in self._files:
                if file.n_bytes:
                    os.close(file.descriptor)
                else:
                    _remove(file)
            self._files, self._read, self._own = [], [], None

    def _add(self, candles: Sequence[Candle]) -> None:
        text = self._encoder.encode_lines(candles)
        if sum(file.n_bytes for file in self._files) + len(text) > self._max_bytes:
            size = f"{self._max_bytes / MEGABYTE:g} MB"
            raise SpoolError(f"the spool in {self._folder} is full: it may hold {size} (collector.spool_megabytes)")
        try:
            file = self._writable()
            _append(file, text)
        except OSError as error:
            raise SpoolError(
                f"{self._folder} does not take candles ({error.strerror or error}): make room there"
            ) from error
        file.n_bytes += len(text)
        file.n_candles += len(candles)

    def _take_over(self, path: Path) -> None:
        """Hold a file, unless a living process holds it."""
        descriptor = os.open(path, os.O_RDWR)
        if not _is_locked(descriptor, path):
            os.close(descriptor)
            return
        file = _File(path, descriptor, os.fstat(descriptor).st_size, _n_lines(path))
        if file.n_bytes:
            self._files.append(file)
        else:
            _remove(file)

    def _writable(self) -> _File:
        """Return the file to append to, a new one if there is none."""
        if self._own is not None:
            return self._own
        numbers = [int(path.stem.rpartition("-")[2]) for path in self._folder.glob(f"{self._name}-*.jsonl")]
        number = max(numbers, default=0)
        while True:
            number += 1
            path = self._folder / f"{self._name}-{number:06}.jsonl"
            # Another process may be as quick: then the next number is ours.
            with suppress(FileExistsError):
                descriptor = os.open(path, os.O_RDWR | os.O_CREAT | os.O_EXCL, 0o600)
                if _is_locked(descriptor, path):
                    break
                os.close(descriptor)
        self._own = _File(path, descriptor, 0, 0)
        self._files.append(self._own)
        _sync_folder(self._folder)
        return self._own

    def _chunks(self, file: _File, end: int) -> Iterator[list[Candle]]:
        chunk: list[Candle] = []
        n_read = file.n_stored_bytes
        with file.path.open("rb") as lines:
            lines.seek(n_read)
            for line in lines:
                n_read += len(line)
                if n_read > end:
                    break
                try:
                    chunk.append(self._decoder.decode(line))
                except (msgspec.DecodeError, UnicodeDecodeError):
                    # Its writer was killed in the middle of it, and never said that it was stored.
                    logger.warning("torn line in the spool", extra={"file": str(file.path), "n_bytes": len(line)})
                if len(chunk) == CHUNK:
                    yield chunk
                    chunk = []
        if chunk:
            yield chunk


def _n_lines(path: Path) -> int:
    with path.open("rb") as lines:
        return sum(1 for _ in lines)


def _remove(file: _File) -> None:
    # The name goes before the lock: nobody can take the file over in between.
    file.path.unlink(missing_ok=True)
    os.close(file.descriptor)


def _is_locked(descriptor: int, path: Path) -> bool:
    """Lock a file; return False if another process holds it, or has just removed it."""
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        return path.stat().st_ino == os.fstat(descriptor).st_ino
    except (BlockingIOError, FileNotFoundError):
        return False


def _append(file: _File, text: bytes) -> None:
    """Write behind what is certain, and wait for the disk. What a failed write left is written over or cut off."""
    try:
        n_written = 0
        while n_written < len(text):
            n_written += os.pwrite(file.descriptor, text[n_written:], file.n_bytes + n_written)
        os.fsync(file.descriptor)
    except OSError:
        with suppress(OSError):
            os.ftruncate(file.descriptor, file.n_bytes)
        raise


def _sync_folder(folder: Path) -> None:
    """Wait until the folder itself, with the name of a new file, is on the disk."""
    descriptor = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
