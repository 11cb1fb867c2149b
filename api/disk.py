"""The disk of the lake: how much room it has, and how long ago something was written to it. Files are not read."""

import shutil
from dataclasses import dataclass
from pathlib import Path

# A part of the lake is a folder with this file in it; whoever writes a part writes it last.
_MANIFEST = "manifest.json"


@dataclass(frozen=True, slots=True)
class Disk:
    """A disk as it is now.

    Attributes:
        total_bytes, free_bytes: Of the disk; free for us.
        n_parts: Parts of the lake.
        written_at: When the newest one was written, Unix seconds; None without any.
    """

    total_bytes: int
    free_bytes: int
    n_parts: int
    written_at: float | None


def folder_of(lake: str) -> Path | None:
    """Return the folder that a lake is in; None for an object store, and for no lake."""
    return Path(lake) if lake and "://" not in lake else None


def room_of(folder: Path) -> tuple[int, int]:
    """Return total and free bytes of the disk that a folder is on, or would be.

    Raises:
        OSError: If it cannot be looked at.
    """
    while not folder.exists() and folder != folder.parent:
        folder = folder.parent
    usage = shutil.disk_usage(folder)
    return usage.total, usage.free


def look_at(folder: Path) -> Disk:
    """Return how the disk of a lake is; a folder that is not there yet is on the disk of the one above it.

    Raises:
        OSError: If it cannot be looked at.
    """
    total, free = room_of(folder)
    written = [file.stat().st_mtime for file in folder.rglob(_MANIFEST)]
    return Disk(total, free, len(written), max(written, default=None))
