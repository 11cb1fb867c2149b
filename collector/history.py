"""``python -m collector.history``: missing minutes that the exchange still has, asked once by the collector's rules.

For ``btc backfill``, which knows nothing of exchanges and starts this as a process of its own. A running collector is
not in its way: what both store is the same, and twice is once.
"""

import argparse
import asyncio
import sys
from collections.abc import Awaitable, Callable, Sequence
from datetime import timedelta
from functools import partial
from typing import TypeVar

import asyncpg
import msgspec

from btc_core.config import CollectorConfig
from btc_core.errors import BtcError, ExchangeError, InputError
from btc_core.model.candle import State, Verdict
from btc_core.model.timerange import MINUTE, TimeRange, floor_minute, parse_time
from btc_store.connection import UNAVAILABLE, explain, open_pool
from btc_store.settings import Settings, load_settings
from btc_store.statements import statement
from collector.backoff import Backoff
from collector.clock import ClockWatch
from collector.exchange import Exchange
from collector.exchanges.hyperliquid import EXCHANGE
from collector.rest import RestClient, closed_rows, limits_of, open_rest
from collector.store import Store
from collector.symbols import resolve
from collector.waits import Waits

T = TypeVar("T")

# Real seconds, because a network does not heal faster when the market's clock is fast.
TRIES = 5
FIRST_WAIT_SECONDS, LONGEST_WAIT_SECONDS = 2.0, 60.0
INTERRUPTED = 130


class Message(msgspec.Struct, omit_defaults=True):
    """A line of the answer: so many more minutes are done, how many were stored in the end, or why it failed."""

    done: int = 0
    n_stored: int | None = None
    error: str | None = None


class Window(msgspec.Struct, frozen=True):
    """One question: what it spans, and the holes in it that it is asked for."""

    span: TimeRange
    holes: tuple[TimeRange, ...]


def windows_of(holes: Sequence[TimeRange], *, longest: timedelta, weigh: Callable[[int], int]) -> list[Window]:
    """Return few and cheap questions that cover ascending, disjoint holes.

    Holes are asked for together where the rows between them cost less than another question.

    Args:
        holes: What is missing.
        longest: The most that one question may span.
        weigh: Tells what a question of so many rows costs.
    """
    windows: list[list[TimeRange]] = []
    for hole in _cut(holes, longest):
        last = windows[-1] if windows else None
        if last is not None and hole.end - last[0].start <= longest:
            n_rows = (last[-1].end - last[0].start) // MINUTE
            n_more = (hole.end - last[0].start) // MINUTE
            if weigh(n_more) <= weigh(n_rows) + weigh(hole.n_minutes):
                last.append(hole)
                continue
        windows.append([hole])
    return [Window(TimeRange(holes[0].start, holes[-1].end), tuple(holes)) for holes in windows]


def _weigh(exchange: Exchange, n_rows: int) -> int:
    return exchange.request_weight(n_rows=n_rows)


def _cut(holes: Sequence[TimeRange], longest: timedelta) -> list[TimeRange]:
    """Return the same instants as ranges of a bounded length."""
    parts: list[TimeRange] = []
    for hole in holes:
        start = hole.start
        while start < hole.end:
            end = min(hole.end, start + longest)
            parts.append(TimeRange(start, end))
            start = end
    return parts


async def backfill(
    settings: Settings, symbol: str, span: TimeRange, tell: Callable[[int], None], exchange: Exchange = EXCHANGE
) -> int:
    """Store the minutes of a range that are missing and that the exchange still has; return how many.

    Minutes that are known to be without trades are not missing. What was stored before a failure stays.

    Args:
        settings: What this process was told.
        symbol: A configured symbol.
        span: Whole minutes.
        tell: Told the number of minutes that are done.
        exchange: Whose words are used.

    Raises:
        ExchangeError: If the exchange does not answer, does not have the symbol, or our clock is wrong.
        DatabaseError: If the database is away, or has another schema.
    """
    waits = Waits(settings)
    start = max(span.start, floor_minute(waits.now()) - exchange.history_depth + MINUTE)
    limits = limits_of(settings.config.collector, settings.clock, exchange, n_symbols=1)
    if start >= span.end:
        return 0
    async with (
        open_pool(settings.database_url, min_size=1, max_size=2) as pool,
        open_rest(settings.api_url, exchange, waits, limits) as rest,
    ):
        store = Store(pool, settings.database_url)
        try:
            rows = await pool.fetch(statement("missing_ranges"), symbol, start, span.end)
        except (*UNAVAILABLE, asyncpg.PostgresError) as error:
            raise explain(error, settings.database_url) from error
        holes = [TimeRange(row["start_time"], row["end_time"]) for row in rows]
        if not holes:
            return 0
        coin = await _coin(rest, store, settings, symbol, exchange)
        settled_after = timedelta(seconds=settings.config.collector.confirm_after_seconds)
        settled_after += await _ahead(rest, waits, settings.config.collector)
        n_stored = 0
        for window in windows_of(holes, longest=exchange.history_window, weigh=partial(_weigh, exchange)):
            history = await patiently(partial(rest.history, coin, window.span, is_urgent=False))
            found = closed_rows(history, settled_before=history.asked_at - settled_after)
            candles = [row.candle(symbol, source="rest", state=State.CONFIRMED) for row in found]
            for hole in window.holes:
                inside = [candle for candle in candles if candle.time in hole]
                verdicts = await store.confirm(symbol, hole, inside)
                n_stored += sum(verdict is Verdict.NEW for verdict in verdicts.values())
                tell(hole.n_minutes)
        return n_stored


