"""Find plug-ins: one file, one constant, named after its file; no registry to mutate."""

from collections.abc import Mapping
from functools import cache
from importlib import import_module
from pkgutil import iter_modules
from types import MappingProxyType
from typing import Any

from btc_core.errors import UnknownNameError


@cache
def plugin_names(package: str) -> tuple[str, ...]:
    """Return the names of the files in a package of plug-ins, sorted."""
    return tuple(sorted(module.name for module in iter_modules(import_module(package).__path__)))


def load_plugin(package: str, constant: str, name: str) -> Any:
    """Return the constant of the plug-in of that name.

    Raises:
        UnknownNameError: If there is no such file.
    """
    if name not in plugin_names(package):
        raise UnknownNameError(constant.lower(), name, plugin_names(package))
    return getattr(import_module(f"{package}.{name}"), constant)


def load_plugins(package: str, constant: str) -> Mapping[str, Any]:
    """Return every plug-in of a package by its name."""
    return MappingProxyType({name: load_plugin(package, constant, name) for name in plugin_names(package)})
