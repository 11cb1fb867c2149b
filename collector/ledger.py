"""What the exchange's history still has to say about the minutes of one symbol. Pure: no socket, task, clock or log.

Every minute that has ended is a doubt until history has confirmed it: asked for at its end + 15 s and once more two
minutes later, again and again while it is missing or history lacks trades that the stream saw, and with all its
neighbours every hour and every day. Doubts are ranges, not minutes: a day of outage costs no more than a minute of it.
"""

from bisect import bisect
from collections.abc import Iterable, Iterator, Mapping, Sequence
from datetime import datetime, timedelta
from enum import StrEnum

import msgspec

from btc_core.model.candle import Verdict
from btc_core.model.timerange import MINUTE, TimeRange, floor_minute, merge_ranges, subtract_ranges

HOUR = timedelta(hours=1)
DAY = timedelta(days=1)
# A request costs as much as 1,200 rows of its answer: doubts that are nearer to each other share one.
NEARBY = 1200 * MINUTE
# What ended so lately is live: it is asked for before all history, in a request that stays small.
LIVE = timedelta(minutes=10)
LIVE_SPAN = timedelta(hours=3)
# Asked for around the doubt, so that rows on both sides can tell a minute without trades from one that is missing.
# A market so quiet that five minutes do not show them is asked for an hour on the next try.
MARGIN, WIDE_MARGIN = 5 * MINUTE, HOUR
# After a start, what was confirmed before it is checked soon, not only a day later.
FIRST_DAILY = timedelta(minutes=10)


class Plan(msgspec.Struct, frozen=True, kw_only=True):
    """When history is asked for; all in market time.

    Attributes:
        confirm_after: A minute is asked for so long after its end; before, its row may still change.
        confirm_again: And once more so long after its end.
        hourly_reach, daily_reach: What is asked for again every hour and every day.
        retries: Waits between two asks for the same missing or doubtful minute; the last one repeats.
        no_trade_until: A minute without trades is asked for until it is so old: its row may still appear.
        reach: A missing minute is given up when it is so old.
        depth: How far back the exchange's history goes.
        window: The longest range of one request.
    """

    depth: timedelta
    window: timedelta
    confirm_after: timedelta = timedelta(seconds=15)
    confirm_again: timedelta = timedelta(seconds=120)
    hourly_reach: timedelta = 2 * HOUR
    daily_reach: timedelta = 80 * HOUR
    retries: tuple[timedelta, ...] = tuple(timedelta(seconds=seconds) for seconds in (15, 60, 120, 300, 900))
    no_trade_until: timedelta = 6 * HOUR
    reach: timedelta = 80 * HOUR

    def retry(self, n_asked: int) -> timedelta:
        """Return the wait after the n-th ask, from 1."""
        return self.retries[min(n_asked, len(self.retries)) - 1]


class Kind(StrEnum):
    """Why minutes are asked for."""

    ENDED = "ended"  # they have just ended, or what is known of them has changed
    CHECK = "check"  # confirmed, and asked for once more
    MISSING = "missing"  # neither the stream nor history has them
    DISPUTED = "disputed"  # stored with more trades than history has
    QUIET = "quiet"  # history has rows on both sides: nobody traded


class Doubt(msgspec.Struct, frozen=True):
    """Minutes that are to be asked for from ``due`` on, after ``n_asked`` asks that did not settle them."""

    range: TimeRange
    kind: Kind
    due: datetime
    n_asked: int = 0


class Ask(msgspec.Struct, frozen=True, kw_only=True):
    """A question to the exchange's history.

    Attributes:
        symbol, coin: Whose minutes.
        range: The minutes that the answer settles, or not.
        window: What is asked for: the range, and a little on both sides.
        doubts: Why.
        is_urgent: Whether it is about live minutes.
    """

    symbol: str
    coin: str
    range: TimeRange
    window: TimeRange
    doubts: tuple[Doubt, ...]
    is_urgent: bool


class Answer(msgspec.Struct, frozen=True, kw_only=True):
    """What an ask has brought.

    Attributes:
        verdicts: Of each minute of the range that is stored or answered.
        rows: Open times of the first and the last row of the answer, outside of the range too; None without rows.
        settled_until: Rows of minutes that end later may still change and were not used.
        is_clean: False where the answer held rows that could not be read: then what it lacks proves nothing.
    """

    verdicts: Mapping[datetime, Verdict]
    rows: tuple[datetime, datetime] | None
    settled_until: datetime
    is_clean: bool = True


