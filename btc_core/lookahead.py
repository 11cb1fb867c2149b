"""The look-ahead detector: does a strategy know what it cannot know? Candles in, the first wrong word out (law 6).

A strategy is asked again with the future cut off, with another future, with no more history than it says it needs, with
the same candles once more, and one of steps from the state that it said. What it said must not change, and neither must
that state, from which live goes on. Nothing here reads what a rule is made of: a cheater is caught by its words.
"""

from collections.abc import Iterator
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from enum import StrEnum

import numpy as np
import polars as pl

from btc_core.across import Others
from btc_core.decide import evaluate, take_positions
from btc_core.model.interval import Interval
from btc_core.model.timerange import format_time
from btc_core.resample import CANDLE_SCHEMA, close_time
from btc_core.step import STATE, State, Step, with_steps
from btc_core.strategy import NamedStrategy

START = datetime(2025, 1, 1, tzinfo=UTC)
# Candles beyond the look-back: what there is to cut.
ROOM = 400
PRICES = ("open", "high", "low", "close")
# Nobody trades on these: they say what a row is about.
_LABELS = ("time", "close_time", "minutes", "expected_minutes", "awaited_time")


class Fault(StrEnum):
    """What is wrong with a strategy; the first one is told where there are several."""

    CHANCE = "chance"
    RANGE = "range"
    LOOK_AHEAD = "look-ahead"
    LOOK_BACK = "look-back"
    MEMORY = "memory"


_ORDER = {fault: k for k, fault in enumerate(Fault)}
_SAYS = {
    Fault.LOOK_AHEAD: "with other candles after that time",
    Fault.LOOK_BACK: "with no more candles before it than the strategy says that it looks back",
    Fault.CHANCE: "the candles were the same",
    Fault.MEMORY: "after the state that it had said before",
    Fault.RANGE: "an exposure is from -1 to 1, a confidence from 0 to 1",
}
_MENDS = {
    Fault.LOOK_AHEAD: "Something in it looks at candles that are not closed yet: a shift(-n), a mean or max over the "
    "whole column, a centred window, a group that holds later candles.",
    Fault.LOOK_BACK: "State in look_back how many candles before its own it looks at by itself, or put the window into "
    "an indicator.",
    Fault.MEMORY: "A step knows its state and what it sees of the candle: put what it remembers into the state.",
    Fault.CHANCE: "A strategy has no clock, no chance and no memory of its own.",
    Fault.RANGE: "Clip it.",
}


@dataclass(frozen=True, slots=True)
class Finding:
    """The first word of a strategy that is wrong.

    Attributes:
        fault: What is wrong.
        time: Open of the candle at which it shows.
        close_time: When the word was said.
        column: ``wanted``, ``confidence`` …, or what differs: an indicator, a number of the state (``state.best``).
        before: What it said at first; null is no opinion.
        after: What it said when asked again.
    """

    fault: Fault
    time: datetime
    close_time: datetime
    column: str
    before: float | None
    after: float | None

    @property
    def sentence(self) -> str:
        """What people read: what was said, what was said then, and how to mend it."""
        said, then = (("nothing" if value is None else f"{value:.10g}") for value in (self.before, self.after))
        changed = "" if self.fault is Fault.RANGE else f", and {then} when asked again"
        return (
            f"{self.fault}: at {format_time(self.close_time)} {self.column} was {said}{changed}: "
            f"{_SAYS[self.fault]}. {_MENDS[self.fault]}"
        )


@dataclass(frozen=True, slots=True)
class Verdict:
    """What came of a check.

    Attributes:
        finding: The first wrong word, or None.
        n_candles: How many candles it was asked about.
        n_trials: How often it was asked again.
        n_changes: How often its exposure changes; on a strategy that never trades, nothing was tried.
    """

    finding: Finding | None
    n_candles: int
    n_trials: int
    n_changes: int


