"""The collector as a process: tasks, sockets and timers around the pure ``Session`` and ``Buffer``.

What decides is there; here is only who waits for what. Reading the socket never waits for the database, and no task
waits for another's network.
"""

import asyncio
import logging
from collections.abc import Sequence
from contextlib import AsyncExitStack, suppress
from datetime import timedelta

from websockets.exceptions import WebSocketException

from btc_core.config import CollectorConfig
from btc_core.errors import ConfigError, DatabaseError, ExchangeError
from btc_core.model.candle import Candle
from btc_core.model.clock import ClockScale
from btc_store.settings import Settings, refuse_scaled_mainnet
from collector.backfill import Backfill
from collector.backoff import Backoff
from collector.buffer import Buffer
from collector.exchange import Exchange, Malformed
from collector.health import Status, serve_health
from collector.journal import Journal
from collector.rest import RestClient, open_rest
from collector.session import Action, Alarm, Fetch, Reconnect, Send, Session, Store, Timing
from collector.store import Store as CandleStore
from collector.store import open_store
from collector.stream import NETWORK_SECONDS, Stream
from collector.symbols import Resolution, resolve
from collector.waits import Waits

logger = logging.getLogger(__name__)

# Real seconds: a ping more often helps nobody, and a last flush that takes longer is left to the next start.
PING_SECONDS = 0.25
LAST_FLUSH_SECONDS = 10.0
# Longest wait between two tries to reach the database, and the exchange's list of markets.
DATABASE_WAIT_SECONDS = 30.0
MARKETS_WAIT_SECONDS = 60.0


def timing_of(config: CollectorConfig, clock: ClockScale) -> Timing:
    """Return the session's deadlines in market time; what waits for a network is never below its real minimum."""

    def at_least(market_seconds: float, real_seconds: float) -> timedelta:
        return timedelta(seconds=max(market_seconds, real_seconds * clock.rate))

    return Timing(
        close_after=timedelta(seconds=config.close_after_seconds),
        ping=at_least(config.ping_seconds, PING_SECONDS),
        silence=at_least(config.silence_seconds, NETWORK_SECONDS),
        ack=at_least(Timing().ack.total_seconds(), NETWORK_SECONDS),
    )


async def collect(settings: Settings, exchange: Exchange, stop: asyncio.Event) -> None:
    """Collect until ``stop`` is set; then store what is closed and return.

    Raises:
        ConfigError: If the clock is scaled against the real exchange, the health port is taken, or the exchange knows
            none of the symbols.
        DatabaseError: If the database cannot be used at the start.
    """
    refuse_scaled_mainnet(settings)
    work = asyncio.create_task(_work(settings, exchange))
    stopping = asyncio.create_task(stop.wait())
    try:
        await asyncio.wait((work, stopping), return_when=asyncio.FIRST_COMPLETED)
    finally:
        stopping.cancel()
        work.cancel()
        with suppress(asyncio.CancelledError):
            await work
    logger.info("collector stopped")


async def _work(settings: Settings, exchange: Exchange) -> None:
    waits = Waits(settings)
    async with AsyncExitStack() as stack:
        store = await stack.enter_async_context(open_store(settings))
        rest = await stack.enter_async_context(open_rest(settings.api_url, exchange, waits))
        collector = Collector(settings, exchange, waits, store, rest)
        port = await stack.enter_async_context(serve_health(settings.collector_port, collector.status))
        logger.info("collector started", extra={"http_port": port, "database": settings.shown_database})
        await collector.run()


