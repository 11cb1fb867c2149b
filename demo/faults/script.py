"""A script: which fault begins when. Read from YAML, or made in Python."""

import re
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cache
from importlib import import_module
from pathlib import Path
from types import MappingProxyType
from typing import Any, Literal, get_args, get_origin

import msgspec
import yaml

from btc_core.errors import ConfigError, near_misses
from btc_core.plugins import plugin_names
from demo.faults.fault import Fault, Seconds

_DURATION = re.compile(r"(\d+(?:\.\d+)?)(s|m|h|d)")
_UNIT_SECONDS = {"s": 1, "m": 60, "h": 3600, "d": 86_400}


@dataclass(frozen=True)
class Script:
    """Faults, and the seed of everything that they draw.

    Attributes:
        faults: In any order; those of one instant begin in this one.
        seed: The same script with the same seed does the same.
    """

    faults: tuple[Fault, ...] = ()
    seed: int = 0


@cache
def fault_kinds() -> Mapping[str, type[Fault]]:
    """Return the class of each kind of fault: whatever in this package is a fault and nobody's base, by its name."""
    for module in plugin_names("demo.faults"):
        import_module(f"demo.faults.{module}")
    leaves = sorted(_leaves(Fault), key=lambda cls: cls.__name__)
    kinds = {str(cls.__struct_config__.tag): cls for cls in leaves if cls.__module__.startswith("demo.faults.")}
    return MappingProxyType(kinds)


def fault(kind: str, **parameters: object) -> Fault:
    """Return a fault by the name of its kind, with the parameters that a script would have.

    ``for_`` may be written for ``for``, which Python keeps for itself.

    Raises:
        ConfigError: If the kind or a parameter does not exist (names near misses), or has a wrong value.
    """
    return _fault({"kind": kind, **{name.rstrip("_"): value for name, value in parameters.items()}})


def read_script(path: Path, *, seed: int = 0) -> Script:
    """Read a script: a YAML list of entries.

    Raises:
        ConfigError: If it cannot be read or parsed, or an entry is no fault; one sentence names the entry.
    """
    try:
        tree: object = yaml.safe_load(path.read_text(encoding="utf-8"))
    except OSError as error:
        raise ConfigError(f"cannot read {path}: {error.strerror}") from None
    except (yaml.YAMLError, UnicodeDecodeError) as error:
        raise ConfigError(f"{path} is no YAML: {' '.join(str(error).split())}") from None
    if not isinstance(tree, list):
        raise ConfigError(f"{path}: expected a list of faults, found {type(tree).__name__}")
    return Script(tuple(_entry(entry, f"{path}, entry {i}") for i, entry in enumerate(tree, start=1)), seed)


def parse_duration(text: str) -> float:
    """Return the seconds of a text like ``90s``, ``5m``, ``2h`` or ``4d``.

    Raises:
        ConfigError: If it is none.
    """
    match = _DURATION.fullmatch(text)
    if match is None:
        raise ConfigError(f"expected seconds or a text like 90s, 5m, 2h or 4d, found {text!r}")
    return float(match[1]) * _UNIT_SECONDS[match[2]]


def _entry(entry: object, where: str) -> Fault:
    if not isinstance(entry, dict):
        raise ConfigError(f"{where}: expected keys and values, found {type(entry).__name__}")
    try:
        return _fault({str(key): value for key, value in entry.items()})
    except ConfigError as error:
        raise ConfigError(f"{where}: {error}") from None


def _fault(entry: dict[str, object]) -> Fault:
    kind = str(entry.pop("kind", ""))
    if kind not in fault_kinds():
        raise ConfigError(f"unknown kind {kind!r}. {near_misses(kind, fault_kinds())}")
    cls = fault_kinds()[kind]
    fields = {field.encode_name: field for field in msgspec.structs.fields(cls)}
    for key, value in entry.items():
        if key not in fields:
            raise ConfigError(f"unknown key {key!r} of {kind}. {near_misses(key, fields)}")
        entry[key] = _value(f"{kind}.{key}", value, fields[key].type)
    try:
        return msgspec.convert({"kind": kind, **entry}, cls)
    except msgspec.ValidationError as error:
        text, _, path = str(error).partition(" - at `$")
        raise ConfigError(f"{kind}{path.rstrip('`')}: {text[:1].lower()}{text[1:]}") from None


def _value(key: str, value: object, wanted: Any) -> object:
    """Return a duration as seconds; refuse a word that is none of the possible ones."""
    choices = (wanted, *get_args(wanted)) if get_origin(wanted) is not Literal else (wanted,)
    words = [word for choice in choices if get_origin(choice) is Literal for word in get_args(choice)]
    if words and value is not None and value not in words:
        raise ConfigError(f"{key}: unknown {value!r}. {near_misses(str(value), words)}")
    if isinstance(value, str) and (Seconds in choices or float in choices):
        try:
            return parse_duration(value)
        except ConfigError as error:
            raise ConfigError(f"{key}: {error}") from None
    return value


def _leaves(cls: type[Fault]) -> list[type[Fault]]:
    below = cls.__subclasses__()
    return [leaf for sub in below for leaf in _leaves(sub)] if below else [cls]
