"""What is said at each close: signals lead from exposure to exposure, ties keep, missing minutes wait (laws 4, 12)."""

from datetime import UTC, datetime, timedelta
from itertools import pairwise

import numpy as np
import polars as pl
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from btc_core.decide import Completeness, decide, keep_between, speak, split_by_completeness, take_positions
from btc_core.lookahead import market_for
from btc_core.model.decision import Signal
from btc_core.model.interval import parse_interval
from btc_core.plugins import plugin_names
from btc_core.step import STATE
from btc_core.strategy import load_strategy
from tests.derivation import NO_MINUTES, candles_of_closes

START = datetime(2025, 1, 1, tzinfo=UTC)
HOUR = parse_interval("1h")
exposures = st.sampled_from([-1.0, -0.5, -0.25, 0.0, 0.25, 0.5, 1.0])
wants = st.lists(st.one_of(st.none(), exposures), min_size=1, max_size=30)


def wanting(wanted):
    """Return evaluated candles that want these exposures."""
    n = len(wanted)
    times = [START + k * timedelta(hours=1) for k in range(n)]
    return pl.DataFrame(
        {
            "time": times,
            "close_time": [time + timedelta(hours=1) for time in times],
            "price": [100.0] * n,
            "minutes": [60] * n,
            "no_trade_minutes": [0] * n,
            "expected_minutes": [60] * n,
            "ma": [1.5] * n,
            "wanted": wanted,
            "confidence": [0.5] * n,
        },
        schema_overrides={"wanted": pl.Float64, "time": pl.Datetime("us", "UTC")},
    ).with_columns(awaited_time=pl.lit(None, pl.Datetime("us", "UTC")))


def signals_between(previous, exposure):
    """Return the signals that lead from one exposure to another, in words."""
    if exposure == previous:
        return [Signal.HOLD]
    shrinks = previous != 0 and (exposure * previous <= 0 or abs(exposure) < abs(previous))
    grows = exposure != 0 and (exposure * previous <= 0 or abs(exposure) > abs(previous))
    close = Signal.CLOSE_LONG if previous > 0 else Signal.CLOSE_SHORT
    open_ = Signal.OPEN_LONG if exposure > 0 else Signal.OPEN_SHORT
    return [close] * shrinks + [open_] * grows


@given(wanted=wants, before=exposures)
def test_signals_lead_from_one_exposure_to_the_next(wanted, before):
    """HOLD where nothing changes, one signal for more or less, CLOSE (seq 0) and OPEN (seq 1) for a reversal."""
    positions = take_positions(wanting(wanted), before=before)
    said = speak(positions, ["ma"])
    assert said.schema["seq"] == pl.Int16
    expected, present = [], before
    for n, want in enumerate(wanted):
        exposure = present if want is None else want
        signals = signals_between(present, exposure)
        time = START + n * timedelta(hours=1)
        expected += [(time, seq, signal.value, exposure) for seq, signal in enumerate(signals)]
        present = exposure
    assert said.select("time", "seq", "signal", "exposure").rows() == expected


@given(wanted=wants, before=exposures, cut=st.integers(0, 30))
def test_positions_can_be_taken_in_pieces(wanted, before, cut):
    """The exposure that the first piece leaves is all that the second needs to know."""
    evaluated = wanting(wanted)
    whole = take_positions(evaluated, before=before)
    first = take_positions(evaluated[:cut], before=before)
    between = first["exposure"][-1] if first.height else before
    assert pl.concat([first, take_positions(evaluated[cut:], before=between)]).equals(whole)


@given(
    minutes=st.lists(st.sampled_from([60, 60, 60, 57, 56, 0]), min_size=1, max_size=12),
    known=st.lists(st.sampled_from([0, 0, 0, 1, 3, 60]), min_size=12, max_size=12),
    minutes_ago=st.integers(0, 300),
    wait=st.sampled_from([0, 10, 60, 130]),
    least=st.sampled_from([0.0, 0.95, 1.0]),
)
def test_candles_are_decided_on_in_order(minutes, known, minutes_ago, wait, least):
    """What may still come is waited for, with all that follows; then 95 % of the minutes are enough, exactly.

    A minute that is known to be without trades is there.
    """
    n = len(minutes)
    silent = [min(60 - there, more) for there, more in zip(minutes, known, strict=False)]
    evaluated = wanting([1.0] * n).with_columns(minutes=pl.Series(minutes), no_trade_minutes=pl.Series(silent))
    now = START + timedelta(hours=n, minutes=minutes_ago - 60)
    rule = Completeness(min_completeness=least, wait=timedelta(minutes=wait))
    decided, skipped = split_by_completeness(evaluated, rule, now=now)
    expected = [[], []]
    for k, there in enumerate(map(sum, zip(minutes, silent, strict=True))):
        close = START + timedelta(hours=k + 1)
        if there < 60 and now - close < timedelta(minutes=wait):
            break
        expected[0 if there >= 60 * least else 1].append(close)
    assert [decided["close_time"].to_list(), skipped["close_time"].to_list()] == expected


