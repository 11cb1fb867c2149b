"""Walk-forward: parameters chosen by one stretch of the past, judged by the next, which they have not seen.

Which windows there are, how what was traded in them becomes one curve, and which figures are put beside it: no data and
no simulation. Choosing and trading is in ``btc_store.sweep_run``.
"""

import calendar
import math
import re
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date, datetime, timedelta

import msgspec
import numpy as np

from btc_core import metrics
from btc_core.errors import InputError
from btc_core.metrics import CALENDAR_YEAR, Floats, Times
from btc_core.model.interval import Interval
from btc_core.model.timerange import EPOCH, TimeRange, format_time
from btc_core.partitions import candles_closed_in
from btc_core.simulator.outcome import Outcome
from btc_core.sweep import middle
from btc_core.sweep_verdict import Verdict

_SPAN = re.compile(r"(?P<n>[1-9][0-9]{0,3})(?P<unit>[dwMy])")
_MONTHS = {"M": 1, "y": 12}
_DAYS = {"d": 1, "w": 7}
_EXAMPLE = "expected training/test in days, weeks, months or years, such as 12M/3M, 365d/90d or 2y/6M"
_DAY_US = 86_400_000_000
_MICROSECOND = timedelta(microseconds=1)
# More are a slip of the pen.
MAX_WINDOWS = 1_000


class Span(msgspec.Struct, frozen=True):
    """A length by the calendar: months, or days."""

    months: int
    days: int

    def after(self, start: datetime, *, times: int = 1) -> datetime:
        """Return the instant so many lengths after another; where the month has no such day, its last."""
        month = start.month - 1 + self.months * times
        year, month = start.year + month // 12, month % 12 + 1
        day = min(start.day, calendar.monthrange(year, month)[1])
        return start.replace(year=year, month=month, day=day) + timedelta(days=self.days * times)


class Walk(msgspec.Struct, frozen=True, kw_only=True):
    """How a range is walked.

    Attributes:
        label: As people write it: ``12M/3M``.
        train: How long the past is by which parameters are chosen.
        test: How long they are traded.
        is_anchored: Whether every training begins where the range does, and grows; else it rolls.
    """

    label: str
    train: Span
    test: Span
    is_anchored: bool


def parse_walk(text: str, *, is_anchored: bool) -> Walk:
    """Return the walk that a text names: ``12M/3M`` are twelve months of training for each three that are traded.

    Raises:
        InputError: If it cannot be read.
    """
    parts = [part.strip() for part in text.split("/")]
    matches = [_SPAN.fullmatch(part) for part in parts]
    if len(parts) != 2 or not all(matches):
        minutes = any(re.fullmatch(r"\d+m", part) for part in parts)
        hint = f". m are minutes: write {text.replace('m', 'M')} for months" if minutes else ""
        raise InputError(f"walk-forward {text!r}: {_EXAMPLE}{hint}")
    train, test = (_span(match) for match in matches if match)
    return Walk(label="/".join(parts), train=train, test=test, is_anchored=is_anchored)


def _span(match: re.Match[str]) -> Span:
    n, unit = int(match["n"]), match["unit"]
    return Span(months=n * _MONTHS.get(unit, 0), days=n * _DAYS.get(unit, 0))


@dataclass(frozen=True, slots=True)
class Window:
    """A stretch by which parameters are chosen, and the one after it, in which they are traded."""

    train: TimeRange
    test: TimeRange


def windows_of(range_: TimeRange, walk: Walk, intervals: Sequence[Interval]) -> list[Window]:
    """Return the windows of a range: tests follow each other without a hole, the last may be cut short by the end.

    A last test in which no candle of some interval closes is left out.

    Raises:
        InputError: If the range is not longer than a training, a candle is longer than a window, or they are too many.
    """
    first = _after(walk.train, range_)
    windows: list[Window] = []
    for n in range(MAX_WINDOWS + 1):
        try:
            start = walk.test.after(first, times=n)
            end = min(walk.test.after(first, times=n + 1), range_.end)
            # A rolling training is as long as the first; the calendar moves both of its ends alike.
            begin = range_.start if walk.is_anchored else walk.test.after(range_.start, times=n)
        except (OverflowError, ValueError):
            break
        if start >= range_.end:
            break
        window = Window(TimeRange(begin, start), TimeRange(start, end))
        if _has_candles(window, intervals, is_last=end == range_.end):
            windows.append(window)
    if len(windows) > MAX_WINDOWS:
        raise InputError(f"walk-forward {walk.label}: expected at most {MAX_WINDOWS:,} windows: take a longer test")
    if not windows:
        raise InputError(_too_short(range_, walk))
    return windows


def _after(train: Span, range_: TimeRange) -> datetime:
    try:
        return train.after(range_.start)
    except (OverflowError, ValueError):
        return range_.end


def _has_candles(window: Window, intervals: Sequence[Interval], *, is_last: bool) -> bool:
    for interval in intervals:
        for name, part in (("training", window.train), ("test", window.test)):
            if candles_closed_in(part, interval) is None:
                if is_last and name == "test":
                    return False
                raise InputError(
                    f"walk-forward: no {interval} candle closes in the {name} from {format_time(part.start)} to "
                    f"{format_time(part.end)}: choose longer windows or a shorter interval"
                )
    return True


