"""The memory of the sensor: what changed since the last look, in whatever order it was committed (law 10)."""

from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta

import pytest

from btc_core.model.candle import Candle, State
from btc_core.model.timerange import MINUTE, TimeRange
from btc_store.candles import upsert_candles
from btc_store.changes import MARGIN, Changes, read_changes, read_settled
from btc_store.findings import mark_minutes
from btc_store.frames import Frames, open_frames
from tests.derivation import minute, minutes_frame, put_minutes, query, store_minutes

START = datetime(2025, 2, 14, 8, tzinfo=UTC)


@pytest.fixture
def frames(database_url: str) -> Iterator[Frames]:
    """A connection to a database of its own."""
    with open_frames(database_url) as opened:
        yield opened


def some(first: int, n: int, *, price: float = 100.0):
    """Return consecutive minutes."""
    return minutes_frame([minute(i, START, price=price) for i in range(first, first + n)])


def span(first: int, n: int) -> TimeRange:
    """Return the range of those minutes."""
    return TimeRange(START + first * MINUTE, START + (first + n) * MINUTE)


def look(frames: Frames, last: Changes | None = None) -> Changes:
    """Look as the sensor does: a transaction of its own, with the memory of the last look."""
    with frames.transaction():
        return read_changes(frames, through=last and last.through, seen=last.seen if last else {})


def age(frames: Frames, by: timedelta, where: str = "true") -> None:
    """Let stored minutes have been written earlier."""
    with frames.transaction():
        change(
            frames, f"UPDATE candles SET ingested_at = ingested_at - interval '{by.total_seconds()} s' WHERE {where}"
        )


def change(frames: Frames, sql: str) -> None:
    """Execute a statement of a test."""
    query(frames, f"WITH done AS ({sql} RETURNING 1) SELECT count(*) FROM done")


def test_the_first_look_reports_everything(frames):
    """Without a memory, all that is stored is news; a whole import is one set of islands, gaps apart."""
    store_minutes(frames, "BTC", minutes_frame([*some(0, 5000).to_dicts(), *some(5003, 100).to_dicts()]))
    store_minutes(frames, "ETH", some(7, 3))
    changes = look(frames)
    assert changes.ranges == {"BTC": [span(0, 5000), span(5003, 100)], "ETH": [span(7, 3)]}
    assert changes.n_rows == 5103


def test_an_empty_table_has_no_news(frames):
    """Nothing stored, nothing reported, and the first minute later is seen."""
    nothing = look(frames)
    assert (nothing.ranges, nothing.n_rows, nothing.through) == ({}, 0, None)
    store_minutes(frames, "BTC", some(0, 1))
    assert look(frames, nothing).ranges == {"BTC": [span(0, 1)]}


def test_what_was_reported_is_not_reported_again(frames):
    """Looks at an unchanged table find nothing, and a repeated import changes nothing."""
    store_minutes(frames, "BTC", some(0, 500))
    first = look(frames)
    second = look(frames, first)
    store_minutes(frames, "BTC", some(0, 500))
    third = look(frames, second)
    assert (second.n_rows, third.n_rows) == (0, 0)
    assert (second.through, second.seen) == (third.through, third.seen) == (first.through, first.seen)


def test_new_and_corrected_minutes_are_reported_alone(frames):
    """What is written later is reported by itself: one new island, one corrected minute."""
    store_minutes(frames, "BTC", some(0, 500))
    age(frames, timedelta(minutes=20))
    first = look(frames)
    store_minutes(frames, "BTC", some(500, 20))
    store_minutes(frames, "BTC", some(77, 1, price=101))
    assert look(frames, first).ranges == {"BTC": [span(77, 1), span(500, 20)]}


def test_a_correction_of_a_young_minute_is_reported(frames):
    """A minute that is corrected seconds after it was stored comes again, without those stored with it."""
    store_minutes(frames, "BTC", some(0, 5))
    first = look(frames)
    store_minutes(frames, "BTC", some(2, 1, price=101))
    assert look(frames, first).ranges == {"BTC": [span(2, 1)]}


@contextmanager
def held_transaction(url: str, minutes) -> Iterator[Frames]:
    """Hold minutes written but not committed while the block runs."""
    with open_frames(url) as other, other.transaction():
        put_minutes(other, "BTC", minutes)
        yield other


