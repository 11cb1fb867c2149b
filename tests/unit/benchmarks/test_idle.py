"""What the kernel says of a process and of those that it started."""

import os
import subprocess
import sys

import pytest

from benchmarks.idle import usage

pytestmark = pytest.mark.skipif(sys.platform != "linux", reason="the figures are those of /proc")

WORKER = """
import sys, time
held = bytearray(b"x" * 32_000_000)
while time.process_time() < 0.3:
    pass
sys.stdout.write("done\\n")
sys.stdout.flush()
sys.stdin.readline()
"""


def test_a_child_counts_while_it_runs_and_after_it():
    """Its processor time stays with the one that waited for it; its memory goes."""
    before = usage(os.getpid())
    child = subprocess.Popen([sys.executable, "-c", WORKER], stdin=subprocess.PIPE, stdout=subprocess.PIPE)
    assert child.stdout.readline() == b"done\n"
    during = usage(os.getpid())
    child.communicate(b"\n")
    after = usage(os.getpid())
    assert during.cpu_seconds - before.cpu_seconds >= 0.25
    assert after.cpu_seconds >= during.cpu_seconds - 0.05
    assert during.megabytes - after.megabytes > 30
