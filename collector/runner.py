"""The collector as a process: tasks, sockets and timers around the pure ``Session``.

What decides is there; here is only who waits for what. Reading the socket never waits for the database, and no task
waits for another's network.
"""

import asyncio
import logging
from collections.abc import Mapping, Sequence
from contextlib import AsyncExitStack, suppress
from datetime import datetime, timedelta

from btc_core.errors import ConfigError, DatabaseError, ExchangeError
from btc_core.model.timerange import MINUTE, TimeRange, floor_minute, format_time, subtract_ranges
from btc_store.candles import Known
from btc_store.settings import Settings, refuse_scaled_mainnet
from collector.alarms import Alarms
from collector.backoff import Backoff
from collector.clock import keep_clock
from collector.confirm import Confirmer
from collector.exchange import Exchange
from collector.health import Status, SymbolStatus, serve_health
from collector.ledger import Kind
from collector.metrics import Metrics
from collector.notes import Notes
from collector.parts import GULP_SECONDS, buffer_of, network_seconds_of, plan_of, session_of, watch_of
from collector.recorder import Recorder
from collector.rest import RestClient, limits_of, open_rest
from collector.session import (
    Action,
    Alarm,
    Dispute,
    Drop,
    Late,
    Look,
    Mark,
    Quarantine,
    Replace,
    Send,
    Works,
)
from collector.session import Store as Keep
from collector.spool import Spool
from collector.store import Store, open_store
from collector.stream import Connections
from collector.symbols import Resolution, resolve
from collector.waits import Waits
from collector.writer import Writer

logger = logging.getLogger(__name__)

# Longest wait between two tries to get the exchange's list of markets, and how often it is looked at again.
MARKETS_WAIT_SECONDS = 60.0
MARKETS_EVERY_SECONDS = 86_400.0
# Market seconds: by less, deadlines may be late.
SET_BACK_SECONDS = 5.0


class _ClockSetBackError(Exception):
    """Our clock was ahead: every deadline lies too late by as much."""


async def collect(settings: Settings, exchange: Exchange, stop: asyncio.Event) -> None:
    """Collect until ``stop`` is set; then store what is closed and return.

    Raises:
        ConfigError: If the clock is scaled against the real exchange, the health port is taken, or the exchange knows
            none of the symbols.
        DatabaseError: If the database cannot be used at the start.
    """
    refuse_scaled_mainnet(settings)
    work = asyncio.create_task(_work_on(settings, exchange))
    stopping = asyncio.create_task(stop.wait())
    try:
        await asyncio.wait((work, stopping), return_when=asyncio.FIRST_COMPLETED)
    finally:
        stopping.cancel()
        work.cancel()
        with suppress(asyncio.CancelledError):
            await work
    logger.info("collector stopped")


async def _work_on(settings: Settings, exchange: Exchange) -> None:
    """Work, and begin anew by what the table knows when the clock was set back: there is no other memory to trust."""
    while True:
        try:
            await _work(settings, exchange)
        except _ClockSetBackError:
            logger.warning("begin anew, the clock was set back")


async def _work(settings: Settings, exchange: Exchange) -> None:
    waits = Waits(settings)
    metrics = Metrics()
    config = settings.config.collector
    async with AsyncExitStack() as stack:
        store = await stack.enter_async_context(open_store(settings))
        limits = limits_of(config, settings.clock, exchange, n_symbols=len(settings.config.symbols))
        opening = open_rest(settings.api_url, exchange, waits, limits, count=metrics.rest_requests)
        rest = await stack.enter_async_context(opening)
        folder = settings.collector_folder
        spool = Spool(folder, await store.identity(), megabytes=config.spool_megabytes)
        stack.callback(spool.close)
        alarms = Alarms(metrics.alarms)
        recorder = None
        if config.record_frames:
            recorder = Recorder(folder / "frames", keep=timedelta(days=config.record_days), alarms=alarms)
            await stack.enter_async_context(recorder)
        collector = Collector(
            settings,
            exchange,
            waits=waits,
            store=store,
            rest=rest,
            spool=spool,
            recorder=recorder,
            alarms=alarms,
            metrics=metrics,
        )
        serving = serve_health(settings.collector_port, collector.status, metrics.render)
        port = await stack.enter_async_context(serving)
        logger.info("collector started", extra={"http_port": port, "database": settings.shown_database})
        await collector.run()


