"""How arithmetic is compiled: kept on disk where that can be, without the interpreter's lock, and without fastmath.

Importing this module loads numba and takes a second. Compiled functions call only those of their own file: what is kept
on disk is made anew when its own file changes, and no other.
"""

from collections.abc import Callable
from typing import Any, TypeVar

from numba import njit

Function = TypeVar("Function", bound=Callable[..., Any])

# A division by 0 is inf or nan, as numpy has it: asking before each costs a quarter of the time. Nothing divides by it.
_OPTIONS: dict[str, Any] = {"nogil": True, "error_model": "numpy"}


def compiled(function: Function) -> Function:
    """Return a function compiled; kept on disk beside its source, or not at all where nothing can be written."""
    compile_: Any = njit
    try:
        return compile_(cache=True, **_OPTIONS)(function)
    except RuntimeError:
        return compile_(**_OPTIONS)(function)
