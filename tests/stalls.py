"""Tests whose market runs hundreds of times as fast as time: one shows nothing on a machine that stood still.

A minute of the market lasts a tenth of a second there. Where this process is not let run for longer than the exchange
may be silent, a connection is dropped as it should be, and a test that counts connections fails. Such a test is run
again if it fails, three times at most, and only if the machine stood still meanwhile.
"""

import threading
import time
from collections.abc import Generator, Iterator
from contextlib import contextmanager

import pytest

# What a machine that does much else takes from everybody; the collector's own limits are above it.
STILL_SECONDS = 0.2
N_TIMES = 3
_LOOK_SECONDS = 0.02


class Machine:
    """What runs us.

    Attributes:
        pause: The longest time for which it did not let us run when it was last watched, real seconds.
    """

    def __init__(self) -> None:
        self.pause = 0.0

    def stood_still(self) -> bool:
        """Whether a test that failed meanwhile shows nothing."""
        return self.pause >= STILL_SECONDS

    @contextmanager
    def watched(self) -> Iterator[None]:
        """Watch it for the time of a ``with`` block."""
        self.pause = 0.0
        over = threading.Event()
        watching = threading.Thread(target=self._watch, args=(over,), daemon=True)
        watching.start()
        try:
            yield
        finally:
            over.set()
            watching.join()

    def _watch(self, over: threading.Event) -> None:
        before = time.monotonic()
        is_over = False
        while not is_over:
            # A pause at the very end counts too.
            is_over = over.wait(_LOOK_SECONDS)
            now = time.monotonic()
            self.pause = max(self.pause, now - before - _LOOK_SECONDS)
            before = now


_machine = Machine()
real_time = pytest.mark.flaky(reruns=N_TIMES - 1, condition=_machine.stood_still)


@pytest.hookimpl(wrapper=True)
def pytest_runtest_call(item: pytest.Item) -> Generator[None]:
    """Watch the machine while a test runs that may be run again."""
    if item.get_closest_marker(real_time.name) is None:
        return (yield)
    with _machine.watched():
        return (yield)