class Collector:
    """The tasks of one process."""

    def __init__(
        self, settings: Settings, exchange: Exchange, waits: Waits, store: CandleStore, rest: RestClient
    ) -> None:
        self._settings = settings
        self._config = settings.config.collector
        self._exchange = exchange
        self._waits = waits
        self._store = store
        self._rest = rest
        self._timing = timing_of(self._config, settings.clock)
        self._journal = Journal()
        self._buffer = Buffer(
            capacity=int(self._config.buffer_candles),
            flush_candles=int(self._config.flush_candles),
            flush_after=timedelta(seconds=self._config.flush_seconds),
        )
        self._backfill = Backfill(
            window=exchange.history_window,
            ask=lambda fetch: rest.history(fetch, close_after=self._timing.close_after),
            deliver=self._deliver,
            waits=waits,
        )
        self._resolution = Resolution({}, {})
        self._session = Session(exchange, {}, {}, self._timing)
        self._stream = Stream(
            settings.ws_url,
            opened=lambda: self._do(self._session.connected(waits.now())),
            heard=lambda message: self._do(self._session.frame(message, waits.now())),
            closed=lambda: self._do(self._session.disconnected(waits.now())),
        )
        self._deadline_moved = asyncio.Event()
        self._buffer_filled = asyncio.Event()

    def status(self) -> Status:
        """Return what the health pages show."""
        wanted = [symbol for symbol in self._settings.config.symbols if symbol not in self._resolution.refused]
        return Status(
            now=self._waits.now(),
            newest={symbol: self._store.newest.get(symbol) for symbol in wanted},
            refused=self._resolution.refused,
            is_connected=self._stream.is_open,
            n_messages=self._session.n_messages,
            n_stored=self._store.n_stored,
            n_connections=self._stream.n_connections,
            n_buffered=len(self._buffer),
            rest_weight=self._rest.weight,
        )

    async def run(self) -> None:
        """Find the symbols' coins, then collect them for ever; when cancelled, store what is closed.

        Raises:
            ConfigError: If the exchange knows none of the symbols.
            DatabaseError: If the stored minutes cannot be read.
        """
        since = self._settings.now() - self._exchange.history_depth
        covered = await self._store.read_covered(list(self._settings.config.symbols), since=since)
        self._resolution = await self._resolve()
        self._session = Session(self._exchange, self._resolution.coins, covered, self._timing)
        try:
            async with asyncio.TaskGroup() as tasks:
                tasks.create_task(self._keep_connected())
                tasks.create_task(self._keep_time())
                tasks.create_task(self._keep_stored())
                for symbol in self._resolution.coins:
                    tasks.create_task(self._backfill.work(symbol))
        finally:
            await self._flush_last()

    async def _resolve(self) -> Resolution:
        """Ask which coins the symbols are, until the exchange answers: an unknown coin would end every connection."""
        symbols = {symbol: entry.coin for symbol, entry in self._settings.config.symbols.items()}
        backoff = Backoff(first=self._config.backoff_min_seconds, cap=MARKETS_WAIT_SECONDS)
        while True:
            try:
                resolution = resolve(symbols, await self._rest.markets())
                break
            except ExchangeError as error:
                wait = backoff.next_wait()
                logger.warning("no list of markets yet", extra={"reason": str(error), "wait_seconds": round(wait, 1)})
                await self._waits.sleep(wait)
        for symbol, reason in resolution.refused.items():
            logger.error("symbol refused", extra={"symbol": symbol, "reason": reason})
        if not resolution.coins:
            raise ConfigError(f"nothing to collect: {'; '.join(resolution.refused.values())}")
        return resolution

    async def _keep_connected(self) -> None:
        """Hold a connection to the exchange, over and over."""
        backoff = Backoff(first=self._config.backoff_min_seconds, cap=self._config.backoff_max_seconds)
        while True:
            try:
                reason = await self._stream.converse()
            except (OSError, TimeoutError, WebSocketException) as error:
                reason = f"{type(error).__name__} {error}".strip()
            if self._session.had_candle:
                backoff.reset()
            wait = backoff.next_wait()
            self._journal.warn("connection ended", {"reason": reason, "wait_seconds": round(wait, 2)})
            await self._waits.sleep(wait)

    def _do(self, actions: Sequence[Action]) -> None:
        """Do what the session wants. Never waits: every kind of work has its own task."""
        for action in actions:
            match action:
                case Send(text):
                    self._stream.send(text)
                case Store(candles, is_urgent):
                    self._keep(candles, is_urgent=is_urgent)
                case Fetch():
                    self._backfill.request(action)
                case Reconnect(reason):
                    self._stream.drop(reason)
                case Alarm(event, fields):
                    self._journal.warn(event, fields)
        self._deadline_moved.set()

    def _keep(self, candles: Sequence[Candle], *, is_urgent: bool) -> None:
        n_dropped = self._buffer.add(candles, self._waits.now(), is_urgent=is_urgent)
        if n_dropped:
            self._journal.warn("buffer is full, oldest candles will be fetched again", {"n_dropped": n_dropped})
        self._buffer_filled.set()

    async def _deliver(self, fetch: Fetch, rows: Sequence[Candle | Malformed]) -> None:
        """Store a window of history. It may wait for the database: nothing waits for it."""
        actions = self._session.backfilled(fetch, rows)
        stored = [action for action in actions if isinstance(action, Store)]
        self._do([action for action in actions if not isinstance(action, Store)])
        for action in stored:
            await self._store.write(action.candles)
        self._session.fetched(fetch)
        n_candles = sum(len(action.candles) for action in stored)
        logger.info("history stored", extra={"symbol": fetch.symbol, "n_candles": n_candles})

    async def _keep_time(self) -> None:
        """Tick when a deadline has come. It also ticks while there is no connection: minutes close all the same."""
        while True:
            deadline = self._session.next_deadline
            if deadline is not None and deadline <= self._waits.now():
                self._do(self._session.tick(self._waits.now()))
                # A deadline that is always past must not keep the others from running.
                await asyncio.sleep(0)
            else:
                await self._waits.until(deadline, self._deadline_moved)

    async def _keep_stored(self) -> None:
        """Flush the buffer when it is due. While the database is away the buffer fills, and nothing else stops."""
        backoff = Backoff(first=self._config.backoff_min_seconds, cap=DATABASE_WAIT_SECONDS)
        while True:
            due = self._buffer.due_time
            if due is None or due > self._waits.now():
                await self._waits.until(due, self._buffer_filled)
                continue
            try:
                await self._flush()
                backoff.reset()
            except DatabaseError as error:
                wait = backoff.next_wait()
                fields = {"reason": str(error), "n_buffered": len(self._buffer), "wait_seconds": round(wait, 2)}
                self._journal.warn("database is away", fields)
                await self._waits.sleep(wait)

    async def _flush(self) -> None:
        batch = self._buffer.batch()
        await self._store.write(batch)
        self._buffer.settle(batch)
        for symbol, lost in self._buffer.take_lost():
            self._do(self._session.lost(symbol, lost))

    async def _flush_last(self) -> None:
        try:
            async with asyncio.timeout(LAST_FLUSH_SECONDS):
                await self._flush()
        except (DatabaseError, TimeoutError) as error:
            # The next start fetches them: they are younger than the newest stored minute.
            fields = {"n_candles": len(self._buffer), "reason": str(error)}
            logger.warning("closed candles are left to the next start", extra=fields)
