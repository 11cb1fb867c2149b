"""A failure is no verdict where the machine stood still, and is one everywhere else."""

import subprocess
import sys
from pathlib import Path

import pytest

from tests.conftest import ROOT
from tests.stalls import N_TIMES

TRIAL = """
import os
import signal
import subprocess
from tests.stalls import real_time

@real_time
def test_it():
    with open({log!r}, "a") as log:
        n = log.write("x") and log.tell()
    if n <= {n_still}:
        # Nobody runs while it is stopped.
        with subprocess.Popen(["sh", "-c", f"sleep 0.6; kill -CONT {{os.getpid()}}"]):
            os.kill(os.getpid(), signal.SIGSTOP)
    assert n > {n_bad}
"""


@pytest.mark.parametrize(
    ("n_still", "n_bad", "n_times", "passes"),
    [(1, 1, 2, True), (0, 1, 1, False), (9, 9, N_TIMES, False), (0, 0, 1, True)],
    ids=["stood still once", "fails by itself", "stands still for ever", "passes"],
)
def test_a_failure_on_a_machine_that_stood_still(tmp_path: Path, n_still, n_bad, n_times, passes):
    """It is tried again, as often as the machine was to blame, and not for ever."""
    log, file = tmp_path / "log", tmp_path / "test_trial.py"
    file.write_text(TRIAL.format(log=str(log), n_still=n_still, n_bad=n_bad), encoding="utf-8")
    options = ("-p", "tests.stalls", "-p", "no:cacheprovider", "-q")
    command = [sys.executable, "-m", "pytest", "-c", str(tmp_path / "none.ini"), *options, str(file)]
    (tmp_path / "none.ini").write_text("[pytest]\n", encoding="utf-8")
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False, timeout=60)
    assert (done.returncode == 0, len(log.read_text(encoding="utf-8"))) == (passes, n_times), done.stdout
