"""What history is asked for, when, and what its answers settle."""

from datetime import UTC, datetime, timedelta
from itertools import pairwise

from btc_core.model.candle import Verdict
from btc_core.model.timerange import MINUTE, TimeRange, floor_minute, merge_ranges
from collector.ledger import Answer, Ask, Kind, Ledger, Outcome, Plan

NOON = datetime(2025, 2, 14, 12, tzinfo=UTC)
SECOND = timedelta(seconds=1)
HOUR = timedelta(hours=1)
DAY = timedelta(days=1)
PLAN = Plan(depth=5000 * MINUTE, window=4800 * MINUTE)


def ledger(*, first: datetime | None = NOON - 10 * DAY, now: datetime = NOON) -> Ledger:
    """Return a ledger without doubts."""
    return Ledger("ETH", "ETH", PLAN, first=first, now=now)


def minutes(start: datetime, n: int = 1) -> TimeRange:
    """Return so many minutes from a time on."""
    return TimeRange(start, start + n * MINUTE)


def answer(
    ask: Ask,
    now: datetime,
    *,
    lacks: tuple[datetime, ...] = (),
    says: dict[datetime, Verdict] | None = None,
    rows: tuple[datetime, datetime] | None = None,
) -> Answer:
    """Return what a history says that has every minute of a question, up to now, but some."""
    settled_until = now - PLAN.confirm_after
    times = [ask.range.start + i * MINUTE for i in range(ask.range.n_minutes)]
    verdicts = {time: Verdict.SAME for time in times if time + MINUTE <= settled_until and time not in lacks}
    around = rows or (ask.window.start, floor_minute(now))
    return Answer(verdicts={**verdicts, **(says or {})}, rows=around, settled_until=settled_until)


def settle_all(book: Ledger, now: datetime, **facts: object) -> list[tuple[Ask, Outcome]]:
    """Ask all there is to ask at an instant, and answer it."""
    told = []
    for is_urgent in (True, False):
        while (ask := book.take(now, is_urgent=is_urgent)) is not None:
            told.append((ask, book.settle(ask, answer(ask, now, **facts), now)))
            assert len(told) < 100
    return told


def live(book: Ledger, start: datetime, end: datetime, **facts: object) -> list[tuple[datetime, Ask]]:
    """Let time pass second by second; return what is asked and when."""
    asked = []
    now = start
    while now < end:
        book.advance(now)
        asked += [(now, ask) for ask, _ in settle_all(book, now, **facts)]
        now += SECOND
    return asked


def taken(book: Ledger, now: datetime) -> list[TimeRange]:
    """Take all there is to ask, without answering."""
    ranges = []
    for is_urgent in (True, False):
        while (ask := book.take(now, is_urgent=is_urgent)) is not None:
            ranges.append(ask.range)
            assert len(ranges) < 100
    return ranges


def test_a_minute_is_asked_for_15_seconds_after_its_end_and_again_two_minutes_later():
    """And one request a minute serves both: the second ask of a minute is the first of a later one."""
    asked = live(ledger(), NOON, NOON + 10 * MINUTE)
    assert [at for at, _ in asked] == [NOON + i * MINUTE + 15 * SECOND for i in range(1, 10)]
    times = {time: [at for at, ask in asked if time in ask.range] for time in (NOON + i * MINUTE for i in range(6))}
    for time, ats in times.items():
        assert ats[0] == time + MINUTE + 15 * SECOND
        assert time + 3 * MINUTE + 15 * SECOND in ats
    assert all(ask.is_urgent and ask.window.n_minutes <= 10 for _, ask in asked)


