"""What quality checks look at, read from the database: by source, and what many of them ask for once."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta

import polars as pl

from btc_core.check import Source
from btc_core.errors import ExchangeError
from btc_core.model.interval import ONE_MINUTE, Interval, parse_interval
from btc_core.model.timerange import EPOCH, MINUTE, TimeRange, merge_ranges
from btc_store.frames import Frames, read_candles

_CANDLES_OF = "candles/"
# As far as a neighbour is looked for before all of history is.
_NEAR = timedelta(days=7)
_LAST = datetime.max.replace(tzinfo=UTC) - _NEAR

# Decides anew what was decided live on an interval's candles that open in a range, and compares (btc_store.parity).
Replay = Callable[[Interval, TimeRange, str], pl.DataFrame]
# Asks the exchange for its own candles of an interval that open in a range.
Fetch = Callable[[Interval, TimeRange], pl.DataFrame]


@dataclass(frozen=True, slots=True)
class Wanted:
    """A range of open times of an interval's candles, and whose decisions on them where it is about some."""

    interval: Interval
    span: TimeRange
    strategy: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class EvidenceReader:
    """Reads frames of one symbol; the same question twice is one look.

    Attributes:
        frames: The database.
        symbol: Whose data.
        now: The present instant of the market.
        began: When the run began, by real time; None: there is no run behind this one that would derive later minutes.
        fetch: How the exchange is asked; None: not at all.
        replay: How live decisions are held against a backtest; None: not at all.
    """

    frames: Frames
    symbol: str
    now: datetime
    began: datetime | None = None
    fetch: Fetch | None = None
    replay: Replay | None = None
    _minutes: dict[TimeRange, pl.DataFrame] = field(default_factory=dict[TimeRange, pl.DataFrame])
    _known: dict[tuple[str, Wanted], pl.DataFrame] = field(default_factory=dict[tuple[str, Wanted], pl.DataFrame])

    def read_minutes(self, spans: list[TimeRange]) -> None:
        """Read the minutes of ranges ahead; what many of them share is read once."""
        for span in merge_ranges(spans):
            self._minutes[span] = read_candles(self.frames, self.symbol, ONE_MINUTE, span)

    def read(self, source: str, wanted: Wanted) -> pl.DataFrame:
        """Return what a check asks for.

        Raises:
            ExchangeError: If the exchange is asked and does not answer.
        """
        key = (source, wanted)
        if key not in self._known:
            self._known[key] = self._candles_of(source, wanted) if source.startswith(_CANDLES_OF) else self._ask(key)
        return self._known[key]

    def _ask(self, key: tuple[str, Wanted]) -> pl.DataFrame:
        source, wanted = key
        return _READERS[Source(source)](self, wanted)

    def _candles_of(self, source: str, wanted: Wanted) -> pl.DataFrame:
        interval, span = parse_interval(source.removeprefix(_CANDLES_OF)), wanted.span
        for known, minutes in self._minutes.items() if interval == ONE_MINUTE else ():
            if known.clip(span) == span:
                is_inside = pl.col("time").is_between(span.start, span.end, closed="left")
                return minutes if known == span else minutes.filter(is_inside)
        return read_candles(self.frames, self.symbol, interval, span)

    def in_span(self, statement: str, wanted: Wanted) -> pl.DataFrame:
        """Return what a statement says of a range."""
        return self.frames.read(statement, self.symbol, wanted.span.start, wanted.span.end)


def accounted_minutes(frames: Frames, symbol: str, within: TimeRange) -> pl.Series:
    """Return the minutes that are stored or known to be without trades; empty where none is stored.

    They reach from the stored minute before the range to the one after it.
    """
    # By parameters first: what is looked for in all of history is looked for in every chunk of the table.
    near = (max(within.start - _NEAR, EPOCH), min(within.end, _LAST) + _NEAR)
    before, after = frames.read("minute_neighbours", symbol, within.start, within.end, *near).row(0)
    if before is None or after is None:
        far = (EPOCH if before is None else near[0], _LAST + _NEAR if after is None else near[1])
        before, after = frames.read("minute_neighbours", symbol, within.start, within.end, *far).row(0)
    start = within.start if before is None else before
    end = within.end if after is None else after + MINUTE
    first, last = frames.read("edges_of_minutes", symbol, start, end).row(0)
    if first is None:
        return pl.Series("time", dtype=pl.Datetime("us", "UTC"))
    return frames.read("read_minute_times", symbol, first, last + MINUTE)["time"]


def _candles(reader: EvidenceReader, wanted: Wanted) -> pl.DataFrame:
    return read_candles(reader.frames, reader.symbol, wanted.interval, wanted.span)


def _indicators(reader: EvidenceReader, wanted: Wanted) -> pl.DataFrame:
    span = wanted.span
    return reader.frames.read("read_indicators", reader.symbol, wanted.interval.label, span.start, span.end)


def _decisions(reader: EvidenceReader, wanted: Wanted) -> pl.DataFrame:
    stream = (reader.symbol, wanted.interval.label, wanted.strategy)
    return reader.frames.read("read_live_decisions", *stream, wanted.span.start, wanted.span.end)


def _accounted(reader: EvidenceReader, wanted: Wanted) -> pl.DataFrame:
    return accounted_minutes(reader.frames, reader.symbol, wanted.span).alias("time").to_frame()


def _newest(reader: EvidenceReader, _wanted: Wanted) -> pl.DataFrame:
    near = reader.frames.read("newest_minute_since", reader.symbol, reader.now - _NEAR)
    return near if near.height else reader.frames.read("newest_candle", reader.symbol, ONE_MINUTE.label)


def _written_since(reader: EvidenceReader, wanted: Wanted) -> pl.DataFrame:
    began = reader.began or datetime.max.replace(tzinfo=UTC)
    span = wanted.span
    return reader.frames.read("minutes_written_since", reader.symbol, span.start, span.end, began)


def _exchange(reader: EvidenceReader, wanted: Wanted) -> pl.DataFrame:
    if reader.fetch is None:
        raise ExchangeError("the exchange is not asked here")
    return reader.fetch(wanted.interval, wanted.span)


def _parity(reader: EvidenceReader, wanted: Wanted) -> pl.DataFrame:
    assert reader.replay is not None, "who makes daily checks says how decisions are made again"
    return reader.replay(wanted.interval, wanted.span, wanted.strategy)


_READERS: Mapping[Source, Callable[[EvidenceReader, Wanted], pl.DataFrame]] = {
    Source.CANDLES: _candles,
    Source.INDICATORS: _indicators,
    Source.DECISIONS: _decisions,
    Source.ACCOUNTED: _accounted,
    Source.SILENT: lambda reader, wanted: reader.in_span("no_trade_minutes", wanted),
    Source.REVISIONS: lambda reader, wanted: reader.in_span("revised_minutes", wanted),
    Source.IMPORTED: lambda reader, wanted: reader.in_span("imported_minutes", wanted),
    Source.WRITTEN_SINCE: _written_since,
    Source.NEWEST: _newest,
    Source.EXCHANGE: _exchange,
    Source.PARITY: _parity,
    Source.TABLES: lambda reader, _wanted: reader.frames.read("table_growth", reader.now),
}
