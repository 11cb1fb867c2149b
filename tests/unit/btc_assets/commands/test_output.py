"""What commands print: tables for people, one JSON object for programs, progress for terminals."""

import io
import json
import sys
from dataclasses import dataclass
from datetime import UTC, datetime

from btc_assets.commands.output import answer, describe_parameters, describe_plugins, progress, table
from btc_core.parameters import Parameter

TIME = datetime(2025, 1, 31, 12, tzinfo=UTC)


@dataclass
class Found:
    """Something to print."""

    time: datetime
    value: float


def test_table_aligns():
    """Numbers to the right with thousands apart, text to the left, unknown cells empty."""
    assert table(("name", "n", "time"), [("a", 1_234, TIME), ("bcdef", None, None), ("c", 1.5, TIME)]) == (
        "name       n  time\na      1,234  2025-01-31 12:00Z\nbcdef\nc        1.5  2025-01-31 12:00Z"
    )


def test_table_without_rows():
    """The columns alone."""
    assert table(("name", "n"), []) == "name  n"


def test_json_is_one_object(capsys):
    """Times are ISO 8601 in UTC, what is not a number is null."""
    answer({"found": Found(TIME, float("nan")), "n": 1}, as_json=True, text="not shown")
    printed = capsys.readouterr()
    assert json.loads(printed.out) == {"found": {"time": "2025-01-31T12:00:00Z", "value": None}, "n": 1}
    assert printed.out.count("\n") == 1
    assert printed.err == ""


def test_text_for_people(capsys):
    """Without --json."""
    answer({}, as_json=False, text="two\nlines")
    assert capsys.readouterr().out == "two\nlines\n"


def test_progress_is_silent_where_nobody_watches(capsys):
    """Neither stream gets a byte."""
    with progress("working", total=2) as advance:
        advance(1)
        advance(1)
    assert capsys.readouterr() == ("", "")


def test_progress_is_drawn_on_a_terminals_standard_error(capsys, monkeypatch):
    """Standard output is the answer's."""

    class Terminal(io.StringIO):
        def isatty(self):
            return True

    terminal = Terminal()
    monkeypatch.setattr(sys, "stderr", terminal)
    monkeypatch.setenv("TERM", "xterm")
    with progress("working", total=2) as advance:
        advance(1)
    assert "working" in terminal.getvalue()
    assert capsys.readouterr().out == ""


def test_parameters_are_described():
    """Default, range and meaning, for both kinds of reader."""
    described = describe_parameters({"period": Parameter(44, 2, 1_000, "candles in the average")})
    assert described == [
        {"name": "period", "default": 44, "low": 2, "high": 1_000, "meaning": "candles in the average"}
    ]
    plugins = [
        {"name": "ma", "description": "A rule.", "parameters": described},
        {"name": "other", "description": "Another.", "parameters": []},
    ]
    assert describe_plugins(plugins) == (
        "ma\n  A rule.\n    period = 44, from 2 to 1000: candles in the average\n\nother\n  Another.\n    no parameters"
    )
