"""The detector: every shipped strategy passes, and every planted cheater is caught, with the right word."""

from dataclasses import replace
from datetime import timedelta

import polars as pl
import pytest

from btc_core.decide import evaluate
from btc_core.indicator import NamedIndicator, load_indicator
from btc_core.indicators import sma
from btc_core.lookahead import ROOM, Fault, check, made_market, market_for, other_future
from btc_core.model.interval import parse_interval
from btc_core.plugins import plugin_names
from btc_core.step import Step
from btc_core.strategy import PACKAGE, NamedStrategy, Strategy, load_strategy

HOUR = parse_interval("1h")
CLOSE = pl.col("close")


def checked(strategy, *, interval=HOUR, seed=1, n_trials=30):
    """Return the verdict over a made-up market."""
    return check(strategy, market_for(strategy, interval, seed=seed), seed=seed, n_trials=n_trials)


def ruled(wanted, *, confidence=None, look_back=0, bounds=None, indicators=()):
    """Return a strategy that wants an expression."""
    rule = Strategy(
        description="For the test.",
        parameters={},
        indicators=lambda _: list(indicators),
        wanted=lambda _: wanted,
        confidence=lambda _: pl.lit(1.0) if confidence is None else confidence,
        bounds=None if bounds is None else lambda _: bounds,
        look_back=lambda _: look_back,
    )
    return NamedStrategy("test", rule, {})


def above(line):
    """Return 1 above a line, -1 below."""
    return pl.when(line < CLOSE).then(1.0).when(line > CLOSE).then(-1.0)


CHEATERS = {
    "tomorrow's close": above(CLOSE.shift(-1)),
    "the mean of the whole sample": above(CLOSE.mean()),
    "a z-score of the whole sample": ((CLOSE - CLOSE.mean()) / CLOSE.std()).clip(-1, 1),
    "a centred window": above(CLOSE.rolling_mean(5, min_samples=1, center=True)),
    "the highest price there will be": (CLOSE / pl.col("high").max()),
    "the close of the day that is not over": above(CLOSE.last().over(pl.col("time").dt.truncate("1d"))),
    "what is filled backwards": above(pl.when(pl.col("volume") > 15).then(CLOSE).backward_fill()),
    "a rank among all": CLOSE.rank() / pl.len(),
    "the number of candles there will be": pl.when(pl.int_range(pl.len()) < pl.len() / 2).then(1.0),
}


@pytest.mark.parametrize("name", CHEATERS)
def test_a_cheater_is_caught(name):
    """Whatever looks at later candles says otherwise when they are others."""
    found = checked(ruled(CHEATERS[name], look_back=30)).finding
    assert found is not None
    assert found.fault is Fault.LOOK_AHEAD
    assert found.column == "wanted"
    assert found.before != found.after
    assert found.close_time == found.time + timedelta(hours=1)


def test_a_confidence_and_a_bound_that_cheat_are_caught():
    """The wanted exposure is not all that is said."""
    assert checked(ruled(pl.lit(1.0), confidence=CLOSE / CLOSE.max())).finding.column == "confidence"
    bounds = (pl.lit(None, pl.Float64), pl.when(CLOSE.shift(-1) < CLOSE).then(0.0))
    assert checked(ruled(pl.lit(None, pl.Float64), bounds=bounds)).finding.column == "at_most"


@pytest.mark.parametrize(
    ("wanted", "needed"),
    [(above(CLOSE.shift(3)), 3), (above(CLOSE.rolling_mean(20)), 19), (above(CLOSE.shift(1).rolling_max(5)), 5)],
)
def test_an_understated_look_back_is_caught(wanted, needed):
    """What is stated is enough, and one less is not."""
    assert checked(ruled(wanted, look_back=needed)).finding is None
    found = checked(ruled(wanted, look_back=needed - 1)).finding
    assert found.fault is Fault.LOOK_BACK


