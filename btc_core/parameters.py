"""Named numbers with a range: what an indicator or a strategy may be tuned by."""

from collections.abc import Mapping
from dataclasses import dataclass, field

from btc_core.errors import InputError, UnknownNameError, near_misses

Number = int | float
Parameters = Mapping[str, Number]


@dataclass(frozen=True, slots=True)
class Parameter:
    """One parameter: its default, its inclusive range and what it means. Whole where the default is an ``int``.

    Attributes:
        words: Numbers that people write as words: ``{"long_only": 1}``.
    """

    default: Number
    low: Number
    high: Number
    meaning: str
    words: Mapping[str, Number] = field(default_factory=dict[str, Number])


def resolve_parameters(owner: str, known: Mapping[str, Parameter], given: Mapping[str, object]) -> dict[str, Number]:
    """Return every parameter's value: the given ones checked, the others by default.

    Raises:
        UnknownNameError: If a given one does not exist.
        InputError: If a value is no number, not whole where it must be, or out of range.
    """
    for name in given:
        if name not in known:
            raise UnknownNameError(f"parameter of {owner}", name, known)
    return {name: _value(owner, name, known[name], given.get(name, known[name].default)) for name in known}


def _value(owner: str, name: str, parameter: Parameter, found: object) -> Number:
    try:
        number = float(parameter.words.get(str(found), found))  # pyright: ignore[reportArgumentType]  # the failure is the check
    except (TypeError, ValueError, OverflowError):
        hint = f" and none of its words. {near_misses(str(found), parameter.words)}" if parameter.words else ""
        raise InputError(f"{owner}: {name}={found!r} is no number{hint}") from None
    whole = isinstance(parameter.default, int)
    if whole and not number.is_integer():
        raise InputError(f"{owner}: {name}={found!r} must be a whole number")
    if not parameter.low <= number <= parameter.high:
        raise InputError(f"{owner}: {name}={found!r} is out of range, expected {parameter.low} to {parameter.high}")
    return int(number) if whole else number
