"""``python -m demo``: everything on this machine, no network; ``--mainnet``: the same against the real exchange."""

import argparse
import asyncio
import json
import signal
import sys
from collections.abc import Sequence

from btc_core.errors import BtcError
from demo.plan import open_plan
from demo.run import Outcome, Plan, run, summary
from demo.screen import Screen

EPILOG = """\
examples:
  python -m demo                        everything, on a made-up market; its data are gone at the end
  python -m demo --once --json          until the first backtest, then one JSON object on standard output
  python -m demo --mainnet              the real exchange; the data stay in .data/

Ctrl-C stops everything.
"""


def main(arguments: Sequence[str] | None = None) -> int:
    """Run until told to stop. Return the exit status: 0 when told to, 1 when something failed."""
    options = _parser().parse_args(arguments)
    screen, outcome = Screen(sys.stderr if options.json else sys.stdout), Outcome()
    try:
        with open_plan(options) as plan:
            asyncio.run(_run_until_signal(plan, screen, outcome))
    except BtcError as error:
        sys.stderr.write(f"demo: {error}\n")
        return 1
    if options.json:
        sys.stdout.write(json.dumps(summary(outcome)) + "\n")
    return 0


async def _run_until_signal(plan: Plan, screen: Screen, outcome: Outcome) -> None:
    stop = asyncio.Event()
    loop = asyncio.get_running_loop()
    for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
        loop.add_signal_handler(number, stop.set)
    await run(plan, screen, stop, outcome)


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="python -m demo",
        description="Start the collector, Dagster and their database, and tell what they do.",
        epilog=EPILOG,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("--mainnet", action="store_true", help="the real exchange and clock; data are kept in .data/")
    parser.add_argument("--once", action="store_true", help="stop after the first finished backtest")
    parser.add_argument("--json", action="store_true", help="at the end, what there was as one JSON object")
    parser.add_argument("--seed", type=int, default=7, help="of the made-up market (default 7)")
    parser.add_argument("--dagster-port", type=int, default=3000, help="port of Dagster's web page (default 3000)")
    parser.add_argument("--api-port", type=int, help="port of the dashboard (default API_PORT, else 8000)")
    parser.add_argument(
        "--database-url", help="an empty database for the demo, instead of a PostgreSQL of its own; it is kept"
    )
    return parser


if __name__ == "__main__":
    sys.exit(main())