def test_a_missing_minute_is_asked_for_again_and_again():
    """After 15 s, 1, 2, 5 and 15 minutes, then every 15 minutes, until it is 80 hours old: then it is given up."""
    book = ledger()
    now = NOON + MINUTE + 15 * SECOND
    book.advance(now)
    waits, given_up = [], []
    last = now
    while now < NOON + 81 * HOUR:
        # Rows on one side alone: nothing shows that nobody traded.
        for ask, outcome in settle_all(book, now, lacks=(NOON,), rows=(NOON - HOUR, NOON - MINUTE)):
            if NOON in ask.range:
                waits.append(now - last)
                last = now
                given_up += [(now, lost) for lost in outcome.given_up]
        now = min(now + HOUR, book.next_time(now) or now + HOUR)
    assert [wait.total_seconds() for wait in waits[:8]] == [0, 15, 60, 120, 300, 900, 900, 900]
    assert [lost for _, lost in given_up] == [minutes(NOON)]
    assert NOON + MINUTE + 80 * HOUR <= given_up[0][0] <= NOON + MINUTE + 80 * HOUR + 15 * MINUTE
    assert book.n_minutes(Kind.MISSING) == 0


def test_a_minute_between_rows_of_one_answer_is_without_trades():
    """It is told once, asked for again up to 6 hours, and counts as settled; afterwards it is left alone."""
    book = ledger()
    now = NOON + 2 * MINUTE + 15 * SECOND
    book.advance(now)
    told = []
    while now < NOON + 12 * HOUR:
        book.advance(now)
        for ask, outcome in settle_all(book, now, lacks=(NOON,)):
            told += [(now, ask, outcome)] if NOON in ask.range else []
        now += 15 * SECOND
    assert [outcome.quiet for _, _, outcome in told if outcome.quiet] == [[minutes(NOON)]]
    assert not any(outcome.missing or outcome.given_up for _, _, outcome in told)
    assert len(told) > 20
    hours = (told[-1][0] - NOON) / HOUR
    # The hourly checks of the last two hours look beyond what is known, and so does the daily one; not for ever.
    assert 5.5 < hours < 6.5
    assert book.n_minutes(Kind.QUIET) == 0


def test_a_row_that_appears_later_ends_the_silence():
    """The exchange may publish a flat row ten minutes later: the minute is a candle then."""
    book = ledger()
    now = NOON + 3 * MINUTE
    book.advance(now)
    settle_all(book, now, lacks=(NOON,))
    assert book.n_minutes(Kind.QUIET) == 1
    later = now + 10 * MINUTE
    book.advance(later)
    settle_all(book, later)
    assert book.n_minutes(Kind.QUIET) == 0
    (ask, outcome), *_ = settle_all(book, later + 3 * MINUTE, lacks=(NOON,)) or [(None, None)]
    assert outcome is None or not outcome.quiet or NOON not in ask.range


def test_an_answer_with_unreadable_rows_proves_no_silence():
    """What it lacks may be one of the rows that could not be read."""
    book = ledger()
    now = NOON + 3 * MINUTE
    book.advance(now)
    ask = book.take(now, is_urgent=True)
    given = answer(ask, now, lacks=(NOON,))
    unclean = Answer(verdicts=given.verdicts, rows=given.rows, settled_until=given.settled_until, is_clean=False)
    assert book.settle(ask, unclean, now).quiet == []
    assert book.n_minutes(Kind.MISSING) == 1


def test_fewer_trades_than_stored_are_doubted_and_told_in_the_end():
    """Asked again by the same waits; after the last of them it is told, once."""
    book = ledger()
    now = NOON + 75 * SECOND
    book.advance(now)
    told = []
    while now < NOON + 2 * HOUR:
        for _, outcome in settle_all(book, now, says={NOON: Verdict.FEWER}):
            told += [(now, outcome.disputed)] if outcome.disputed else []
        now = min(now + MINUTE, book.next_time(now) or now + MINUTE)
    assert [disputed for _, disputed in told] == [[minutes(NOON)]]
    assert told[0][0] - NOON > 8 * MINUTE
    assert book.n_minutes(Kind.DISPUTED) == 1
    settle_all(book, now + HOUR)
    assert book.n_minutes(Kind.DISPUTED) == 0


def test_the_last_two_hours_are_asked_for_every_hour():
    """A row that changes an hour after its minute is seen."""
    asked = live(ledger(), NOON, NOON + 4 * HOUR)
    wide = [(at, ask) for at, ask in asked if ask.range.n_minutes > 60]
    assert len([at for at, ask in wide if ask.range.end > at - 10 * MINUTE]) >= 3
    for hour in range(1, 4):
        assert any(
            ask.range.start <= at - 119 * MINUTE for at, ask in wide if abs(at - NOON - hour * HOUR) < 2 * MINUTE
        )


