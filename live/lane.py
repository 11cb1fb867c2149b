"""The live lane as a process: it listens for minutes, looks, and looks again when nobody has told it anything.

What a look does is in ``live.work``. A notification only makes it sooner: whatever was missed, by a lost connection or
while no lane was there, the next look finds.
"""

import asyncio
import gc
import logging
import random
import threading
import time
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager, suppress
from datetime import timedelta

import asyncpg

from btc_core import paper
from btc_core.errors import DatabaseError, LockedError, SymbolError
from btc_core.partitions import month_range
from btc_core.pending import Due
from btc_store.connection import UNAVAILABLE, connect, explain
from btc_store.frames import Frames, open_frames
from btc_store.settings import Settings
from live.left_out import LeftOut
from live.plan import Plan, plan_of
from live.work import derive, look

logger = logging.getLogger(__name__)

CHANNEL = "candles_1m"
# Market seconds between two looks when nothing is announced; by a fast clock, real seconds that are not gone below.
POLL_SECONDS, POLL_LEAST_SECONDS = 5.0, 1.0
# Real seconds between two looks that go back all the way; it is left to a quiet moment, but no longer than twice that.
THOROUGH_SECONDS = 60.0
# Real seconds without news before what was derived is checked, so that no decision waits for a check; and how long
# after the derivation it is checked at the latest, on a market that is never quiet.
QUIET_SECONDS, CHECK_SECONDS = 0.5, 5.0
# How long a market that runs faster than time is left alone after a derivation during which something came, real
# seconds: its minutes come faster than they could be worked on one by one.
FAST_CLOCK_SECONDS = 0.5
# How long a lock is waited for, real seconds: who holds one may be stuck, and other symbols must not wait with its own.
LOCK_SECONDS = 2.0
# While the database is away: drawn from zero to a bound that doubles.
BACKOFF_SECONDS, BACKOFF_MOST_SECONDS = 0.5, 15.0
# How long a look may take to end once we are to stop. What it had not committed is done anew by the next one.
STOP_SECONDS = 0.7


class Turn:
    """What the thread that looks is told by the one that listens."""

    def __init__(self) -> None:
        self.woken = threading.Event()
        self.over = threading.Event()
        self.cancel: Callable[[], None] | None = None

    def end(self) -> None:
        """Stop, in the middle of a statement if need be: its transaction leaves nothing."""
        self.over.set()
        self.woken.set()
        if self.cancel is not None:
            # To cancel is to call the server, and that may be what hangs.
            threading.Thread(target=self.cancel, daemon=True).start()


async def run_lane(settings: Settings, stop: asyncio.Event) -> None:
    """Derive what is stored until ``stop`` is set; wait for a database that is away.

    Raises:
        BtcError: If the configuration cannot be used.
    """
    plan, bound = plan_of(settings.config), BACKOFF_SECONDS
    while not stop.is_set():
        turn = Turn()
        try:
            async with _listening(settings.database_url, turn) as lost:
                logger.info("live lane listens", extra={"database": settings.shown_database})
                bound = BACKOFF_SECONDS
                await _until_first(stop, lost, turn, lambda turn=turn: _look_on(settings, plan, turn))
        except DatabaseError as error:
            wait = random.uniform(0, bound)
            bound = min(bound * 2, BACKOFF_MOST_SECONDS)
            logger.warning("database away", extra={"reason": str(error), "wait_seconds": round(wait, 1)})
            with suppress(TimeoutError):
                await asyncio.wait_for(stop.wait(), wait)
    logger.info("live lane stopped")


def warm_up(frames: Frames, plan: Plan, settings: Settings) -> None:
    """Do everything once, for a symbol that there is not: the first decision need not wait for what loads late."""
    month = month_range(settings.now() - timedelta(days=62))
    minutes = {interval.label: [month] for interval in plan.intervals}
    derive(frames, plan, "", Due([month], minutes), now=settings.now())
    paper.warm_up()
    # What lives as long as the process need not be searched for garbage again and again.
    gc.collect()
    gc.freeze()


def _look_on(settings: Settings, plan: Plan, turn: Turn) -> None:
    """Look whenever we are woken, and every few seconds, on one connection that stays open."""
    poll_seconds = max(settings.clock.real_seconds(POLL_SECONDS), POLL_LEAST_SECONDS)
    try:
        with open_frames(settings.database_url, lock_seconds=LOCK_SECONDS) as frames:
            turn.cancel = frames.cancel
            warm_up(frames, plan, settings)
            thorough_at, is_woken = 0.0, False
            underived, unchecked = LeftOut(), LeftOut()
            # Since when something may be unchecked: an earlier lane may have left it.
            derived_at: float | None = time.monotonic()
            while not turn.over.is_set():
                # Before the look: what is announced during it is looked for again.
                turn.woken.clear()
                is_thorough = time.monotonic() >= thorough_at + (THOROUGH_SECONDS if is_woken else 0.0)
                is_done = _derive_on(frames, settings, plan, turn, underived, is_thorough=is_thorough)
                if is_done or unchecked.seconds <= 0:
                    derived_at = derived_at or time.monotonic()
                if is_thorough:
                    thorough_at = time.monotonic() + THOROUGH_SECONDS
                if derived_at is None:
                    is_woken = turn.woken.wait(max(min(poll_seconds, underived.seconds, unchecked.seconds), 0.0))
                    continue
                is_woken = turn.woken.wait(QUIET_SECONDS)
                is_time = not is_woken or time.monotonic() - derived_at > CHECK_SECONDS
                if is_time and _check_on(frames, settings, plan, turn, unchecked):
                    derived_at = None
            turn.cancel = None
    except KeyboardInterrupt:
        # The driver's word for a statement that was cancelled.
        raise DatabaseError("a statement was cancelled") from None


