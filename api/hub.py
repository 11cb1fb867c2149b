"""What the live stream knows: one connection that listens, one look at what changed, every subscriber told of it.

One task does everything in order: it looks what was committed since the last look, tells it, then serves who has
subscribed meanwhile, then waits to be woken. So nobody sees an older row after a newer one, and nothing is committed
unseen between the newest row that a client got and its first change. A notification only wakes the task; what there is
to tell is in a table, so a connection that was lost costs nothing but time.
"""

import asyncio
import logging
import random
from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import asynccontextmanager, suppress
from datetime import datetime
from typing import Any

import asyncpg

from api.database import STATEMENT_SECONDS, Database
from api.errors import ApiError
from api.news import Change, News, cursor_at, read_latest, read_messages, read_news, reload, told, with_cursor
from api.subscriber import TRY_AGAIN_LATER, Series, Subscriber
from btc_core.errors import DatabaseError
from btc_store.connection import UNAVAILABLE
from btc_store.settings import Settings

logger = logging.getLogger(__name__)

CHANNEL = "stream_changes"
HEARTBEAT_SECONDS = 15.0
# A connection that is dead without a word is noticed by asking it something, and a look costs no more than that.
NET_SECONDS = 15.0
# While the database is away: drawn from half to the whole of a bound that doubles.
BACKOFF_SECONDS, BACKOFF_MOST_SECONDS = 0.25, 5.0
_FAILURES = (DatabaseError, *UNAVAILABLE, asyncpg.PostgresError)


