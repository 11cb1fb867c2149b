"""What ``POST /api/v1/backtests`` takes, and what is wrong with it, said before anything is launched."""

import hashlib
import json
from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Any
from uuid import NAMESPACE_URL, UUID, uuid4, uuid5

import msgspec
from pydantic import BaseModel, ConfigDict, Field

from btc_core.config import Config
from btc_core.errors import InputError, IntervalError, UnknownNameError
from btc_core.model.backtest import BacktestConfig
from btc_core.model.interval import ONE_MINUTE, Interval, parse_interval
from btc_core.model.timerange import TimeRange, parse_time
from btc_core.parameters import Parameter, resolve_parameters

# The backtests of one request have ids that differ in the last byte: 0 is the first interval's.
MAX_INTERVALS = 32
MAX_KEY = 255
_LAST_BYTE = 0xFF


class BacktestRequest(BaseModel):
    """A strategy on a symbol, one backtest for each interval; what is left out is as in config.yaml."""

    model_config = ConfigDict(
        extra="allow",  # refused by name, with the near misses
        allow_inf_nan=False,
        json_schema_extra={
            "additionalProperties": False,
            "examples": [
                {
                    "symbol": "BTC",
                    "intervals": ["37m", "148m"],
                    "strategy": "ma44",
                    "start_date": "2025-01-01",
                    "end_date": "2025-07-01",
                    "leverage": 2,
                    "slippage_bps": 1,
                }
            ],
        },
    )

    symbol: str = Field(max_length=100)
    intervals: list[str] = Field(min_length=1, max_length=MAX_INTERVALS, description="Longer than 1m: 37m, 148m, 1d")
    strategy: str = Field(max_length=100, description="One of GET /api/v1/strategies")
    start_date: str = Field(max_length=100, description="ISO 8601; UTC without an offset, a date is its midnight")
    end_date: str | None = Field(None, max_length=100, description="The first instant after the range; left out: now")
    parameters: dict[str, int | float | str] = Field(
        {}, max_length=100, description="Of the strategy: numbers, or their words"
    )
    capital: float | None = Field(None, description="Equity at the start, quote currency")
    leverage: float | None = Field(None, description="Position / equity at an exposure of 1")
    max_leverage: float | None = Field(None, description="The most that is given on this coin")
    mode: str | None = Field(None, max_length=10, description="perp, or spot: long only, paid in full")
    taker_bps: float | None = Field(None, description="Fee of every fill at the market, basis points")
    maker_bps: float | None = Field(None, description="Fee of a target, the only order that rests")
    slippage_bps: float | None = Field(None, description="How much worse than the market a fill is")
    slippage_range: float | None = Field(None, description="The same as a share of the minute's high-low range")
    maintenance_bps: float | None = Field(None, description="Maintenance margin, of the position's notional")
    delay_minutes: int | None = Field(None, description="How long after a decision its order reaches the market")
    min_notional: float | None = Field(None, description="Smaller orders are not sent, quote currency")
    sz_decimals: int | None = Field(None, description="Decimals of an order's size")
    stop_bps: float | None = Field(None, description="Loss at which a position is closed")
    target_bps: float | None = Field(None, description="Gain at which a position is closed")
    trailing_stop_bps: float | None = Field(None, description="Fall below the best price since the entry")

    def digest(self) -> str:
        """Return what two requests have in common that ask for the same."""
        return hashlib.sha256(json.dumps(self.model_dump(), sort_keys=True).encode()).hexdigest()


def op_config(asked: BacktestRequest, config: Config, id_: UUID, *, now: datetime) -> dict[str, Any]:
    """Return what the job ``backtest`` takes, but for the parameters. Where no end is given the range ends now.

    Raises:
        InputError: If something does not exist or is out of range; with the near misses.
    """
    for name in asked.model_extra or ():
        raise UnknownNameError("field", name, BacktestRequest.model_fields)
    symbol = config.symbol(asked.symbol)
    intervals = intervals_of(asked.intervals, config)
    start, end = parse_time(asked.start_date), parse_time(asked.end_date) if asked.end_date else now
    TimeRange(start, end)
    rules = {name: value for name in BacktestConfig.__struct_fields__ if (value := getattr(asked, name)) is not None}
    # Refuses what is impossible.
    msgspec.structs.replace(config.backtest, **rules)
    return {
        "id": str(id_),
        "symbol": symbol,
        "intervals": [interval.label for interval in intervals],
        "strategy": asked.strategy,
        "start": start.isoformat(),
        "end": end.isoformat(),
        "rules": rules,
    }


def intervals_of(labels: Sequence[str], config: Config) -> list[Interval]:
    """Return the intervals of labels, each once.

    Raises:
        InputError: If one is none, or is 1m.
    """
    found: dict[Interval, None] = {}
    for label in labels:
        try:
            found[parse_interval(label)] = None
        except IntervalError:
            raise UnknownNameError("interval", label, config.intervals) from None
    if ONE_MINUTE in found:
        raise InputError("intervals: expected longer ones than 1m, because decisions fill on 1m candles")
    return list(found)


def new_id(key: str | None) -> UUID:
    """Return the id of a request's first backtest: always the same for the same ``Idempotency-Key``.

    Raises:
        InputError: If the key is empty or longer than it may be.
    """
    if key is None:
        return UUID(int=uuid4().int & ~_LAST_BYTE)
    if not 0 < len(key.strip()) <= len(key) <= MAX_KEY:
        raise InputError(f"Idempotency-Key: expected 1 to {MAX_KEY} characters, found {len(key)}")
    return UUID(int=uuid5(NAMESPACE_URL, f"btc-data:backtest:{key}").int & ~_LAST_BYTE)


def first_of(id_: UUID) -> tuple[UUID, int]:
    """Return the id of the first backtest of a request, and the number of this one in it."""
    return UUID(int=id_.int & ~_LAST_BYTE), id_.int & _LAST_BYTE


def ids_of(first: UUID, n: int) -> list[UUID]:
    """Return the ids of a request's backtests, in the order of its intervals."""
    return [UUID(int=first.int + i) for i in range(n)]


def parameters_of(asked: BacktestRequest, strategies: Sequence[Mapping[str, Any]]) -> dict[str, float | int]:
    """Return the given parameters as numbers; those that were not given stay the strategy's business.

    Raises:
        InputError: If the strategy or a parameter does not exist, or is out of range; with the near misses.
    """
    known = {strategy["name"]: strategy for strategy in strategies}
    if asked.strategy not in known:
        raise UnknownNameError("strategy", asked.strategy, known)
    declared = {
        told["name"]: Parameter(told["default"], told["low"], told["high"], told["meaning"], told["words"])
        for told in known[asked.strategy]["parameters"]
    }
    resolved = resolve_parameters(f"strategy {asked.strategy}", declared, asked.parameters)
    return {name: value for name, value in resolved.items() if name in asked.parameters}
