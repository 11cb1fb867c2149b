"""Each disk once."""

import os
import shutil
from pathlib import Path

import pytest

from btc_core.digest import Disk
from btc_store.disks import disks_of


def test_a_disk_is_told_once_by_the_first_folder_on_it(tmp_path: Path):
    """With the room that its file system has; a folder that is not there is on none."""
    inside = tmp_path / "inside"
    inside.mkdir()
    (disk,) = disks_of([tmp_path / "gone", inside, tmp_path])
    usage = shutil.disk_usage(tmp_path)
    assert (disk.folder, disk.total_bytes) == (str(inside), usage.total)
    assert 0 <= disk.free <= 1
    assert disks_of([]) == []


@pytest.mark.skipif(not os.access("/dev/shm", os.W_OK), reason="there is no file system in memory here")
def test_two_disks_are_two(tmp_path: Path):
    """In the order of the folders."""
    other = Path("/dev/shm")
    assert [disk.folder for disk in disks_of([other, tmp_path, other])] == [str(other), str(tmp_path)]


def test_a_disk_without_a_size_has_room():
    """Some file systems of a kernel have none."""
    assert Disk("/proc", 0, 0).free == 1