def test_a_transaction_that_commits_late_is_not_missed(frames, database_url):
    """Its rows carry an older ingested_at than what was read meanwhile; they are reported all the same, once."""
    store_minutes(frames, "BTC", some(0, 10))
    with held_transaction(database_url, some(100, 10)):
        store_minutes(frames, "BTC", some(200, 10))
        meanwhile = look(frames)
        assert meanwhile.ranges == {"BTC": [span(0, 10), span(200, 10)]}
    after = look(frames, meanwhile)
    assert after.through == meanwhile.through
    assert any(each.clip(span(100, 10)) == span(100, 10) for each in after.ranges["BTC"])
    assert look(frames, after).n_rows == 0


def test_a_transaction_that_commits_minutes_late_is_reported_alone(frames):
    """Where nothing else was written in its seconds, only its own rows are news."""
    store_minutes(frames, "BTC", some(0, 10))
    first = look(frames)
    store_minutes(frames, "BTC", some(100, 10))
    age(frames, MARGIN - timedelta(minutes=1), f"time >= '{START + 100 * MINUTE}'")
    assert look(frames, first).ranges == {"BTC": [span(100, 10)]}


def test_a_correction_that_commits_late_is_not_missed(frames, database_url):
    """Also where minute and correction were written within seconds, so that their number stays the same."""
    store_minutes(frames, "BTC", some(0, 10))
    with held_transaction(database_url, some(3, 1, price=101)):
        store_minutes(frames, "ETH", some(0, 1))
        # All within one slice, whenever the test runs: the ETH minute is the newest, the held correction older.
        with frames.transaction():
            slice_start = "to_timestamp(floor(extract(epoch FROM now()) / 10) * 10)"
            change(frames, f"UPDATE candles SET ingested_at = {slice_start} + interval '9.9 s' WHERE symbol = 'ETH'")
            others = f"symbol = 'BTC' AND time <> '{START + 3 * MINUTE}'"
            change(frames, f"UPDATE candles SET ingested_at = {slice_start} WHERE {others}")
        meanwhile = look(frames)
    after = look(frames, meanwhile)
    assert any(each.clip(span(3, 1)) for each in after.ranges.get("BTC", []))


def test_old_slices_are_not_reported_as_the_margin_moves_through_them(frames):
    """Rows of one slice of time leave the margin one by one; those that stay are no news."""
    store_minutes(frames, "BTC", some(0, 10))
    second = "timestamptz '2025-02-14 12:00Z' + (extract(epoch FROM time)::bigint / 60 % 10) * interval '1 s'"
    with frames.transaction():
        change(frames, f"UPDATE candles SET ingested_at = {second}")
    changes = look(frames)
    for n in range(10):
        store_minutes(frames, "BTC", some(100 + n, 1))
        with frames.transaction():
            at = datetime(2025, 2, 14, 12, 15, n, 500_000, tzinfo=UTC)
            change(frames, f"UPDATE candles SET ingested_at = '{at}' WHERE time = '{START + (100 + n) * MINUTE}'")
        changes = look(frames, changes)
        assert changes.ranges == {"BTC": [span(100 + n, 1)]}


def test_the_memory_stays_small(frames):
    """Only slices inside the margin are remembered."""
    store_minutes(frames, "BTC", some(0, 100))
    spread = "UPDATE candles SET ingested_at = ingested_at - (time - timestamptz '2025-02-14 08:00Z')"
    with frames.transaction():
        change(frames, spread)
    changes = look(frames)
    assert len(changes.seen) <= MARGIN // MINUTE + 2
    assert len(look(frames, changes).seen) <= MARGIN // MINUTE + 2


def test_a_look_goes_back_to_the_oldest_open_transaction(frames, database_url):
    """The server knows who may still write: what began before them need not be read again, and nothing is missed."""
    store_minutes(frames, "BTC", some(0, 600))
    age(frames, timedelta(minutes=5))
    with open_frames(database_url) as late:
        with frames.transaction():
            before = read_settled(frames)
            first = read_changes(frames, through=None, seen={})
        assert first.n_rows == 600
        with late.transaction():
            put_minutes(late, "BTC", some(600, 2))
            store_minutes(frames, "BTC", some(700, 1))
            with frames.transaction():
                settled = read_settled(frames)
                second = read_changes(frames, through=first.through, seen=first.seen, since=before)
        assert second.ranges == {"BTC": [span(700, 1)]}
        assert settled < second.through
        with frames.transaction():
            third = read_changes(frames, through=second.through, seen=second.seen, since=settled)
            thorough = read_changes(frames, through=second.through, seen=second.seen)
        # The slice is read whole.
        assert third.ranges == thorough.ranges == {"BTC": [span(600, 2), span(700, 1)]}
        assert third.seen == thorough.seen