class Outcome(msgspec.Struct, frozen=True, kw_only=True):
    """What has become known by an answer, as ranges of minutes.

    Attributes:
        missing: Found to be missing for the first time.
        quiet: Found to be without trades for the first time.
        given_up: Missing for good: the exchange no longer has them.
        disputed: Asked for often enough to say that history lacks trades that are stored.
    """

    missing: Sequence[TimeRange]
    quiet: Sequence[TimeRange]
    given_up: Sequence[TimeRange]
    disputed: Sequence[TimeRange]


class Ledger:
    """The doubts about one symbol.

    Attributes:
        newest_settled: The newest minute that history has confirmed, or has shown to be without trades.

    Args:
        symbol: Our name.
        coin: The exchange's.
        plan: When to ask.
        first: The oldest stored minute; what is before it is not missing. None where nothing is stored.
        now: The present instant.
    """

    def __init__(self, symbol: str, coin: str, plan: Plan, *, first: datetime | None, now: datetime) -> None:
        self.symbol = symbol
        self.coin = coin
        self.newest_settled: datetime | None = None
        self._plan = plan
        self._first = first
        self._through = floor_minute(now)
        # Disjoint, ascending.
        self._doubts: list[Doubt] = []
        self._quiet: list[TimeRange] = []
        # Under way: off the ledger until they are answered or put back.
        self._asked: list[TimeRange] = []
        # Symbols take their turns, so that not all of them are asked about at the same moment.
        turn = timedelta(seconds=sum(symbol.encode()) % 60)
        self._hourly_time = now + HOUR + turn
        self._daily_time = now + FIRST_DAILY + turn

    def next_time(self, now: datetime) -> datetime | None:
        """Return when, after now, there is something new to ask; None where nothing is in doubt."""
        times = (max(d.due, d.range.start + MINUTE + self._plan.confirm_after) for d in self._doubts)
        return min((time for time in times if time > now), default=None)

    def n_minutes(self, kind: Kind) -> int:
        """Return how many minutes are in doubt for a reason."""
        return sum(doubt.range.n_minutes for doubt in self._doubts if doubt.kind is kind)

    def note(self, minutes: TimeRange, *, due: datetime, kind: Kind = Kind.ENDED) -> None:
        """Put minutes on the ledger; those that are on it already are asked for when the earlier of both is due."""
        held = [doubt for doubt in self._doubts if doubt.range.overlaps(minutes)]
        free = subtract_ranges([minutes], [doubt.range for doubt in held])
        hastened = [_at(doubt, part, due=min(due, doubt.due)) for doubt in held for part in _both(doubt.range, minutes)]
        rest = [_at(doubt, part) for doubt in held for part in subtract_ranges([doubt.range], [minutes])]
        others = [doubt for doubt in self._doubts if not doubt.range.overlaps(minutes)]
        self._hold([*others, *rest, *hastened, *(Doubt(part, kind, due) for part in free)])

    def take_stock(self, runs: Sequence[tuple[TimeRange, str]], now: datetime) -> None:
        """Put on the ledger what the table lacks or is not sure of, as far back as the exchange's history goes.

        Args:
            runs: Ranges of minutes and the state that the table has for them, one of ``minute_states``.
            now: The present instant.
        """
        within = TimeRange(self._oldest(now), self._through)
        for part in subtract_ranges([within], [minutes for minutes, _ in runs]):
            self.note(part, due=now)
        for minutes, state in runs:
            if state == "provisional":
                self.note(minutes, due=now)
            elif state == "no_trade":
                self._quiet = merge_ranges([*self._quiet, minutes])
                for young in _both(minutes, TimeRange(floor_minute(now - self._plan.no_trade_until), now)):
                    self.note(young, due=now, kind=Kind.QUIET)
            elif state == "confirmed":
                self.newest_settled = minutes.end - MINUTE

    def advance(self, now: datetime) -> list[TimeRange]:
        """Put on the ledger what time brings; return minutes that are missing for good, older than history goes."""
        settled = floor_minute(now - self._plan.confirm_after)
        if self._through < settled:
            # However long nobody looked: one range.
            self.note(TimeRange(self._through, settled), due=settled + self._plan.confirm_after)
            self._through = settled
        while self._through + MINUTE <= now:
            minute = TimeRange(self._through, self._through + MINUTE)
            self.note(minute, due=minute.end + self._plan.confirm_after)
            self._through = minute.end
        settled = floor_minute(now - self._plan.confirm_again)
        if now >= self._hourly_time:
            self._hourly_time = now + HOUR
            self._look_again(TimeRange(floor_minute(now - self._plan.hourly_reach), settled), now)
        if now >= self._daily_time:
            self._daily_time = now + DAY
            self._look_again(TimeRange(floor_minute(now - self._plan.daily_reach), settled), now)
        return self._drop_older(self._oldest(now))

    def hear(self, minute: datetime, now: datetime) -> None:
        """Know that a minute is stored that history did not tell: what comes after it is ours to ask."""
        self._found([minute], minute + MINUTE, now)

    def hasten(self, now: datetime) -> None:
        """Ask at once for what was not confirmed yet, and a little before it: a connection was cut and is back."""
        if self.newest_settled is not None and self.newest_settled + MINUTE < self._through:
            # What is older than history was given up, once.
            start = max(self.newest_settled - MARGIN, self._oldest(now))
            self.note(TimeRange(start, self._through), due=now)

    def take(self, now: datetime, *, is_urgent: bool) -> Ask | None:
        """Return the next question, or None; its minutes are off the ledger until ``settle`` or ``put_back``.

        Urgent is what has just ended. The rest is asked for from the oldest on.
        """
        usable = floor_minute(now - self._plan.confirm_after)
        live = usable - LIVE
        due = [doubt for doubt in self._doubts if doubt.due <= now and doubt.range.start < usable]
        due = [doubt for doubt in due if (doubt.range.end > live) == is_urgent]
        if not due:
            return None
        if is_urgent:
            end = min(usable, due[-1].range.end)
            start = _reach_back(due, end, longest=LIVE_SPAN)
        else:
            start = due[0].range.start
            end = _reach_on(due, min(live, start + self._plan.window - 2 * WIDE_MARGIN))
        asked = TimeRange(start, end)
        taken = [_at(doubt, part) for doubt in self._doubts for part in _both(doubt.range, asked)]
        self._hold([_at(d, part) for d in self._doubts for part in subtract_ranges([d.range], [asked])])
        self._asked.append(asked)
        margin = WIDE_MARGIN if any(doubt.n_asked for doubt in taken) else MARGIN
        oldest = max(start - margin, min(start, floor_minute(now - self._plan.depth)))
        window = TimeRange(oldest, min(max(floor_minute(now) + MINUTE, end), end + margin))
        return Ask(
            symbol=self.symbol, coin=self.coin, range=asked, window=window, doubts=tuple(taken), is_urgent=is_urgent
        )

    def put_back(self, ask: Ask, *, due: datetime) -> None:
        """Take back a question that was not answered, or whose answer could not be stored."""
        self._asked = [asked for asked in self._asked if asked != ask.range]
        # Apart, because what was confirmed is not lost when it grows older than history.
        checks = [doubt for doubt in ask.doubts if doubt.kind is Kind.CHECK]
        for doubts in (checks, [doubt for doubt in ask.doubts if doubt.kind is not Kind.CHECK]):
            for minutes in merge_ranges([doubt.range for doubt in doubts]):
                # The reasons of an outage's minutes are forgotten: one doubt for all of them, however long it lasts.
                kinds = {doubt.kind for doubt in doubts if doubt.range.overlaps(minutes)}
                self.note(minutes, due=due, kind=kinds.pop() if len(kinds) == 1 else Kind.ENDED)

    def settle(self, ask: Ask, answer: Answer, now: datetime) -> Outcome:
        """Take the verdicts of an answer: what is settled leaves the ledger, what is not is asked for again."""
        self._asked = [asked for asked in self._asked if asked != ask.range]
        self._found(answer.verdicts, ask.range.end, now)
        before = {minute: doubt for doubt in ask.doubts for minute in _minutes(doubt.range)}
        again: list[Doubt] = []
        found: dict[Kind, list[TimeRange]] = {kind: [] for kind in Kind}
        given_up: list[TimeRange] = []
        for minute in _minutes(ask.range):
            held = before.get(minute)
            one = TimeRange(minute, minute + MINUTE)
            if one.end > answer.settled_until:
                again.append(Doubt(one, held.kind if held else Kind.ENDED, now + self._plan.retries[0]))
                continue
            kind = self._kind(minute, answer)
            is_old = answer.settled_until + self._plan.confirm_after >= one.end + self._plan.confirm_again
            if kind is None or (kind is Kind.CHECK and is_old):
                continue
            n_asked = held.n_asked + 1 if held is not None and held.kind is kind else 1
            if n_asked == self._news_at(kind) and not (kind is Kind.QUIET and self._is_quiet(minute)):
                found[kind].append(one)
            if now < one.end + self._patience(kind):
                again.append(self._doubt_again(one, kind, n_asked, now))
            elif kind is Kind.MISSING:
                given_up.append(one)
        self._learn(ask.range, answer, found[Kind.QUIET])
        # What came to be known of a minute while it was asked for is newer and stays.
        held = [doubt.range for doubt in self._doubts if doubt.range.overlaps(ask.range)]
        news = [_at(doubt, part) for doubt in _joined(again) for part in subtract_ranges([doubt.range], held)]
        self._hold([*self._doubts, *news])
        ranges = {kind: merge_ranges(parts) for kind, parts in found.items()}
        return Outcome(
            missing=subtract_ranges(ranges[Kind.MISSING], given_up),
            quiet=ranges[Kind.QUIET],
            given_up=merge_ranges(given_up),
            disputed=ranges[Kind.DISPUTED],
        )

    def _found(self, minutes: Iterable[datetime], end: datetime, now: datetime) -> None:
        """Keep which stored minute is the oldest. What lies between it and the one before is ours to ask, too."""
        before = self._first
        stored = [*minutes, *([before] if before is not None else [])]
        self._first = min(stored) if stored else None
        if before is not None and self._first != before and end < before:
            self.note(TimeRange(end, before), due=now)

    def _kind(self, minute: datetime, answer: Answer) -> Kind | None:
        """Return what an answer says of a minute; None where it is not ours to ask."""
        match answer.verdicts.get(minute):
            case Verdict.FEWER | Verdict.UNANSWERED:
                return Kind.DISPUTED
            case None:
                if self._first is None or minute < self._first:
                    return None
                is_between = answer.rows is not None and answer.rows[0] < minute < answer.rows[1]
                return Kind.QUIET if (is_between and answer.is_clean) or self._is_quiet(minute) else Kind.MISSING
            case _:
                return Kind.CHECK

    def _news_at(self, kind: Kind) -> int:
        """Return after how many asks a doubt is worth telling of: what is merely late is not missing yet."""
        return {Kind.MISSING: 2, Kind.QUIET: 1, Kind.DISPUTED: len(self._plan.retries)}.get(kind, 0)

    def _doubt_again(self, minute: TimeRange, kind: Kind, n_asked: int, now: datetime) -> Doubt:
        if kind is Kind.CHECK:
            return Doubt(minute, kind, self._second_time(minute))
        due = now + self._plan.retry(n_asked)
        if kind is Kind.QUIET:
            # There is no hurry: it shares the request that a later minute needs anyway.
            due = floor_minute(due - self._plan.confirm_after) + MINUTE + self._plan.confirm_after
        return Doubt(minute, kind, due, n_asked)

    def _second_time(self, minute: TimeRange) -> datetime:
        # Not sooner than a later minute's first ask: the two share a request.
        return minute.end + self._plan.confirm_again + self._plan.confirm_after

    def _patience(self, kind: Kind) -> timedelta:
        return self._plan.no_trade_until if kind is Kind.QUIET else self._plan.reach

    def _learn(self, asked: TimeRange, answer: Answer, quiet: Sequence[TimeRange]) -> None:
        """Keep what is known to be without trades, and how far all is well."""
        told = [TimeRange(minute, minute + MINUTE) for minute in answer.verdicts]
        self._quiet = merge_ranges([*subtract_ranges(self._quiet, merge_ranges(told)), *quiet])
        doubtful = (Verdict.FEWER, Verdict.UNANSWERED)
        settled = [minute for minute, verdict in answer.verdicts.items() if verdict not in doubtful]
        silent = [part.end - MINUTE for minutes in self._quiet for part in _both(minutes, asked)]
        known = [minute for minute in (self.newest_settled, *settled, *silent) if minute is not None]
        self.newest_settled = max(known, default=None)

    def _is_quiet(self, minute: datetime) -> bool:
        i = bisect(self._quiet, minute, key=lambda minutes: minutes.start)
        return i > 0 and minute in self._quiet[i - 1]

    def _look_again(self, minutes: TimeRange, now: datetime) -> None:
        if self._first is None or self._first >= minutes.end:
            return
        wanted = TimeRange(max(self._first, minutes.start), minutes.end)
        # What is being asked for need not be confirmed: as a mere check, its doubt would be forgotten.
        for part in subtract_ranges([wanted], merge_ranges([*self._quiet, *self._asked])):
            self.note(part, due=now, kind=Kind.CHECK)

    def _oldest(self, now: datetime) -> datetime:
        """Return the oldest minute that history still has."""
        return floor_minute(now - self._plan.depth) + MINUTE

    def _drop_older(self, oldest: datetime) -> list[TimeRange]:
        """Give up what the exchange no longer has, and what it was never heard about."""
        old = [doubt for doubt in self._doubts if doubt.range.start < oldest]
        if not old:
            return []
        past = TimeRange(min(doubt.range.start for doubt in old), oldest)
        lost = [part for d in old if d.kind in (Kind.MISSING, Kind.ENDED) for part in _both(d.range, past)]
        # Nobody traded in them, whatever they were asked for again.
        lost = subtract_ranges(merge_ranges(lost), self._quiet)
        self._hold([_at(d, part) for d in self._doubts for part in subtract_ranges([d.range], [past])])
        self._quiet = [minutes for minutes in self._quiet if minutes.end > oldest]
        first = self._first
        if first is None or first >= oldest:
            return []
        return merge_ranges([part for item in lost for part in _both(item, TimeRange(first, oldest))])

    def _hold(self, doubts: Iterable[Doubt]) -> None:
        self._doubts = _joined(sorted(doubts, key=lambda doubt: doubt.range.start))