@given(
    closes=st.lists(st.integers(98, 102).map(float), min_size=5, max_size=60),
    period=st.integers(2, 12),
    cuts=st.lists(st.integers(0, 60), max_size=4),
)
def test_deciding_in_pieces_is_deciding_at_once(closes, period, cuts):
    """With the look-back before each piece and the exposure that the one before left: the same words (law 5)."""
    strategy = load_strategy("ma", {"period": period})
    candles = candles_of_closes(closes, HOUR, START)
    rule = Completeness(min_completeness=1.0, wait=timedelta(0))
    now = START + timedelta(days=30)
    _, whole, _ = decide(candles, strategy, HOUR, no_trade=NO_MINUTES, rule=rule, since=START, before=0.0, now=now)
    edges = sorted({0, candles.height, *(cut for cut in cuts if cut < candles.height)})
    parts, before = [], 0.0
    for start, end in pairwise(edges):
        piece = candles[max(0, start - strategy.look_back_in(HOUR)) : end]
        since = candles["time"][start]
        positions, said, _ = decide(
            piece, strategy, HOUR, no_trade=NO_MINUTES, rule=rule, since=since, before=before, now=now
        )
        before = positions["exposure"][-1] if positions.height else before
        parts.append(said)
    assert pl.concat(parts).equals(whole)


@given(
    bounds=st.lists(st.tuples(st.one_of(st.none(), exposures), st.one_of(st.none(), exposures)), max_size=40),
    before=exposures,
    cut=st.integers(0, 40),
)
def test_a_kept_exposure_is_brought_between_its_bounds(bounds, before, cut):
    """Candle by candle, the upper bound last; and in pieces as at once (law 5)."""
    low = np.array([-1.0 if least is None else least for least, _ in bounds])
    high = np.array([1.0 if most is None else most for _, most in bounds])
    expected, present = [], before
    for least, most in zip(low, high, strict=True):
        present = min(max(present, least), most)
        expected.append(present)
    assert keep_between(low, high, before=before).tolist() == expected
    first = keep_between(low[:cut], high[:cut], before=before).tolist()
    second = keep_between(low[cut:], high[cut:], before=first[-1] if first else before).tolist()
    assert first + second == expected


@pytest.mark.parametrize("name", plugin_names("btc_core.strategies"))
@given(seed=st.integers(0, 2**32), cuts=st.lists(st.integers(1, 300), min_size=1, max_size=4))
@settings(max_examples=8)
def test_every_strategy_decides_in_pieces_as_at_once(name, seed, cuts):
    """Live is history: with the look-back, the exposure and the state before each piece, the same words, to the bit."""
    strategy = load_strategy(name, {})
    look_back = strategy.look_back_in(HOUR)
    market = market_for(strategy, HOUR, seed=seed, room=300)
    candles = market.candles
    rule, now = Completeness(min_completeness=1.0, wait=timedelta(0)), START + timedelta(days=3_000)

    def said(piece, since, before, state):
        positions, words, _ = decide(
            piece,
            strategy,
            HOUR,
            others=market.others,
            no_trade=NO_MINUTES,
            rule=rule,
            since=since,
            before=before,
            state=state,
            now=now,
        )
        if not positions.height:
            return words, before, state
        return words, positions["exposure"][-1], positions[STATE][-1] if STATE in positions.columns else None

    whole, *_ = said(candles, candles["time"][0], 0.0, None)
    edges = sorted({0, candles.height, *(candles.height - cut for cut in cuts if cut < candles.height)})
    parts, before, state = [], 0.0, None
    for start, end in pairwise(edges):
        words, before, state = said(candles[max(0, start - look_back) : end], candles["time"][start], before, state)
        parts.append(words)
    assert pl.concat(parts).equals(whole)
