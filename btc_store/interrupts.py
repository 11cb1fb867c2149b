"""Waiting for a driver so that no Ctrl-C is lost, and none ends the process.

The ADBC driver takes SIGINT for itself while the main thread is in one of its calls. It cancels the statement from a
thread of its own: where the statement has just ended the interruption is forgotten, and where its handle has just gone
the process dies of a segmentation fault. In other threads it leaves the signal alone.
"""

import threading
from collections.abc import Callable
from concurrent.futures import Future, ThreadPoolExecutor
from typing import TypeVar

T = TypeVar("T")

# A wait without an end is not always woken: Polars puts its own handler before Python's, after which the system begins
# the wait again. And a statement that was cancelled has so long to end before it is cancelled again: a cancellation may
# come between two statements, and do nothing.
_SECONDS = 0.05


class Waiter:
    """Waits in a thread of its own where the main one asks, which stays free for signals.

    Args:
        cancel: Ends a wait; called, as often as it takes, before what a signal's handler has raised goes on.
    """

    def __init__(self, cancel: Callable[[], None]) -> None:
        self._cancel = cancel
        self._thread = ThreadPoolExecutor(1)

    def wait_for(self, work: Callable[[], T]) -> T:
        """Return what some work returns that waits for a server; it is begun once or, interrupted before, never."""
        if threading.current_thread() is not threading.main_thread():
            return work()
        done: Future[T] = Future()
        ended = threading.Event()
        done.add_done_callback(lambda _: ended.set())
        try:
            self._thread.submit(_do, work, done)
            while not ended.wait(_SECONDS):
                pass
        except BaseException:
            if not done.cancel():
                self._end(ended)
            raise
        return done.result()

    def close(self) -> None:
        """End the thread."""
        self._thread.shutdown()

    def _end(self, ended: threading.Event) -> None:
        """Cancel until the work is over. Who interrupts once more waits for the same."""
        while not ended.is_set():
            try:
                self._cancel()
                ended.wait(_SECONDS)
            except BaseException:  # noqa: BLE001, S112 - the first interruption is on its way
                continue


def _do(work: Callable[[], T], done: Future[T]) -> None:
    """Do the work unless it was called off."""
    if not done.set_running_or_notify_cancel():
        return
    try:
        done.set_result(work())
    except BaseException as error:  # noqa: BLE001 - raised by whoever waits
        done.set_exception(error)
