"""A deterministic market: calm, trending and stormy spells, any span, any order of asking.

A minute's candle is a pure function of (seed, coin, minute). The price of each midnight is a sum of smooth noises over
1 to 256 days; inside a day the minutes are a random walk that is bent to end at the next midnight's price, so the days
join and none needs the one before. What is not here: the protocol, the frames inside a minute's candle (``unfold``).
"""

import math
from collections.abc import Sequence
from enum import StrEnum
from functools import lru_cache
from random import Random
from typing import NamedTuple

from btc_core.errors import InputError, UnknownNameError
from btc_core.model.interval import MINUTES_PER_DAY
from btc_core.model.timerange import TimeRange
from demo.unfold import row_so_far, unfold
from demo.wire import Coin, Frame, Ohlcv, Row


class Regime(StrEnum):
    """What a market is like for some hours or days."""

    CALM = "calm"
    TRENDING = "trending"
    STORMY = "stormy"


class Listing(NamedTuple):
    """A coin of the demo market.

    Attributes:
        coin: Its name and limits.
        price: The level around which it moves, in quote currency.
        decimals: Decimals of a price; 0 is a tick of 1.0.
        volume: Usual base units a minute.
        beta: How much of the common market's move it takes part in.
    """

    coin: Coin
    price: float
    decimals: int
    volume: float
    beta: float


LISTINGS = {
    listing.coin.name: listing
    for listing in (
        Listing(Coin("BTC", 5, 40), price=100_000.0, decimals=0, volume=6.0, beta=1.0),
        Listing(Coin("ETH", 4, 25), price=3_500.0, decimals=1, volume=140.0, beta=1.2),
        Listing(Coin("SOL", 2, 20), price=180.0, decimals=2, volume=1_500.0, beta=1.4),
        Listing(Coin("HYPE", 2, 10), price=40.0, decimals=3, volume=2_000.0, beta=1.3),
        Listing(Coin("kPEPE", 0, 10), price=0.012, decimals=6, volume=900_000.0, beta=1.6),
        Listing(Coin("@142", 5, 1), price=100_050.0, decimals=0, volume=1.5, beta=1.0),
    )
}

# Of one minute's log return in an average hour; 1.5 % a day, as bitcoin's.
SIGMA = 0.0004
# Noise over 1, 2, 4 … 256 days adds up to 1.5 % from midnight to midnight and keeps years within a factor of two.
OCTAVES = 9
OCTAVE_SIZE = 0.008
# Now and then a minute moves many times as far as its neighbours: about once a day.
JUMP_CHANCE = 1 / 1500
STORM_LEVEL = 0.6
TREND_LEVEL = 0.55
DRIFT = 0.00004
TRADES_PER_USUAL_VOLUME = 90


class Market:
    """A feed of demo coins.

    Args:
        seed: Two markets with the same seed are the same market.
        coins: Names of the coins it lists.

    Raises:
        InputError: If there is no coin.
        UnknownNameError: If a name is not in ``LISTINGS``.
    """

    span: TimeRange | None = None

    def __init__(self, *, seed: int, coins: Sequence[str]) -> None:
        if not coins:
            raise InputError("the market needs at least one coin: BTC")
        for name in coins:
            if name not in LISTINGS:
                raise UnknownNameError("coin of the demo market", name, LISTINGS)
        self.seed = seed
        self.coins = {name: LISTINGS[name].coin for name in coins}

    def values(self, coin: str, minute: int) -> Ohlcv:
        """Return the candle of a minute when it is over."""
        day, index = divmod(minute, MINUTES_PER_DAY)
        return _day(self.seed, coin, day)[index]

    def frames(self, coin: str, minute: int) -> Sequence[Frame]:
        """Return every frame of a minute, ascending by due time."""
        return unfold(self.values(coin, minute), coin=coin, minute=minute, seed=str(self.seed))

    def row(self, coin: str, minute: int, now_ms: int) -> Row | None:
        """Return the minute's row as it stands at an instant, or None where it has none yet."""
        values = self.values(coin, minute)
        return row_so_far(values, coin=coin, minute=minute, seed=str(self.seed), now_ms=now_ms)

    def regime(self, minute: int) -> Regime:
        """Return what the whole market is like in the hour that holds the minute."""
        hour = minute // 60
        if _storm(self.seed, hour) > STORM_LEVEL:
            return Regime.STORMY
        return Regime.TRENDING if abs(_trend(self.seed, hour)) > TREND_LEVEL else Regime.CALM


