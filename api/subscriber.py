"""A client of the live stream: what it is subscribed to, and what waits to be sent to it, within bounds."""

import asyncio
import time
from collections import deque
from dataclasses import dataclass
from datetime import datetime
from typing import NamedTuple

# What waits for one client. Messages are shared between clients; a replay may be as long as a page of REST.
MAX_MESSAGES = 1_000
MAX_CHARACTERS = 4_000_000
# How long a client may take nothing while something waits for it.
STALL_SECONDS = 30.0
MAX_SUBSCRIPTIONS = 256

TRY_AGAIN_LATER, POLICY_VIOLATION = 1013, 1008


class Series(NamedTuple):
    """What can be subscribed to."""

    channel: str
    symbol: str
    interval: str


@dataclass(frozen=True, slots=True)
class Drop:
    """Why a client has to go: the close code of its WebSocket, and a sentence (123 bytes at most)."""

    code: int
    reason: str


class Subscriber:
    """The outbox of one client. Whoever puts in never waits; who takes out waits for more."""

    def __init__(self) -> None:
        # By series, since when its client knows nothing: a cursor, an instant, or None: it gets the newest row.
        self.asked: dict[Series, str | datetime | None] = {}
        self.subscribed: set[Series] = set()
        self.dropped: asyncio.Future[Drop] = asyncio.get_running_loop().create_future()
        self._waiting: deque[str] = deque()
        self._n_characters = 0
        self._is_filled = asyncio.Event()
        self._moved_at = time.monotonic()

    def put(self, message: str) -> None:
        """Add a message; a client that leaves too many is dropped."""
        if self.dropped.done():
            return
        if not self._waiting:
            self._moved_at = time.monotonic()
        self._waiting.append(message)
        self._n_characters += len(message)
        self._is_filled.set()
        if len(self._waiting) > MAX_MESSAGES or self._n_characters > MAX_CHARACTERS:
            self.drop(TRY_AGAIN_LATER, f"too slow: {len(self._waiting)} messages wait; come back with your cursor")

    async def take(self) -> str:
        """Return the next message; wait for one."""
        while not self._waiting:
            self._is_filled.clear()
            await self._is_filled.wait()
        self._moved_at = time.monotonic()
        message = self._waiting.popleft()
        self._n_characters -= len(message)
        return message

    def drop_if_stalled(self) -> None:
        """Drop a client that has taken nothing for too long."""
        if self._waiting and time.monotonic() - self._moved_at > STALL_SECONDS:
            self.drop(TRY_AGAIN_LATER, f"too slow: nothing read for {STALL_SECONDS:.0f} s; come back with your cursor")

    def drop(self, code: int, reason: str) -> None:
        """Let the client go; what waits for it is forgotten."""
        self._waiting.clear()
        if not self.dropped.done():
            self.dropped.set_result(Drop(code, reason))