@dataclass(frozen=True, slots=True)
class Market:
    """Candles of an interval, and those of the other intervals that a strategy looks at."""

    candles: pl.DataFrame
    interval: Interval
    others: Others

    def from_(self, row: int) -> "Market":
        """Return the market without the candles before a row; other intervals keep theirs."""
        return replace(self, candles=self.candles[max(row, 0) :])

    def until(self, row: int, *, seed: int | None) -> "Market":
        """Return the market with another future from a row on, or without one."""
        now = self.candles["time"][row]

        def cut(candles: pl.DataFrame, since: int) -> pl.DataFrame:
            return candles[:since] if seed is None else other_future(candles, since=since, seed=seed)

        closed = {i: each.filter(close_time(pl.col("time"), i) <= now).height for i, each in self.others.items()}
        others = {i: cut(each, closed[i]) for i, each in self.others.items()}
        return replace(self, candles=cut(self.candles, row), others=others)

    def said(
        self, strategy: NamedStrategy, *, since: datetime | None = None, state: State | None = None
    ) -> pl.DataFrame:
        """Return what a strategy says of it; one of steps from its first state on, or since a time from that state."""
        seen = self.seen(strategy)
        said = with_steps(seen if since is None else seen.filter(pl.col("time") >= since), strategy.step, state)
        return said if strategy.step is None else said.unnest(STATE, separator=".")

    def seen(self, strategy: NamedStrategy) -> pl.DataFrame:
        """Return what a strategy says of it without a state, or what its steps read."""
        return evaluate(self.candles, strategy, self.interval, self.others)


def check(strategy: NamedStrategy, market: Market, *, seed: int = 0, n_trials: int = 40) -> Verdict:
    """Return whether a strategy says the same at each close whatever comes after it, and whatever came long before.

    Args:
        strategy: The rule with its parameters.
        market: Many more candles than the look-back, such as ``market_for`` makes.
        seed: Of the cuts and of the other futures.
        n_trials: How often the strategy is asked again.
    """
    said = market.said(strategy)
    findings = [found for found in _ask_again(strategy, market, said, seed=seed, n_trials=n_trials) if found]
    return Verdict(
        finding=min(findings, key=lambda found: (_ORDER[found.fault], found.time), default=None),
        n_candles=said.height,
        n_trials=n_trials,
        n_changes=_n_changes(said),
    )


def market_for(strategy: NamedStrategy, interval: Interval, *, seed: int = 0, room: int = ROOM) -> Market:
    """Return a made-up market in which a strategy has so many candles to speak on."""
    n = strategy.look_back_in(interval) + room
    others: dict[Interval, pl.DataFrame] = {}
    for other in strategy.also:
        n_before = strategy.look_back_at(other) + room // 10
        start = other.floor(START) - other.longest * n_before
        n_other = n_before + interval.longest * n // other.shortest + 1
        others[other] = made_market(n_other, other, seed=seed + 1, start=start)
    return Market(made_market(n, interval, seed=seed), interval, others)


