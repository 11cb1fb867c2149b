"""Which data and which code: what is the same computes the same.

A version of data is the minutes of a range with its warm-up, what is said of missing ones, and the funding.
"""

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from functools import cache
from importlib import import_module
from pathlib import Path

from btc_core.model.timerange import EPOCH, MINUTE, TimeRange
from btc_core.version import CODE_VERSION
from btc_store.frames import Frames
from btc_store.warm_up import Wanted, nominal_start

# Whoever changes one of their files changes what a backtest says.
_PLUGINS = ("btc_core.strategies", "btc_core.indicators")


@dataclass(frozen=True, slots=True)
class DataVersion:
    """A state of stored data.

    Attributes:
        newest: When the newest of the minutes was written; None where there is none.
        digest: Differs where anything that is read does.
    """

    newest: datetime | None
    digest: str

    def __str__(self) -> str:
        return self.digest if self.newest is None else f"{self.newest.isoformat()} ({self.digest[:12]})"


def data_version(frames: Frames, symbol: str, range_: TimeRange, wanted: Sequence[Wanted]) -> DataVersion:
    """Return the version of what is read over a range: its minutes, those of the warm-up, and its funding.

    Ask before reading: what is written meanwhile is newer.

    Args:
        frames: The database.
        symbol: Whose.
        range_: What is simulated.
        wanted: The warm-up, as ``btc_store.warm_up`` takes it.
    """
    start = min(nominal_start(wanted), range_.start)
    newest, n_before, digest = frames.read("data_version", symbol, start, range_.end, range_.start).row(0)
    if n_before * MINUTE < range_.start - start:
        # Candles may be absent, and the warm-up is looked for further back: all of the past counts.
        newest, _, digest = frames.read("data_version", symbol, EPOCH, range_.end, range_.start).row(0)
    return DataVersion(newest, digest)


@cache
def code_digest() -> str:
    """Return what differs where the arithmetic, a strategy or an indicator does; files of one's own are among them."""
    digest = hashlib.sha256(CODE_VERSION.encode())
    folders = [Path(folder) for package in _PLUGINS for folder in import_module(package).__path__]
    for file in sorted(file for folder in folders for file in folder.glob("*.py")):
        digest.update(file.name.encode() + b"\0" + file.read_bytes())
    return digest.hexdigest()
