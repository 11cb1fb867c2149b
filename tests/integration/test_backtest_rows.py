"""The rows of a backtest: under way, ended whatever the reason, its page."""

import gzip
import time
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime
from uuid import uuid4

import adbc_driver_manager
import pytest

from btc_core.errors import DataError
from btc_store import backtest_rows
from btc_store.frames import open_frames
from tests.derivation import query

START, END = datetime(2025, 1, 1, tzinfo=UTC), datetime(2025, 2, 1, tzinfo=UTC)
DESCRIBED = ("ma", "BTC", "37m", START, END, "{}", "test")


@pytest.fixture
def frames(database_url):
    """A database."""
    with open_frames(database_url) as opened:
        yield opened


def row(frames, key):
    """Return status and reason of a backtest."""
    return query(frames, "SELECT status, error FROM backtest_runs WHERE id = $1::uuid", str(key)).row(0)


class Interruption(BaseException):
    """As Dagster ends a run."""


@pytest.mark.parametrize(
    ("error", "status", "reason"),
    [
        (DataError("no minute is stored"), "failed", "no minute is stored"),
        (KeyError("x"), "failed", "KeyError: 'x'"),
        (KeyboardInterrupt(), "cancelled", "KeyboardInterrupt"),
        (Interruption("by hand"), "cancelled", "Interruption: by hand"),
    ],
)
def test_whatever_ends_it_is_kept_with_its_reason(frames, error, status, reason):
    """A person who looks later knows why."""
    key = uuid4()
    with pytest.raises(type(error)), backtest_rows.recorded(frames, key, *DESCRIBED):
        assert row(frames, key) == ("running", None)
        raise error
    assert row(frames, key) == (status, reason)


def test_a_statement_that_fails_is_kept_as_a_reason_too(frames):
    """What it read before belongs to no transaction of ours, and must not spoil the one that says why it ended."""
    key = uuid4()
    with pytest.raises(adbc_driver_manager.Error), backtest_rows.recorded(frames, key, *DESCRIBED):
        frames.read("read_backtest_trades", "no id")
    status, reason = row(frames, key)
    assert (status, "no id" in reason) == ("failed", True)


def test_a_statement_that_is_cancelled_is_no_fault(frames, database_url):
    """A run that is ended while it waits for the database, as Dagster's process or Ctrl-C ends it."""
    key, other = uuid4(), uuid4()
    with open_frames(database_url) as holder, ThreadPoolExecutor(1) as pool, backtest_rows.held(holder, other):
        with pytest.raises(KeyboardInterrupt), backtest_rows.recorded(frames, key, *DESCRIBED):
            ended = pool.submit(cancel_when_waiting, frames, holder)
            frames.read("hold_backtest", str(other))
        ended.result()
    assert row(frames, key) == ("cancelled", "KeyboardInterrupt")
    assert backtest_rows.end_abandoned(frames) == 0


def cancel_when_waiting(frames, holder):
    """End the statement of a connection that waits for an advisory lock."""
    waiting = "SELECT count(*) FROM pg_locks WHERE locktype = 'advisory' AND NOT granted"
    deadline = time.monotonic() + 60
    while not query(holder, waiting).item():
        assert time.monotonic() < deadline
    frames.cancel()


def test_what_somebody_deleted_meanwhile_is_not_written_to(frames):
    """It ends with a sentence."""
    key = uuid4()
    with (
        pytest.raises(DataError, match="was cancelled or deleted meanwhile"),
        backtest_rows.recorded(frames, key, *DESCRIBED),
    ):
        with frames.transaction():
            frames.run("drop_backtest", str(key))
        backtest_rows.write(frames, key, "advance_backtest", 0.5)


def fault(frames, key):
    """Return what is wrong with a backtest that its row does not say."""
    return query(frames, "SELECT backtest_fault(id, status) FROM backtest_runs WHERE id = $1::uuid", str(key)).item()


def test_one_whose_process_is_gone_has_failed(frames, database_url):
    """While its session lives it goes on; afterwards whoever looks sees that it ended, and the next one writes it."""
    key, others = uuid4(), [uuid4(), uuid4()]
    with open_frames(database_url) as killed:
        going = backtest_rows.recorded(killed, key, *DESCRIBED)
        going.__enter__()
        with backtest_rows.recorded(frames, others[0], *DESCRIBED):
            assert (row(frames, key), fault(frames, key)) == (("running", None), None)
    reason = fault(frames, key)
    assert (row(frames, key), "ended without a word" in reason) == (("running", None), True)
    with backtest_rows.recorded(frames, others[1], *DESCRIBED):
        assert (row(frames, key), fault(frames, key)) == (("failed", reason), None)
        assert row(frames, others[1]) == ("running", None)
    assert row(frames, others[0])[0] == "failed", "it ended without a result"


def test_what_waits_for_its_turn_is_not_dead(frames):
    """A run holds all that it is going to compute; one after the other ends what others left, and not those."""
    keys = [uuid4(), uuid4()]
    with backtest_rows.held(frames, *keys):
        with frames.transaction():
            for key in keys:
                frames.run("queue_backtest", str(key), *DESCRIBED)
        with backtest_rows.recorded(frames, keys[0], *DESCRIBED):
            assert row(frames, keys[1]) == ("queued", None)
    assert row(frames, keys[1]) == ("queued", None)
    assert backtest_rows.end_abandoned(frames) == 2
    assert row(frames, keys[1])[0] == "failed"


def test_a_page_is_kept_whole(frames):
    """Whatever is in it."""
    key, html = uuid4(), "<p>ürgend \u2212 'quoted' {braced}</p>" * 500
    with backtest_rows.recorded(frames, key, *DESCRIBED):
        backtest_rows.keep_report(frames, key, html)
    stored = query(frames, "SELECT html FROM backtest_reports WHERE backtest_id = $1::uuid", str(key)).item()
    assert gzip.decompress(stored).decode() == html
