"""The exchange's funding rates and the terms of its coins, by REST."""

import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Annotated

import msgspec
import polars as pl

from btc_core.errors import ExchangeError
from btc_core.model.timerange import TimeRange, from_ms, to_ms
from btc_store.funding import SCHEMA
from btc_store.instruments import Instrument
from btc_store.settings import Settings
from resources.exchange import ask, unexpected

# Rows of one answer at most; the next question begins behind the last of them.
PAGE = 500
# The exchange has settled since 2023-05-12: of earlier months it is not asked.
FIRST_TIME = datetime(2023, 5, 1, tzinfo=UTC)
# A full page costs 45 of the 1,200 that the exchange gives an address in a minute, and the collector takes up to 600:
# so many questions at once, and after them one in so many seconds.
BURST, PAUSE_SECONDS = 12, 4.5


# What the table holds; and no NaN, which has no order.
_Share = Annotated[float, msgspec.Meta(gt=-1e6, lt=1e6)]
_Leverage = Annotated[float, msgspec.Meta(ge=0, le=1e6)]
_Decimals = Annotated[int, msgspec.Meta(ge=0, le=2**15 - 1)]


class _Rate(msgspec.Struct):
    coin: str
    fundingRate: float  # noqa: N815  # the wire's own name
    time: int
    premium: _Share | None = None


class _Coin(msgspec.Struct):
    name: str
    szDecimals: _Decimals  # noqa: N815  # the wire's own name
    maxLeverage: _Leverage | None = None  # noqa: N815  # the wire's own name


class _Universe(msgspec.Struct):
    universe: list[_Coin]


@dataclass
class ExchangeFunding:
    """The exchange's request interface at the address of our settings; ``sleep`` waits real seconds."""

    settings: Settings
    sleep: Callable[[float], None] = time.sleep
    _n_asked: int = field(default=0, init=False)

    def rates(self, coin: str, span: TimeRange) -> Iterator[pl.DataFrame]:
        """Yield the rates settled in a range, page by page, ascending; columns of ``btc_store.funding.SCHEMA``.

        Raises:
            ExchangeError: If the exchange does not answer, or not with rates.
        """
        start, end = to_ms(max(span.start, FIRST_TIME)), to_ms(span.end)
        while start < end:
            # Both ends count.
            question = {"type": "fundingHistory", "coin": coin, "startTime": start, "endTime": end - 1}
            answered = parse_rates(self._ask(question), coin)
            # An answer about another time is no progress.
            rows = [row for row in answered if start <= row.time < end]
            if rows:
                yield _frame(rows)
            if not rows or len(answered) < PAGE:
                return
            start = rows[-1].time + 1

    def terms(self) -> dict[str, Instrument]:
        """Return the terms of all perpetuals, by the exchange's names.

        Raises:
            ExchangeError: If the exchange does not answer, or not with terms.
        """
        body = self._ask({"type": "meta"})
        try:
            coins = msgspec.json.decode(body, type=_Universe).universe
        except (msgspec.DecodeError, RecursionError) as error:
            raise unexpected("the terms of coins", body, error) from None
        return {
            coin.name: Instrument(coin=coin.name, sz_decimals=coin.szDecimals, max_leverage=coin.maxLeverage)
            for coin in coins
        }

    def _ask(self, question: object) -> bytes:
        """Ask within the share of the exchange's allowance that the collector leaves."""
        if self._n_asked >= BURST:
            self.sleep(PAUSE_SECONDS / self.settings.clock.rate)
        self._n_asked += 1
        return ask(self.settings, question)


def parse_rates(body: bytes, coin: str) -> list[_Rate]:
    """Return the rates of an answer, ascending.

    Raises:
        ExchangeError: If the answer is no list of rates, or of another coin's.
    """
    try:
        # Text on the wire; msgspec refuses what is no number.
        rows = msgspec.json.decode(body, type=list[_Rate], strict=False)
    except (msgspec.DecodeError, RecursionError) as error:
        raise unexpected("a list of funding rates", body, error) from None
    for row in rows:
        if row.coin != coin or not -1 < row.fundingRate < 1:
            raise ExchangeError(f"expected funding rates of {coin}, found {row.fundingRate} of {row.coin}")
    return sorted(rows, key=lambda row: row.time)


def _frame(rows: list[_Rate]) -> pl.DataFrame:
    columns = {
        "time": [from_ms(row.time) for row in rows],
        "rate": [row.fundingRate for row in rows],
        "premium": [row.premium for row in rows],
    }
    return pl.DataFrame(columns, schema=SCHEMA)