@pytest.mark.parametrize(
    "wanted", [above(CLOSE.first()), above(CLOSE.ewm_mean(span=20)), (pl.int_range(pl.len()) % 2).cast(pl.Float64)]
)
def test_what_hangs_on_the_first_candle_of_history_is_caught(wanted):
    """A first price, an average that never forgets, every second candle: other words where history begins later."""
    assert checked(ruled(wanted, look_back=20)).finding.fault is Fault.LOOK_BACK


def stepping(advance, *, sees=CLOSE, look_back=0, state=0.0):
    """Return a strategy of steps with one number of state that sees the close before and something else."""
    rule = Strategy(
        description="For the test.",
        parameters={},
        indicators=lambda _: [],
        step=lambda _: Step(state={"kept": state}, sees={"close": CLOSE, "more": sees}, advance=advance),
        look_back=lambda _: look_back,
    )
    return NamedStrategy("test", rule, {})


def kept_before(state, close, more):
    """Say whether the close is above what was kept a candle ago; keep what is seen now."""
    (kept,) = state
    return (more,), (1.0 if close > kept else -1.0), 1.0


def kept_for_long(state, close, more):
    """Keep what is seen when the price stands still, and act on it whenever that was."""
    (kept,) = state
    return (more if more > 1.001 * close else kept,), (1.0 if close > kept else -1.0), 1.0


def test_a_step_that_keeps_what_it_saw_is_honest():
    """The state is its memory, and what is seen is over."""
    for advance in (kept_before, kept_for_long):
        verdict = checked(stepping(advance, sees=pl.col("high")))
        assert (verdict.finding, verdict.n_changes > 0) == (None, True)


@pytest.mark.parametrize("advance", [kept_before, kept_for_long])
@pytest.mark.parametrize(
    "sees",
    [CLOSE.shift(-1).fill_null(CLOSE), CLOSE.shift(-1).fill_null(0.0), pl.max_horizontal(CLOSE, CLOSE.max())],
    ids=["the next close", "the next close or nothing", "the highest there will be"],
)
def test_a_future_that_is_hidden_in_a_state_is_caught(advance, sees):
    """What it says now may be right: what it will say from that state is not."""
    found = checked(stepping(advance, sees=sees)).finding
    assert found.fault is Fault.LOOK_AHEAD
    assert found.before != found.after


def test_a_future_that_a_state_hides_until_it_is_past_is_caught():
    """Every word is as if it had waited; only the state knows more than it can, and live it could not know it."""
    found = checked(stepping(kept_before, sees=CLOSE.shift(-1).fill_null(CLOSE))).finding
    assert (found.fault, found.column) == (Fault.LOOK_AHEAD, "state.kept")


def test_a_step_with_a_memory_beside_its_state_is_caught():
    """From the first candle on it says the same each time; live goes on from a state, and that is not all."""

    def remembering():
        seen = []

        def advance(state, close, more):
            (n,) = state
            if n == 0.0:
                seen.clear()
            seen.append(close)
            return (n + 1.0,), (1.0 if close > sum(seen[-10:]) / len(seen[-10:]) else -1.0), 1.0

        return advance

    assert checked(stepping(remembering())).finding.fault is Fault.MEMORY


def test_chance_is_caught():
    """The same candles, other words."""
    dice = CLOSE.map_batches(lambda prices: prices.shuffle(), return_dtype=pl.Float64)
    assert checked(ruled(above(dice))).finding.fault is Fault.CHANCE


@pytest.mark.parametrize("wanted", [pl.lit(1.5), CLOSE, -pl.lit(2.0)])
def test_an_exposure_out_of_range_is_caught(wanted):
    """Beyond all that there is."""
    assert checked(ruled(wanted)).finding.fault is Fault.RANGE


def test_a_strategy_that_never_trades_is_told_of():
    """Nothing was tried on one that never speaks, or always says the same as nothing."""
    assert checked(ruled(pl.lit(None, pl.Float64))).n_changes == 0
    assert checked(ruled(pl.lit(0.0))).n_changes == 0
    assert checked(ruled(pl.lit(1.0))).n_changes == 1


