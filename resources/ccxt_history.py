"""Past minutes of other exchanges, by ccxt: asked page by page, never stored here.

ccxt is an optional extra and is imported when a market is opened. It gives no number of trades: ours is None then.
"""

import random
import time
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import datetime, timedelta
from functools import partial
from types import ModuleType
from typing import Any

from btc_core.errors import ExchangeError, UnknownNameError, near_misses
from btc_core.history import HistorySource, Page
from btc_core.model.candle import Candle, State, candle_fault
from btc_core.model.timerange import MINUTE, TimeRange, from_ms, to_ms

# In this order: the deepest books first.
QUOTES = ("USDT", "USD", "USDC")
# Rows of one request; an exchange that gives fewer says so in ccxt's table of features.
PAGE_ROWS = 1000
TRIES = 6
FIRST_WAIT_SECONDS, LONGEST_WAIT_SECONDS = 1.0, 60.0
# As our own exchange's rows: a younger one may still change, and the open one has nothing that tells it apart.
CLOSED_AFTER = timedelta(seconds=15)
SHOWN_CHARACTERS = 200


class CcxtMarket:
    """A market of another exchange.

    Args:
        client: ccxt's client of the exchange, its markets loaded.
        ccxt: The library.
        source: Where the candles come from; with the market's name.
        symbol: Our name of the instrument.
        now: The market's clock.
        sleep: Waits real seconds.
    """

    def __init__(
        self,
        client: Any,
        ccxt: ModuleType,
        *,
        source: HistorySource,
        symbol: str,
        now: Callable[[], datetime],
        sleep: Callable[[float], None],
    ) -> None:
        self._client = client
        self._ccxt = ccxt
        self.source = source
        self._symbol = symbol
        self._now = now
        self._sleep = sleep
        self._n_rows = min(PAGE_ROWS, client.feature_value(source.market, "fetchOHLCV", "limit") or PAGE_ROWS)

    def pages(self, span: TimeRange) -> Iterator[Page]:
        """Ask for the minutes of a range, oldest first; the pages' spans follow each other and end with the range.

        Raises:
            ExchangeError: If the exchange does not answer, also not when asked again.
        """
        start = span.start
        while start < span.end:
            asked_at = self._now()
            n_rows = min(self._n_rows, TimeRange(start, span.end).n_minutes)
            ask = partial(self._client.fetch_ohlcv, self.source.market, "1m", since=to_ms(start), limit=n_rows)
            rows = patiently(ask, self._ccxt, self._sleep)
            page = _page(rows, TimeRange(start, span.end), n_rows=n_rows, closed_at=asked_at - CLOSED_AFTER, of=self)
            yield page
            start = page.span.end

    def candle(self, row: list[Any]) -> Candle:
        """Return ccxt's row (ms, open, high, low, close, volume) as a candle of ours."""
        prices = dict(zip(("open", "high", "low", "close", "volume"), map(float, row[1:6]), strict=True))
        source = f"import:{self.source.import_name}"
        return Candle(
            time=from_ms(row[0]), symbol=self._symbol, trades=None, source=source, state=State.CONFIRMED, **prices
        )


@contextmanager
def open_market(
    source: HistorySource,
    symbol: str,
    *,
    now: Callable[[], datetime],
    sleep: Callable[[float], None] = time.sleep,
) -> Iterator[CcxtMarket]:
    """Open the market of another exchange that a symbol's history comes from, for the time of a ``with`` block.

    Raises:
        UnknownNameError: If ccxt does not know the exchange.
        ExchangeError: If ccxt is not installed, the exchange has no such market or no 1m candles, or does not answer.
    """
    ccxt = _import_ccxt()
    name = source.exchange or ""
    if name not in ccxt.exchanges:
        raise UnknownNameError("exchange of ccxt", name, ccxt.exchanges)
    client = getattr(ccxt, name)({"enableRateLimit": True})
    try:
        if not client.has["fetchOHLCV"] or "1m" not in (client.timeframes or {"1m": ""}):
            raise ExchangeError(f"{source}: this exchange gives no 1m candles. Choose another one")
        patiently(client.load_markets, ccxt, sleep)
        found = HistorySource(name, market_of(symbol, source, client.markets))
        yield CcxtMarket(client, ccxt, source=found, symbol=symbol, now=now, sleep=sleep)
    finally:
        client.session.close()


