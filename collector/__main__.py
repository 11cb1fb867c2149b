"""``python -m collector``: collect the configured symbols until told to stop."""

import argparse
import asyncio
import logging
import signal
import sys
from collections.abc import Sequence

from btc_core.errors import BtcError
from btc_store.logs import configure_logging
from btc_store.settings import load_settings
from collector.exchanges.hyperliquid import EXCHANGE
from collector.runner import collect

logger = logging.getLogger(__name__)

DESCRIPTION = """\
Collect 1m candles from Hyperliquid into PostgreSQL: the live stream, and by REST what was missed.
SIGTERM and Ctrl-C store what is closed and end with 0."""
EPILOG = """\
example:
  BTC_SYMBOLS=BTC,ETH DATABASE_URL=postgresql://btc_bot@localhost/btc_data python -m collector

config.yaml (or the file that BTC_CONFIG names) says what is collected. The environment gives the addresses:
DATABASE_URL or DB_HOST, DB_PORT, DB_NAME, DB_USER, DB_PASSWORD; HYPERLIQUID_WS_URL, HYPERLIQUID_API_URL;
COLLECTOR_HTTP_PORT (default 8080) answers /healthz and /metrics."""


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the collector; return the exit status: 0 when told to stop, 1 when it cannot go on."""
    parser = argparse.ArgumentParser(
        prog="python -m collector",
        description=DESCRIPTION,
        epilog=EPILOG,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("--debug", action="store_true", help="log more, and show tracebacks")
    is_debug = bool(parser.parse_args(arguments).debug)
    configure_logging(is_debug=is_debug)
    try:
        asyncio.run(_collect_until_signal())
    except BtcError as error:
        if is_debug:
            logger.exception("collector failed")
        sys.stderr.write(f"collector: {error}\n")
        return 1
    except Exception as error:
        if is_debug:
            logger.exception("collector failed")
        sys.stderr.write(f"collector: unexpected {type(error).__name__}: {error}. --debug shows where\n")
        return 1
    return 0


async def _collect_until_signal() -> None:
    stop = asyncio.Event()
    loop = asyncio.get_running_loop()
    for number in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(number, stop.set)
    await collect(load_settings(), EXCHANGE, stop)


if __name__ == "__main__":
    sys.exit(main())