@pytest.mark.parametrize("label", ["37m", "1d"])
@pytest.mark.parametrize("name", plugin_names(PACKAGE))
def test_every_shipped_strategy_is_honest(name, label):
    """No look-ahead, an honest look-back, the same words twice; and it does trade."""
    verdict = checked(load_strategy(name, {}), interval=parse_interval(label), n_trials=20)
    assert verdict.finding is None, verdict.finding.sentence
    assert verdict.n_changes > 0
    assert verdict.n_candles >= ROOM * 0.9


def test_a_finding_says_what_was_said_and_how_to_mend_it():
    """When, what, what then, why, and what to do."""
    sentence = checked(ruled(above(CLOSE.shift(-1)))).finding.sentence
    assert sentence.startswith("look-ahead: at 2025-01-")
    assert "wanted was " in sentence
    assert "with other candles after that time. Something in it looks at candles that are not closed yet" in sentence
    assert checked(ruled(pl.lit(1.5))).finding.sentence.startswith("range: at 2025-01-01 01:00Z wanted was 1.5: an exp")


def test_an_indicator_that_cheats_shows_as_its_column(monkeypatch):
    """Where the rule itself says nothing wrong, what it saw may be."""
    strategy = ruled(pl.lit(1.0), indicators=[NamedIndicator("ma", "sma", {"period": 5})])
    assert checked(strategy).finding is None
    cheater = replace(load_indicator("sma"), outputs=lambda _: {"": CLOSE.shift(-1)})
    monkeypatch.setattr(sma, "INDICATOR", cheater)
    found = checked(strategy).finding
    assert (found.fault, found.column) == (Fault.LOOK_AHEAD, "ma")


def test_the_first_of_several_wrong_words_is_told():
    """The earliest candle of all trials."""
    strategy = ruled(above(CLOSE.mean()))
    assert checked(strategy, n_trials=40).finding.time <= checked(strategy, n_trials=3).finding.time


def test_the_same_seed_gives_the_same_verdict():
    """And another market with another seed."""
    strategy = ruled(above(CLOSE.mean()))
    assert checked(strategy) == checked(strategy)
    assert not made_market(50, HOUR, seed=1).equals(made_market(50, HOUR, seed=2))


def test_the_made_market_is_one():
    """Candles that can be, with silence, ties and gaps in them."""
    candles = made_market(2_000, HOUR, seed=3)
    low, high = pl.min_horizontal("open", "close"), pl.max_horizontal("open", "close")
    assert candles.select(((pl.col("low") <= low) & (pl.col("high") >= high) & (pl.col("low") > 0)).all()).item()
    assert 1_900 < candles.height < 2_000
    assert candles["close"].diff().eq(0).sum() > 100
    assert evaluate(candles, load_strategy("ma44", {}), HOUR)["wanted"].n_unique() == 2


def test_a_candle_of_another_interval_that_is_not_over_is_no_past():
    """What is seen across intervals was closed by then; one that peeks into the open day is caught."""
    rule = Strategy(
        description="For the test.",
        parameters={},
        indicators=lambda _: [],
        also=lambda _: {"1d": [NamedIndicator("trend", "sma", {"period": 5})]},
        wanted=lambda _: above(pl.col("1d.trend")),
        confidence=lambda _: pl.lit(1.0),
    )
    assert checked(NamedStrategy("test", rule, {})).finding is None
    peeks = replace(rule, wanted=lambda _: above(pl.col("1d.close").shift(-24)))
    assert checked(NamedStrategy("test", peeks, {})).finding.fault is Fault.LOOK_AHEAD


def test_another_future_leaves_the_past_alone():
    """And changes what follows."""
    candles = made_market(200, HOUR)
    other = other_future(candles, since=120, seed=5)
    assert other[:120].equals(candles[:120])
    assert not other["close"][120:].is_in(candles["close"].implode()).any()
