"""One closed minute → the frames that led to it: the whole candle so far, again and again, ending in its values.

The times follow the recorded ETH day of 2025-02-14 (PROTOCOL.md, section 5): 14 % of the minutes have their last frame
after their end, and no frame of a minute comes after the first one of the next.
"""

from functools import lru_cache
from itertools import pairwise
from random import Random

from demo.wire import MINUTE_MS, Frame, Ohlcv, Row, best_frame, minute_row, n_decimals

# Recorded: median 38 frames a minute.
MOST_FRAMES = 48
FEWEST_FRAMES = 24
LATE_SHARE = 204 / 1439
LATEST_MS = 2_500
EARLIEST_LAST_MS = 9_800
FIRST_MS = 770
LATEST_FIRST_MS = 7_700
# At least so long after the last frame of the minute before.
PAUSE_MS = 100


@lru_cache(maxsize=256)
def unfold(values: Ohlcv, *, coin: str, minute: int, seed: str) -> tuple[Frame, ...]:
    """Return the frames of one minute, ascending by due time; the last one holds exactly ``values``.

    Opens never change, highs and lows only widen, trades grow with every frame and the volume never shrinks. A minute
    without trades has no frame.

    Args:
        values: The minute when it is over.
        coin: Its coin.
        minute: Its number since 1970.
        seed: What makes this market differ from another one.
    """
    if values.trades == 0:
        return ()
    rng = Random(f"{seed}:{coin}:{minute}:frames")
    n_frames = min(values.trades, rng.randint(FEWEST_FRAMES, MOST_FRAMES))
    due = _due_times(rng, n_frames, coin=coin, minute=minute, seed=seed)
    states = _states(rng, values, n_frames)
    return tuple(Frame(at, minute_row(coin, minute, state)) for at, state in zip(due, states, strict=True))


def row_so_far(values: Ohlcv, *, coin: str, minute: int, seed: str, now_ms: int) -> Row | None:
    """Return a minute's row at an instant: its best frame due by then, None where there is none yet.

    The arguments are those of ``unfold``; ``now_ms`` is in milliseconds since 1970. A minute without trades has no
    frame, and its flat row appears when the minute is over.
    """
    if now_ms >= (minute + 1) * MINUTE_MS + LATEST_MS:
        return minute_row(coin, minute, values)
    frames = unfold(values, coin=coin, minute=minute, seed=seed)
    best = best_frame(frame for frame in frames if frame.due_ms <= now_ms)
    return None if best is None else best.row


def _due_times(rng: Random, n_frames: int, *, coin: str, minute: int, seed: str) -> list[int]:
    last = MINUTE_MS + last_frame_ms(seed, coin, minute)
    after_the_one_before = last_frame_ms(seed, coin, minute - 1) + PAUSE_MS
    first = max(after_the_one_before, min(LATEST_FIRST_MS, FIRST_MS + int(rng.expovariate(1 / 1600))))
    between = sorted(rng.randint(first, last) for _ in range(n_frames - 2))
    offsets = [first, *between, last] if n_frames > 1 else [last]
    return [minute * MINUTE_MS + offset for offset in offsets]


@lru_cache(maxsize=4096)
def last_frame_ms(seed: str, coin: str, minute: int) -> int:
    """Return when the last frame of a minute is due, in milliseconds after the minute's end; mostly negative."""
    rng = Random(f"{seed}:{coin}:{minute}:end")
    if rng.random() < LATE_SHARE:
        return 1 + int((LATEST_MS - 1) * rng.betavariate(2.0, 2.6))
    return -min(EARLIEST_LAST_MS, 1 + int(rng.expovariate(1 / 1550)))


def _states(rng: Random, values: Ohlcv, n_frames: int) -> list[Ohlcv]:
    prices = _price_path(rng, values, n_frames)
    at_high, at_low = prices.index(max(prices)), prices.index(min(prices))
    trades = _growing_counts(rng, values.trades, n_frames)
    decimals = n_decimals(values.volume)
    least = 10.0**-decimals
    states: list[Ohlcv] = []
    high = low = values.open
    for i, price in enumerate(prices[:-1]):
        high = values.high if i >= at_high and prices[at_high] >= values.high else max(high, price)
        low = values.low if i >= at_low and prices[at_low] <= values.low else min(low, price)
        volume = max(least, round(values.volume * trades[i] / values.trades, decimals))
        states.append(Ohlcv(values.open, high, low, price, min(volume, values.volume), trades[i]))
    return [*states, values]


def _price_path(rng: Random, values: Ohlcv, n_frames: int) -> list[float]:
    """Return the price at every frame: from the open past both extremes to the close, inside [low, high]."""
    low_first = rng.random() < (0.7 if values.close >= values.open else 0.3)
    early, late = (values.low, values.high) if low_first else (values.high, values.low)
    decimals = n_decimals(values.open, values.high, values.low, values.close)
    turns = sorted((rng.randrange(n_frames), rng.randrange(n_frames)))
    points = [(-1, values.open), (turns[0], early), (turns[1], late), (n_frames - 1, values.close)]
    noise = (values.high - values.low) / 12
    path: list[float] = []
    for (start, left), (end, right) in pairwise(points):
        for i in range(start + 1, end):
            price = left + (right - left) * (i - start) / (end - start) + rng.gauss(0, noise)
            path.append(min(values.high, max(values.low, round(price, decimals))))
        if end > start:
            path.append(right)
    return path


def _growing_counts(rng: Random, total: int, n_frames: int) -> list[int]:
    """Return ``n_frames`` different counts, ascending, the last one ``total``."""
    return [*sorted(rng.sample(range(1, total), n_frames - 1)), total]
