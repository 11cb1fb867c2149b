"""One run: start the processes in order, tell what happens, launch a backtest, stop everything.

The processes themselves are in ``services``, the words in ``story``.
"""

import asyncio
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass, field

import asyncpg
import httpx

from btc_core.errors import DatabaseError, DataError
from btc_core.model.timerange import TimeRange, format_time
from btc_core.partitions import month_key, month_range
from btc_store.connection import UNAVAILABLE, Connection, connect
from btc_store.ports import HOST
from btc_store.settings import Settings
from btc_store.statements import statement
from demo.history import write_history
from demo.launch import ENDED_BADLY, SUCCEEDED, launch_asset, status_of
from demo.market import Market
from demo.progress import Facts, Watched, read_facts
from demo.screen import Screen
from demo.services import LOCATION, Services
from demo.stack import Stack
from demo.story import Line, Story, heartbeat

POLL_SECONDS = 1.0
HEARTBEAT_SECONDS = 60.0
# Without a candle after so long something is to be said; the first ones are there within a few seconds.
SILENCE_SECONDS = 20.0
DATABASE_WAIT_SECONDS = 0.1


@dataclass(frozen=True, slots=True, kw_only=True)
class Plan:
    """What is run.

    Attributes:
        title: What the screen says first.
        services: The processes.
        settings: As the processes have them: addresses and clock.
        watched: What is told of.
        database_port: Of the embedded PostgreSQL; None where a server is given.
        exchange_port: Of the demo exchange; None on mainnet.
        seed: Of its market.
        coins: What it lists, by our symbols.
        past: Of the market: imported before the collector starts.
        has_backtest: Whether to launch one when there are decisions.
        ends_after_backtest: Whether to stop then.
    """

    title: str
    services: Services
    settings: Settings
    watched: Watched
    database_port: int | None
    exchange_port: int | None = None
    seed: int = 0
    coins: Mapping[str, str] = field(default_factory=dict[str, str])
    past: TimeRange | None = None
    has_backtest: bool = False
    ends_after_backtest: bool = False


@dataclass(slots=True)
class Outcome:
    """What a run came to, for ``--json``; ``facts`` is None where it never got to read the database."""

    facts: Facts | None = None
    seconds_to_backtest: float | None = None


async def run(plan: Plan, screen: Screen, stop: asyncio.Event, outcome: Outcome) -> None:
    """Run until ``stop`` is set, or after the first backtest; return when nothing is left running.

    Raises:
        BtcError: If something cannot go on.
    """
    screen.title(plan.title)
    async with _stack(plan, screen) as stack:
        work = asyncio.create_task(_work(plan, stack, screen, outcome))
        death, stopping = asyncio.create_task(stack.death()), asyncio.create_task(stop.wait())
        try:
            await asyncio.wait((work, death, stopping), return_when=asyncio.FIRST_COMPLETED)
            if work.done():
                work.result()
            elif death.done():
                gone = death.result()
                screen.fault(f"{gone.name} ended by itself with status {gone.status}. Its last lines:")
                screen.quote(gone.last_lines)
                raise DataError(f"{gone.name} ended by itself: everything is stopped")
        finally:
            for task in (work, death, stopping):
                task.cancel()
            await asyncio.wait((work, death, stopping))
            screen.say(Line("stopping", "all processes"))


@asynccontextmanager
async def _stack(plan: Plan, screen: Screen) -> AsyncIterator[Stack]:
    stack = Stack(plan.services.root, plan.services.work / "logs")
    screen.say(Line("logs", str(stack.logs)))
    try:
        yield stack
    finally:
        # The database last: the others still write.
        await stack.stop([name for name in stack.names if name != "database"])
        await stack.stop(stack.names)


async def _work(plan: Plan, stack: Stack, screen: Screen, outcome: Outcome) -> None:
    await _bring_up(plan, stack, screen)
    await _tell(plan, stack, screen, outcome)


