"""A sweep from what was asked to what was found: trials over stored minutes, kept as they are finished.

A walk-forward is a sweep of each training, and a backtest of its best over the test that follows: flat at the start of
the test, closed at its end, with the money that the test before left.
"""

from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import closing
from dataclasses import dataclass, replace
from datetime import datetime

import msgspec
import numpy as np

from btc_core.confidence import deflated_sharpe
from btc_core.decide import Completeness
from btc_core.errors import DataError, InputError
from btc_core.metrics import Floats, Times, daily_equity, daily_returns
from btc_core.model.backtest import BacktestConfig, Mode
from btc_core.model.interval import Interval, parse_interval
from btc_core.model.timerange import TimeRange, format_time
from btc_core.simulator.market import us
from btc_core.simulator.outcome import Outcome, outcome_of
from btc_core.simulator.rounds import rounds_of
from btc_core.simulator.simulate import follow
from btc_core.strategy import NamedStrategy, load_strategy
from btc_core.sweep import MAX_TRIALS, Grid, Place, axes_of
from btc_core.sweep_trial import Arena, Trial, exposure_of, try_all
from btc_core.sweep_verdict import Verdict, judge, ranking
from btc_core.walk_forward import (
    Step,
    Tested,
    Walk,
    Walked,
    Window,
    curve_of,
    days_of,
    efficiency_of,
    in_sample_of,
    joined,
    windows_of,
)
from btc_store.backtests import stored_range
from btc_store.data_version import code_digest
from btc_store.frames import Frames
from btc_store.instruments import config_of
from btc_store.kept_trials import KeptTrials, begin, fingerprint_of
from btc_store.lake import Lake
from btc_store.sweeps import Ground, read_grounds

Advance = Callable[[float], None]


class SweepRequest(msgspec.Struct, frozen=True, kw_only=True):
    """What is to be tried.

    Attributes:
        strategy: Its name.
        symbols, intervals: Every one of them with every other.
        parameters: As people write them: ranges, lists, values.
        start, end: The range, as far as minutes are stored.
        draw: How many places of the grid are drawn; None: all.
        seed: Of the draw.
        walk: Windows instead of the whole range; None: none.
        config: Capital, costs and rules.
    """

    strategy: str
    symbols: tuple[str, ...]
    intervals: tuple[str, ...]
    parameters: dict[str, str]
    start: datetime
    end: datetime
    draw: int | None = None
    seed: int = 0
    walk: Walk | None = None
    config: BacktestConfig


@dataclass(frozen=True, slots=True, kw_only=True)
class Plan:
    """A request that makes sense: the grid and the strategy at each place that is tried."""

    request: SweepRequest
    grid: Grid
    strategies: Mapping[Place, NamedStrategy]

    @property
    def intervals(self) -> list[Interval]:
        """The intervals of the candles."""
        return [parse_interval(label) for label in self.request.intervals]

    @property
    def n_places(self) -> int:
        """How many trials there are in one training, or in the whole range."""
        return len(self.strategies) * len(self.request.symbols) * len(self.request.intervals)


@dataclass(frozen=True, slots=True, kw_only=True)
class Prepared:
    """A plan with what is stored.

    Attributes:
        plan: What is tried.
        ranges: Of each symbol, as far as minutes are stored; for a walk-forward the same for all.
        configs: By symbol, with the exchange's terms.
        windows: Of a walk-forward; None without one.
        fingerprint: The name of the sweep.
        known: The outcomes that are kept of an earlier run, by the trials' numbers.
        rule: When a candle with missing minutes is decided on.
    """

    plan: Plan
    ranges: Mapping[str, TimeRange]
    configs: Mapping[str, BacktestConfig]
    windows: Sequence[Window] | None
    fingerprint: str
    known: Mapping[int, Outcome]
    rule: Completeness

    @property
    def n_trials(self) -> int:
        """How many there are in all."""
        return self.plan.n_places * (1 if self.windows is None else len(self.windows))


@dataclass(frozen=True, slots=True, kw_only=True)
class Sweep:
    """What was found.

    Attributes:
        prepared: What was tried.
        sort: The figure by which the best is.
        n_finished: How many trials are finished.
        done: Those of the range, or of the last training that is finished.
        order: Their numbers, best first.
        best: The verdict on the best of them; None where none is finished.
        walked: What the walk came to; None without one, or where no window is finished.
        curve: The tests as one curve: time and equity, from the capital on.
    """

    prepared: Prepared
    sort: str
    n_finished: int
    done: Sequence[Trial]
    order: Sequence[int]
    best: Verdict | None
    walked: Walked | None = None
    curve: tuple[Times, Floats] | None = None

    @property
    def is_whole(self) -> bool:
        """Whether nothing is left to be tried."""
        return self.n_finished == self.prepared.n_trials


