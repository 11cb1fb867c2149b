"""What the collector's log says: constant events, each explained, and fields that are its own."""

import ast
import logging
from collections.abc import Iterator
from pathlib import Path

ROOT = Path(__file__).resolve().parents[3]


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
    reserved = set(vars(logging.makeLogRecord({}))) | {"message", "asctime"}
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