class Hub:
    """The subscribers of the live stream, and the task that tells them.

    Args:
        database: Rows are read on its pool; a connection of its own listens.
        settings: ``api.max_streams`` bounds the subscribers.
    """

    def __init__(self, database: Database, settings: Settings) -> None:
        self.cursor: str | None = None
        self.is_connected = False
        # Whether those who listen were told that the database is away.
        self.is_away = False
        self.subscribers: set[Subscriber] = set()
        self._database = database
        self._settings = settings
        self._strategies = sorted(settings.config.strategies)
        # The newest row of a series that somebody asked for, until the series changes.
        self._latest: dict[Series, str] = {}
        self._woken = asyncio.Event()
        self._is_wanted = asyncio.Event()

    def join(self) -> Subscriber:
        """Return a new subscriber.

        Raises:
            ApiError: If there are as many as there may be.
        """
        most = self._settings.config.api.max_streams
        if len(self.subscribers) >= most:
            raise ApiError(TRY_AGAIN_LATER, "too_many_streams", f"{most} streams are open: try again later")
        subscriber = Subscriber()
        self.subscribers.add(subscriber)
        self._is_wanted.set()
        return subscriber

    def leave(self, subscriber: Subscriber) -> None:
        """Forget a subscriber; when the last one has left, the connection that listens is closed."""
        self.subscribers.discard(subscriber)
        if not self.subscribers:
            self._is_wanted.clear()
            self._woken.set()

    def serve(self) -> None:
        """Serve who has subscribed, soon."""
        self._woken.set()

    def greet(self, subscriber: Subscriber) -> None:
        """Send a heartbeat: we are here, and whether the database is."""
        state = "connected" if self.is_connected else "away"
        message = told("heartbeat", time=self._settings.now(), database=state)
        subscriber.put(with_cursor(message, self._cursor_for(subscriber)))

    async def run(self) -> None:
        """Follow what changes for as long as somebody listens to it; a database that is away is waited for."""
        bound = BACKOFF_SECONDS
        while True:
            if not self._is_wanted.is_set():
                self.is_away = False
                await self._is_wanted.wait()
            try:
                async with self._database.connect() as connection:
                    await self._follow(connection)
                    bound = BACKOFF_SECONDS
            except _FAILURES as error:
                if self.is_connected:
                    bound = BACKOFF_SECONDS
                    logger.warning("live stream lost the database", extra={"reason": type(error).__name__})
            except Exception:
                # A fault of ours must not end the stream for good.
                logger.exception("live stream failed")
            else:
                continue
            self.is_connected = False
            self._tell(is_away=True)
            await asyncio.sleep(random.uniform(bound / 2, bound))
            bound = min(2 * bound, BACKOFF_MOST_SECONDS)

    async def beat(self) -> None:
        """Send heartbeats, and drop who has not read for too long."""
        while True:
            await asyncio.sleep(HEARTBEAT_SECONDS)
            for subscriber in self.subscribers:
                self.greet(subscriber)
                subscriber.drop_if_stalled()

    async def _follow(self, connection: asyncpg.Connection) -> None:
        """Look whenever we are woken, until nobody listens to us."""
        connection.add_termination_listener(_calls(self._woken.set))
        await connection.add_listener(CHANNEL, _calls(self._woken.set))
        try:
            while self._is_wanted.is_set():
                # Before the look: what is announced during it is looked for again.
                self._woken.clear()
                await self._look(connection)
                self.is_connected = True
                self._tell(is_away=False)
                await self._serve(connection)
                with suppress(TimeoutError):
                    await asyncio.wait_for(self._woken.wait(), NET_SECONDS)
        finally:
            self._latest.clear()
        # Whoever comes next begins with what is newest then.
        self.cursor, self.is_connected = None, False

    def _tell(self, *, is_away: bool) -> None:
        """Send heartbeats when the database has gone, or is back."""
        if is_away != self.is_away:
            self.is_away = is_away
            for subscriber in self.subscribers:
                self.greet(subscriber)

    async def _look(self, connection: Any) -> None:
        news = await read_news(connection, self.cursor, timeout=STATEMENT_SECONDS)
        wanted = {series for subscriber in self.subscribers for series in subscriber.subscribed}
        bodies = await self._read(news, wanted)
        self.cursor = news.cursor
        for subscriber in self.subscribers:
            mine = [body for series, each in bodies.items() if series in subscriber.subscribed for body in each]
            self._deliver(subscriber, mine)

    async def _read(self, news: News, wanted: set[Series]) -> dict[Series, list[str]]:
        """Return the messages of what changed and somebody wants, by series: each is read once."""
        if news.is_lost:
            self._latest.clear()
            return {series: [reload(series)] for series in wanted}
        for series in news.changes:
            self._latest.pop(series, None)
        changes = {series: change for series, change in news.changes.items() if series in wanted}
        return {series: await self._messages(series, change) for series, change in changes.items()}

    async def _serve(self, connection: Any) -> None:
        """Give those who have subscribed since the last look their newest rows, or what they have missed."""
        for subscriber in list(self.subscribers):
            while subscriber.asked:
                series, since = next(iter(subscriber.asked.items()))
                bodies = (
                    [await self._newest(series)] if since is None else await self._missed(connection, series, since)
                )
                # Asked no more: unsubscribed meanwhile.
                if series in subscriber.asked:
                    del subscriber.asked[series]
                    subscriber.subscribed.add(series)
                    self._deliver(subscriber, bodies)

    async def _newest(self, series: Series) -> str:
        if series not in self._latest:
            self._latest[series] = await read_latest(self._database, series, self._strategies)
        return self._latest[series]

    async def _missed(self, connection: Any, series: Series, since: str | datetime) -> list[str]:
        try:
            if isinstance(since, datetime):
                since = await cursor_at(connection, since, timeout=STATEMENT_SECONDS)
            news = await read_news(connection, since, timeout=STATEMENT_SECONDS)
        except asyncpg.DataError:
            # No snapshot of this server.
            return [reload(series)]
        if news.is_lost:
            return [reload(series)]
        change = news.changes.get(series)
        return await self._messages(series, change) if change else []

    async def _messages(self, series: Series, change: Change) -> list[str]:
        try:
            return await read_messages(self._database, series, change)
        except asyncpg.QueryCanceledError:
            # It would take as long the next time.
            return [reload(series, change)]

    def _deliver(self, subscriber: Subscriber, bodies: Sequence[str]) -> None:
        """Put messages; the last one has the cursor up to which there are no more."""
        for body in bodies[:-1]:
            subscriber.put(body)
        for body in bodies[-1:]:
            subscriber.put(with_cursor(body, self._cursor_for(subscriber)))

    def _cursor_for(self, subscriber: Subscriber) -> str | None:
        """Return the cursor that a subscriber has when it has got everything so far; none while it waits for more."""
        return None if subscriber.asked else self.cursor


@asynccontextmanager
async def running_hub(database: Database, settings: Settings) -> AsyncIterator[Hub]:
    """Run a hub for the time of a ``with`` block."""
    hub = Hub(database, settings)
    tasks = [asyncio.create_task(hub.run()), asyncio.create_task(hub.beat())]
    try:
        yield hub
    finally:
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)


def _calls(function: Callable[[], None]) -> Callable[..., None]:
    """Return a listener that is told more than it wants to know."""

    def listener(*_told: object) -> None:
        function()

    return listener
