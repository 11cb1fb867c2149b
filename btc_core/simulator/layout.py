"""What passes between Python and the compiled kernel: records and tuples of plain numbers. No arithmetic, no numba.

Arrays that the kernel reads are read-only (``frozen``): a writable one would be another type to the compiler, and a
second compilation. In here a missing stop, target or lot is a number that never acts, because a compiled float has no
None.
"""

import math
from typing import NamedTuple, Protocol, TypeVar

import numpy as np
import numpy.typing as npt

from btc_core.model.backtest import BPS, BacktestConfig, ExitReason, Mode

Floats = npt.NDArray[np.float64]
Indices = npt.NDArray[np.int64]
Number = TypeVar("Number", np.float64, np.int64)

# What a fill's ``reason`` means: its place in this tuple.
REASONS = (ExitReason.SIGNAL, ExitReason.LIQUIDATION, ExitReason.END, ExitReason.STOP, ExitReason.TARGET)

ACCOUNT = np.dtype(
    [
        ("cash", "f8"),  # quote currency after all fills and the funding that is settled
        ("held", "f8"),  # base units, negative is short; equity at a price = cash + held · price
        ("free", "f8"),  # what a liquidation does not touch; −inf in spot mode, which knows none
        ("bought", "f8"),  # base units that opened or enlarged the running trade
        ("spent", "f8"),  # their notional
        ("entry", "f8"),  # spent ÷ bought
        ("best", "f8"),  # the most favourable price since the entry, which a trailing stop follows
        ("wanted", "f8"),  # the exposure that the last order wanted
        ("put_in", "f8"),  # spot: the share of the money that is in the coin
        ("settled", "f8"),  # up to which value of the cumulative funding is paid
        ("paid", "f8"),  # funding since the last fill
        ("low", "f8"),  # extremes since the last fill
        ("high", "f8"),
        ("n_fills", "i8"),
        ("n_unfilled", "i8"),  # orders too small to be sent
    ]
)
FILL = np.dtype(
    [
        ("minute", "i8"),  # index of the minute; their number is the end of the last
        ("price", "f8"),
        ("quantity", "f8"),  # bought is positive
        ("fee", "f8"),
        ("reason", "i8"),
        ("slippage", "f8"),  # what it cost that the price was worse than the market's, at least 0; in the price already
        ("cash", "f8"),  # after the fill
        ("held", "f8"),  # after the fill
        ("settled", "f8"),
        ("funding", "f8"),  # paid since the fill before
        ("low", "f8"),  # extremes since the fill before
        ("high", "f8"),
    ]
)


class Account(Protocol):
    """A record of ``ACCOUNT``, as the type checker sees it."""

    cash: float
    held: float
    free: float
    bought: float
    spent: float
    entry: float
    best: float
    wanted: float
    put_in: float
    settled: float
    paid: float
    low: float
    high: float
    n_fills: int
    n_unfilled: int


class Fill(Protocol):
    """A record of ``FILL``, as the type checker sees it."""

    minute: int
    price: float
    quantity: float
    fee: float
    reason: int
    slippage: float
    cash: float
    held: float
    settled: float
    funding: float
    low: float
    high: float


class Log(Protocol):
    """An array of ``FILL``, long enough for ``most_fills``."""

    def __getitem__(self, i: int, /) -> Fill: ...


class Minutes(NamedTuple):
    """The 1m candles of a range; ``funding`` has one more: before and after each, cumulative, per base unit."""

    open: Floats
    high: Floats
    low: Floats
    funding: Floats
    last_close: float  # of the last one, the only close that anything is filled at; 0 without any


class Stretches(NamedTuple):
    """The minutes from the fill of one decision to that of the next, ``at[i]`` to ``at[i + 1]``.

    What of them is needed for every decision is gathered here: reading it from the minutes is a cache miss each.
    """

    at: Indices
    open: Floats  # of the minute of the fill, as the next three
    fill_low: Floats
    fill_high: Floats
    funding: Floats  # cumulative, that minute's included
    low: Floats  # of the whole stretch
    high: Floats
    funding_low: Floats  # of so many stretches together
    funding_high: Floats
    funding_together: int
    is_full: bool  # whether none is empty


class Quote(NamedTuple):
    """A market price and the extremes of its minute, which the slippage may depend on."""

    price: float
    low: float
    high: float


class Terms(NamedTuple):
    """A ``BacktestConfig`` as fractions."""

    leverage: float
    taker: float
    maker: float
    slippage: float
    slippage_range: float
    maintenance: float
    min_notional: float
    lots: float  # orders are whole numbers of 1 / lots base units; 0: any size
    stop: float  # inf: none
    target: float
    trail: float
    is_spot: bool


def terms_of(config: BacktestConfig) -> Terms:
    """Return a configuration as the kernel reads it."""

    def fraction(bps: float | None) -> float:
        return math.inf if bps is None else bps / BPS

    return Terms(
        leverage=float(config.leverage),
        taker=config.taker_bps / BPS,
        maker=config.maker_bps / BPS,
        slippage=config.slippage_bps / BPS,
        slippage_range=float(config.slippage_range),
        maintenance=config.margin_bps / BPS,
        min_notional=float(config.min_notional),
        lots=0.0 if config.sz_decimals is None else 10.0**config.sz_decimals,
        stop=fraction(config.stop_bps),
        target=fraction(config.target_bps),
        trail=fraction(config.trailing_stop_bps),
        is_spot=config.mode is Mode.SPOT,
    )


def frozen(values: npt.NDArray[Number]) -> npt.NDArray[Number]:
    """Return a contiguous view of an array that cannot be written to."""
    view = np.ascontiguousarray(values)[:]
    view.flags.writeable = False
    return view


def most_fills(exposure: Floats) -> int:
    """Return how many fills following these exposures makes at most.

    A change closes (or loses) one position and opens another, which a stop, a target or a liquidation ends once.
    """
    if len(exposure) == 0:
        return 4
    n_changes = int(np.count_nonzero(exposure[1:] != exposure[:-1])) + int(exposure[0] != 0)
    return 3 * (n_changes + 1) + 1
