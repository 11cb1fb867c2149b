"""The spool: what is on disk comes back in order, whoever was killed in between, and a full disk is said."""

import os
import resource
import signal
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from btc_core.errors import SpoolError
from btc_core.model.candle import Candle, State
from collector.spool import CHUNK, Spool

START = datetime(2025, 2, 14, 8, tzinfo=UTC)
DATABASE = "127.0.0.1:5432/btc_data"
ROOT = Path(__file__).resolve().parents[3]


def candles(first: int, end: int, symbol: str = "BTC") -> list[Candle]:
    """Return minutes whose numbers no short text holds exactly."""
    return [
        Candle(
            time=START + timedelta(minutes=n),
            symbol=symbol,
            open=100 + 1 / 3,
            high=200.1,
            low=0.1 + 0.2,
            close=100.0,
            volume=n / 7,
            trades=n if n % 2 else None,
            source="ws",
            state=State.PROVISIONAL,
        )
        for n in range(first, end)
    ]


def opened(folder: Path, database: str = DATABASE, megabytes: float = 1) -> Spool:
    """Open a spool as a new process would."""
    return Spool(folder, database, megabytes=megabytes)


def content(spool: Spool) -> list[Candle]:
    """Return what waits."""
    return [candle for chunk in spool for candle in chunk]


def files(folder: Path) -> list[str]:
    """Return the names of the files."""
    return sorted(path.name for path in folder.iterdir())


def test_what_was_added_comes_back_exactly_and_in_order(tmp_path):
    """Also by the next process: every float to the last bit, in the order in which it was added."""
    spool = opened(tmp_path)
    spool.add(candles(0, 3))
    spool.add(candles(1, 2, "ETH"))
    spool.add(candles(2, 5))
    expected = candles(0, 3) + candles(1, 2, "ETH") + candles(2, 5)
    assert (spool.n_candles, content(spool)) == (7, expected)
    spool.close()
    again = opened(tmp_path)
    assert (again.n_candles, content(again)) == (7, expected)


def test_an_unused_spool_leaves_no_file(tmp_path):
    """The folder is made, and nothing in it."""
    spool = opened(tmp_path / "a" / "b")
    spool.add([])
    assert (spool.n_candles, content(spool), files(tmp_path / "a" / "b")) == (0, [], [])


def test_what_was_read_to_its_end_is_let_go_of(tmp_path):
    """After that there is no file, and a next outage begins anew."""
    spool = opened(tmp_path)
    spool.add(candles(0, 3))
    assert len(content(spool)) == 3
    spool.clear()
    assert (spool.n_candles, files(tmp_path)) == (0, [])
    spool.add(candles(7, 8))
    assert content(spool) == candles(7, 8)


def test_what_was_added_during_a_replay_stays(tmp_path):
    """Nobody has stored it: letting go is for what was read."""
    spool = opened(tmp_path)
    spool.add(candles(0, 3))
    for chunk in spool:
        assert chunk == candles(0, 3)
        spool.add(candles(3, 4))
    spool.clear()
    assert (spool.n_candles, content(spool)) == (1, candles(3, 4))


def test_a_replay_that_is_broken_off_begins_anew(tmp_path):
    """The database went away again in the middle: nothing is let go of."""
    spool = opened(tmp_path, megabytes=10)
    spool.add(candles(0, CHUNK + 1))
    assert next(iter(spool)) == candles(0, CHUNK)
    spool.clear()
    assert content(spool) == candles(0, CHUNK + 1)


def test_it_is_read_in_chunks(tmp_path):
    """However much waits, little of it is in memory."""
    spool = opened(tmp_path, megabytes=10)
    spool.add(candles(0, 2 * CHUNK + 1))
    assert [len(chunk) for chunk in spool] == [CHUNK, CHUNK, 1]


@pytest.mark.parametrize("n_cut", [1, 2, 50])
def test_a_torn_last_line_is_skipped_and_said(tmp_path, caplog, n_cut):
    """A process killed in the middle of a write had not yet been told that the line is safe."""
    spool = opened(tmp_path)
    spool.add(candles(0, 3))
    spool.close()
    (path,) = tmp_path.iterdir()
    os.truncate(path, path.stat().st_size - n_cut)
    again = opened(tmp_path)
    # The end of the line alone is no loss.
    assert content(again) == candles(0, 3 if n_cut == 1 else 2)
    assert [record.message for record in caplog.records].count("torn line in the spool") == (n_cut > 1)
    again.add(candles(3, 4))
    assert content(again)[-1:] == candles(3, 4)
    again.clear()
    assert files(tmp_path) == []


