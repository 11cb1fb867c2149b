"""The demo exchange as a process: ``python -m demo.serve``. It starts nothing else; ``python -m demo`` does."""

import argparse
import asyncio
import logging
import signal
import sys
from collections.abc import Sequence
from pathlib import Path

from btc_core.errors import BtcError, InputError
from btc_core.model.timerange import format_time
from btc_store.settings import Settings, load_settings
from demo.exchange import serve_exchange
from demo.faults.script import Script, read_script
from demo.feeds import Feed, open_candle_file, open_recording
from demo.market import LISTINGS, Market

logger = logging.getLogger(__name__)

EXAMPLE = """\
examples:
  a made-up market on today's date, one market day in a real minute:
    BTC_CLOCK=$(date +%s),$(date +%s),1440 python -m demo.serve --market --seed 7 --symbols BTC,ETH --port 8765
  a file of 1m candles (Parquet or CSV), on its own dates:
    BTC_CLOCK=1609459200,$(date +%s),60 python -m demo.serve --file btc_2021.parquet --symbol BTC
  a recording of frames, as it came:
    BTC_CLOCK=1739491200,$(date +%s),1 python -m demo.serve --frames ws_candle_1m_ETH.log.gz

  the same with faults, of which some are drawn:
    BTC_CLOCK=$(date +%s),$(date +%s),60 python -m demo.serve --market --faults faults.yaml --fault-seed 3

Clients find it by the two variables that it prints, HYPERLIQUID_WS_URL and HYPERLIQUID_API_URL, and must run on the
same BTC_CLOCK.
"""


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the exchange until it is interrupted. Return the exit status: 0, or 1 with a sentence on standard error."""
    options = _parser().parse_args(arguments)
    logging.basicConfig(level=logging.INFO, format="%(asctime)s %(levelname)s %(name)s: %(message)s")
    # It would tell of every connection.
    logging.getLogger("websockets").setLevel(logging.WARNING)
    try:
        script = Script() if options.faults is None else read_script(options.faults, seed=options.fault_seed)
        asyncio.run(_run(_open_feed(options), load_settings(), options.host, options.port, script))
    except BtcError as error:
        return _refuse(str(error))
    except OSError as error:
        return _refuse(f"cannot listen on {options.host}:{options.port}: {error.strerror}. --port 0 takes a free port")
    return 0


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="python -m demo.serve",
        description="Serve a market over the exchange's own protocol: WebSocket and REST on one port.",
        epilog=EXAMPLE,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    source = parser.add_mutually_exclusive_group(required=True)
    source.add_argument("--market", action="store_true", help="a made-up market, the same for the same seed")
    source.add_argument("--file", type=Path, help="a Parquet or CSV file of 1m candles")
    source.add_argument("--frames", type=Path, help="a log of recorded frames, plain or .gz")
    parser.add_argument("--seed", type=int, default=7, help="of the made-up market (default 7)")
    parser.add_argument("--symbols", default="BTC", help=f"coins of the made-up market, of {', '.join(LISTINGS)}")
    parser.add_argument("--symbol", default="BTC", help="the coin as which the file is played (default BTC)")
    parser.add_argument("--faults", type=Path, help="a script of faults (docs/howto/script-faults.md)")
    parser.add_argument("--fault-seed", type=int, default=0, help="of what the faults draw (default 0)")
    parser.add_argument("--host", default="127.0.0.1", help="address to listen on (default 127.0.0.1)")
    parser.add_argument("--port", type=_port, default=0, help="port to listen on (default: a free one)")
    return parser


def _port(text: str) -> int:
    if not (text.isascii() and text.isdigit() and int(text) < 65536):
        raise argparse.ArgumentTypeError(f"expected a port number from 0 to 65535, found {text!r}")
    return int(text)


def _open_feed(options: argparse.Namespace) -> Feed:
    if options.file is not None:
        return open_candle_file(options.file, options.symbol)
    if options.frames is not None:
        return open_recording(options.frames)
    coins = [name.strip() for name in options.symbols.split(",") if name.strip()]
    if not coins:
        raise InputError("--symbols names no coin: expected a list such as BTC,ETH")
    return Market(seed=options.seed, coins=coins)


async def _run(feed: Feed, settings: Settings, host: str, port: int, script: Script) -> None:
    stopped = asyncio.Event()
    loop = asyncio.get_running_loop()
    for number in (signal.SIGINT, signal.SIGTERM):
        loop.add_signal_handler(number, stopped.set)
    _warn_of_silence(feed, settings)
    async with serve_exchange(feed, settings.clock, host=host, port=port, faults=script) as exchange:
        addresses = {"ws_url": exchange.ws_url, "api_url": exchange.api_url}
        logger.info("the demo exchange is listening", extra=addresses)
        # For people, and for a shell or a process that reads them.
        sys.stdout.write(f"HYPERLIQUID_WS_URL={exchange.ws_url}\nHYPERLIQUID_API_URL={exchange.api_url}\n")
        sys.stdout.flush()
        await stopped.wait()


def _warn_of_silence(feed: Feed, settings: Settings) -> None:
    now = settings.now()
    if feed.span is not None and now >= feed.span.end:
        facts = {"end": format_time(feed.span.end), "now": format_time(now)}
        logger.warning("the data are over: nothing will be sent. BTC_CLOCK sets the clock", extra=facts)


def _refuse(message: str) -> int:
    sys.stderr.write(f"demo.serve: {message}\n")
    return 1


if __name__ == "__main__":
    sys.exit(main())