def market_of(symbol: str, source: HistorySource, markets: dict[str, Any]) -> str:
    """Return the exchange's name of a symbol: the one that is stated, else against the first known quote.

    Raises:
        ExchangeError: If the exchange has none of them.
    """
    wanted = [source.market] if source.market else [symbol] if "/" in symbol else [f"{symbol}/{q}" for q in QUOTES]
    for name in wanted:
        if name in markets:
            return name
    hint = near_misses(wanted[0], sorted(markets))
    hint = hint if len(hint) <= SHOWN_CHARACTERS else f"It has {len(markets)} others."
    raise ExchangeError(
        f"{source}: expected the market {' or '.join(wanted)}, found none of that name. {hint} Say which one in "
        f"config.yaml: symbols.{symbol}.history: ccxt:{source.exchange}/<market>"
    )


def patiently(call: Callable[[], Any], ccxt: ModuleType, sleep: Callable[[float], None]) -> Any:
    """Call the exchange, and again where that may help: ccxt knows which failures pass.

    Raises:
        ExchangeError: If it fails in the end.
    """
    bound = FIRST_WAIT_SECONDS
    for n_left in reversed(range(TRIES)):
        try:
            return call()
        except ccxt.BaseError as error:
            if n_left == 0 or not isinstance(error, ccxt.OperationFailed):
                text = " ".join(str(error).split())[:SHOWN_CHARACTERS]
                raise ExchangeError(f"{type(error).__name__} of {text}. What is stored stays; try again") from None
        # At least half of the bound: a network does not heal in no time, and a refused request counts too.
        sleep(bound * random.uniform(0.5, 1))
        bound = min(bound * 2, LONGEST_WAIT_SECONDS)
    raise AssertionError("the last try returns or raises")


def _import_ccxt() -> ModuleType:
    try:
        import ccxt
    except ImportError:
        raise ExchangeError(
            "history of other exchanges needs ccxt, which is not installed: install it with `uv sync --extra history`"
        ) from None
    return ccxt


def _page(rows: list[list[Any]], asked: TimeRange, *, n_rows: int, closed_at: datetime, of: CcxtMarket) -> Page:
    """Return an answer's rows as candles; those out of the range, or not closed by an instant, are left out."""
    candles: dict[datetime, Candle] = {}
    refused: Counter[str] = Counter()
    for row in rows:
        try:
            candle = of.candle(row)
        except (TypeError, ValueError):
            refused["a value is no number"] += 1
            continue
        if candle.time not in asked or candle.time + MINUTE > closed_at:
            continue
        fault = candle_fault(candle)
        if fault is None:
            candles.setdefault(candle.time, candle)
        else:
            refused[fault] += 1
    end = _answered_until([row[0] for row in rows], asked, n_rows=n_rows)
    return Page(TimeRange(asked.start, end), [candles[at] for at in sorted(candles)], refused)


def _answered_until(times_ms: list[int], asked: TimeRange, *, n_rows: int) -> datetime:
    """Return the end of what an answer covers: after its last row, and no later than what was asked for.

    Fewer rows than asked for mean that there are no more of them, or that the exchange looks at as many minutes as rows
    and no further: then the next page begins after these minutes.
    """
    after_last = from_ms(max(times_ms)) + MINUTE if times_ms else asked.start
    is_full = len(times_ms) >= n_rows and after_last > asked.start
    return min(asked.end, after_last if is_full else max(after_last, asked.start + n_rows * MINUTE))
