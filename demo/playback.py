"""Which frames of a coin are due: the feed's frames in the order of their time, thinned where time runs fast."""

from collections.abc import Sequence

from demo.feeds import Feed
from demo.wire import MINUTE_MS, Frame, best_frame

# Who is further behind (a machine that slept) starts again here; REST holds no older minute either.
MOST_MINUTES_BEHIND = 5_000
# One frame in so many real seconds is plenty for a coin; at 1440 times the speed that is three frames a minute.
REAL_SECONDS_PER_FRAME = 0.012
FEWEST_FRAMES = 3
MOST_FRAMES = 120


def frames_per_minute(rate: float) -> int:
    """Return how many frames a market minute has at most when time runs ``rate`` times as fast as real time."""
    return max(FEWEST_FRAMES, min(MOST_FRAMES, int(60 / rate / REAL_SECONDS_PER_FRAME)))


def thin(frames: Sequence[Frame], limit: int) -> Sequence[Frame]:
    """Return about ``limit`` of a minute's frames, evenly, and always the best one: it holds the final values."""
    if len(frames) <= limit:
        return frames
    best = best_frame(frames)
    step = -(-len(frames) // (limit - 1))
    return [frame for i, frame in enumerate(frames) if i % step == 0 or frame is best]


def only_best(frames: Sequence[Frame]) -> list[Frame]:
    """Return the best frame of each minute, in the order of their time."""
    best: dict[int, Frame] = {}
    for frame in frames:
        held = best.get(frame.minute)
        if held is None or frame.row.rank >= held.row.rank:
            best[frame.minute] = frame
    return sorted(best.values(), key=lambda frame: frame.due_ms)


class Playhead:
    """The place of one coin in its feed.

    What was due before it was made is over: a subscription brings no history.

    Args:
        feed: What is played.
        coin: Whose frames.
        now_ms: The present instant, milliseconds since 1970.
        limit: How many frames a minute may have, at least 3.
    """

    def __init__(self, feed: Feed, coin: str, *, now_ms: int, limit: int) -> None:
        self._feed = feed
        self._coin = coin
        self._limit = limit
        self._pending: list[Frame] = []
        # The last frame of the minute before may still be to come.
        self._next_minute = now_ms // MINUTE_MS - 1
        self.take(now_ms)

    @property
    def next_due_ms(self) -> int:
        """When ``take`` has something to do again."""
        next_minute_ms = self._next_minute * MINUTE_MS
        return min(next_minute_ms, self._pending[0].due_ms) if self._pending else next_minute_ms

    def take(self, now_ms: int, *, patience_ms: float = float("inf")) -> list[Frame]:
        """Return the frames that are due and were not taken yet, in the order of their time.

        Args:
            now_ms: The present instant.
            patience_ms: Where a frame is overdue by more, only the best one of each minute is returned: each is the
                whole candle so far, so nothing but time is lost.
        """
        self._load(now_ms)
        n_due = next((i for i, frame in enumerate(self._pending) if frame.due_ms > now_ms), len(self._pending))
        due, self._pending = self._pending[:n_due], self._pending[n_due:]
        is_behind = bool(due) and due[0].due_ms < now_ms - patience_ms
        return only_best(due) if is_behind else due

    def _load(self, now_ms: int) -> None:
        minute = now_ms // MINUTE_MS
        if minute < self._next_minute:
            return
        for number in range(max(self._next_minute, minute - MOST_MINUTES_BEHIND), minute + 1):
            self._pending.extend(thin(self._feed.frames(self._coin, number), self._limit))
        self._pending.sort(key=lambda frame: frame.due_ms)
        self._next_minute = minute + 1