def _minutes(minutes: TimeRange) -> Iterator[datetime]:
    return (minutes.start + i * MINUTE for i in range(minutes.n_minutes))


def _both(one: TimeRange, other: TimeRange) -> list[TimeRange]:
    part = one.clip(other)
    return [part] if part else []


def _at(doubt: Doubt, part: TimeRange, *, due: datetime | None = None) -> Doubt:
    return Doubt(part, doubt.kind, due or doubt.due, doubt.n_asked)


def _joined(doubts: Sequence[Doubt]) -> list[Doubt]:
    """Return ascending doubts with neighbours of one kind and time as one."""
    joined: list[Doubt] = []
    for doubt in doubts:
        last = joined[-1] if joined else None
        if last and last.range.end == doubt.range.start and _reason(last) == _reason(doubt):
            joined[-1] = _at(doubt, TimeRange(last.range.start, doubt.range.end))
        else:
            joined.append(doubt)
    return joined


def _reason(doubt: Doubt) -> tuple[Kind, datetime, int]:
    return doubt.kind, doubt.due, doubt.n_asked


def _reach_back(due: Sequence[Doubt], end: datetime, *, longest: timedelta) -> datetime:
    """Return where a question that ends at ``end`` begins, so that it covers near doubts too."""
    start = end
    for doubt in reversed(due):
        if doubt.range.end < start - longest:
            break
        start = min(start, max(doubt.range.start, end - longest))
    return start


def _reach_on(due: Sequence[Doubt], latest: datetime) -> datetime:
    """Return where a question that begins with the first doubt ends, so that it covers near doubts too."""
    end = due[0].range.start
    for doubt in due:
        if doubt.range.start > end + NEARBY or doubt.range.start >= latest:
            break
        end = min(latest, max(end, doubt.range.end))
    return end
