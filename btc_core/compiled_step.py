"""Rules of steps, compiled: the way through rows is compiled once for all of them, a rule once and kept on disk.

Importing this module loads numba: only a sweep does, by ``btc_core.step``.
"""

import hashlib
import math
from collections.abc import Callable
from types import CodeType, FunctionType
from typing import Any

import numpy as np
from numba import njit, types
from numba.cpython.unsafe.tuple import tuple_setitem

Floats = np.ndarray[Any, np.dtype[np.float64]]
Numbers = tuple[float, ...]

_NUMBER: Any = types.float64
_compile: Any = njit
_put: Any = tuple_setitem


def compiled_way(advance: Callable[..., Any], n_state: int, n_seen: int) -> Callable[[Numbers, Floats], Floats]:
    """Return the compiled way through rows: from a state and what is seen of each candle to the exposure after each.

    The rule is called by its address, so that the way need not be compiled again for each rule.

    Raises:
        NumbaError: If the rule is more than numba can compile.
    """
    state = types.UniTuple(_NUMBER, n_state)
    of_rule = types.Tuple((state, _NUMBER, _NUMBER))(state, *[_NUMBER] * n_seen)
    rows, wanted = types.Array(_NUMBER, 2, "C"), types.Array(_NUMBER, 1, "C")
    seen = types.UniTuple(_NUMBER, n_seen)
    follow = _kept(_follow, types.void(types.FunctionType(of_rule), state, seen, rows, wanted))
    rule = _kept(_named(advance), of_rule) if is_lasting(advance) else _compile(of_rule, nogil=True)(advance)

    def way(first: Numbers, of_candles: Floats) -> Floats:
        found = np.empty(len(of_candles))
        follow(rule, first, (0.0,) * n_seen, np.ascontiguousarray(of_candles), found)
        return found

    return way


def is_lasting(advance: Callable[..., Any]) -> bool:
    """Return whether all that a rule reads beside its arguments are numbers and functions of mathematics.

    Whatever else it reads may change without its file: what was compiled of it is not kept.
    """
    code = getattr(advance, "__code__", None)
    if code is None or any(isinstance(each, CodeType) for each in code.co_consts):
        return False
    return all(isinstance(each, int | float | str) or each is math or each is np for each in _read_by(advance).values())


def _read_by(advance: Callable[..., Any]) -> dict[str, object]:
    function: Any = advance
    known: dict[str, object] = function.__globals__
    return {name: known[name] for name in sorted(function.__code__.co_names) if name in known}


def _named(advance: Callable[..., Any]) -> Callable[..., Any]:
    """Return a rule under a name that differs where a number does that it reads from elsewhere.

    numba keeps it by its name and the time of its own file alone.
    """
    rule: Any = advance
    named = FunctionType(rule.__code__, rule.__globals__, rule.__name__, rule.__defaults__, rule.__closure__)
    digest = hashlib.sha256(
        repr({n: v for n, v in _read_by(advance).items() if isinstance(v, int | float | str)}).encode()
    )
    named.__qualname__, named.__module__ = f"{rule.__qualname__}-{digest.hexdigest()[:12]}", rule.__module__
    return named


def _kept(function: Callable[..., Any], signature: Any) -> Any:
    """Return a function compiled; kept on disk, or not at all where nothing can be written."""
    try:
        return _compile(signature, cache=True, nogil=True)(function)
    except RuntimeError:
        return _compile(signature, nogil=True)(function)


def _follow(step: Callable[..., Any], state: Numbers, seen: Numbers, rows: Floats, wanted: Floats) -> None:
    exposure = 0.0
    for i in range(len(rows)):
        is_seen = True
        for k in range(len(seen)):
            is_seen = is_seen and not np.isnan(rows[i, k])
            seen = _put(seen, k, rows[i, k])
        if is_seen:
            state, exposure, _confidence = step(state, *seen)
        wanted[i] = exposure
