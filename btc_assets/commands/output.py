"""What the commands give alike: a table or a JSON object on standard output, progress on standard error, a file."""

import os
import sys
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import Any

import click
import msgspec

from btc_core.model.timerange import format_time
from btc_core.parameters import Number, Parameter

Cell = str | int | float | datetime | None


@dataclass(frozen=True, slots=True)
class Place:
    """Where a file is written, and where it stands when it is complete.

    What is no regular file (a pipe, a terminal, ``/dev/null``) is written into: both are the same then.
    """

    draft: Path
    final: Path

    def settle(self) -> None:
        """Put the complete file into its place."""
        if self.draft != self.final:
            self.draft.replace(self.final)

    def clear(self) -> None:
        """Leave nothing that is not complete."""
        if self.draft != self.final:
            with suppress(OSError):
                self.draft.unlink(missing_ok=True)


def place_of(path: Path) -> Place:
    """Return the place of a file that a person named: where a symbolic link leads, which stays one.

    Raises:
        OSError: If nobody may look there.
    """
    if path.exists() and not path.is_file():
        return Place(path, path)
    # Not `resolve`, which raises a RuntimeError where links lead to each other.
    final = Path(os.path.realpath(path))
    return Place(final.with_name(f".{final.name}.{os.getpid()}.part"), final)


def answer(value: object, *, as_json: bool, text: str) -> None:
    """Print a command's answer.

    Args:
        value: What ``--json`` prints, as one object: a mapping, dataclass or struct. Times become ISO 8601, NaN null.
        as_json: Whether ``--json`` was given.
        text: What people read.
    """
    click.echo(msgspec.json.encode(value) if as_json else text)


def table(columns: Sequence[str], rows: Sequence[Sequence[Cell]]) -> str:
    """Return rows as aligned text: numbers to the right, with thousands apart; an empty cell is unknown."""
    cells = [[_text(cell) for cell in row] for row in rows]
    widths = [max(len(line[i]) for line in [list(columns), *cells]) for i in range(len(columns))]
    is_number = [
        all(isinstance(row[i], int | float | None) for row in rows) and bool(rows) for i in range(len(columns))
    ]

    def line(texts: Sequence[str]) -> str:
        aligned = [
            text.rjust(width) if right else text.ljust(width)
            for text, width, right in zip(texts, widths, is_number, strict=True)
        ]
        return "  ".join(aligned).rstrip()

    return "\n".join([line(columns), *(line(row) for row in cells)])


@contextmanager
def progress(description: str, *, total: float | None = None) -> Iterator[Callable[[float], None]]:
    """Show a progress bar for the time of a ``with`` block, which gets a function that advances it by so much.

    It is drawn on standard error, and only where that is a terminal. Without a total it only shows that work goes on.
    """
    if not sys.stderr.isatty():
        yield lambda _amount: None
        return
    from rich.console import Console
    from rich.progress import Progress

    with Progress(console=Console(stderr=True), transient=True) as bar:
        task = bar.add_task(description, total=total)
        yield lambda amount: bar.advance(task, amount)


def describe_parameters(parameters: Mapping[str, Parameter]) -> list[dict[str, str | Number]]:
    """Return parameters as plain values: name, default, inclusive range and meaning."""
    return [
        {"name": name, "default": known.default, "low": known.low, "high": known.high, "meaning": known.meaning}
        for name, known in parameters.items()
    ]


def describe_plugins(plugins: Sequence[Mapping[str, Any]]) -> str:
    """Return named, described things with their parameters as people read them."""
    parts: list[str] = []
    for plugin in plugins:
        rows = [
            f"    {one['name']} = {one['default']}, from {one['low']} to {one['high']}: {one['meaning']}"
            for one in plugin["parameters"]
        ]
        parts.append("\n".join([str(plugin["name"]), f"  {plugin['description']}", *(rows or ["    no parameters"])]))
    return "\n\n".join(parts)


def _text(cell: Cell) -> str:
    if cell is None:
        return ""
    if isinstance(cell, datetime):
        return format_time(cell)
    return cell if isinstance(cell, str) else f"{cell:,}"