class Collector:
    """The tasks of one process, and where each action of the session goes."""

    def __init__(
        self,
        settings: Settings,
        exchange: Exchange,
        *,
        waits: Waits,
        store: Store,
        rest: RestClient,
        spool: Spool,
        recorder: Recorder | None,
        alarms: Alarms,
        metrics: Metrics,
    ) -> None:
        config = settings.config.collector
        self._settings, self._exchange, self._waits = settings, exchange, waits
        self._store, self._rest, self._recorder = store, rest, recorder
        self._alarms, self._metrics = alarms, metrics
        self._config = config
        self._plan = plan_of(config, exchange)
        self._session = session_of(settings, exchange, self._plan)
        self._writer = Writer(
            store,
            buffer_of(config),
            spool,
            lost=lambda symbol, minutes: self._do(self._session.lost(symbol, minutes, waits.now())),
            first_wait=config.backoff_min_seconds,
            waits=waits,
            alarms=self._alarms,
            metrics=metrics,
        )
        self._notes = Notes(store, waits, self._alarms)
        self._watch = watch_of(config)
        self._confirmer = Confirmer(
            self._session,
            rest,
            self._writer,
            store,
            do=self._do,
            watch=self._watch,
            confirm_after=self._plan.confirm_after,
            waits=waits,
            alarms=self._alarms,
            metrics=metrics,
        )
        self._connections = Connections(
            settings.ws_url,
            self,
            make_backoff=lambda: Backoff(first=config.backoff_min_seconds, cap=config.backoff_max_seconds),
            limit=config.connections_a_minute,
            network_seconds=network_seconds_of(settings.clock),
            gulp_seconds=settings.clock.real_seconds(GULP_SECONDS),
            waits=waits,
            alarms=self._alarms,
        )
        self._resolution = Resolution({}, {})
        # Which coin each symbol was collected from before.
        self._remembered: dict[str, str] = {}
        self._workers: dict[str, list[asyncio.Task[None]]] = {}
        self._deadline_moved = asyncio.Event()

    # What the connections tell

    def opened(self, number: int) -> None:
        """Take a new connection."""
        logger.info("connected", extra={"address": self._settings.ws_url, "link": number})
        self._do(self._session.connected(number, self._waits.now()))

    def heard(self, number: int, message: bytes) -> None:
        """Take a message."""
        now = self._waits.now()
        self._metrics.frames.inc()
        if self._recorder is not None:
            self._recorder.record(message, now)
        actions = self._session.frame(number, message, now)
        if actions:
            self._do(actions)

    def closed(self, number: int, reason: str) -> None:
        """Take the end of a connection."""
        self._metrics.reconnects(reason)
        self._do(self._session.disconnected(number, self._waits.now()))

    # What is seen from outside

    def status(self) -> Status:
        """Return what the health pages show."""
        return Status(
            now=self._waits.now(),
            symbols={symbol: self._symbol_status(symbol, coin) for symbol, coin in self._session.coins.items()},
            refused=self._resolution.refused,
            n_links=self._connections.n_open,
            n_buffered=self._writer.n_buffered,
            n_spooled=self._writer.n_spooled,
            rest_weight=self._rest.weight,
            rest_paused_until=self._rest.paused_until,
            clock_offset_seconds=self._watch.offset.total_seconds(),
            may_confirm=self._watch.may_confirm,
            is_database_away=self._writer.is_away,
            rate=self._settings.clock.rate,
        )

    def _symbol_status(self, symbol: str, coin: str) -> SymbolStatus:
        ledger = self._session.ledger(symbol)
        until = self._session.quarantined_until(coin)
        return SymbolStatus(
            coin=coin,
            newest=self._store.newest.get(symbol),
            newest_confirmed=ledger.newest_settled,
            last_frame_at=self._session.last_frame.get(symbol),
            n_missing=ledger.n_minutes(Kind.MISSING),
            n_provisional=ledger.n_minutes(Kind.DISPUTED) + ledger.n_minutes(Kind.ENDED),
            n_no_trade=ledger.n_minutes(Kind.QUIET),
            trouble=None
            if until is None
            else f"{coin} is in quarantine until {format_time(until)}: REST alone brings it",
        )

    # The tasks

    async def run(self) -> None:
        """Find the symbols' coins, then collect them for ever; when cancelled, store what is closed.

        Raises:
            ConfigError: If the exchange knows none of the symbols.
            DatabaseError: If the stored minutes cannot be read.
        """
        others = await self._store.other_collectors()
        if others:
            logger.warning("another collector writes to this database", extra={"n_others": others})
        try:
            async with asyncio.TaskGroup() as tasks:
                tasks.create_task(self._writer.run())
                tasks.create_task(self._notes.run())
                tasks.create_task(self._keep_clock())
                await self._follow(tasks, await self._resolve())
                self._refuse_nothing()
                tasks.create_task(self._keep_time())
                tasks.create_task(self._connections.run())
                tasks.create_task(self._keep_resolved(tasks))
        except* (ConfigError, DatabaseError, _ClockSetBackError) as group:
            raise group.exceptions[0] from None
        finally:
            await self._writer.flush_last()

    def _refuse_nothing(self) -> None:
        if not self._resolution.coins:
            raise ConfigError(f"nothing to collect: {'; '.join(self._resolution.refused.values())}")

    async def _resolve(self) -> Resolution:
        """Ask which coins the symbols are, until the exchange answers: an unknown coin would end every connection."""
        symbols = {symbol: entry.coin for symbol, entry in self._settings.config.symbols.items()}
        backoff = Backoff(first=self._config.backoff_min_seconds, cap=MARKETS_WAIT_SECONDS)
        while True:
            try:
                markets = await self._rest.markets(symbols)
                self._remembered = await self._store.coins()
                return resolve(symbols, markets, self._exchange, self._remembered)
            except ExchangeError as error:
                wait = backoff.next_wait()
                fields = {"reason": str(error), "wait_seconds": round(wait, 1)}
                self._alarms.warn("no list of markets yet", fields)
                await self._waits.sleep(wait)

    async def _follow(self, tasks: asyncio.TaskGroup, resolution: Resolution) -> None:
        """Collect what can be collected now, and nothing else."""
        for symbol, reason in resolution.refused.items():
            if self._resolution.refused.get(symbol) != reason:
                self._metrics.alarms("symbol refused")
                logger.error("symbol refused", extra={"symbol": symbol, "reason": reason})
        for symbol in [symbol for symbol in self._session.coins if symbol not in resolution.coins]:
            self._do(self._session.end(symbol))
            for worker in self._workers.pop(symbol):
                worker.cancel()
        self._resolution = resolution
        for symbol, coin in resolution.coins.items():
            if symbol not in self._session.coins:
                await self._begin(tasks, symbol, coin)
        await self._store.remember_coins(resolution.coins)

    async def _begin(self, tasks: asyncio.TaskGroup, symbol: str, coin: str) -> None:
        now = self._waits.now()
        oldest = floor_minute(now - self._plan.depth) + MINUTE
        known = await self._store.known(symbol, oldest)
        actions = self._session.begin(
            symbol,
            coin,
            first=known.first,
            runs=[(run.range, run.state) for run in known.runs],
            lost=await self._lost(symbol, known, oldest),
            now=now,
        )
        self._workers[symbol] = [
            tasks.create_task(self._confirmer.work(symbol, is_urgent=is_urgent)) for is_urgent in (True, False)
        ]
        self._do(actions)

    async def _lost(self, symbol: str, known: Known, oldest: datetime) -> list[TimeRange]:
        """Return the minutes that nobody has and history tells no more, as far as they were ours to collect."""
        if known.first is None or known.before is None:
            return []
        since = known.before + MINUTE
        if symbol in self._remembered:
            # What was still asked for when the last collector of this symbol ended is lost too.
            since = max(known.first, floor_minute(known.before - self._plan.depth))
        if since >= oldest:
            return []
        earlier = await self._store.known(symbol, since)
        return subtract_ranges([TimeRange(since, oldest)], [run.range for run in earlier.runs])

    async def _keep_resolved(self, tasks: asyncio.TaskGroup) -> None:
        """Look once a day which coins the symbols are: pairs are renamed, coins are delisted."""
        while True:
            await self._waits.sleep(MARKETS_EVERY_SECONDS)
            try:
                await self._follow(tasks, await self._resolve())
            except DatabaseError as error:
                self._alarms.warn("symbols are looked at again tomorrow", {"reason": str(error)})

    async def _keep_clock(self) -> None:
        """Compare our clock with the exchange's, for ever."""

        def warn(event: str, fields: Mapping[str, str | int | float]) -> None:
            self._alarms.warn(event, fields)
            if float(fields.get("moved_seconds", 0)) < -SET_BACK_SECONDS:
                raise _ClockSetBackError

        await keep_clock(
            self._waits.clock,
            self._watch,
            ask=self._rest.server_time,
            sleep=self._waits.sleep,
            warn=warn,
        )

    async def _keep_time(self) -> None:
        """Tick when a deadline has come. It also ticks while there is no connection: minutes close all the same."""
        while True:
            await self._waits.until(self._session.next_deadline, self._deadline_moved)
            deadline = self._session.next_deadline
            if deadline is not None and deadline <= self._waits.now():
                self._do(self._session.tick(self._waits.now()))

    def _do(self, actions: Sequence[Action]) -> None:
        """Do what the session wants. Never waits: every kind of work has its own task."""
        for action in actions:
            match action:
                case Send(link, text):
                    self._connections.send(link, text)
                case Keep(candles, is_urgent, is_late):
                    self._writer.keep(candles, is_urgent=is_urgent)
                    self._metrics.corrected("late_frame", len(candles) if is_late else 0)
                case Look(symbol):
                    self._confirmer.look(symbol)
                case Drop(link, reason, detail):
                    self._alarms.warn("connection dropped", {"link": link, "reason": reason, "detail": detail})
                    self._connections.drop(link, reason)
                case _:
                    self._tell(action)
        self._deadline_moved.set()

    def _tell(self, action: Action) -> None:
        """Do what is for people and for the record."""
        match action:
            case Mark() | Dispute():
                self._notes.add(action)
            case Quarantine(_, reason, _):
                self._metrics.quarantined(reason)
                self._notes.add(action)
            case Replace(link):
                self._connections.replace(link)
            case Works(link):
                self._connections.works(link)
            case Late(seconds):
                self._metrics.late_frames.observe(seconds)
            case Alarm(event, fields):
                self._alarms.warn(event, fields)
            case _:
                raise AssertionError(action)
