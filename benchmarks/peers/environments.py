"""Environments of the peers, in .cache/peers, made when a benchmark asks for them and again when their pins change."""

import shutil
import subprocess
import sys
from functools import cache
from pathlib import Path

from benchmarks.processes import ROOT, clean_environment

HERE = Path(__file__).resolve().parent
ENVIRONMENTS = ROOT / ".cache" / "peers"
INSTALL_SECONDS = 600


class NoPeerError(Exception):
    """A peer cannot be installed; the message is the reason, in a line."""


def requirements_of(peer: str) -> Path:
    """Return the file with a peer's pins."""
    return HERE / f"requirements-{peer}.txt"


@cache
def python_of(peer: str) -> Path:
    """Return the interpreter of a peer's environment, after having installed it where that is not done.

    Raises:
        NoPeerError: If that is not possible here.
    """
    pins, folder = requirements_of(peer).read_text(encoding="utf-8"), ENVIRONMENTS / peer
    python, stamp = folder / "bin" / "python", folder / ".installed"
    if not (stamp.exists() and stamp.read_text(encoding="utf-8") == pins):
        shutil.rmtree(folder, ignore_errors=True)
        uv = _uv()
        _said(uv, "venv", "--quiet", "--python", sys.executable, str(folder))
        # Without .pyc files each of the peer's processes would compile what it imports.
        compiled = ("--quiet", "--compile-bytecode", "--python", str(python))
        _said(uv, "pip", "install", *compiled, "--requirement", str(requirements_of(peer)))
        stamp.write_text(pins, encoding="utf-8")
    return python


def _uv() -> str:
    """Return uv as the Makefile finds it: one that works, else our own."""
    for uv in ("uv", str(ROOT / ".uv" / "bin" / "uv")):
        try:
            _said(uv, "--version")
        except NoPeerError:
            continue
        return uv
    raise NoPeerError("there is no uv: `make install` brings one")


def _said(*command: str) -> str:
    try:
        done = subprocess.run(
            command, capture_output=True, text=True, check=False, timeout=INSTALL_SECONDS, env=clean_environment()
        )
    except (OSError, subprocess.TimeoutExpired) as error:
        raise NoPeerError(f"{Path(command[0]).name}: {error}") from error
    if done.returncode:
        last = (done.stderr.strip() or "no reason given").splitlines()[-1]
        raise NoPeerError(f"{Path(command[0]).name} {command[1]}: {last.strip()}")
    return done.stdout
