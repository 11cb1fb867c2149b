"""A market of twenty busy coins over the demo exchange, as a process of its own: ``python -m benchmarks.busy``.

Every coin has a frame each 100 ms, 200 a second in all, on real time. The coins were listed ``--history`` minutes
before the start; 0 leaves nothing to fetch.
"""

import argparse
import asyncio
import signal
import sys
import time
from collections.abc import Sequence

from btc_core.model.clock import ClockScale
from btc_core.model.timerange import TimeRange
from demo import playback
from demo.exchange import serve_exchange
from demo.wire import MINUTE_MS, Coin, Frame, Row

COINS = (
    *("BTC", "ETH", "SOL", "HYPE", "XRP", "DOGE", "ADA", "AVAX", "LINK", "LTC"),
    *("BNB", "SUI", "APT", "ARB", "OP", "NEAR", "TIA", "INJ", "SEI", "WIF"),
)
FRAMES_PER_MINUTE = 600


class BusyFeed:
    """A feed whose minutes all have 600 frames; prices go up and down a little, trades come one by one."""

    span: TimeRange | None = None

    def __init__(self, *, first_minute: int) -> None:
        self.coins = {name: Coin(name, 2) for name in COINS}
        self._first_minute = first_minute

    def frames(self, coin: str, minute: int) -> Sequence[Frame]:
        """Return every frame of a minute, ascending by due time; the coins take turns inside of each 100 ms."""
        shift = 5 * COINS.index(coin)
        step = MINUTE_MS // FRAMES_PER_MINUTE
        return tuple(
            Frame(minute * MINUTE_MS + shift + i * step, _row(coin, minute, i + 1)) for i in range(FRAMES_PER_MINUTE)
        )

    def row(self, coin: str, minute: int, now_ms: int) -> Row | None:
        """Return the minute's row as it stands at an instant; None before the coin was listed."""
        n_frames = min(FRAMES_PER_MINUTE, (now_ms - minute * MINUTE_MS) * FRAMES_PER_MINUTE // MINUTE_MS)
        return _row(coin, minute, n_frames) if n_frames > 0 and minute >= self._first_minute else None


def _final_price(coin: str, minute: int) -> float:
    return 100.0 + COINS.index(coin) + (minute * 7919 % 997) / 1000


def _row(coin: str, minute: int, n: int) -> Row:
    price = _final_price(coin, minute)
    low, high = price - n // 60 * 0.01, price + n // 50 * 0.01
    return Row(
        open_ms=minute * MINUTE_MS,
        last_ms=(minute + 1) * MINUTE_MS - 1,
        coin=coin,
        interval="1m",
        open=f"{price:.3f}",
        close=f"{low if n % 2 else high:.3f}",
        high=f"{high:.3f}",
        low=f"{low:.3f}",
        volume=f"{n * 0.37:.2f}",
        trades=n,
    )


def main() -> None:
    """Serve until told to stop; print the addresses as ``python -m demo.serve`` does."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.busy", description=__doc__)
    parser.add_argument("--history", type=int, default=0, help="minutes before the start that REST has rows of")
    history = int(parser.parse_args().history)
    # The demo exchange thins a coin to what a screen can show; here the load is what is wanted.
    playback.MOST_FRAMES = FRAMES_PER_MINUTE
    asyncio.run(_serve(BusyFeed(first_minute=int(time.time()) // 60 - history)))


async def _serve(feed: BusyFeed) -> None:
    stopped = asyncio.Event()
    asyncio.get_running_loop().add_signal_handler(signal.SIGTERM, stopped.set)
    async with serve_exchange(feed, ClockScale()) as exchange:
        sys.stdout.write(f"HYPERLIQUID_WS_URL={exchange.ws_url}\nHYPERLIQUID_API_URL={exchange.api_url}\n")
        sys.stdout.flush()
        await stopped.wait()


if __name__ == "__main__":
    main()