def _too_short(range_: TimeRange, walk: Walk) -> str:
    return (
        f"walk-forward {walk.label}: expected a range longer than one training and a candle, found "
        f"{format_time(range_.start)} to {format_time(range_.end)}: choose shorter windows or a longer range"
    )


@dataclass(frozen=True, slots=True, kw_only=True)
class Tested:
    """What a window's choice earned in its test.

    Attributes:
        range_: The test.
        time: When the equity is known, microseconds since 1970, ascending; the last is the test's end.
        equity: Quote currency, at each time.
        pnl: Of each trade, net, in order.
        outcome: The figures of the test alone.
    """

    range_: TimeRange
    time: Times
    equity: Floats
    pnl: Floats
    outcome: Outcome


class Step(msgspec.Struct, frozen=True, kw_only=True):
    """One window: the best of its training, and what it earned in the test after it."""

    train_start: datetime
    train_end: datetime
    test_start: datetime
    test_end: datetime
    best: Verdict
    test: Outcome


class Walked(msgspec.Struct, frozen=True, kw_only=True):
    """What a walk came to.

    Attributes:
        walk: Its windows, as people write them.
        is_anchored: As in ``Walk``.
        n_windows: How many there are; steps are fewer where it was interrupted, or the account was lost.
        steps: In order.
        out_of_sample: The figures of all tests as one curve, from the capital on.
        in_sample: The median of the bests' figures in their trainings, by name; None where it is undefined.
        deflated_sharpe: How probable it is that the Sharpe ratio of that curve is above 0. Nothing was chosen by it, so
            there is no luck of a best to be deflated.
        efficiency: Yearly growth out of sample ÷ that of the bests in sample; None where those did not grow.
        days: Equity at each midnight, from the start of the first test.
    """

    walk: str
    is_anchored: bool
    n_windows: int
    steps: list[Step]
    out_of_sample: Outcome
    in_sample: dict[str, float | None]
    deflated_sharpe: float | None
    efficiency: float | None
    days: list[tuple[date, float]]


def curve_of(tested: Sequence[Tested], capital: float) -> tuple[Times, Floats]:
    """Return the tests as one curve: time (microseconds since 1970) and equity, from the capital on."""
    start = (tested[0].range_.start - EPOCH) // _MICROSECOND
    time = np.concatenate([np.array([start], np.int64), *(each.time for each in tested)])
    return time, np.concatenate([np.array([capital]), *(each.equity for each in tested)])


def joined(tested: Sequence[Tested], capital: float) -> Outcome:
    """Return the figures of tests that follow each other, as one account.

    Args:
        tested: At least one, each begun with what the one before left.
        capital: What the first began with.
    """
    time, equity = curve_of(tested, capital)
    returns = metrics.daily_returns(metrics.daily_equity(time, equity))
    pnl = np.concatenate([each.pnl for each in tested])
    lengths = [(each.range_.end - each.range_.start) / timedelta(days=1) for each in tested]
    held = math.fsum(each.outcome.exposure_time * n for each, n in zip(tested, lengths, strict=True))
    return Outcome(
        total_return=metrics.total_return(capital, float(equity[-1])),
        sharpe=metrics.sharpe(returns),
        sortino=metrics.sortino(returns),
        max_drawdown=metrics.max_drawdown(equity),
        n_trades=len(pnl),
        win_rate=metrics.win_rate(pnl),
        profit_factor=metrics.profit_factor(pnl),
        exposure_time=held / math.fsum(lengths),
        final_equity=float(equity[-1]),
        n_liquidations=sum(each.outcome.n_liquidations for each in tested),
    )


def in_sample_of(steps: Sequence[Step]) -> dict[str, float | None]:
    """Return the median of each figure over the bests, in their trainings."""
    return {
        name: middle(getattr(step.best.outcome, name) for step in steps)
        for name in Outcome.__struct_fields__
        if name != "final_equity"
    }


def efficiency_of(steps: Sequence[Step]) -> float | None:
    """Return yearly growth in the tests ÷ mean yearly growth of the bests in their trainings.

    Growth is ``log(1 + return) ÷ years``. Around 1 the future kept what the past promised; None where the past promised
    nothing, or all was lost.

    Source: R. Pardo, The Evaluation and Optimization of Trading Strategies (2008), chapter 11, there with returns.
    """
    tests = [_growth(step.test, TimeRange(step.test_start, step.test_end)) for step in steps]
    trainings = [_growth(step.best.outcome, TimeRange(step.train_start, step.train_end)) for step in steps]
    if any(math.isinf(log) for log, _years in (*tests, *trainings)):
        return None
    promised = math.fsum(log / years for log, years in trainings) / len(trainings)
    if promised <= metrics.ROUNDING:
        return None
    return math.fsum(log for log, _ in tests) / math.fsum(years for _, years in tests) / promised


def _growth(outcome: Outcome, range_: TimeRange) -> tuple[float, float]:
    """Return the logarithm of what the money became, and the years that took; −inf where nothing was left."""
    left = 1 + outcome.total_return
    return math.log(left) if left > 0 else -math.inf, (range_.end - range_.start) / CALENDAR_YEAR


def days_of(time: Times, equity: Floats) -> list[tuple[date, float]]:
    """Return the equity at each midnight around a curve, as ``btc_core.metrics.daily_equity`` defines it."""
    first = int(time[0]) // _DAY_US
    values = metrics.daily_equity(time, equity)
    return [((EPOCH + timedelta(days=first + i)).date(), float(value)) for i, value in enumerate(values)]
