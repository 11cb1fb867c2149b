"""Files and recordings as feeds."""

import gzip
from pathlib import Path

import pytest

from btc_core.errors import ImportFileError
from btc_core.model.timerange import parse_time
from demo.feeds import FileFeed, RecordedFeed, open_candle_file, open_recording
from demo.wire import Coin, Frame, Ohlcv, minute_row

FIXTURES = Path(__file__).resolve().parents[2] / "fixtures" / "hyperliquid"
AAVE = FIXTURES / "ws_candle_1m_AAVE_20250320.log"
MINUTE = 29_040_479
VALUES = Ohlcv(100.0, 102.5, 99.0, 101.0, 3.25, 40)


def ms_of(text: str) -> int:
    """Return an instant as the exchange counts it."""
    return int(parse_time(text).timestamp() * 1000)


def test_a_file_ends_every_minute_in_its_values():
    """What happens inside a minute is made up, its end is not."""
    feed = FileFeed("BTC", {MINUTE: VALUES})
    assert feed.frames("BTC", MINUTE)[-1].row == minute_row("BTC", MINUTE, VALUES)
    assert feed.row("BTC", MINUTE, (MINUTE + 2) * 60_000) == minute_row("BTC", MINUTE, VALUES)
    assert feed.coins == {"BTC": Coin("BTC", 2)}


def test_a_minute_that_is_not_in_the_file_does_not_exist():
    """A gap is an absent row; nothing is invented."""
    feed = FileFeed("BTC", {MINUTE: VALUES, MINUTE + 2: VALUES})
    assert feed.frames("BTC", MINUTE + 1) == ()
    assert feed.row("BTC", MINUTE + 1, (MINUTE + 9) * 60_000) is None
    assert feed.span.n_minutes == 3


def test_a_file_is_opened_as_the_coin_it_is_played_as(shared):
    """The exchange's name of the coin need not be the file's."""
    feed = open_candle_file(shared / "data/candles/binance_btcusdt_1m_2021-04_earlier_print.parquet", "BTC")
    minute = ms_of("2021-04-22T02:09Z") // 60_000
    assert feed.row("BTC", minute, (minute + 2) * 60_000).close == "52878.14"