def test_rows_that_are_dated_after_the_present_hide_none(frames):
    """They were written while the server's clock was ahead, and are read once; what comes after them is seen."""
    store_minutes(frames, "BTC", some(0, 60))
    age(frames, -timedelta(hours=1))
    first = look(frames)
    assert first.n_rows == 60
    store_minutes(frames, "BTC", some(60, 60))
    second = look(frames, first)
    assert second.ranges == {"BTC": [span(60, 60)]}
    third = look(frames, second)
    assert third.n_rows == 0
    store_minutes(frames, "BTC", some(10, 1, price=101))
    late = some(200, 3)
    store_minutes(frames, "BTC", late)
    age(frames, -timedelta(hours=1), f"time >= '{START + 200 * MINUTE}'")
    ranges = look(frames, third).ranges["BTC"]
    assert any(each.clip(span(10, 1)) for each in ranges)
    assert any(each.clip(span(200, 3)) == span(200, 3) for each in ranges)


@pytest.mark.parametrize("ahead", [timedelta(seconds=20), timedelta(hours=1), timedelta(days=4000)])
def test_a_look_by_a_clock_that_was_ahead_hides_nothing(frames, caplog, ahead):
    """Its memory is of an instant that is still to come; what was written since the clock was set back is seen."""
    store_minutes(frames, "BTC", some(0, 60))
    told = look(frames)
    age(frames, -ahead)
    n_slices = ahead // timedelta(seconds=10)
    seen = {f"BTC|{int(name.split('|')[1]) + n_slices}": n for name, n in told.seen.items()}
    first = Changes(told.ranges, told.n_rows, told.through + ahead, seen)
    # Nobody looked for hours, and the last of it has just come.
    store_minutes(frames, "BTC", some(60, 60))
    age(frames, timedelta(hours=5) if ahead > timedelta(minutes=1) else timedelta(0), f"time = '{START + 60 * MINUTE}'")
    second = look(frames, first)
    assert any(each.clip(span(60, 60)) == span(60, 60) for each in second.ranges["BTC"])
    assert [record.seconds for record in caplog.records] == [pytest.approx(ahead.total_seconds(), abs=30)]
    third = look(frames, second)
    assert (third.n_rows, len(caplog.records)) == (0, 1)
    store_minutes(frames, "BTC", some(120, 1))
    assert look(frames, third).ranges == {"BTC": [span(120, 1)]}


def say(frames: Frames, sql: str, *values: object) -> None:
    """Write findings in the transaction that is open."""
    query(frames, f"WITH said AS ({sql} RETURNING 1) SELECT count(*) FROM said", *values)


def open_finding(frames: Frames, first: int, n: int, kind: str = "no_trade") -> None:
    """Say of minutes of BTC what they are, whatever is said of them already."""
    columns = "symbol, interval, kind, severity, start_time, end_time"
    within = span(first, n)
    sql = f"INSERT INTO data_quality ({columns}) VALUES ('BTC', '1m', '{kind}', 'info', $1, $2)"
    say(frames, sql, within.start, within.end)


def grow_finding(frames: Frames, n: int) -> None:
    """Let all findings end so many minutes later."""
    say(frames, f"UPDATE data_quality SET end_time = end_time + interval '{n} min'")


def close_findings(frames: Frames) -> None:
    """Say that they are over."""
    say(frames, "UPDATE data_quality SET resolved_at = now()")


def test_a_minute_changes_when_it_is_said_to_be_without_trades(frames):
    """A finding that opens, grows, shrinks, goes or is closed is news of the minutes that it says something else of."""
    store_minutes(frames, "BTC", some(0, 10))
    seen = look(frames)

    def news(change) -> list[TimeRange]:
        nonlocal seen
        with frames.transaction():
            change()
        before, seen = seen, look(frames, seen)
        assert look(frames, seen).n_rows == 0
        assert seen.through > before.through
        return seen.ranges.get("BTC", [])

    assert news(lambda: open_finding(frames, 20, 3)) == [span(20, 3)]
    assert news(lambda: grow_finding(frames, 2)) == [span(23, 2)]
    assert news(lambda: grow_finding(frames, -4)) == [span(21, 4)]
    assert news(lambda: close_findings(frames)) == [span(20, 1)]
    assert news(lambda: open_finding(frames, 30, 2)) == [span(30, 2)]
    assert news(lambda: say(frames, "DELETE FROM data_quality WHERE resolved_at IS NULL")) == [span(30, 2)]
    # A minute whose row came later changed both ways; it is one minute.
    news(lambda: open_finding(frames, 40, 3))

    def heal():
        close_findings(frames)
        open_finding(frames, 40, 1)
        open_finding(frames, 42, 1)
        put_minutes(frames, "BTC", some(41, 1))

    assert news(heal) == [span(41, 1)]
    assert seen.n_rows == 2