def test_the_last_80_hours_are_asked_for_soon_after_the_start_and_every_day():
    """In windows that the exchange answers whole."""
    book = ledger()
    asked = []
    now = NOON
    while now < NOON + 2 * DAY:
        book.advance(now)
        asked += [(now, ask) for ask, _ in settle_all(book, now)]
        now += MINUTE
    assert all(ask.window.n_minutes <= 4800 for _, ask in asked)
    old = sorted({at for at, ask in asked if ask.range.start < at - 79 * HOUR})
    assert len(old) == 2
    assert old[0] < NOON + 15 * MINUTE
    assert old[1] - old[0] == DAY


def test_what_the_table_lacks_is_asked_for_at_the_start():
    """Missing and provisional minutes, as far as history goes; what is known to be without trades only while young."""
    book = ledger(first=NOON - 100 * DAY)
    stored = [
        (TimeRange(NOON - 90 * HOUR, NOON - 50 * HOUR), "confirmed"),
        (TimeRange(NOON - 50 * HOUR, NOON - 40 * HOUR), "no_trade"),
        (TimeRange(NOON - 40 * HOUR, NOON - 2 * HOUR), "confirmed"),
        (TimeRange(NOON - 2 * HOUR, NOON - 1 * HOUR), "provisional"),
    ]
    book.take_stock(stored, NOON)
    covered = taken(book, NOON)
    assert all(any(time in r for r in covered) for time in (NOON - 119 * MINUTE, NOON - 59 * MINUTE, NOON - 2 * MINUTE))
    assert not any(r.start < NOON - 4 * HOUR for r in covered)
    assert book.newest_settled == NOON - 2 * HOUR - MINUTE


def test_an_empty_table_asks_for_all_of_history_in_whole_windows():
    """5,000 minutes in two requests or more, none longer than the exchange answers, nothing asked twice."""
    book = ledger(first=None)
    book.take_stock([], NOON)
    covered = sorted(taken(book, NOON))
    assert covered[0].start == NOON - 4999 * MINUTE
    assert all(one.end == other.start for one, other in pairwise(covered))
    assert covered[-1].end == floor_minute(NOON - 15 * SECOND)


def test_what_lies_before_the_first_row_is_not_missing():
    """A coin that was listed yesterday has no minutes before that."""
    book = ledger(first=None)
    book.take_stock([], NOON)
    listed = NOON - DAY
    for is_urgent in (True, False):
        while (ask := book.take(NOON, is_urgent=is_urgent)) is not None:
            times = [ask.range.start + i * MINUTE for i in range(ask.range.n_minutes)]
            verdicts = {time: Verdict.NEW for time in times if time >= listed}
            rows = (min(verdicts), NOON) if verdicts else None
            outcome = book.settle(ask, Answer(verdicts=verdicts, rows=rows, settled_until=NOON), NOON)
            assert not (outcome.missing or outcome.quiet or outcome.given_up)
    assert book.n_minutes(Kind.MISSING) == 0


def test_minutes_without_trades_between_two_first_answers_are_asked_for_again():
    """Before the older answer came they lay before all that was known, and nothing that does is missing."""
    book = ledger(first=None)
    book.take_stock([], NOON)
    urgent, older = book.take(NOON, is_urgent=True), book.take(NOON, is_urgent=False)
    seam = urgent.range.start
    book.settle(urgent, answer(urgent, NOON, lacks=tuple(seam + i * MINUTE for i in range(5))), NOON)
    book.settle(older, answer(older, NOON), NOON)
    again = book.take(NOON, is_urgent=False)
    assert TimeRange(seam, seam + 5 * MINUTE).clip(again.range) == TimeRange(seam, seam + 5 * MINUTE)
    assert book.settle(again, answer(again, NOON, lacks=(seam,)), NOON).quiet == [minutes(seam)]


