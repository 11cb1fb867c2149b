"""Find plug-ins: one file, one constant, named after its file; no registry to mutate.

A folder outside the project may add files to a package of plug-ins. One of them that cannot be used is left out, with a
sentence that says what to mend; the others do not notice.
"""

import keyword
from collections.abc import Iterator, Mapping
from functools import cache
from importlib import import_module, invalidate_caches
from pkgutil import iter_modules
from traceback import extract_tb
from types import MappingProxyType
from typing import Any

from btc_core.errors import PluginError, UnknownNameError


def add_folder(package: str, folder: str) -> None:
    """Let the files of a folder be plug-ins of a package too; where a name is taken, the package's own file counts."""
    path = import_module(package).__path__
    if folder not in path:
        path.append(folder)
    invalidate_caches()
    plugin_names.cache_clear()


@cache
def plugin_names(package: str) -> tuple[str, ...]:
    """Return the names of the files in a package of plug-ins, sorted; a file that begins with ``_`` is none."""
    return tuple(sorted({name for _folder, name in _files(package)}))


def load_plugin(package: str, constant: str, name: str) -> Any:
    """Return the constant of the plug-in of that name.

    Raises:
        UnknownNameError: If there is no such file.
        PluginError: If the file cannot be imported, or has no such constant.
    """
    if name not in plugin_names(package):
        raise UnknownNameError(constant.lower(), name, plugin_names(package))
    # Which file that is takes a look into folders: only a fault needs it.
    if not name.isidentifier() or keyword.iskeyword(name):
        raise PluginError(
            file_of(package, name), f"{name!r} is no name for it: expected letters, digits and _ before .py"
        )
    try:
        module = import_module(f"{package}.{name}")
    except Exception as error:  # the file may be anybody's, and do anything
        file = file_of(package, name)
        raise PluginError(file, fault_of(error, file)) from error
    if not hasattr(module, constant):
        raise PluginError(file_of(package, name), f"expected a constant {constant}, found none")
    return getattr(module, constant)


def load_plugins(package: str, constant: str) -> Mapping[str, Any]:
    """Return every plug-in of a package by its name; files that cannot be used are left out (``broken_plugins``)."""
    found: dict[str, Any] = {}
    for name in plugin_names(package):
        try:
            found[name] = load_plugin(package, constant, name)
        except PluginError:
            continue
    return MappingProxyType(found)


def broken_plugins(package: str, constant: str) -> list[PluginError]:
    """Return what is wrong with each file of a package that cannot be used, one whose name is taken among them."""
    owners: dict[str, str] = {}
    broken: list[PluginError] = []
    for folder, name in _files(package):
        if name in owners:
            broken.append(PluginError(f"{folder}/{name}.py", f"the name {name} is that of {owners[name]}: rename it"))
            continue
        owners[name] = f"{folder}/{name}.py"
        try:
            load_plugin(package, constant, name)
        except PluginError as error:
            broken.append(error)
    return broken


def file_of(package: str, name: str) -> str:
    """Return the path of a plug-in's file."""
    return next(f"{folder}/{name}.py" for folder, found in _files(package) if found == name)


def fault_of(error: Exception, file: str) -> str:
    """Return what an error says, and in which line of a file it was made."""
    lines = [frame.lineno for frame in extract_tb(error.__traceback__) if frame.filename == file]
    line = error.lineno if isinstance(error, SyntaxError) else lines[-1] if lines else None
    text = error.msg if isinstance(error, SyntaxError) else f"{type(error).__name__}: {error}"
    return f"{f'line {line}: ' if line else ''}{' '.join(text.split())}".rstrip(".: ")


def _files(package: str) -> Iterator[tuple[str, str]]:
    """Find the files of a package: folder and name, the package's own first."""
    for folder in import_module(package).__path__:
        for module in iter_modules([folder]):
            if not module.name.startswith("_"):
                yield folder, module.name
