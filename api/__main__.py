"""``python -m api``: serve REST, live stream and dashboard until told to stop."""

import asyncio
import gc
import sys
from collections.abc import Iterator, Sequence
from contextlib import contextmanager

import uvicorn
import uvloop

from api.app import build_app
from api.protocol import HeadProtocol, StreamProtocol
from btc_store.service import run_service
from btc_store.settings import Settings

DESCRIPTION = """\
Serve REST, live stream and dashboard over what is stored. It only reads; backtests are launched through Dagster.
SIGTERM and Ctrl-C end it with 0."""
EPILOG = """\
example:
  DATABASE_URL=postgresql://btc_bot@localhost/btc_data python -m api

The environment gives the addresses: API_HOST (default 127.0.0.1), API_PORT (default 8000), API_TOKEN (writes need it;
without one they are accepted from this machine only), DAGSTER_URL, and the database's as for every process."""


class _Server(uvicorn.Server):
    """Leave the signals to ``run_service``."""

    @contextmanager
    def capture_signals(self) -> Iterator[None]:
        """Capture none."""
        yield


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the server; return the exit status: 0 when told to stop, 1 when it cannot go on."""
    return run_service(
        "api", _serve, arguments, description=DESCRIPTION, epilog=EPILOG, loop_factory=uvloop.new_event_loop
    )


async def _serve(settings: Settings, stop: asyncio.Event) -> None:
    server = _Server(
        uvicorn.Config(
            build_app(settings),
            host=settings.api_host,
            port=settings.api_port,
            log_config=None,
            access_log=False,
            server_header=False,
            # Behind a proxy, the address that it claims is not taken: anybody can claim one.
            proxy_headers=False,
            timeout_graceful_shutdown=3,
            http=HeadProtocol,
            # Of the live stream: a client says little, and what it is told is small.
            ws=StreamProtocol,
            ws_max_size=4096,
            ws_per_message_deflate=False,
            # Who does not read is dropped by the stream sooner, with a better reason.
            ws_ping_timeout=60,
        )
    )
    # What lives as long as the process need not be searched for garbage: each search would be a pause for everybody.
    gc.collect()
    gc.freeze()
    serving = asyncio.create_task(server.serve())
    stopping = asyncio.create_task(stop.wait())
    await asyncio.wait({serving, stopping}, return_when=asyncio.FIRST_COMPLETED)
    server.should_exit = True
    stopping.cancel()
    await serving


if __name__ == "__main__":
    sys.exit(main())
