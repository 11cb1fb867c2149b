"""Tests whose market runs hundreds of times as fast as time: one shows nothing on a machine that stood still.

A minute of the market lasts a tenth of a second there. Where this process is not let run for longer than the exchange
may be silent, a connection is dropped as it should be, and a test that counts connections fails. Such a test is run
again if it fails, three times at most, and only if the machine stood still meanwhile.
"""

import threading
import time

import pytest
from _pytest.runner import runtestprotocol

# What a machine that does much else takes from everybody; the collector's own limits are above it.
STILL_SECONDS = 0.2
N_TIMES = 3
_LOOK_SECONDS = 0.02


class Pauses(threading.Thread):
    """Sees for how long this process was not let run.

    Attributes:
        longest: Real seconds.
    """

    def __init__(self) -> None:
        super().__init__(daemon=True)
        self.longest = 0.0
        self._over = threading.Event()

    def run(self) -> None:
        """Look at the clock again and again."""
        before = time.monotonic()
        while not self._over.wait(_LOOK_SECONDS):
            now = time.monotonic()
            self.longest = max(self.longest, now - before - _LOOK_SECONDS)
            before = now

    def end(self) -> float:
        """Stop looking; return the longest pause."""
        self._over.set()
        self.join()
        return self.longest


@pytest.hookimpl(tryfirst=True)
def pytest_runtest_protocol(item: pytest.Item, nextitem: pytest.Item | None) -> bool | None:
    """Run a test that is marked ``real_time`` until the machine has not stood still, or it has passed."""
    if item.get_closest_marker("real_time") is None:
        return None
    item.ihook.pytest_runtest_logstart(nodeid=item.nodeid, location=item.location)
    reports: list[pytest.TestReport] = []
    for n in range(N_TIMES):
        if n:
            item._initrequest()  # pyright: ignore[reportAttributeAccessIssue]  # what pytest-rerunfailures does
        pauses = Pauses()
        pauses.start()
        reports = runtestprotocol(item, log=False, nextitem=nextitem)
        if pauses.end() < STILL_SECONDS or not any(report.failed for report in reports):
            break
    for report in reports:
        item.ihook.pytest_runtest_logreport(report=report)
    item.ihook.pytest_runtest_logfinish(nodeid=item.nodeid, location=item.location)
    return True
