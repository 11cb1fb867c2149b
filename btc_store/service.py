"""A process that serves until it is told to stop: its command line, its log, its exit status."""

import argparse
import asyncio
import logging
import signal
import sys
from collections.abc import Awaitable, Callable, Sequence

from btc_core.errors import BtcError
from btc_store.logs import configure_logging
from btc_store.settings import Settings, load_settings

logger = logging.getLogger(__name__)


def run_service(
    name: str,
    serve: Callable[[Settings, asyncio.Event], Awaitable[None]],
    arguments: Sequence[str] | None,
    *,
    description: str,
    epilog: str,
    loop_factory: Callable[[], asyncio.AbstractEventLoop] | None = None,
) -> int:
    """Serve until SIGTERM or Ctrl-C; return the exit status: 0 when told to stop, 1 when it cannot go on.

    Args:
        name: The package, as ``python -m`` has it; every message begins with it.
        serve: What to do until the event is set.
        arguments: Of the command line; None: the process's own.
        description: What ``--help`` says first.
        epilog: And last: an example and the environment.
        loop_factory: Another event loop than the standard one.
    """
    parser = argparse.ArgumentParser(
        prog=f"python -m {name}",
        description=description,
        epilog=epilog,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("--debug", action="store_true", help="log more, and show tracebacks")
    is_debug = bool(parser.parse_args(arguments).debug)
    configure_logging(is_debug=is_debug)
    try:
        with asyncio.Runner(loop_factory=loop_factory) as runner:
            runner.run(_until_signal(serve))
    except Exception as error:
        if is_debug:
            logger.exception("failed")
        unexpected = f"unexpected {type(error).__name__}: {error}. --debug shows where"
        sys.stderr.write(f"{name}: {error if isinstance(error, BtcError) else unexpected}\n")
        return 1
    return 0


async def _until_signal(serve: Callable[[Settings, asyncio.Event], Awaitable[None]]) -> None:
    stop = asyncio.Event()
    loop = asyncio.get_running_loop()
    for number in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(number, stop.set)
    await serve(load_settings(), stop)
