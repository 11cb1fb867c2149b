"""The exchange's terms of what is traded: the smallest step of a size, the most leverage."""

from collections.abc import Mapping
from dataclasses import dataclass

import msgspec
import polars as pl

from btc_core.model.backtest import BacktestConfig
from btc_store.frames import Frames

_SCHEMA = pl.Schema(
    {"symbol": pl.String(), "coin": pl.String(), "sz_decimals": pl.Int16(), "max_leverage": pl.Float64()}
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Instrument:
    """What the exchange says of a symbol; None is what it has not said.

    Attributes:
        coin: The exchange's name of it.
        sz_decimals: Decimals of an order's size.
        max_leverage: The most it gives; None for a spot pair, too.
    """

    coin: str
    sz_decimals: int | None
    max_leverage: float | None


def read_instrument(frames: Frames, symbol: str) -> Instrument | None:
    """Return the terms of a symbol, None where the exchange was not asked yet."""
    rows = frames.read("read_instrument", symbol).rows()
    if not rows:
        return None
    coin, sz_decimals, max_leverage = rows[0]
    return Instrument(coin=coin, sz_decimals=sz_decimals, max_leverage=max_leverage)


def config_of(frames: Frames, symbol: str, config: BacktestConfig) -> BacktestConfig:
    """Return a configuration with the exchange's terms of a symbol where it states none itself, as far as known.

    The maintenance margin that follows from them stands in it.

    Raises:
        InputError: If its leverage is above the coin's maximum.
    """
    instrument = read_instrument(frames, symbol)
    if instrument is not None:
        terms = {"sz_decimals": instrument.sz_decimals, "max_leverage": instrument.max_leverage}
        unsaid = {name: value for name, value in terms.items() if getattr(config, name) is None}
        config = msgspec.structs.replace(config, **unsaid)
    return msgspec.structs.replace(config, maintenance_bps=config.margin_bps)


def store_instruments(frames: Frames, found: Mapping[str, Instrument]) -> int:
    """Store the terms of symbols; return how many were new or different."""
    rows = [(symbol, each.coin, each.sz_decimals, each.max_leverage) for symbol, each in found.items()]
    if not rows:
        return 0
    with frames.transaction():
        return frames.run("upsert_instruments", incoming=pl.DataFrame(rows, schema=_SCHEMA, orient="row"))