async def _bring_up(plan: Plan, stack: Stack, screen: Screen) -> None:
    """Start everything; what needs another waits for it, the rest imports at the same time."""
    services, settings = plan.services, plan.settings
    services.write_workspace()
    if plan.database_port is not None:
        await stack.start(services.database(plan.database_port))
    await _database_ready(settings.database_url, screen)
    # Imports alembic and SQLAlchemy, and blocks.
    _, revision = await asyncio.to_thread(_upgrade, settings.database_url)
    # The embedded one has no password; a given address may.
    address = settings.shown_database if plan.database_port is None else f"DATABASE_URL={settings.database_url}"
    screen.say(Line("PostgreSQL", f"{address}, schema {revision}"))
    if plan.exchange_port is not None and plan.database_port is None:
        await _check_is_empty(settings)
    location = services.location()
    await stack.start(location)
    if plan.past is not None:
        await _import_past(plan, plan.past, stack, screen)
    if plan.exchange_port is not None:
        exchange = services.exchange(plan.exchange_port, seed=plan.seed, coins=",".join(plan.coins.values()))
        await stack.start(exchange)
        await stack.ready(exchange)
        screen.say(Line("demo exchange", settings.ws_url))
    collector, webserver, api = services.collector(), services.webserver(), services.api()
    await stack.start(collector)
    await stack.start(services.live())
    screen.say(Line("live lane", "candles, indicators and decisions as minutes are stored"))
    await stack.ready(location)
    await stack.start(services.daemon())
    await stack.start(api)
    await stack.start(webserver)
    await stack.ready(collector)
    screen.say(Line("collector", f"http://{HOST}:{collector.port}/healthz"))
    await stack.ready(api)
    screen.say(Line("dashboard", f"http://{HOST}:{api.port}/dashboard"))


async def _import_past(plan: Plan, past: TimeRange, stack: Stack, screen: Screen) -> None:
    """Import what happened before the collector starts: `btc import` of a file for each symbol."""
    market = Market(seed=plan.seed, coins=list(plan.coins.values()))
    for symbol, coin in plan.coins.items():
        n = await asyncio.to_thread(write_history, market, coin, past, plan.services.history(symbol))
        await stack.complete(plan.services.importer(symbol))
        span = f"{format_time(past.start)} to {format_time(past.end)}"
        screen.say(Line("btc import", f"{n:,} 1m candles of {symbol} from a file: {span}"))


async def _database_ready(url: str, screen: Screen) -> None:
    """Wait until the database answers."""
    said = False
    while True:
        try:
            async with connect(url):
                return
        except DatabaseError as error:
            if not said and screen.seconds > SILENCE_SECONDS:
                said = True
                screen.say(Line("waiting", str(error)))
            await asyncio.sleep(DATABASE_WAIT_SECONDS)


async def _check_is_empty(settings: Settings) -> None:
    async with connect(settings.database_url) as connection:
        if await connection.fetchval(statement("progress_is_begun")):
            raise DataError(
                f"the database {settings.shown_database} holds candles: the demo would put made-up ones among them. "
                "Give an empty one, or leave --database-url out"
            )


def _upgrade(url: str) -> tuple[str | None, str]:
    from btc_store.schema import upgrade

    return upgrade(url)


async def _tell(plan: Plan, stack: Stack, screen: Screen, outcome: Outcome) -> None:
    """Tell what happens; return after the backtest where that is the end."""
    teller = _Teller(plan, stack, screen, outcome)
    while True:
        try:
            async with connect(plan.settings.database_url) as connection:
                while not await teller.look(connection):
                    await asyncio.sleep(POLL_SECONDS)
                return
        except (DatabaseError, *UNAVAILABLE, asyncpg.PostgresError) as error:
            screen.say(Line("waiting", f"for the database: {error}"))
            await asyncio.sleep(POLL_SECONDS)