def test_a_file_of_a_torn_line_alone_goes_too(tmp_path):
    """It counts as waiting, so that somebody reads it and lets go of it."""
    spool = opened(tmp_path)
    spool.add(candles(0, 1))
    spool.close()
    (path,) = tmp_path.iterdir()
    os.truncate(path, 20)
    again = opened(tmp_path)
    assert again.n_candles == 1
    assert content(again) == []
    again.clear()
    assert files(tmp_path) == []


def test_two_databases_share_no_file(tmp_path):
    """What waits for one is not written into the other."""
    one, other = opened(tmp_path), opened(tmp_path, "127.0.0.1:5432/other")
    one.add(candles(0, 1))
    other.add(candles(5, 6))
    assert (content(one), content(other)) == (candles(0, 1), candles(5, 6))


def test_two_collectors_of_one_database_share_no_file(tmp_path):
    """Neither replays, or removes, what the other one still holds; the next process takes over what is left."""
    one, other = opened(tmp_path), opened(tmp_path)
    one.add(candles(0, 1))
    other.add(candles(5, 6))
    third = opened(tmp_path)
    assert (content(one), content(other), content(third)) == (candles(0, 1), candles(5, 6), [])
    other.clear()
    other.close()
    one.close()
    fourth = opened(tmp_path)
    assert content(fourth) == candles(0, 1)


def test_a_full_spool_is_an_error_and_keeps_what_it_has(tmp_path):
    """The bound counts what earlier processes left; the candles that did not fit are not there in part."""
    spool = opened(tmp_path, megabytes=0.001)
    spool.add(candles(0, 3))
    spool.close()
    again = opened(tmp_path, megabytes=0.001)
    with pytest.raises(SpoolError, match=r"full: it may hold 0\.001 MB"):
        again.add(candles(3, 9))
    assert content(again) == candles(0, 3)
    again.clear()
    again.add(candles(3, 6))
    assert content(again) == candles(3, 6)


def test_a_full_disk_is_an_error_and_leaves_no_torn_line(tmp_path):
    """A write that fails half way is taken back: what comes when there is room again is whole."""
    spool = opened(tmp_path)
    spool.add(candles(0, 3))
    (path,) = tmp_path.iterdir()
    before = resource.getrlimit(resource.RLIMIT_FSIZE)
    handler = signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
    # The kernel refuses to let the file grow beyond the middle of the next line, as a disk does that is full.
    resource.setrlimit(resource.RLIMIT_FSIZE, (path.stat().st_size + 100, before[1]))
    try:
        with pytest.raises(SpoolError, match=r"does not take candles .*make room"):
            spool.add(candles(3, 5))
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, before)
        signal.signal(signal.SIGXFSZ, handler)
    assert (spool.n_candles, content(spool)) == (3, candles(0, 3))
    spool.add(candles(3, 5))
    assert content(spool) == candles(0, 5)
    assert all(line.endswith("}") for path in tmp_path.iterdir() for line in path.read_text().splitlines())


def test_threads_that_add_at_once_spoil_nothing(tmp_path):
    """One that its task no longer waits for may still be adding when the next one begins."""
    spool = opened(tmp_path, megabytes=10)
    with ThreadPoolExecutor(8) as executor:
        list(executor.map(lambda n: spool.add(candles(n, n + 20)), range(0, 400, 20)))
    assert sorted(content(spool), key=lambda candle: candle.time) == candles(0, 400)


def test_a_folder_that_cannot_be_is_an_error(tmp_path):
    """A file stands in its place: the sentence names it."""
    (tmp_path / "spool").write_text("")
    with pytest.raises(SpoolError, match="spool"):
        opened(tmp_path / "spool")


def test_what_a_killed_process_added_is_there(tmp_path):
    """Adding returns when the candles are safe: SIGKILL right after it loses none."""
    program = (
        "import os, signal, sys\n"
        "from pathlib import Path\n"
        "from tests.unit.collector.test_spool import candles, opened\n"
        "opened(Path(sys.argv[1])).add(candles(0, 5))\n"
        "os.kill(os.getpid(), signal.SIGKILL)\n"
    )
    done = subprocess.run([sys.executable, "-c", program, tmp_path], cwd=ROOT, check=False)
    assert done.returncode == -signal.SIGKILL
    assert content(opened(tmp_path)) == candles(0, 5)


def test_an_outage_of_days_needs_one_file(tmp_path):
    """The database is tried again and again, each time by reading what waits: files held open are few and bounded."""
    spool = opened(tmp_path)
    for n in range(100):
        spool.add(candles(n, n + 1))
        next(iter(spool))
    assert len(list(tmp_path.iterdir())) == 1
    assert content(spool) == candles(0, 100)
