"""The outcomes of a sweep's trials, kept as they are finished: what was tried once is not tried again.

A sweep is named by its fingerprint: what was asked, of which code and which data. Its trials have numbers, and a row
holds a stretch of them. Killed at any moment, a sweep loses what it finished within the last second.
"""

import hashlib
import time
from collections.abc import Mapping
from concurrent.futures import Future, ThreadPoolExecutor
from types import TracebackType

import msgspec

from btc_core.simulator.outcome import Outcome
from btc_store.frames import Frames

# A stretch is written after so long, or when it holds so many.
SECONDS, MOST = 1.0, 2_000

_decoder = msgspec.json.Decoder(list[Outcome])


def fingerprint_of(facts: Mapping[str, object]) -> str:
    """Return the name of a sweep: the same for the same facts, whatever their order."""
    return hashlib.sha256(msgspec.json.encode(facts, order="sorted")).hexdigest()[:32]


class KeptTrials:
    """What is finished of one sweep, for the time of a ``with`` block.

    Stretches are written by a thread: Ctrl-C, which reaches the main thread alone, does not break a statement off.

    Args:
        frames: The database; nobody else uses this connection meanwhile.
        fingerprint: Of the sweep, which ``begin`` has written down.
    """

    def __init__(self, frames: Frames, fingerprint: str) -> None:
        self._frames, self._fingerprint = frames, fingerprint
        self._first, self._stretch = 0, list[Outcome]()
        self._since = time.monotonic()
        self._writer = ThreadPoolExecutor(1)
        self._written: Future[None] | None = None

    def __enter__(self) -> "KeptTrials":
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """Write what is not written yet, whatever happened."""
        try:
            self.flush()
        finally:
            self._writer.shutdown()
        if self._written is not None:
            self._written.result()

    def keep(self, number: int, outcome: Outcome) -> None:
        """Take a finished trial; it is written with those after it.

        Raises:
            DatabaseError: If an earlier stretch could not be written.
        """
        if number != self._first + len(self._stretch):
            self.flush()
            self._first = number
        self._stretch.append(outcome)
        if len(self._stretch) >= MOST or time.monotonic() - self._since >= SECONDS:
            self.flush()

    def flush(self) -> None:
        """Have the stretch written that is at hand; waits for the one before."""
        self._since = time.monotonic()
        if not self._stretch:
            return
        if self._written is not None:
            self._written.result()
        first, stretch = self._first, self._stretch
        self._first, self._stretch = first + len(stretch), []
        self._written = self._writer.submit(self._write, first, stretch)

    def _write(self, first: int, stretch: list[Outcome]) -> None:
        with self._frames.transaction():
            outcomes = msgspec.json.encode(stretch).decode()
            self._frames.run("insert_sweep_trials", self._fingerprint, first, outcomes)


def begin(frames: Frames, fingerprint: str, *, strategy: str, request: object, n_trials: int) -> dict[int, Outcome]:
    """Write down what a sweep was asked, and return the outcomes of its trials that are finished, by their numbers."""
    with frames.transaction():
        frames.run("begin_sweep", fingerprint, strategy, msgspec.json.encode(request).decode(), n_trials)
        stretches = frames.read("read_sweep_trials", fingerprint)
    return {
        first + i: outcome
        for first, outcomes in stretches.iter_rows()
        for i, outcome in enumerate(_decoder.decode(outcomes))
    }


def finish(frames: Frames, fingerprint: str, results: object) -> None:
    """Keep what a sweep found."""
    with frames.transaction():
        frames.run("finish_sweep", fingerprint, msgspec.json.encode(results).decode())
