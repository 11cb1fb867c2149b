"""``python -m live``: derive what closes, until told to stop."""

import sys
from collections.abc import Sequence

from btc_store.service import run_service
from live.lane import run_lane

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
    return run_service("live", run_lane, arguments, description=DESCRIPTION, epilog=EPILOG)


if __name__ == "__main__":
    sys.exit(main())