def test_a_question_that_failed_is_asked_again_with_all_its_minutes():
    """However long the exchange is away, one question brings everything."""
    book = ledger()
    now = NOON + 75 * SECOND
    while now < NOON + 6 * HOUR:
        book.advance(now)
        for is_urgent in (True, False):
            if (ask := book.take(now, is_urgent=is_urgent)) is not None:
                book.put_back(ask, due=now + 2 * MINUTE)
        now += 30 * SECOND
    book.advance(now + 3 * MINUTE)
    told = settle_all(book, now + 3 * MINUTE)
    assert {NOON + i * MINUTE for i in range(360)} <= {
        ask.range.start + i * MINUTE for ask, _ in told for i in range(ask.range.n_minutes)
    }
    assert len(told) < 5


def test_what_becomes_known_during_a_question_is_not_forgotten_by_its_answer():
    """A late frame came while history was asked for its minute: that answer does not know of it."""
    book = ledger()
    now = NOON + 75 * SECOND
    book.advance(now)
    ask = book.take(now, is_urgent=True)
    book.note(minutes(NOON), due=now + 15 * SECOND)
    book.settle(ask, answer(ask, now), now)
    again = book.take(now + 15 * SECOND, is_urgent=True)
    assert again is not None
    assert NOON in again.range


def test_after_a_connection_was_cut_what_is_not_settled_is_asked_for_at_once():
    """And five minutes before it."""
    book = ledger()
    settle_all(book, NOON)
    book.take_stock([(TimeRange(NOON - 90 * HOUR, NOON - 30 * MINUTE), "confirmed")], NOON)
    for ask in (book.take(NOON, is_urgent=True), book.take(NOON, is_urgent=False)):
        if ask is not None:
            book.put_back(ask, due=NOON + DAY)
    book.hasten(NOON + SECOND)
    (covered, *_) = taken(book, NOON + SECOND)
    assert covered.start == NOON - 36 * MINUTE


def test_minutes_that_history_has_lost_are_given_up():
    """Nothing was heard for days: what was missing is older than the exchange's history now."""
    book = ledger(now=NOON)
    later = NOON + 90 * HOUR
    given_up = book.advance(later)
    assert given_up == [TimeRange(NOON, later - 4999 * MINUTE)]


def test_no_minute_of_a_long_outage_is_forgotten_while_it_is_asked_for():
    """Every question of five days is under way for minutes, and fails: the hourly looks fall into it."""
    book = ledger()
    now, given_up = NOON, []
    while now < NOON + 5 * DAY:
        given_up += book.advance(now)
        asked = [ask for is_urgent in (True, False) if (ask := book.take(now, is_urgent=is_urgent)) is not None]
        for _ in range(3):
            now += MINUTE
            given_up += book.advance(now)
        for ask in asked:
            book.put_back(ask, due=now)
    given_up += book.advance(now)
    assert merge_ranges(given_up) == [TimeRange(NOON, now - 4999 * MINUTE)]


def test_minutes_after_the_first_of_the_stream_are_given_up_although_history_never_spoke():
    """An empty table at the start, and history was away for longer than it reaches back."""
    book = ledger(first=None)
    book.take_stock([], NOON)
    book.hear(NOON + MINUTE, NOON + 2 * MINUTE)
    later = NOON + 90 * HOUR
    assert book.advance(later) == [TimeRange(NOON + MINUTE, later - 4999 * MINUTE)]


def test_what_was_given_up_is_not_given_up_again_when_a_connection_is_back():
    """Nor is what had been confirmed before."""
    book = ledger(first=NOON - 10 * MINUTE)
    book.take_stock([(TimeRange(NOON - 10 * MINUTE, NOON), "confirmed")], NOON)
    later = NOON + 90 * HOUR
    assert book.advance(later) == [TimeRange(NOON, later - 4999 * MINUTE)]
    book.hasten(later)
    assert book.advance(later + MINUTE) == [minutes(later - 4999 * MINUTE)]


def test_years_of_doubt_cost_no_more_than_a_minute_of_it():
    """The ledger keeps ranges: an outage of days is a handful of them."""
    book = ledger()
    now = NOON
    while now < NOON + 60 * HOUR:
        book.advance(now)
        for is_urgent in (True, False):
            if (ask := book.take(now, is_urgent=is_urgent)) is not None:
                book.put_back(ask, due=now + MINUTE)
        now += 5 * MINUTE
    assert len(book._doubts) < 50