def made_market(n: int, interval: Interval, *, seed: int = 0, start: datetime = START) -> pl.DataFrame:
    """Return about so many candles of a made-up market: trends, swings, silence, ties, gaps; prices in cents."""
    chance = np.random.default_rng(seed)
    trend = np.repeat(chance.choice([-60, 0, 60], n // 50 + 1), 50)[:n]
    moves = np.where(chance.random(n) < 0.1, 0, trend + chance.normal(0, 200, n)).round()
    # Kept above half of where it began: reflected there.
    close = 2_000_000 + np.abs(1_000_000 + np.cumsum(moves))
    before = np.append(close[:1], close[:-1])
    reach = np.where(moves == 0, 0, chance.exponential(100, (2, n))).round()
    time = interval.floor(start)
    times: list[datetime] = []
    for _ in range(n):
        times.append(time)
        time = interval.close_of(time)
    return pl.DataFrame(
        {
            "time": times,
            "open": before / 100,
            "high": (np.maximum(close, before) + reach[0]) / 100,
            "low": (np.minimum(close, before) - reach[1]) / 100,
            "close": close / 100,
            "volume": np.where(moves == 0, 0, chance.exponential(10, n)),
            "trades": [1] * n,
            "minutes": [interval.n_minutes(opened) for opened in times],
        },
        schema=CANDLE_SCHEMA,
    ).filter(pl.Series(chance.random(n) >= 0.02))


def other_future(candles: pl.DataFrame, *, since: int, seed: int) -> pl.DataFrame:
    """Return the candles with others from a row on: some missing, at prices up to ten times higher or lower."""
    chance = np.random.default_rng(seed)
    later = candles[since:]
    n = later.height
    factor = pl.Series(10 ** (chance.uniform(-1, 1) + np.cumsum(chance.normal(0, 0.01, n))).clip(-1, 1))
    changed = later.with_columns(
        *((pl.col(name) * factor).round(2) for name in PRICES),
        volume=pl.Series(chance.exponential(10, n)),
        minutes=pl.col("minutes") - pl.Series(chance.integers(0, 2, n)).cast(pl.Int32),
    )
    return pl.concat([candles[:since], changed.filter(pl.Series(chance.random(n) < 0.9))])


def _ask_again(
    strategy: NamedStrategy, market: Market, said: pl.DataFrame, *, seed: int, n_trials: int
) -> Iterator[Finding | None]:
    """Ask again in every way; yield what was wrong each time."""
    yield _out_of_range(said)
    yield _difference(said, market.said(strategy), Fault.CHANCE)
    seen = market.seen(strategy)
    chance, times = np.random.default_rng(seed), market.candles["time"]
    look_back = strategy.look_back_in(market.interval)
    for trial in range(n_trials):
        cut = int(chance.integers(min(strategy.warm_up, len(times) - 1), len(times)))
        earlier = pl.col("time") < times[cut]
        again = market.until(cut, seed=trial if trial % 2 else None).said(strategy)
        yield _difference(said.filter(earlier), again.filter(earlier), Fault.LOOK_AHEAD)
        # The candles that count have all of their look-back: the same words as after all of history. A state comes
        # from all of history, and out of the row before; what the steps read of a candle does not.
        first = max(cut - int(chance.integers(1, 5)), 0)
        inside = pl.col("time").is_between(times[first], times[cut])
        short = market.from_(first - look_back)
        yield _difference(seen.filter(inside), short.seen(strategy).filter(inside), Fault.LOOK_BACK)
        if strategy.step is not None:
            state = _state_before(said, times[first], strategy.step)
            again = short.said(strategy, since=times[first], state=state)
            yield _difference(said.filter(inside), again.filter(inside), Fault.MEMORY)


def _state_before(said: pl.DataFrame, time: datetime, step: Step) -> State | None:
    """Return the state that a strategy had said before a candle, as the lane finds it in a snapshot."""
    row = said.filter(pl.col("time") < time).tail(1).to_dicts()
    return {name: row[0][f"{STATE}.{name}"] for name in step.state} if row else None


def _difference(before: pl.DataFrame, after: pl.DataFrame, fault: Fault) -> Finding | None:
    """Return the first word that differs, or is missing the second time."""
    opinions = [name for name in before.columns if name not in _LABELS]
    both = before.join(after, on="time", how="left", suffix=" again", maintain_order="left")
    for row in (
        both.filter(pl.any_horizontal(pl.col(name).ne_missing(pl.col(f"{name} again")) for name in opinions))
        .head(1)
        .iter_rows(named=True)
    ):
        # What it wants comes first where more than one differs: that is what money follows.
        ordered = sorted(opinions, key=lambda name: name not in ("wanted", "at_least", "at_most"))
        name = next(name for name in ordered if row[name] != row[f"{name} again"])
        return Finding(fault, row["time"], row["close_time"], name, row[name], row[f"{name} again"])
    return None


def _out_of_range(said: pl.DataFrame) -> Finding | None:
    """Return the first exposure beyond [-1, 1] or confidence beyond [0, 1]."""
    for name, low in (("wanted", -1), ("at_least", -1), ("at_most", -1), ("confidence", 0)):
        if name in said.columns:
            for row in said.filter(~pl.col(name).is_between(low, 1)).head(1).iter_rows(named=True):
                return Finding(Fault.RANGE, row["time"], row["close_time"], name, row[name], None)
    return None


def _n_changes(said: pl.DataFrame) -> int:
    return take_positions(said, before=0.0).filter(pl.col("exposure") != pl.col("previous")).height