async def _coin(rest: RestClient, store: Store, settings: Settings, symbol: str, exchange: Exchange) -> str:
    """Return the exchange's name of a symbol, and remember it; never another one than it was collected with."""
    wanted = {symbol: settings.config.symbols[symbol].coin}
    markets = await patiently(partial(rest.markets, wanted))
    found = resolve(wanted, markets, exchange, await store.coins())
    if symbol in found.refused:
        raise ExchangeError(found.refused[symbol])
    await store.remember_coins(found.coins)
    return found.coins[symbol]


async def _ahead(rest: RestClient, waits: Waits, told: CollectorConfig) -> timedelta:
    """Return how far our clock is ahead of the exchange's: by a wrong one an open candle looks closed."""
    stop = timedelta(seconds=told.clock_stop_seconds)
    watch = ClockWatch(alarm=timedelta(seconds=told.clock_alarm_seconds), stop=stop, every=MINUTE)
    watch.take(await patiently(rest.server_time), waits.clock.elapsed(), waits.clock.drift())
    if not watch.may_confirm:
        raise ExchangeError(
            f"this machine's clock and the exchange's differ by {abs(watch.offset).total_seconds():.0f} s, expected at "
            f"most {stop.total_seconds():g} s: an open candle would look closed. Set the clock"
        )
    return max(watch.offset, timedelta())


async def patiently(ask: Callable[[], Awaitable[T]]) -> T:
    """Ask, and again where that may help.

    Raises:
        ExchangeError: If it fails in the end.
    """
    backoff = Backoff(first=FIRST_WAIT_SECONDS, cap=LONGEST_WAIT_SECONDS)
    for _ in range(TRIES - 1):
        try:
            return await ask()
        except ExchangeError as error:
            if not error.is_transient:
                raise
        await asyncio.sleep(backoff.next_wait())
    return await ask()


def main(arguments: Sequence[str] | None = None) -> int:
    """Fetch missing minutes; return the exit status: 0 when done, 1 when it failed, 2 for bad usage."""
    parser = argparse.ArgumentParser(prog="python -m collector.history", description=__doc__)
    parser.add_argument("--symbol", required=True, help="a configured symbol")
    parser.add_argument("--start", required=True, help="first instant, ISO 8601; UTC without an offset")
    parser.add_argument("--end", required=True, help="first instant after the range")
    parser.add_argument("--json", action="store_true", help="a JSON object a line: progress, and the result")
    given = parser.parse_args(arguments)
    say = _say_json if given.json else _say
    try:
        settings = load_settings()
        symbol = settings.config.symbol(given.symbol)
        span = TimeRange(parse_time(given.start), parse_time(given.end))
        n_stored = asyncio.run(backfill(settings, symbol, span, lambda n_minutes: say(Message(done=n_minutes))))
    except KeyboardInterrupt:
        return INTERRUPTED
    except BtcError as error:
        say(Message(error=str(error)))
        return 2 if isinstance(error, InputError) else 1
    say(Message(n_stored=n_stored))
    return 0


def _say_json(message: Message) -> None:
    sys.stdout.write(msgspec.json.encode(message).decode() + "\n")
    sys.stdout.flush()


def _say(message: Message) -> None:
    """Say what people want to know: not the progress."""
    if message.error is not None:
        sys.stderr.write(f"collector.history: {message.error}\n")
    elif message.n_stored is not None:
        sys.stdout.write(f"{message.n_stored} minutes stored\n")


if __name__ == "__main__":
    sys.exit(main())
