"""Environments of their own, with a part of what the lock says; wheels come from uv's cache where it has them."""

import os
import shutil
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from tests.conftest import ROOT, skip_or_fail

SYNC_SECONDS = 300


@contextmanager
def environment(folder: Path, *options: str) -> Iterator[Path]:
    """Make a virtual environment with these options of ``uv sync``, and remove it afterwards.

    The project itself is not installed: its code is run from the checkout, as a container runs it.
    """
    command = [
        find_uv(),
        "sync",
        "--frozen",
        "--no-default-groups",
        "--no-install-project",
        f"--python={sys.executable}",
    ]
    done = subprocess.run(
        [*command, *options],
        cwd=ROOT,
        env={**os.environ, "UV_PROJECT_ENVIRONMENT": str(folder), "UV_COMPILE_BYTECODE": "0"},
        capture_output=True,
        text=True,
        check=False,
        timeout=SYNC_SECONDS,
    )
    if done.returncode:
        skip_or_fail(f"uv could not build the environment: {done.stderr[-500:]}")
    yield folder
    shutil.rmtree(folder, ignore_errors=True)


def find_uv() -> str:
    """Return a uv that runs: the machine's, or the one of `make install`."""
    uv = next(filter(_works, ("uv", str(ROOT / ".uv" / "bin" / "uv"))), None)
    if uv is None:
        skip_or_fail("there is no uv: `make install` brings it")
    return str(uv)


def _works(uv: str) -> bool:
    """Return whether there is a uv of that name that runs."""
    try:
        return subprocess.run([uv, "--version"], capture_output=True, check=False, timeout=60).returncode == 0
    except OSError:
        return False
