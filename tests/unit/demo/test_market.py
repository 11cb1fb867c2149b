"""The laws of the demo market."""

import statistics
from itertools import groupby

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from btc_core.errors import InputError, UnknownNameError
from demo.market import LISTINGS, Market, Regime, _day
from demo.wire import MINUTE_MS, n_decimals

MINUTES = st.integers(min_value=20_000_000, max_value=40_000_000)
COINS = st.sampled_from(sorted(LISTINGS))
NOON = 29_000_160


def market(seed: int = 7) -> Market:
    """Return a market of every coin."""
    return Market(seed=seed, coins=tuple(LISTINGS))


@settings(max_examples=25)
@given(minute=MINUTES, coin=COINS, seed=st.integers(0, 10**6))
def test_a_minute_does_not_depend_on_what_was_asked_before(minute, coin, seed):
    """A candle is a pure function of (seed, coin, minute): asked at once or after its neighbours, it is the same."""
    _day.cache_clear()
    alone = market(seed).values(coin, minute)
    _day.cache_clear()
    other = market(seed)
    for asked in (minute + 1441, minute - 1, minute + 1):
        other.values(coin, asked)
    assert other.values(coin, minute) == alone


@settings(max_examples=50)
@given(minute=MINUTES, coin=COINS)
def test_a_candle_does_not_contradict_itself(minute, coin):
    """Low <= open, close <= high, all prices positive; a minute has volume and trades."""
    values = market().values(coin, minute)
    assert 0 < values.low <= min(values.open, values.close) <= max(values.open, values.close) <= values.high
    assert values.volume > 0
    assert values.trades > 0


@settings(max_examples=50)
@given(minute=MINUTES, coin=COINS)
def test_prices_lie_on_ticks_and_volumes_on_lots(minute, coin):
    """Bitcoin's tick is 1.0 and its volume has at most 5 decimals; other coins have their own."""
    values, listing = market().values(coin, minute), LISTINGS[coin]
    assert n_decimals(values.open, values.high, values.low, values.close) <= listing.decimals
    assert n_decimals(values.volume) <= listing.coin.size_decimals


@settings(max_examples=25)
@given(minute=MINUTES, coin=COINS, offset=st.integers(2_500, 10_000_000))
def test_the_last_frame_of_a_minute_equals_its_rest_row(minute, coin, offset):
    """Whoever follows the stream to its end has what REST says afterwards."""
    feed = market()
    row = feed.row(coin, minute, (minute + 1) * MINUTE_MS + offset)
    assert feed.frames(coin, minute)[-1].row == row


@settings(max_examples=25)
@given(day=st.integers(13_000, 28_000), coin=COINS)
def test_days_join(day, coin):
    """Midnight is a minute like any other: a day opens at most a tick from where the one before closed."""
    feed, tick = market(), 10.0 ** -LISTINGS[coin].decimals
    before, after = feed.values(coin, day * 1440 - 1), feed.values(coin, day * 1440)
    assert abs(after.open - before.close) <= 1.01 * tick


def test_bitcoin_looks_like_bitcoin():
    """Around 100,000 for years, some percent a day, some 0.03 % a minute, a large minute now and then."""
    feed = market()
    closes = [feed.values("BTC", NOON + 1440 * day).close for day in range(0, 3650, 25)]
    assert 40_000 < min(closes) < 100_000 < max(closes) < 250_000
    moves = [abs(values.close / values.open - 1) for values in (feed.values("BTC", NOON + i) for i in range(14_400))]
    assert 0.0001 < statistics.median(moves) < 0.001
    assert max(moves) > 8 * statistics.median(moves)


def test_spells_last_hours_to_days_and_storms_move_more():
    """All three regimes occur, a usual spell lasts 5 to 50 hours, and minutes of a storm move twice as far."""
    feed = market()
    hours = [feed.regime(NOON + 60 * hour) for hour in range(24 * 365)]
    spells = [len(list(group)) for _, group in groupby(hours)]
    assert 5 <= statistics.median(spells) <= 50
    moves: dict[Regime, list[float]] = {regime: [] for regime in Regime}
    for minute in range(NOON, NOON + 1440 * 40, 7):
        values = feed.values("BTC", minute)
        moves[feed.regime(minute)].append(abs(values.close / values.open - 1))
    assert statistics.mean(moves[Regime.STORMY]) > 1.7 * statistics.mean(moves[Regime.CALM])


def test_seeds_make_different_markets():
    """Two seeds have nothing in common."""
    assert market(1).values("BTC", NOON) != market(2).values("BTC", NOON)


def test_a_coin_that_is_not_listed_is_refused():
    """A typing error is not a quiet market."""
    with pytest.raises(UnknownNameError, match="Did you mean BTC"):
        Market(seed=1, coins=("BTCC",))
    with pytest.raises(InputError):
        Market(seed=1, coins=())