def plan_sweep(request: SweepRequest) -> Plan:
    """Return what a request means; nothing is read.

    Raises:
        InputError: If a strategy, a parameter or a value does not exist, or the trials are too many.
    """
    grid = grid_of(request)
    if load_strategy(request.strategy, {}).rule.of == "capital":
        # As in a backtest: what spends a capital buys coins.
        request = msgspec.structs.replace(request, config=msgspec.structs.replace(request.config, mode=Mode.SPOT))
    places = grid.places(draw=request.draw, seed=request.seed)
    strategies = {place: load_strategy(request.strategy, grid.parameters(place)) for place in places}
    return Plan(request=request, grid=grid, strategies=strategies)


def grid_of(request: SweepRequest) -> Grid:
    """Return the grid that a request names; the strategies at its places are not looked at.

    Raises:
        InputError: If the strategy, a parameter or a value does not exist, or the trials are too many.
    """
    rule = load_strategy(request.strategy, {}).rule
    if rule.of == "capital" and request.walk is not None:
        raise InputError(
            f"walk-forward: {request.strategy} spends a capital from one day on, which windows would begin anew; "
            "leave it out"
        )
    # A plan that begins on a day begins with the range, unless another day was given.
    given = {"start": f"{request.start:%Y%m%d}", **request.parameters} if "start" in rule.parameters else None
    grid = Grid(axes_of(f"strategy {request.strategy}", rule.parameters, given or request.parameters))
    _refuse_many(min(request.draw or grid.n, grid.n) * len(request.symbols) * len(request.intervals))
    return grid


def _refuse_many(n_trials: int, n_windows: int = 1) -> None:
    if n_trials * n_windows > MAX_TRIALS:
        each = f" ({n_trials:,} in each of {n_windows:,} windows)" if n_windows > 1 else ""
        raise InputError(
            f"expected at most {MAX_TRIALS:,} trials, found {n_trials * n_windows:,}{each}: take larger steps, or "
            "--random 1000 of them"
        )


def prepare_sweep(frames: Frames, plan: Plan, *, rule: Completeness) -> Prepared:
    """Look what is stored of a plan's range, and what is finished of it already.

    Raises:
        DataError: If no minute is stored in the range.
        InputError: If leverage is above a coin's maximum, or the windows do not fit the range.
    """
    request = plan.request
    asked = TimeRange(request.start, request.end)
    ranges = {symbol: stored_range(frames, symbol, asked) for symbol in request.symbols}
    configs = {symbol: config_of(frames, symbol, request.config) for symbol in request.symbols}
    windows = None
    if request.walk is not None:
        ranges = dict.fromkeys(ranges, _common(ranges))
        windows = windows_of(ranges[request.symbols[0]], request.walk, plan.intervals)
        _refuse_many(plan.n_places, len(windows))
    facts = {
        "request": request,
        "ranges": {symbol: (range_.start, range_.end) for symbol, range_ in ranges.items()},
        "configs": configs,
        "rule": (rule.min_completeness, rule.wait.total_seconds()),
        "code": code_digest(),
        "data": [frames.read("sweep_data_version", symbol, range_.end).item() for symbol, range_ in ranges.items()],
    }
    fingerprint = fingerprint_of(facts)
    n_trials = plan.n_places * len(windows or [None])
    known = begin(frames, fingerprint, strategy=request.strategy, request=request, n_trials=n_trials)
    return Prepared(
        plan=plan, ranges=ranges, configs=configs, windows=windows, fingerprint=fingerprint, known=known, rule=rule
    )


def _common(ranges: Mapping[str, TimeRange]) -> TimeRange:
    """Return the range in which all symbols have minutes: windows are the same for all of them."""
    start, end = max(range_.start for range_ in ranges.values()), min(range_.end for range_ in ranges.values())
    if start >= end:
        found = ", ".join(f"{s} {format_time(r.start)} to {format_time(r.end)}" for s, r in ranges.items())
        raise DataError(f"expected a range in which all symbols have minutes, found {found}")
    return TimeRange(start, end)


def run_sweep(
    frames: Frames, prepared: Prepared, *, sort: str, n_threads: int, advance: Advance, lake: Lake | None = None
) -> Sweep:
    """Try what is not finished yet, and judge it all. Ctrl-C leaves what is finished.

    Args:
        frames: The database; nobody else uses this connection meanwhile.
        prepared: What is tried.
        sort: The figure of ``btc_core.sweep.SORTS`` by which the best is.
        n_threads: How many trials run at once.
        advance: Called with the number of trials that were finished.
        lake: Where closed months may be read.

    Raises:
        DataError: If the stored data do not allow it.
    """
    grounds = _grounds(frames, prepared, lake)
    with KeptTrials(frames, prepared.fingerprint) as kept:
        if prepared.windows is not None:
            return _walk(grounds, prepared, kept, sort=sort, n_threads=n_threads, advance=advance)
        arenas = [ground.arena(prepared.ranges[ground.symbol], prepared.configs[ground.symbol]) for ground in grounds]
        # What is cut is done with: arenas hold what they need.
        del grounds
        done = _try(arenas, prepared, kept, first=0, n_threads=n_threads, advance=advance)
    order = ranking(done, sort)
    best = judge(prepared.plan.grid, done, order[0], sort) if done else None
    return Sweep(prepared=prepared, sort=sort, n_finished=len(done), done=done, order=order, best=best)