def _derive_on(
    frames: Frames, settings: Settings, plan: Plan, turn: Turn, failed: LeftOut, *, is_thorough: bool
) -> bool:
    """Derive what is due of one symbol after the other; return whether anything was."""
    n_done, locked = 0, failed.waiting
    while not turn.over.is_set():
        try:
            done = look(frames, plan, now=settings.now(), is_thorough=is_thorough, locked=locked)
        except (LockedError, SymbolError) as error:
            if turn.over.is_set() or not _leaves_out(frames, error, locked, failed):
                break
            continue
        if done is None:
            failed.keep(locked)
            break
        logger.info("derived", extra={"symbol": done.symbol, "n_written": done.n_written})
        n_done += 1
    if n_done and settings.clock.rate > 1 and turn.woken.is_set():
        turn.over.wait(FAST_CLOCK_SECONDS)
    return n_done > 0


def _check_on(frames: Frames, settings: Settings, plan: Plan, turn: Turn, failed: LeftOut) -> bool:
    """Check what was derived of one symbol after the other while nothing comes.

    Returns whether all of it is checked, but for the symbols whose checks have failed: they have their own time.
    """
    locked = failed.waiting
    while not turn.over.is_set():
        try:
            if look(frames, plan, now=settings.now(), is_quiet=True, locked=locked) is None:
                failed.keep(locked)
                return locked <= failed.waiting
        except (LockedError, SymbolError) as error:
            if turn.over.is_set() or not _leaves_out(frames, error, locked, failed):
                break
        if turn.woken.is_set():
            break
    return False


def _leaves_out(frames: Frames, error: LockedError | SymbolError, locked: set[str], failed: LeftOut) -> bool:
    """Leave a symbol out of this round; return whether there is one. The next round asks for a locked one again."""
    if isinstance(error, SymbolError):
        # Where it was the connection, this fails, too: the symbol is not to blame.
        with frames.transaction():
            frames.read("database_clock")
        seconds = failed.add(error.symbol)
        logger.error("symbol left out", extra={"reason": str(error), "wait_seconds": round(seconds, 1)})
    else:
        logger.warning("locked", extra={"reason": str(error)})
    if error.symbol is None or error.symbol in locked:
        return False
    locked.add(error.symbol)
    return True


async def _until_first(stop: asyncio.Event, lost: asyncio.Event, turn: Turn, work: Callable[[], None]) -> None:
    """Work in a thread until it fails, we are to stop, or the connection that listens is lost.

    Raises:
        DatabaseError: If it was the database.
    """
    working = _in_thread(work)
    events = [asyncio.create_task(event.wait()) for event in (stop, lost)]
    try:
        await asyncio.wait((working, *events), return_when=asyncio.FIRST_COMPLETED)
    finally:
        turn.end()
        for event in events:
            event.cancel()
        await asyncio.wait((working,), timeout=STOP_SECONDS)
    if stop.is_set():
        return
    if working.done():
        working.result()
    raise DatabaseError("the connection that listens was lost")


def _in_thread(work: Callable[[], None]) -> "asyncio.Future[None]":
    """Start a thread that does not hold up the end of the process; return what becomes of it."""
    loop = asyncio.get_running_loop()
    ended: asyncio.Future[None] = loop.create_future()

    def settle(error: BaseException | None) -> None:
        if not ended.done():
            ended.set_result(None) if error is None else ended.set_exception(error)

    def run() -> None:
        error = None
        try:
            work()
        except BaseException as caught:  # noqa: BLE001  # the outermost frame of a thread: whoever waits gets it
            error = caught
        with suppress(RuntimeError):  # nobody waits any more
            loop.call_soon_threadsafe(settle, error)

    threading.Thread(target=run, name="look", daemon=True).start()
    return ended


@asynccontextmanager
async def _listening(url: str, turn: Turn) -> AsyncIterator[asyncio.Event]:
    """Hold a connection that listens and wakes; yield the event that is set when it is lost."""
    lost = asyncio.Event()
    async with connect(url) as connection:
        try:
            connection.add_termination_listener(_calls(lost.set))
            await connection.add_listener(CHANNEL, _calls(turn.woken.set))
        except (*UNAVAILABLE, asyncpg.PostgresError) as error:
            raise explain(error, url) from error
        try:
            yield lost
        finally:
            # Nothing is owed to the server, and it may be what hangs.
            connection.terminate()


def _calls(function: Callable[[], None]) -> Callable[..., None]:
    """Return a listener that is told more than it wants to know."""

    def listener(*_told: object) -> None:
        function()

    return listener
