"""Lines on a terminal, or in a file: seconds since the start, what it is about, what there is to say."""

import sys
import time
from collections.abc import Sequence
from typing import TextIO

from rich.console import Console
from rich.text import Text

from demo.story import Line

SUBJECT_WIDTH = 15


class Screen:
    """Where the story is told.

    Args:
        stream: Standard output; standard error where the former is kept for JSON.
    """

    def __init__(self, stream: TextIO | None = None) -> None:
        self._console = Console(file=stream or sys.stdout, highlight=False, soft_wrap=True)
        self._started = time.monotonic()

    @property
    def seconds(self) -> float:
        """Seconds since the start."""
        return time.monotonic() - self._started

    def say(self, *lines: Line) -> None:
        """Show lines."""
        for line in lines:
            elapsed = Text(f"{self.seconds:7.1f} s  ", style="dim") if line.subject else Text(" " * 11)
            text = Text(line.text, style="" if line.subject else "cyan")
            self._console.print(elapsed + Text(f"{line.subject:<{SUBJECT_WIDTH}}  ", style="bold") + text)

    def title(self, text: str) -> None:
        """Show a line without a time."""
        self._console.print(Text(text, style="bold"))

    def fault(self, text: str) -> None:
        """Show what went wrong."""
        self._console.print(Text(text, style="red"))

    def quote(self, lines: Sequence[str]) -> None:
        """Show what a process wrote."""
        for line in lines:
            self._console.print(Text("    ") + Text.from_ansi(line, style="dim"))
