"""``python -m live``: derive what closes, until told to stop."""

import argparse
import asyncio
import logging
import signal
import sys
from collections.abc import Sequence

from btc_core.errors import BtcError
from btc_store.logs import configure_logging
from btc_store.settings import load_settings
from live.lane import run_lane

logger = logging.getLogger(__name__)

DESCRIPTION = """\
Derive candles, indicators and decisions as minutes are stored: milliseconds after a candle's last one.
Dagster is not needed, and makes good what this lane misses. SIGTERM and Ctrl-C end with 0."""
EPILOG = """\
example:
  DATABASE_URL=postgresql://btc_bot@localhost/btc_data python -m live

config.yaml (or the file that BTC_CONFIG names) says what is derived. The environment names the database:
DATABASE_URL or DB_HOST, DB_PORT, DB_NAME, DB_USER, DB_PASSWORD."""


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the lane; return the exit status: 0 when told to stop, 1 when it cannot go on."""
    parser = argparse.ArgumentParser(
        prog="python -m live",
        description=DESCRIPTION,
        epilog=EPILOG,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("--debug", action="store_true", help="log more, and show tracebacks")
    is_debug = bool(parser.parse_args(arguments).debug)
    configure_logging(is_debug=is_debug)
    try:
        asyncio.run(_run_until_signal())
    except BtcError as error:
        if is_debug:
            logger.exception("live lane failed")
        sys.stderr.write(f"live: {error}\n")
        return 1
    except Exception as error:
        if is_debug:
            logger.exception("live lane failed")
        sys.stderr.write(f"live: unexpected {type(error).__name__}: {error}. --debug shows where\n")
        return 1
    return 0


async def _run_until_signal() -> None:
    stop = asyncio.Event()
    loop = asyncio.get_running_loop()
    for number in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(number, stop.set)
    await run_lane(load_settings(), stop)


if __name__ == "__main__":
    sys.exit(main())
