"""Waiting for a driver so that no Ctrl-C is lost, and none ends the process.

The ADBC driver takes SIGINT for itself while the main thread is in one of its calls. It cancels the statement from a
thread of its own: where the statement has just ended the interruption is forgotten, and where its handle has just gone
the process dies of a segmentation fault. In other threads it leaves the signal alone.
"""

import threading
from collections.abc import Callable
from concurrent.futures import Future, wait
from typing import TypeVar

T = TypeVar("T")

# A wait without an end is not always woken: Polars puts its own handler before Python's, after which the system begins
# the wait again. And a statement that was cancelled has so long to end before it is cancelled again: a cancellation may
# come between two statements, and do nothing.
_SECONDS = 0.05


def interruptible(work: Callable[[], T], cancel: Callable[[], None]) -> T:
    """Return what some work returns, done in a thread where the main one asks, which stays free for signals.

    Args:
        work: Waits for a server; is begun once or, interrupted before, never.
        cancel: Ends the wait; called, as often as it takes, before what a signal's handler has raised goes on.
    """
    if threading.current_thread() is not threading.main_thread():
        return work()
    done: Future[T] = Future()
    try:
        threading.Thread(target=_do, args=(work, done), daemon=True).start()
        while not done.done():
            wait((done,), _SECONDS)
    except BaseException:
        if not done.cancel():
            _end(done, cancel)
        raise
    return done.result()


def _do(work: Callable[[], T], done: Future[T]) -> None:
    """Do the work unless it was called off."""
    if not done.set_running_or_notify_cancel():
        return
    try:
        done.set_result(work())
    except BaseException as error:  # noqa: BLE001 - raised by whoever waits
        done.set_exception(error)


def _end(done: "Future[T]", cancel: Callable[[], None]) -> None:
    """Cancel until the work is over. Who interrupts once more waits for the same."""
    while not done.done():
        try:
            cancel()
            wait((done,), _SECONDS)
        except BaseException:  # noqa: BLE001, S112 - the first interruption is on its way
            continue