def test_recorded_frames_are_sent_as_they_were():
    """The recorded text at the recorded time, rounded up to the millisecond."""
    first = open_recording(AAVE).frames("AAVE", 1742428740000 // 60_000)[0]
    assert first.due_ms == 1742428800157
    assert first.text() == AAVE.read_text().splitlines()[0].partition(" ")[2]


def test_a_recorded_row_is_the_best_frame_received_by_then():
    """The only frame of this minute came 156 ms after its end: before that REST has no row."""
    feed = open_recording(AAVE)
    minute = 1742428740000 // 60_000
    assert feed.row("AAVE", minute, 1742428800000) is None
    assert feed.row("AAVE", minute, 1742428800157).volume == "0.21"
    assert feed.row("AAVE", minute + 1, 1742428812492).trades == 1
    assert feed.row("AAVE", minute + 1, 1742428819259).trades == 2


def test_the_best_frame_wins_over_the_last(tmp_path):
    """Frames can change places on the way: the highest (trades, volume) is the newest."""
    best = Frame(0, minute_row("BTC", MINUTE, VALUES)).text()
    older = Frame(0, minute_row("BTC", MINUTE, VALUES._replace(trades=39))).text()
    log = tmp_path / "frames.log.gz"
    log.write_bytes(gzip.compress(f"1000000 {best}\n2000000 {older}\n".encode()))
    assert open_recording(log).row("BTC", MINUTE, 10).trades == 40


def test_other_channels_are_left_out(tmp_path):
    """A recording may hold everything that came over the socket; only 1m candles are played."""
    log = tmp_path / "frames.log"
    hour = Frame(0, minute_row("BTC", MINUTE, VALUES)).text().replace('"1m"', '"1h"')
    log.write_text(f'1 {{"channel":"pong"}}\n2 {hour}\n' + AAVE.read_text())
    assert list(open_recording(log).coins) == ["AAVE"]


GOOD = (
    '1 {"channel":"candle","data":{"t":1742428740000,"T":1742428799999,"s":"AAVE","i":"1m",'
    '"o":"1","c":"1","h":"1","l":"1","v":"1","n":1}}'
)


@pytest.mark.parametrize(
    "line",
    [
        "",
        "noon {}",
        "1",
        "1 {",
        "1 null",
        "1 Websocket connection established.",
        '1 {"channel":"subscriptionResponse","data":{"method":"subscribe","subscription":{"type":"candle"}}}',
        '1 {"channel":"candle"}',
        '1 {"channel":"candle","data":{"t":1}}',
        GOOD.replace("1742428740000", "1742428740001"),
        GOOD.replace("1742428799999", "1742428799998"),
        GOOD.replace('"v":"1"', '"v":"NaN"'),
        GOOD.replace('"v":"1"', '"v":"much"'),
        GOOD.replace('"o":"1"', '"o":"-1"'),
        "1 " + "[" * 5000,
    ],
)
def test_lines_that_cannot_be_played_are_left_out(tmp_path, line):
    """A recorder writes down whatever comes over the socket; a log of nothing else is refused."""
    log = tmp_path / "frames.log"
    log.write_text(f"{line}\n{GOOD}\n{line}\n")
    assert [frame.row.open for frame in open_recording(log).frames("AAVE", 1742428740000 // 60_000)] == ["1"]
    log.write_text(f"{line}\n")
    with pytest.raises(ImportFileError, match="expected lines of <receive time in ns>"):
        open_recording(log)


def test_a_recording_that_is_cut_off_is_played_up_to_there(tmp_path, caplog):
    """Who recorded it was killed while it wrote the last member."""
    lines = AAVE.read_bytes().splitlines(keepends=True)
    whole, cut = gzip.compress(b"".join(lines[:2])), gzip.compress(b"".join(lines[2:]))
    log = tmp_path / "frames.log.gz"
    log.write_bytes(whole + cut[:-30])
    found, expected = all_texts(open_recording(log)), all_texts(open_recording(AAVE))
    assert 2 <= len(found) < len(expected)
    assert found == expected[: len(found)]
    assert [record.message for record in caplog.records] == ["recording is cut off"]
    log.write_bytes(whole + b"\0" * 512 + b"no gzip")
    assert all_texts(open_recording(log)) == all_texts(open_recording(AAVE))[:2]


def test_a_folder_is_played_file_by_file(tmp_path):
    """A file that tells nothing (its writer was killed at once) costs the others nothing; other files are not read."""
    lines = AAVE.read_bytes().splitlines(keepends=True)
    (tmp_path / "2025-03-20T00.log.gz").write_bytes(gzip.compress(b"".join(lines[:2])))
    (tmp_path / "2025-03-20T01.log").write_bytes(b"".join(lines[2:]))
    (tmp_path / "2025-03-20T02.log.gz").write_bytes(gzip.compress(lines[0])[:12])
    (tmp_path / "2025-03-20T03.log.gz").write_bytes(b"")
    (tmp_path / "notes.txt").write_text("mine")
    assert all_texts(open_recording(tmp_path)) == all_texts(open_recording(AAVE))


def all_texts(feed: RecordedFeed) -> list[str]:
    """Return every frame of a feed with one coin in the order of its minutes."""
    (coin,) = feed.coins
    first = int(feed.span.start.timestamp()) // 60
    return [frame.text() for i in range(feed.span.n_minutes) for frame in feed.frames(coin, first + i)]


def test_a_log_that_cannot_be_read_is_named(tmp_path):
    """Missing, cut off before anything can be used, no gzip, or a folder of none: one sentence."""
    with pytest.raises(ImportFileError, match="No such file"):
        open_recording(tmp_path / "none.log")
    with pytest.raises(ImportFileError, match="found none"):
        open_recording(tmp_path)
    cut = tmp_path / "cut.log.gz"
    cut.write_bytes(gzip.compress(AAVE.read_bytes())[:12])
    with pytest.raises(ImportFileError, match="cut off"):
        open_recording(cut)
    cut.write_bytes(b"plain text")
    with pytest.raises(ImportFileError, match="cannot read"):
        open_recording(cut)
