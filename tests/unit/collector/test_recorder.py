"""The journal of raw messages."""

import gzip
import resource
import signal
import threading
from datetime import UTC, datetime, timedelta
from pathlib import Path
from random import Random

import pytest

from btc_core.model.timerange import from_ms
from collector.alarms import Alarms
from collector.recorder import QUEUE_BYTES, FrameFiles, Received, Recorder
from demo.feeds import open_recording

AAVE = Path(__file__).resolve().parents[2] / "fixtures" / "hyperliquid" / "ws_candle_1m_AAVE_20250320.log"
NOON = datetime(2025, 2, 14, 12, tzinfo=UTC)
WEEK = timedelta(days=7)


@pytest.fixture
def folder(tmp_path) -> Path:
    """Where the files are; nobody has made it yet."""
    return tmp_path / "state" / "frames"


def recorder_in(folder: Path) -> Recorder:
    """Return a recorder that keeps its files for a week."""
    return Recorder(folder, keep=WEEK, alarms=Alarms())


def lines_in(folder: Path) -> list[str]:
    """Return all lines of all files in the order of their names."""
    return [
        line for path in sorted(folder.iterdir()) for line in gzip.decompress(path.read_bytes()).decode().splitlines()
    ]


async def test_what_is_recorded_can_be_replayed(folder):
    """The demo exchange sends the same frames at the same times, whatever else came over the socket."""
    lines = [line.partition(" ") for line in AAVE.read_text().splitlines()]
    async with recorder_in(folder) as recorder:
        for stamp, _, text in lines:
            recorder.record(text.encode(), from_ms(int(stamp) // 1_000_000))
            recorder.record(b'{"channel":"pong"}', from_ms(int(stamp) // 1_000_000))
            recorder.record(b"\xff\x00{", from_ms(int(stamp) // 1_000_000))
    played, original = open_recording(folder), open_recording(AAVE)
    assert played.span == original.span
    for minute in range(int(played.span.start.timestamp()) // 60, int(played.span.end.timestamp()) // 60):
        frames = original.frames("AAVE", minute)
        assert [frame.text() for frame in played.frames("AAVE", minute)] == [frame.text() for frame in frames]
        assert [frame.row for frame in played.frames("AAVE", minute)] == [frame.row for frame in frames]
    assert recorder.n_lost == 0


async def test_a_message_is_one_line(folder):
    """Whatever is in it: the stamp is in ns, line breaks become blanks, bytes that are no text are spelled out."""
    async with recorder_in(folder) as recorder:
        for message in (b'{\r\n"a":1}', "plain", b"\xff", "\ud800", b""):
            recorder.record(message, NOON + timedelta(microseconds=1))
    stamp = "1739534400000001000"
    texts = ['{ "a":1}', "plain", "\\xff", "\\ud800", ""]
    assert lines_in(folder) == [f"{stamp} {text}" for text in texts]


async def test_an_hour_is_a_file_and_so_is_a_start(folder):
    """A file is named after its first message, so that names sort by time and no file is continued by another start."""
    times = [NOON + timedelta(minutes=1), NOON + timedelta(minutes=59), NOON + timedelta(minutes=60)]
    async with recorder_in(folder) as recorder:
        for time in times:
            recorder.record(b"{}", time)
    async with recorder_in(folder) as recorder:
        recorder.record(b"{}", NOON + timedelta(minutes=61))
    assert sorted(path.name for path in folder.iterdir()) == [
        "2025-02-14T12-01-00.000000Z.log.gz",
        "2025-02-14T13-00-00.000000Z.log.gz",
        "2025-02-14T13-01-00.000000Z.log.gz",
    ]


async def test_nothing_recorded_is_no_file(folder):
    """Not even a folder."""
    async with recorder_in(folder):
        pass
    assert not folder.exists()


async def test_old_files_are_deleted(folder):
    """By the time in their name, when all that is in them is too old; what is not ours stays."""
    folder.mkdir(parents=True)
    old, young, mine = "2025-02-07T10-59-00.000000Z.log.gz", "2025-02-07T11-01-00.000000Z.log.gz", "mine.log.gz"
    for name in (old, young, mine):
        (folder / name).write_bytes(b"")
    async with recorder_in(folder) as recorder:
        recorder.record(b"{}", NOON)
    assert {path.name for path in folder.iterdir()} == {young, mine, "2025-02-14T12-00-00.000000Z.log.gz"}


def test_every_write_is_whole(folder):
    """A kill loses what was not written yet, never what was: each write is a gzip member of its own."""
    files = FrameFiles(folder, keep=WEEK)
    sizes = []
    for i in range(3):
        files.write([Received(NOON + timedelta(seconds=i), b"{}")])
        (path,) = folder.iterdir()
        sizes.append(path.stat().st_size)
    content = path.read_bytes()
    for n, size in enumerate(sizes, start=1):
        assert len(gzip.decompress(content[:size]).splitlines()) == n


def test_a_write_that_fails_half_way_leaves_no_trace(folder, monkeypatch):
    """Half a member would hide all that is appended after it."""
    files = FrameFiles(folder, keep=WEEK)
    files.write([Received(NOON, b"first")])
    (path,) = folder.iterdir()
    # It compresses badly, and the process may write 4 kB more: as if the disk were full.
    noise = Random(7).randbytes(20_000).hex()
    before = resource.getrlimit(resource.RLIMIT_FSIZE)
    handler = signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
    resource.setrlimit(resource.RLIMIT_FSIZE, (path.stat().st_size + 4096, before[1]))
    try:
        with pytest.raises(OSError, match="File too large"):
            files.write([Received(NOON, noise)])
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, before)
        signal.signal(signal.SIGXFSZ, handler)
    files.write([Received(NOON, b"last")])
    assert [line.partition(" ")[2] for line in lines_in(folder)] == ["first", "last"]


async def test_a_disk_that_takes_nothing_is_an_alarm(folder, caplog):
    """What it did not take is counted; nothing else stops."""
    folder.parent.mkdir(parents=True)
    folder.write_text("a file where the folder should be")
    async with recorder_in(folder) as recorder:
        for _ in range(3):
            recorder.record(b"{}", NOON)
    assert recorder.n_lost == 3
    (alarm,) = caplog.records
    assert (alarm.message, alarm.n_frames) == ("frames are not recorded", 3)
    assert "exists" in alarm.reason


async def test_a_disk_that_is_too_slow_costs_messages_and_no_memory(folder, caplog):
    """The reader goes on at once; what does not fit is counted."""
    n_fit = QUEUE_BYTES // 1000
    async with recorder_in(folder) as recorder:
        for i in range(n_fit + 7):
            recorder.record(b"x" * 1000, NOON + timedelta(milliseconds=i))
        assert recorder.n_lost == 7
    assert len(lines_in(folder)) == n_fit
    assert caplog.records[0].reason == "the disk is slower than the stream"


async def test_a_disk_that_hangs_does_not_keep_the_process(folder, monkeypatch):
    """A stop waits for it for a bounded time."""
    released, entered = threading.Event(), threading.Event()

    def hang(*_: object) -> None:
        entered.set()
        released.wait()

    monkeypatch.setattr("collector.recorder.CLOSE_SECONDS", 0.05)
    monkeypatch.setattr(FrameFiles, "write", hang)
    async with recorder_in(folder) as recorder:
        recorder.record(b"{}", NOON)
    assert entered.is_set()
    released.set()
