"""The exchange's own candles of any interval, by REST: what ours are held against. One question, one answer.

The collector asks for minutes, within a budget and again; this asks a few times a day, and says so when nobody answers.
"""

from dataclasses import dataclass
from datetime import timedelta
from typing import Annotated

import httpx
import msgspec
import polars as pl

from btc_core.errors import ConfigError, ExchangeError
from btc_core.model.interval import Interval
from btc_core.model.timerange import TimeRange, to_ms
from btc_store.settings import Settings, refuse_scaled_mainnet

ANSWER_SECONDS = 10.0
SHOWN_CHARACTERS = 100
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


class _Row(msgspec.Struct):
    t: int
    s: str
    i: str
    o: _Number
    h: _Number
    l: _Number  # noqa: E741  # the wire's own name
    c: _Number
    v: _Number
    n: int


def candle_request(coin: str, interval: Interval, span: TimeRange) -> bytes:
    """Return the body of a request for the candles of a coin that open in a range."""
    # A row is in the answer when it overlaps the window, and both ends count: ask for the opens alone.
    window = {"startTime": to_ms(span.start), "endTime": to_ms(span.end - _MILLISECOND)}
    return msgspec.json.encode({"type": "candleSnapshot", "req": {"coin": coin, "interval": interval.label, **window}})


def parse_candles(body: bytes, coin: str, interval: Interval, span: TimeRange) -> pl.DataFrame:
    """Return the candles of an answer that open in a range, ascending.

    Raises:
        ExchangeError: If the answer is no list of candles, or of other ones. ``null`` is what an unknown coin gets.
    """
    try:
        rows = msgspec.json.decode(body, type=list[_Row], strict=False)
    except (msgspec.DecodeError, RecursionError) as error:
        shown = body[:SHOWN_CHARACTERS].decode("utf-8", "replace")
        raise ExchangeError(f"expected a list of candles, found {shown!r} ({error})") from None
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
        try:
            refuse_scaled_mainnet(self.settings)
            answer = httpx.post(
                self.settings.api_url,
                content=candle_request(coin, interval, span),
                headers={"Content-Type": "application/json"},
                timeout=ANSWER_SECONDS,
            ).raise_for_status()
        except ConfigError as error:
            raise ExchangeError(str(error)) from None
        except httpx.HTTPError as error:
            text = str(error).splitlines()[0] if str(error) else "no answer"
            raise ExchangeError(f"{self.settings.api_url} did not answer: {type(error).__name__}, {text}") from None
        return parse_candles(answer.content, coin, interval, span)
