"""The exchange's funding rates and the terms of its coins, by REST."""

from collections.abc import Iterator
from dataclasses import dataclass

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


class _Rate(msgspec.Struct):
    coin: str
    fundingRate: float  # noqa: N815  # the wire's own name
    time: int
    premium: float | None = None


class _Coin(msgspec.Struct):
    name: str
    szDecimals: int  # noqa: N815  # the wire's own name
    maxLeverage: float | None = None  # noqa: N815  # the wire's own name


class _Universe(msgspec.Struct):
    universe: list[_Coin]


@dataclass(frozen=True)
class ExchangeFunding:
    """The exchange's request interface at the address of our settings."""

    settings: Settings

    def rates(self, coin: str, span: TimeRange) -> Iterator[pl.DataFrame]:
        """Yield the rates settled in a range, page by page, ascending; columns of ``btc_store.funding.SCHEMA``.

        Raises:
            ExchangeError: If the exchange does not answer, or not with rates.
        """
        start, end = to_ms(span.start), to_ms(span.end)
        while start < end:
            # Both ends count.
            question = {"type": "fundingHistory", "coin": coin, "startTime": start, "endTime": end - 1}
            rows = parse_rates(ask(self.settings, question), coin)
            if rows:
                yield _frame(rows)
            if len(rows) < PAGE:
                return
            start = max(row.time for row in rows) + 1

    def terms(self) -> dict[str, Instrument]:
        """Return the terms of all perpetuals, by the exchange's names.

        Raises:
            ExchangeError: If the exchange does not answer, or not with terms.
        """
        body = ask(self.settings, {"type": "meta"})
        try:
            coins = msgspec.json.decode(body, type=_Universe).universe
        except (msgspec.DecodeError, RecursionError) as error:
            raise unexpected("the terms of coins", body, error) from None
        return {
            coin.name: Instrument(coin=coin.name, sz_decimals=coin.szDecimals, max_leverage=coin.maxLeverage)
            for coin in coins
        }


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