@lru_cache(maxsize=128)
def _day(seed: int, coin: str, day: int) -> tuple[Ohlcv, ...]:
    """Return the minutes of a day since 1970. A day costs some 15 ms, so the recent ones are kept."""
    listing = LISTINGS[coin]
    rng = Random(f"{seed}:{coin}:{day}:day")
    sigmas = [_sigma(seed, day * MINUTES_PER_DAY + i) for i in range(MINUTES_PER_DAY)]
    path = _bridge(rng, seed, listing, day, sigmas)
    candles: list[Ohlcv] = []
    close = _rounded(listing, math.exp(path[0]))
    for i, sigma in enumerate(sigmas):
        # Recorded minutes open a tick beside the close before more often than on it (PROTOCOL.md, section 4).
        first = _rounded(listing, close + rng.choice((-1, 0, 1)) * 10.0**-listing.decimals)
        close = _rounded(listing, math.exp(path[i + 1]))
        candles.append(_minute(rng, listing, open=first, close=close, sigma=sigma, index=i))
    return tuple(candles)


def _bridge(rng: Random, seed: int, listing: Listing, day: int, sigmas: Sequence[float]) -> list[float]:
    """Return the log price at the day's start and after each of its minutes; it ends where the next day starts."""
    walk, variance = [0.0], [0.0]
    for i, sigma in enumerate(sigmas):
        jump = rng.choice((-1, 1)) * rng.uniform(6, 18) if rng.random() < JUMP_CHANCE else 0.0
        drift = DRIFT * _trend(seed, (day * MINUTES_PER_DAY + i) // 60)
        walk.append(walk[-1] + sigma * (rng.gauss(0, 1) + jump) + drift)
        variance.append(variance[-1] + sigma * sigma)
    start, end = _midnight(seed, listing, day), _midnight(seed, listing, day + 1)
    # The bend is spread by variance, so a stormy hour takes more of it than a calm one.
    bend = (end - start - walk[-1]) / variance[-1]
    return [start + moved + bend * spent for moved, spent in zip(walk, variance, strict=True)]


def _minute(rng: Random, listing: Listing, *, open: float, close: float, sigma: float, index: int) -> Ohlcv:
    reach = open * sigma * 0.6
    high = _rounded(listing, max(open, close) + rng.expovariate(1 / reach))
    low = _rounded(listing, min(open, close) - rng.expovariate(1 / reach))
    # More is traded where prices move, and around 15:00 UTC.
    activity = 0.4 + 0.6 * sigma / SIGMA + (high - low) / open / SIGMA * 0.25
    season = 1 + 0.45 * math.cos(2 * math.pi * (index / MINUTES_PER_DAY - 0.625))
    usual = activity * season * math.exp(rng.gauss(0, 0.6))
    lot = 10.0**-listing.coin.size_decimals
    volume = max(lot, round(listing.volume * usual, listing.coin.size_decimals))
    trades = 1 + int(TRADES_PER_USUAL_VOLUME * usual * math.exp(rng.gauss(0, 0.25)))
    return Ohlcv(open, max(high, open, close), min(low, open, close), close, volume, trades)


def _rounded(listing: Listing, price: float) -> float:
    return max(10.0**-listing.decimals, round(price, listing.decimals))


def _midnight(seed: int, listing: Listing, day: int) -> float:
    """Return the log price at the start of a day since 1970."""
    common = sum(
        OCTAVE_SIZE * 2 ** (octave / 2) * _noise(f"{seed}:level:{octave}", day / 2**octave) for octave in range(OCTAVES)
    )
    # The perp and the spot pair of bitcoin stay together; other coins wander by themselves as well.
    own = 0.0 if listing.beta == 1.0 else 0.5 * _noise(f"{seed}:{listing.coin.name}:level", day / 32) * 0.2
    return math.log(listing.price) + listing.beta * common + own


def _sigma(seed: int, minute: int) -> float:
    """Return the usual log return of a minute; it glides from hour to hour."""
    hour, part = divmod(minute, 60)
    storm = _storm(seed, hour) * (1 - part / 60) + _storm(seed, hour + 1) * part / 60
    return SIGMA * math.exp(0.75 * storm)


@lru_cache(maxsize=4096)
def _storm(seed: int, hour: int) -> float:
    """Return how stormy an hour is: around 0, a spell above ``STORM_LEVEL`` lasts hours to days."""
    return 0.55 * _noise(f"{seed}:storm:fast", hour / 11) + 0.8 * _noise(f"{seed}:storm:slow", hour / 47)


@lru_cache(maxsize=4096)
def _trend(seed: int, hour: int) -> float:
    return _noise(f"{seed}:trend", hour / 31)


def _noise(name: str, x: float) -> float:
    """Return smooth noise of unit size at ``x``: a bell-shaped value at every whole number, a curve between them."""
    left = math.floor(x)
    part = x - left
    curve = part * part * (3 - 2 * part)
    return _lattice(name, left) * (1 - curve) + _lattice(name, left + 1) * curve


@lru_cache(maxsize=8192)
def _lattice(name: str, i: int) -> float:
    return Random(f"{name}:{i}").gauss(0, 1)
