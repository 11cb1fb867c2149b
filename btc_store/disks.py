"""The disks that some folders are on."""

import shutil
from collections.abc import Iterable
from pathlib import Path

from btc_core.digest import Disk


def disks_of(folders: Iterable[Path]) -> list[Disk]:
    """Return each disk once, by the first folder on it; a folder that is not there is on none."""
    disks: dict[int, Disk] = {}
    for folder in folders:
        try:
            device, usage = folder.stat().st_dev, shutil.disk_usage(folder)
        except OSError:
            continue
        disks.setdefault(device, Disk(str(folder), usage.total, usage.free))
    return list(disks.values())
