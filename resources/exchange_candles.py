"""The exchange's own candles of any interval, by REST: what ours are held against."""

from dataclasses import dataclass
from datetime import timedelta
from typing import Annotated

import msgspec
import polars as pl

from btc_core.errors import ExchangeError
from btc_core.model.interval import Interval
from btc_core.model.timerange import TimeRange, to_ms
from btc_store.settings import Settings
from resources.exchange import ask, unexpected

_MILLISECOND = timedelta(milliseconds=1)
SCHEMA = pl.Schema(
    {
        "time": pl.Datetime("us", "UTC"),
        "open": pl.Float64(),
        "high": pl.Float64(),
        "low": pl.Float64(),
        "close": pl.Float64(),
        "volume": pl.Float64(),
        "trades": pl.Int32(),
    }
)

# Text on the wire; msgspec refuses what is no number when it is not strict.
_Number = Annotated[float, msgspec.Meta(ge=0, le=1e300)]
# 9999-12-31: a later instant is no datetime. A count of trades is an integer of four bytes in the table.
_Milliseconds = Annotated[int, msgspec.Meta(ge=0, le=253_402_300_799_999)]
_Count = Annotated[int, msgspec.Meta(ge=0, le=2**31 - 1)]


class _Row(msgspec.Struct):
    t: _Milliseconds
    s: str
    i: str
    o: _Number
    h: _Number
    l: _Number  # noqa: E741  # the wire's own name
    c: _Number
    v: _Number
    n: _Count


def candle_request(coin: str, interval: Interval, span: TimeRange) -> dict[str, object]:
    """Return the question for the candles of a coin that open in a range."""
    # A row is in the answer when it overlaps the window, and both ends count: ask for the opens alone.
    window = {"startTime": to_ms(span.start), "endTime": to_ms(span.end - _MILLISECOND)}
    return {"type": "candleSnapshot", "req": {"coin": coin, "interval": interval.label, **window}}


def parse_candles(body: bytes, coin: str, interval: Interval, span: TimeRange) -> pl.DataFrame:
    """Return the candles of an answer that open in a range, ascending.

    Raises:
        ExchangeError: If the answer is no list of candles, or of other ones. ``null`` is what an unknown coin gets.
    """
    try:
        rows = msgspec.json.decode(body, type=list[_Row], strict=False)
    except (msgspec.DecodeError, RecursionError) as error:
        raise unexpected("a list of candles", body, error) from None
    for row in rows:
        if (row.s, row.i) != (coin, interval.label):
            raise ExchangeError(f"expected {interval} candles of {coin}, found {row.i} of {row.s}")
    columns = {
        "time": pl.Series([row.t for row in rows], dtype=pl.Int64).cast(pl.Datetime("ms", "UTC")),
        "open": [row.o for row in rows],
        "high": [row.h for row in rows],
        "low": [row.l for row in rows],
        "close": [row.c for row in rows],
        "volume": [row.v for row in rows],
        "trades": [row.n for row in rows],
    }
    candles = pl.DataFrame(columns).cast(SCHEMA)
    return candles.filter(pl.col("time").is_between(span.start, span.end, closed="left")).unique("time").sort("time")


@dataclass(frozen=True)
class ExchangeCandles:
    """The exchange's request interface at the address of our settings."""

    settings: Settings

    def candles(self, coin: str, interval: Interval, span: TimeRange) -> pl.DataFrame:
        """Ask for the candles that open in a range; the exchange has the newest 5,000 of an interval.

        Raises:
            ExchangeError: If it does not answer in time, or not with candles.
        """
        return parse_candles(ask(self.settings, candle_request(coin, interval, span)), coin, interval, span)
