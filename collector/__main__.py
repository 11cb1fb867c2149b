"""``python -m collector``: collect the configured symbols until told to stop."""

import asyncio
import sys
from collections.abc import Sequence

from btc_store.service import run_service
from btc_store.settings import Settings
from collector.exchanges.hyperliquid import EXCHANGE
from collector.runner import collect

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
    return run_service("collector", _collect, arguments, description=DESCRIPTION, epilog=EPILOG)


async def _collect(settings: Settings, stop: asyncio.Event) -> None:
    await collect(settings, EXCHANGE, stop)


if __name__ == "__main__":
    sys.exit(main())
