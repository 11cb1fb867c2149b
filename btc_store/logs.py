"""Log lines that people read and machines split: ``time level event key=value …``."""

import json
import logging
import sys
from datetime import UTC, datetime

# What every record has; the rest came by ``extra``.
_COMMON = frozenset(vars(logging.makeLogRecord({}))) | {"message", "asctime"}
# They tell of every request and every connection; our own events say what matters of it.
_TALKATIVE = ("httpx", "httpcore", "websockets", "asyncio")


class FieldFormatter(logging.Formatter):
    """Constant text first, then the fields of ``extra``; a value with blanks is quoted."""

    def format(self, record: logging.LogRecord) -> str:
        """Return one line, and below it the traceback where there is one."""
        time = datetime.fromtimestamp(record.created, UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")
        fields = [f"{key}={_value(value)}" for key, value in vars(record).items() if key not in _COMMON]
        line = " ".join([time, record.levelname, record.getMessage(), *fields])
        return f"{line}\n{self.formatException(record.exc_info)}" if record.exc_info else line


def configure_logging(*, is_debug: bool) -> None:
    """Send the log to standard error."""
    handler = logging.StreamHandler(sys.stderr)
    handler.setFormatter(FieldFormatter())
    logging.basicConfig(level=logging.DEBUG if is_debug else logging.INFO, handlers=[handler], force=True)
    for name in _TALKATIVE:
        logging.getLogger(name).setLevel(logging.WARNING)


def _value(value: object) -> str:
    text = str(value)
    if text.isprintable() and text and not any(c in ' "=' for c in text):
        return text
    # What an exchange says goes into the log too: it must not begin a line or colour a terminal.
    return json.dumps(text, ensure_ascii=not text.isprintable())
