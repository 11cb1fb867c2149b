"""Log lines."""

import ast
import logging
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from btc_store.logs import FieldFormatter

ROOT = Path(__file__).resolve().parents[3]


def record(**extra: object) -> logging.LogRecord:
    """Return a record as ``logger.info("gap found", extra=...)`` makes it."""
    return logging.makeLogRecord({"msg": "gap found", "levelname": "INFO", "levelno": 20, "created": 0.5, **extra})


def test_a_line_is_time_level_event_and_fields():
    """Constant text first, so that lines of one kind are found together; blanks are quoted."""
    line = FieldFormatter().format(record(n_minutes=3, reason="no trades", empty=""))
    assert line == '1970-01-01T00:00:00.500Z INFO gap found n_minutes=3 reason="no trades" empty=""'


def test_a_traceback_follows_its_line():
    """What --debug shows comes below the line it belongs to."""
    try:
        int("odd")
    except ValueError:
        line = FieldFormatter().format(record(exc_info=sys.exc_info()))
    assert "gap found\nTraceback" in line
    assert "ValueError" in line.splitlines()[-1]


@pytest.mark.parametrize(
    ("value", "shown"),
    [
        ("BTC", "BTC"),
        ("a b", '"a b"'),
        ("a=b", '"a=b"'),
        ('say "no"', '"say \\"no\\""'),
        ("−5.8 %", '"−5.8 %"'),
        ("one\nERROR two", '"one\\nERROR two"'),
        ("\x1b[31mred", '"\\u001b[31mred"'),
        ("a\u2028b", '"a\\u2028b"'),
        ("\ud800", '"\\ud800"'),
    ],
)
def test_a_value_stays_on_its_line(value, shown):
    """What an exchange says goes into the log too: it cannot begin a line of its own or colour a terminal."""
    assert FieldFormatter().format(record(value=value)).endswith(f" gap found value={shown}")


def calls() -> Iterator[ast.Call]:
    """Find every call in the collector that logs, or asks for an alarm."""
    for path in sorted((ROOT / "collector").rglob("*.py")):
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
            if isinstance(node, ast.Call) and isinstance(node.func, ast.Attribute | ast.Name):
                name = node.func.attr if isinstance(node.func, ast.Attribute) else node.func.id
                if name in {"info", "warning", "error", "warn", "Alarm"} and node.args:
                    yield node


def test_every_event_is_in_the_table_of_operations():
    """A constant text, so that it can be looked up; what the exchange says is in the fields."""
    events = [node.args[0].value for node in calls() if isinstance(node.args[0], ast.Constant)]
    # The one that hands on the event of an alarm.
    handed_on = [ast.unparse(node.args[0]) for node in calls() if not isinstance(node.args[0], ast.Constant)]
    table = (ROOT / "docs" / "operations.md").read_text(encoding="utf-8")
    assert len(events) > 10
    assert [event for event in events if f"`{event}`" not in table] == []
    assert set(handed_on) <= {"event"}


def test_no_field_takes_the_place_of_a_record_s_own():
    """The standard library raises KeyError for ``name`` or ``message``, and an alarm must not end the process."""
    reserved = set(vars(record())) | {"message", "asctime"}
    keys = {
        key.value
        for node in calls()
        for child in ast.walk(node)
        if isinstance(child, ast.Dict)
        for key in child.keys
        if isinstance(key, ast.Constant)
    }
    assert {"symbol", "reason"} <= keys
    assert keys & reserved == set()