def _grounds(frames: Frames, prepared: Prepared, lake: Lake | None) -> list[Ground]:
    plan = prepared.plan
    strategies = list(plan.strategies.values())
    return [
        ground
        for symbol, range_ in prepared.ranges.items()
        for ground in read_grounds(
            frames, symbol, plan.intervals, strategies, range_=range_, rule=prepared.rule, lake=lake
        )
    ]


def _try(
    arenas: Sequence[Arena], prepared: Prepared, kept: KeptTrials, *, first: int, n_threads: int, advance: Advance
) -> list[Trial]:
    """Return the trials of some arenas with their outcomes, in order; after Ctrl-C those that are finished.

    Args:
        arenas: In which every place is tried.
        prepared: What is tried, and what is known.
        kept: Where outcomes go.
        first: The number of the first trial.
        n_threads: How many run at once.
        advance: Called with the number of trials that were finished.
    """
    done: dict[int, Trial] = {}
    missing: list[int] = []

    def trials() -> Iterator[Trial]:
        number = first
        for arena in arenas:
            for place, strategy in prepared.plan.strategies.items():
                outcome = prepared.known.get(number)
                if outcome is None:
                    missing.append(number)
                    yield Trial(arena, place, strategy)
                else:
                    done[number] = Trial(arena, place, strategy, outcome)
                    advance(1)
                number += 1

    try:
        with closing(try_all(trials(), n_threads=n_threads)) as finished:
            for i, trial in enumerate(finished):
                assert trial.outcome is not None, "a finished trial has its outcome"
                done[missing[i]] = trial
                kept.keep(missing[i], trial.outcome)
                advance(1)
    except KeyboardInterrupt:
        pass
    return [done[number] for number in sorted(done)]


def _walk(
    grounds: Sequence[Ground], prepared: Prepared, kept: KeptTrials, *, sort: str, n_threads: int, advance: Advance
) -> Sweep:
    """Choose by each training and trade its test, one window after the other."""
    plan, windows = prepared.plan, prepared.windows or []
    steps, tested = list[Step](), list[Tested]()
    last: list[Trial] = []
    n_finished, capital = 0, plan.request.config.capital
    for n, window in enumerate(windows):
        arenas = [ground.arena(window.train, prepared.configs[ground.symbol]) for ground in grounds]
        done = _try(arenas, prepared, kept, first=n * plan.n_places, n_threads=n_threads, advance=advance)
        n_finished += len(done)
        if len(done) < plan.n_places:
            break
        last, at = done, ranking(done, sort)[0]
        ground = next(ground for ground, arena in zip(grounds, arenas, strict=True) if arena is done[at].arena)
        config = msgspec.structs.replace(prepared.configs[ground.symbol], capital=capital)
        tested.append(_test(ground.arena(window.test, config), done[at]))
        steps.append(_step(window, judge(plan.grid, done, at, sort), tested[-1]))
        capital = tested[-1].outcome.final_equity
        if capital <= 0:
            break
    order = ranking(last, sort)
    sweep = Sweep(
        prepared=prepared,
        sort=sort,
        n_finished=n_finished,
        done=last,
        order=order,
        best=steps[-1].best if steps else None,
    )
    if not steps:
        return sweep
    walked, curve = _walked(prepared, steps, tested)
    return replace(sweep, walked=walked, curve=curve)


def _step(window: Window, best: Verdict, tested: Tested) -> Step:
    return Step(
        train_start=window.train.start,
        train_end=window.train.end,
        test_start=window.test.start,
        test_end=window.test.end,
        best=best,
        test=tested.outcome,
    )


def _test(arena: Arena, chosen: Trial) -> Tested:
    """Return what a choice earns in the arena of a test."""
    market, exposure = arena.market, exposure_of(arena, chosen.strategy)
    course = follow(market, exposure, arena.config)
    return Tested(
        range_=market.range_,
        time=np.append(market.close_time[: len(course.equity) - 1], us(market.range_.end)),
        equity=course.equity,
        pnl=rounds_of(course.log).pnl,
        outcome=outcome_of(market, exposure, arena.config),
    )


def _walked(prepared: Prepared, steps: list[Step], tested: Sequence[Tested]) -> tuple[Walked, tuple[Times, Floats]]:
    capital, walk = prepared.plan.request.config.capital, prepared.plan.request.walk
    assert walk is not None, "windows come of a walk"
    time, equity = curve_of(tested, capital)
    returns = daily_returns(daily_equity(time, equity))
    walked = Walked(
        walk=walk.label,
        is_anchored=walk.is_anchored,
        n_windows=len(prepared.windows or []),
        steps=steps,
        out_of_sample=joined(tested, capital),
        in_sample=in_sample_of(steps),
        deflated_sharpe=deflated_sharpe(returns, np.zeros(1)),
        efficiency=efficiency_of(steps),
        days=days_of(time, equity),
    )
    return walked, (time, equity)
