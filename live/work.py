"""One look at the table, and what is due after it: rows, reports and memory in one transaction.

Whatever is derived here is derived by ``btc_store.derive``, as in the Dagster lane; here is only when, and in which
order. What was derived is remembered as unchecked in the same transaction; a later look checks it (``live.checks``), so
that no decision waits for a check, and none is lost with a process. A look that dies leaves nothing; two lanes wait for
each other, and the second finds the work done.
"""

import time
from bisect import bisect_left
from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from functools import cache

from btc_core.across import reached
from btc_core.model.interval import ONE_MINUTE, Interval
from btc_core.model.timerange import EPOCH, TimeRange, merge_ranges
from btc_core.pending import MAX_RANGES, Due, add_minutes, closed_until, coarsen, pairs_of, ranges_of, take_minutes
from btc_store.changes import Changes, read_changes, read_settled
from btc_store.derive import Provenance, Written, derive_candles, derive_decisions, derive_indicators
from btc_store.frames import Frames
from btc_store.live_state import LiveState, LiveSymbol, begin_look, end_look
from btc_store.outbox import Report, write_outbox
from live.checks import check
from live.left_out import named
from live.plan import Plan
from live.reports import RUN_ID, Work, add_work, materialization, partition_of

# Older minutes are history when they change: the Dagster lane's, with its runs and its checks. The collector repairs
# the last 80 hours by itself (`daily_check_hours`), and at its start fetches 83.
REACH = timedelta(days=7)
# How far back minutes are read at once to be counted: most candles that have just closed are shorter.
RECENT = timedelta(hours=4)


@dataclass(frozen=True)
class Done:
    """What a look led to: whose minutes were worked on, and how many rows were new or different."""

    symbol: str
    n_written: int


def look(
    frames: Frames,
    plan: Plan,
    *,
    now: datetime,
    is_thorough: bool = False,
    is_quiet: bool = False,
    locked: Collection[str] = (),
) -> Done | None:
    """Look what was written since the last look, and derive what is due of one symbol; None where nothing is.

    Args:
        frames: The database.
        plan: What there is to derive.
        now: The present instant of the market.
        is_thorough: Do not trust the server's list of open transactions: look back by the whole margin.
        is_quiet: Where nothing is due, check what was derived of one symbol.
        locked: Symbols that somebody else holds, or that cannot be worked on: their work waits.

    Raises:
        LockedError: If the connection waits for a lock in vain; nothing of the look is left.
        SymbolError: If the work on one symbol fails, likewise.
    """
    with frames.transaction():
        held = begin_look(frames)
        state, settled = held.state, read_settled(frames)
        since = None if is_thorough else state.settled
        changes = read_changes(frames, through=state.through, seen=state.seen, since=since, clock=held.at)
        if changes.through != state.through:
            state.settled = settled
        remember(state, changes, plan, now=now)
        done = _work(frames, plan, state, now=now, locked=locked)
        if done is None and is_quiet and (name := check(frames, plan, held, now=now, locked=locked)):
            done = Done(name, 0)
        end_look(frames, held, plan.serves)
    return done


def remember(state: LiveState, changes: Changes, plan: Plan, *, now: datetime) -> None:
    """Add what was written to what is pending; what was too old is left to others."""
    state.through, state.seen = changes.through, changes.seen
    labels = [interval.label for interval in plan.intervals]
    # Between two minutes: a range that ends within one is nobody's.
    edge = ONE_MINUTE.floor(now - REACH)
    recent, old = TimeRange(edge, plan.history.end), TimeRange(EPOCH, edge)
    for name, ranges in changes.ranges.items():
        if name not in plan.symbols:
            continue
        known = [part for item in ranges if (part := item.clip(plan.history))]
        symbol = state.symbols.setdefault(name, LiveSymbol())
        if ours := [part for item in known if (part := item.clip(recent))]:
            add_minutes(symbol.pending, ours, labels)
        if others := [part for item in known if (part := item.clip(old))]:
            symbol.left = pairs_of(coarsen(merge_ranges([*ranges_of(symbol.left), *others]), MAX_RANGES))