class _Teller:
    """Looks every second."""

    def __init__(self, plan: Plan, stack: Stack, screen: Screen, outcome: Outcome) -> None:
        self._plan = plan
        self._stack = stack
        self._screen = screen
        self._outcome = outcome
        self._story = Story(plan.watched.strategy)
        self._url = f"http://{HOST}:{plan.services.dagster_port}"
        self._is_served = False
        self._run_id: str | None = None
        self._is_over = not plan.has_backtest
        self._next_heartbeat = HEARTBEAT_SECONDS
        self._next_complaint = SILENCE_SECONDS

    async def look(self, connection: Connection) -> bool:
        """Tell what is new; return whether that was all."""
        facts = await read_facts(connection, self._plan.watched)
        self._outcome.facts = facts
        self._screen.say(*self._story.tell(facts))
        if not self._is_served:
            await self._look_for_page()
        elif not self._is_over:
            await self._see_to_backtest(facts)
        due = self._next_heartbeat if facts.candles else min(self._next_heartbeat, self._next_complaint)
        if self._screen.seconds > due:
            self._beat(facts)
        return self._is_over and self._plan.ends_after_backtest

    async def _look_for_page(self) -> None:
        with suppress(httpx.HTTPError):
            async with httpx.AsyncClient(trust_env=False) as client:
                (await client.get(f"{self._url}/server_info")).raise_for_status()
            self._is_served = True
            self._screen.say(Line("Dagster UI", self._url))

    async def _see_to_backtest(self, facts: Facts) -> None:
        """Launch the backtest when there is something to test; tell how it ended."""
        with suppress(httpx.HTTPError):
            if self._run_id is None:
                if self._story.has_decisions:
                    self._run_id = await self._launch(facts)
                return
            finished = [tested for tested in facts.tested if tested.status == "finished"]
            if finished and self._outcome.seconds_to_backtest is None:
                self._outcome.seconds_to_backtest = self._screen.seconds
                self._screen.say(Line("", f"{self._screen.seconds:.1f} s from the start to the first backtest"))
            status = await status_of(self._url, self._run_id)
            if status in ENDED_BADLY:
                raise DataError(f"the backtest ended as {status}: {self._url}/runs/{self._run_id} says why")
            self._is_over = status == SUCCEEDED and bool(finished)

    async def _launch(self, facts: Facts) -> str:
        held = facts.candles["1m"]
        first, last = (f"{month_key(month_range(at))}|{self._plan.watched.symbol}" for at in (held.first, held.last))
        asset = ("backtests", self._plan.watched.strategy)
        run_id = await launch_asset(self._url, location=LOCATION, asset=asset, first=first, last=last)
        months = first if first == last else f"{first} to {last}"
        self._screen.say(Line("backtest", f"launched {'/'.join(asset)} for {months}:"))
        self._screen.say(Line("", f"{self._url}/runs/{run_id}"))
        return run_id

    def _beat(self, facts: Facts) -> None:
        self._next_heartbeat = self._next_complaint = self._screen.seconds + HEARTBEAT_SECONDS
        if facts.candles:
            self._screen.say(heartbeat(facts, self._plan.settings.now()))
            return
        word = (self._stack.last_lines("collector", 1) or ["nothing"])[0]
        self._screen.say(
            Line("waiting", f"for the first candle from {self._plan.settings.ws_url}. The collector says:")
        )
        self._screen.quote([word])


def summary(outcome: Outcome) -> dict[str, object]:
    """Return what a run came to, for JSON."""
    facts = outcome.facts
    if facts is None:
        return {"seconds_to_backtest": None, "candles": {}, "indicators": {}, "n_decisions": 0, "backtests": []}
    return {
        "seconds_to_backtest": outcome.seconds_to_backtest,
        "candles": {interval: held.n for interval, held in facts.candles.items()},
        "indicators": {f"{value.interval} {value.name}": value.n for value in facts.values},
        "n_decisions": len(facts.said),
        "backtests": [
            {"id": tested.id, "interval": tested.interval, "status": tested.status, "results": tested.results}
            for tested in facts.tested
        ],
    }
