"""Log lines."""

import logging
import sys

import pytest

from btc_store.logs import FieldFormatter


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