def test_what_a_transaction_takes_and_gives_back_did_not_change(frames):
    """Findings are split, joined and closed as rows; minutes of which the word is the same in the end are no news."""
    store_minutes(frames, "BTC", some(0, 1))
    with frames.transaction():
        open_finding(frames, 20, 100)
    seen = look(frames)
    with frames.transaction():
        close_findings(frames)
        open_finding(frames, 20, 30)
        open_finding(frames, 51, 69)
    after = look(frames, seen)
    assert after.ranges == {"BTC": [span(50, 1)]}
    with frames.transaction():
        open_finding(frames, 200, 1)
        say(
            frames,
            "UPDATE data_quality SET end_time = end_time + interval '1 min' WHERE start_time = $1",
            span(200, 1).start,
        )
        open_finding(frames, 202, 1)
        say(frames, "DELETE FROM data_quality WHERE start_time = $1", span(202, 1).start)
    assert look(frames, after).ranges == {"BTC": [span(200, 2)]}


def test_other_findings_are_no_news(frames):
    """Only minutes without trades count as there."""
    store_minutes(frames, "BTC", some(0, 10))
    seen = look(frames)
    with frames.transaction():
        open_finding(frames, 20, 3, "unrecoverable")
        open_finding(frames, 20, 3, "gap")
        close_findings(frames)
    assert (look(frames, seen).ranges, look(frames, seen).through) == ({}, seen.through)


def test_a_finding_without_an_end_is_news_up_to_now(frames):
    """What is not over yet is not known."""
    with frames.transaction():
        open_finding(frames, 0, 1)
        say(frames, "UPDATE data_quality SET end_time = 'infinity', start_time = now() - interval '10 min'")
    (found,) = look(frames).ranges["BTC"][-1:]
    assert found.n_minutes in (9, 10)


def test_a_finding_that_is_committed_late_is_not_missed(frames, database_url):
    """As a minute is not: its change carries an older time than what was read meanwhile."""
    store_minutes(frames, "BTC", some(0, 10))
    with open_frames(database_url) as late:
        with late.transaction():
            open_finding(late, 100, 10)
            store_minutes(frames, "BTC", some(200, 10))
            with frames.transaction():
                settled = read_settled(frames)
            meanwhile = look(frames)
            assert meanwhile.ranges == {"BTC": [span(0, 10), span(200, 10)]}
        after = look(frames, meanwhile)
        assert span(100, 10) in after.ranges["BTC"]
        with frames.transaction():
            short = read_changes(frames, through=meanwhile.through, seen=meanwhile.seen, since=settled)
        assert span(100, 10) in short.ranges["BTC"]
    assert after.through == meanwhile.through
    assert look(frames, after).n_rows == 0


async def test_the_collectors_words_are_news_of_their_minutes_alone(frames, connection):
    """However it joins, splits and closes its findings (``mark_minutes``, ``heal_minutes``)."""
    store_minutes(frames, "BTC", some(0, 1))
    seen = look(frames)

    async def news_of(kind: str, said: TimeRange) -> list[TimeRange]:
        nonlocal seen
        await mark_minutes(connection, "BTC", kind, [said], severity="info", details={})
        seen = look(frames, seen)
        return seen.ranges.get("BTC", [])

    assert await news_of("no_trade", span(2, 3)) == [span(2, 3)]
    assert await news_of("no_trade", span(6, 2)) == [span(6, 2)]
    assert await news_of("no_trade", span(4, 3)) == [span(5, 1)]
    assert await news_of("no_trade", span(2, 6)) == []
    prices = {"open": 1.0, "high": 1.0, "low": 1.0, "close": 1.0, "volume": 1.0, "trades": 1}
    time = START + 5 * MINUTE
    await upsert_candles(connection, [Candle(symbol="BTC", time=time, source="ws", state=State.PROVISIONAL, **prices)])
    # The stored minute, and none of those beside it whose finding was split.
    assert await news_of("unrecoverable", span(1, 2)) == [span(2, 1), span(5, 1)]