def _work(frames: Frames, plan: Plan, state: LiveState, *, now: datetime, locked: Collection[str]) -> Done | None:
    for name in plan.symbols:
        known = state.symbols.get(name)
        if known is None or name in locked:
            continue
        with named(name):
            due = _due(frames, plan, name, known, now=now)
            if due:
                for label, minutes in due.touched.items():
                    add_minutes(known.unchecked, minutes, [label])
                return Done(name, derive(frames, plan, name, due, now=now))
    return None


def _due(frames: Frames, plan: Plan, symbol: str, known: LiveSymbol, *, now: datetime) -> Due | None:
    """Take what is due of a symbol."""
    count = _counter(frames, symbol, now)
    ready = {
        interval: closed_until(interval, now=now, wait=plan.rule.wait, count=count)
        for interval in plan.intervals
        if any(start < interval.floor(now) for start, _ in known.pending.get(interval.label, ()))
    }
    return take_minutes(known.pending, ready)


def derive(frames: Frames, plan: Plan, symbol: str, due: Due, *, now: datetime) -> int:
    """Derive what is due of a symbol, month by month, and report it; returns how many rows were new or different."""
    n_written = 0
    for month in due.months:
        work = _Month(frames, plan, symbol, month, now)
        work.derive({i: spans for i in plan.intervals if (spans := due.spans(month, i))})
        if work.n_written:
            write_outbox(frames, work.reports)
        n_written += work.n_written
    return n_written


class _Month:
    """A month of a symbol that is worked on, and what there is to report of it."""

    def __init__(self, frames: Frames, plan: Plan, symbol: str, month: TimeRange, now: datetime) -> None:
        self._frames, self._plan, self._symbol = frames, plan, symbol
        self._partition = partition_of(month, symbol)
        self._by = Provenance(run_id=RUN_ID, now=now)
        self.reports: list[Report] = []
        self.n_written = 0

    def derive(self, spans: Mapping[Interval, Sequence[TimeRange]]) -> None:
        """Derive candles, indicators and decisions of spans of candles."""
        started = time.monotonic()
        for interval, written in derive_candles(self._frames, self._symbol, spans).items():
            self._note(f"candles/{interval}", spans[interval], written, started)
        for interval, each in spans.items():
            self._indicate(interval, each)
        self._decide(spans)

    def _indicate(self, interval: Interval, spans: Sequence[TimeRange]) -> None:
        indicators = self._plan.indicators.get(interval)
        if not indicators:
            return
        started = time.monotonic()
        written = derive_indicators(self._frames, self._symbol, interval, spans, indicators, now=self._by.now)
        self._note(f"indicators/{interval}", spans, written, started)

    def _decide(self, spans: Mapping[Interval, Sequence[TimeRange]]) -> None:
        # An asset of decisions has all intervals of its strategy.
        told: Work = {}
        for interval, strategies in self._plan.strategies.items():
            for strategy in strategies:
                each = reached(strategy, interval, spans)
                if not each:
                    continue
                started = time.monotonic()
                written = derive_decisions(
                    self._frames, self._symbol, interval, each, strategy, rule=self._plan.rule, by=self._by
                )
                add_work(told, strategy.name, each, written, time.monotonic() - started)
        for name, (ranges, written, seconds) in told.items():
            self._note(f"decisions/{name}", sorted(ranges), written, time.monotonic() - seconds)

    def _note(self, key: str, spans: Sequence[TimeRange], written: Written, started: float) -> None:
        self.n_written += written.n_written
        seconds = time.monotonic() - started
        self.reports.append(materialization(key, self._partition, spans=spans, written=written, seconds=seconds))


def _counter(frames: Frames, symbol: str, now: datetime) -> Callable[[TimeRange], int]:
    """Return a function that counts stored minutes; those of the last hours are read once for all intervals."""
    since = now - RECENT

    @cache
    def recent() -> list[datetime]:
        return frames.read("read_minute_times", symbol, since, now)["time"].to_list()

    def count(minutes: TimeRange) -> int:
        if minutes.start < since:
            return int(frames.read("count_minutes", symbol, minutes.start, minutes.end).item())
        return bisect_left(recent(), minutes.end) - bisect_left(recent(), minutes.start)

    return count
