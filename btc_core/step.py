"""Rules that hang on their own path: a function that goes from candle to candle with a few numbers of state.

A trailing stop hangs from the best price since the entry, and no window says when that was. Such a rule is a pure
function of numbers. Its state stands in the decision's snapshot, so whoever decides next starts from the row before
(laws 5 and 11): live, backtest and sweep follow the same function. A sweep compiles it; the bits are the same.
"""

import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import datetime
from functools import cache

import numpy as np
import numpy.typing as npt
import polars as pl

from btc_core.errors import DataError
from btc_core.model.timerange import format_time

Floats = npt.NDArray[np.float64]
Numbers = tuple[float, ...]
# From the state and what is seen of a candle to the state after it, the exposure in [-1, 1], the confidence in [0, 1].
Advance = Callable[..., tuple[Numbers, float, float]]
# The state of a rule by name, as a snapshot holds it.
State = Mapping[str, float]

# Reserved: no indicator is named so.
STATE = "state"
_SEEN = "seen."


@dataclass(frozen=True, slots=True, kw_only=True)
class Step:
    """How a rule goes from candle to candle.

    Attributes:
        state: The numbers that it carries, by name, as they are before its first candle. They stay finite.
        sees: What a step reads of a candle, by name: expressions over candles and indicators. Where one of them is null
            there is no step: state and exposure stay as they are.
        advance: ``(state, *seen) -> (state, exposure, confidence)``, the numbers in the order of the two above. Plain
            arithmetic on floats that numba can compile: it remembers nothing but the state and looks at nothing else.
    """

    state: State
    sees: Mapping[str, pl.Expr]
    advance: Advance

    @property
    def columns(self) -> dict[str, pl.Expr]:
        """What a step reads, by column of a frame."""
        return {_SEEN + name: each.cast(pl.Float64) for name, each in self.sees.items()}

    def numbers(self, state: State | None) -> Numbers:
        """Return a stored state as a step takes it; where there is none, or that of another rule, the first one."""
        found = self.state if state is None or set(state) != set(self.state) else state
        return tuple(float(found[name]) for name in self.state)


def with_steps(evaluated: pl.DataFrame, step: Step | None, state: State | None) -> pl.DataFrame:
    """Return candles with ``wanted``, ``confidence`` and ``state`` after each; as they are for a rule without steps.

    Args:
        evaluated: Candles to decide on, ascending, with ``step.columns``.
        step: The rule's, if it has one.
        state: What the row before the first of them holds.

    Raises:
        DataError: If the rule says a number that is none.
    """
    if step is None:
        return evaluated
    rows = _rows(evaluated, step)
    said, states = _follow(step.advance, step.numbers(state), rows)
    _refuse_infinite(evaluated, rows, np.column_stack([said, states]))
    found = pl.DataFrame(states, schema=list(step.state), orient="row").to_struct(STATE)
    return evaluated.drop(step.columns).with_columns(
        pl.Series("wanted", said[:, 0], nan_to_null=True),
        pl.Series("confidence", said[:, 1], nan_to_null=True).fill_null(0.0),
        found,
    )


def exposures_of(evaluated: pl.DataFrame, step: Step) -> Floats:
    """Return the exposure after each candle, from flat and the first state on: as ``with_steps``, compiled.

    Raises:
        DataError: If the rule says a number that is none.
    """
    rows = _rows(evaluated, step)
    wanted = _compiled(step.advance, len(step.state), rows.shape[1])(step.numbers(None), rows)
    _refuse_infinite(evaluated, rows, wanted[:, None])
    return wanted


def _rows(evaluated: pl.DataFrame, step: Step) -> Floats:
    """Return what is seen of each candle, a row for each; NaN where there is nothing to see."""
    return np.column_stack([evaluated[name].to_numpy() for name in step.columns]).astype(np.float64, copy=False)


def _follow(advance: Advance, state: Numbers, rows: Floats) -> tuple[Floats, Floats]:
    """Return exposure and confidence (NaN: no step), and the state, after each row."""
    said, states = np.full((len(rows), 2), np.nan), np.empty((len(rows), len(state)))
    for i, seen in enumerate(rows.tolist()):
        if not any(map(math.isnan, seen)):
            state, exposure, confidence = advance(state, *seen)
            said[i] = exposure, confidence
        states[i] = state
    return said, states


@cache
def _compiled(advance: Advance, n_state: int, n_seen: int) -> Callable[[Numbers, Floats], Floats]:
    """Return the compiled way through rows; what numba cannot compile goes the plain way."""
    # Loads the compiler: only a sweep pays for it.
    from numba.core.errors import NumbaError

    from btc_core.compiled_step import compiled_way

    def plainly(state: Numbers, rows: Floats) -> Floats:
        said, _states = _follow(advance, state, rows)
        return pl.Series(said[:, 0], nan_to_null=True).forward_fill().fill_null(0.0).to_numpy()

    try:
        return compiled_way(advance, n_state, n_seen)
    except NumbaError:
        return plainly


def _refuse_infinite(evaluated: pl.DataFrame, rows: Floats, numbers: Floats) -> None:
    """Refuse what a step says that is no number.

    Raises:
        DataError: If there is such a row, with the time of the first one.
    """
    wrong = ~np.isfinite(numbers).all(axis=1) & ~np.isnan(rows).any(axis=1)
    if wrong.any():
        time: datetime = evaluated["time"][int(wrong.argmax())]
        raise DataError(f"expected a step to say finite numbers, found another at the candle of {format_time(time)}")
