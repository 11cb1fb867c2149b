"""Ctrl-C and Dagster's cancellation, sent for real while the server is asked."""

import os
import random
import signal
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime

import pytest

from btc_core.model.interval import ONE_MINUTE
from btc_core.model.timerange import MINUTE, TimeRange
from btc_store.frames import Frames, open_frames, read_candles
from tests.derivation import minute, minutes_frame, put_minutes

START = datetime(2025, 2, 14, 8, tzinfo=UTC)
SPAN = TimeRange(START, START + 60 * MINUTE)


class Interrupted(BaseException):
    """What Dagster raises in a run that is cancelled."""


@pytest.fixture
def frames(database_url: str) -> Iterator[Frames]:
    """A connection to a database of its own."""
    with open_frames(database_url) as opened:
        yield opened


@pytest.mark.parametrize("kind", [KeyboardInterrupt, Interrupted])
def test_no_interruption_is_lost(frames, kind):
    """Whenever the signal comes, while a statement begins, runs or ends: its handler is called, and we serve on."""
    n_told, chance = 0, random.Random(kind.__name__)
    with handler_that_raises(kind):
        for seconds in (chance.random() * 0.02 for _ in range(100)):
            sender = threading.Thread(target=interrupt_after, args=(seconds,))
            try:
                sender.start()
                while sender.is_alive():
                    assert frames.ask("SELECT 1 AS one").item() == 1
                sender.join()
                time.sleep(1)
            except kind:
                n_told += 1
            sender.join()
    assert n_told == 100
    assert frames.ask("SELECT 1 AS one").item() == 1


def test_a_statement_is_interrupted_where_it_waits(frames):
    """Nobody waits for a server that works on; what the statement wrote is undone."""
    sender = threading.Thread(target=interrupt_after, args=(0.3,))
    # Whoever starts us in the background has us ignore the signal.
    with handler_that_raises(Interrupted), pytest.raises(Interrupted), frames.transaction():
        sender.start()
        put_minutes(frames, "BTC", minutes_frame([minute(0, START)]))
        frames.ask("SELECT pg_sleep(60)")
    assert read_candles(frames, "BTC", ONE_MINUTE, SPAN).is_empty()


def interrupt_after(seconds: float) -> None:
    """Send this process what Ctrl-C and Dagster send."""
    time.sleep(seconds)
    os.kill(os.getpid(), signal.SIGINT)


@contextmanager
def handler_that_raises(kind: type[BaseException]) -> Iterator[None]:
    """Let the signal raise an exception."""

    def handler(*_: object) -> None:
        raise kind

    before = signal.signal(signal.SIGINT, handler)
    try:
        yield
    finally:
        signal.signal(signal.SIGINT, before)
