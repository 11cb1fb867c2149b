"""Waits between tries."""

import random

from collector.backoff import Backoff


def test_waits_grow_to_the_cap_with_full_jitter():
    """Each wait lies between zero and a bound that doubles from 1 s up to 15 min."""
    backoff = Backoff(first=1, cap=900, dice=random.Random(1))
    waits = [backoff.next_wait() for _ in range(200)]
    assert all(0 <= wait <= min(900, 2.0**i) for i, wait in enumerate(waits[:12]))
    assert 890 < max(waits) <= 900
    assert min(waits[12:]) < 30


def test_success_starts_again():
    """After a reset the next wait is at most the first bound."""
    backoff = Backoff(first=1, cap=900)
    for _ in range(20):
        backoff.next_wait()
    backoff.reset()
    assert backoff.next_wait() <= 1
