"""What an exchange plays: the interface of a feed, a file of 1m candles, and a recording of frames.

The third feed is the demo market (``market.py``). A feed knows every frame of a minute beforehand; which of them the
world has seen by now is the exchange's matter (``playback.py``).
"""

import logging
import math
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Protocol

import msgspec

from btc_core.errors import ImportFileError
from btc_core.model.timerange import MINUTE, TimeRange, from_ms
from demo.candlefile import read_candle_file, text_lines
from demo.unfold import row_so_far, unfold
from demo.wire import MINUTE_MS, Coin, Frame, Ohlcv, Row, best_frame, n_decimals

logger = logging.getLogger(__name__)

MOST_SIZE_DECIMALS = 8
# What happens inside a file's minutes is the same in every run.
_FILE_SEED = "file"
_LOGS = (".log", ".log.gz")


class Feed(Protocol):
    """A market that an exchange can play."""

    @property
    def coins(self) -> Mapping[str, Coin]:
        """The coins it has data for, by name."""
        ...

    @property
    def span(self) -> TimeRange | None:
        """From its first minute to the end of its last; None where it has no end."""
        ...

    def frames(self, coin: str, minute: int) -> Sequence[Frame]:
        """Return every frame of a minute (its number since 1970), ascending by due time; none where nobody traded."""
        ...

    def row(self, coin: str, minute: int, now_ms: int) -> Row | None:
        """Return the minute's row as REST shows it at an instant; None where it has none (yet)."""
        ...


class FileFeed:
    """1m candles of one coin, played minute by minute; every minute ends in exactly the file's values.

    What happens inside a minute is made up. A minute that is absent from the file has no frame and no row; one with
    volume 0 has no frame, and its flat row appears when it is over.
    """

    def __init__(self, coin: str, candles: Mapping[int, Ohlcv]) -> None:
        decimals = min(MOST_SIZE_DECIMALS, n_decimals(*(values.volume for values in candles.values())))
        self.coins = {coin: Coin(coin, decimals)}
        self.span = _span(candles)
        self._candles = candles

    def frames(self, coin: str, minute: int) -> Sequence[Frame]:
        """Return every frame of a minute, ascending by due time."""
        values = self._candles.get(minute)
        return () if values is None else unfold(values, coin=coin, minute=minute, seed=_FILE_SEED)

    def row(self, coin: str, minute: int, now_ms: int) -> Row | None:
        """Return the minute's row as it stands at an instant, or None where it has none (yet)."""
        values = self._candles.get(minute)
        if values is None:
            return None
        return row_so_far(values, coin=coin, minute=minute, seed=_FILE_SEED, now_ms=now_ms)


class RecordedFeed:
    """Recorded 1m candle frames, sent as they were, each when the recorder received it."""

    def __init__(self, frames: Sequence[Frame]) -> None:
        self._minutes: dict[tuple[str, int], list[Frame]] = {}
        for frame in sorted(frames, key=lambda frame: frame.due_ms):
            self._minutes.setdefault((frame.row.coin, frame.minute), []).append(frame)
        self._best = {key: best_frame(frames) for key, frames in self._minutes.items()}
        names = dict.fromkeys(coin for coin, _ in self._minutes)
        self.coins = {name: Coin(name, _size_decimals(frames, name)) for name in names}
        self.span = _span(minute for _, minute in self._minutes)

    def frames(self, coin: str, minute: int) -> Sequence[Frame]:
        """Return every frame of a minute in the order of receipt."""
        return self._minutes.get((coin, minute), ())

    def row(self, coin: str, minute: int, now_ms: int) -> Row | None:
        """Return the best frame of the minute among those received by an instant, or None of none."""
        frames = self.frames(coin, minute)
        if frames and frames[-1].due_ms <= now_ms:
            best = self._best[coin, minute]
        else:
            best = best_frame(frame for frame in frames if frame.due_ms <= now_ms)
        return None if best is None else best.row


def open_candle_file(path: Path, coin: str) -> FileFeed:
    """Return the feed of a Parquet or CSV file of 1m candles.

    Args:
        path: The file; its format is told by its name (``candlefile``).
        coin: The name under which it is played. Of a file with several symbols, the rows of this one.

    Raises:
        ImportFileError: If the file cannot be read, or is not what it should be.
    """
    return FileFeed(coin, read_candle_file(path, coin))


def open_recording(path: Path) -> RecordedFeed:
    """Return the feed of a log of frames: lines of ``<receive time, ns since 1970> <raw JSON>``, plain or ``.gz``.

    A recorder writes down whatever comes: lines without a 1m candle that can be played are left out, and so is what
    is behind the place where a file is cut off. Of a folder all its ``.log`` and ``.log.gz`` files are played.

    Raises:
        ImportFileError: If nothing can be read, or no line holds a 1m candle.
    """
    files = sorted(file for file in path.iterdir() if file.name.endswith(_LOGS)) if path.is_dir() else [path]
    frames: list[Frame] = []
    fault = ImportFileError(f"{path}: expected lines of <receive time in ns> <frame of a 1m candle>, found none")
    for file in files:
        try:
            for line in text_lines(file):
                frame = _recorded_frame(line)
                if frame is not None:
                    frames.append(frame)
        except ImportFileError as error:
            # Who recorded it was killed while writing. What came before is as good as ever.
            fault = error
            logger.warning("recording is cut off", extra={"reason": str(error)})
    if not frames:
        raise fault
    return RecordedFeed(frames)


class _Envelope(msgspec.Struct):
    channel: str
    data: msgspec.Raw = msgspec.Raw(b"null")


_read_envelope = msgspec.json.Decoder(_Envelope).decode
_read_row = msgspec.json.Decoder(Row).decode


def _recorded_frame(line: str) -> Frame | None:
    """Return the candle of a line, or None of a line that holds none that can be played."""
    stamp, _, text = line.strip().partition(" ")
    if not stamp.isdecimal():
        return None
    try:
        envelope = _read_envelope(text)
        row = _read_row(envelope.data)
    except (msgspec.DecodeError, RecursionError):
        return None
    if envelope.channel != "candle" or not _is_playable(row):
        return None
    # Rounded up: a frame is never played before the recorder had it.
    return Frame(-(-int(stamp) // 1_000_000), row, text)


def _is_playable(row: Row) -> bool:
    """Return whether a row says which minute it is of and in numbers what it was."""
    try:
        numbers = [float(text) for text in (row.open, row.high, row.low, row.close, row.volume)]
    except ValueError:
        return False
    is_minute = row.interval == "1m" and row.open_ms % MINUTE_MS == 0 and row.last_ms == row.open_ms + MINUTE_MS - 1
    return is_minute and all(0 <= number < math.inf for number in numbers)


def _size_decimals(frames: Sequence[Frame], coin: str) -> int:
    volumes = (frame.row.volume for frame in frames if frame.row.coin == coin)
    return min(MOST_SIZE_DECIMALS, max(len(text.partition(".")[2].rstrip("0")) for text in volumes))


def _span(minutes: Iterable[int]) -> TimeRange:
    numbers = list(minutes)
    return TimeRange(from_ms(min(numbers) * MINUTE_MS), from_ms(max(numbers) * MINUTE_MS) + MINUTE)
