"""The questions to the exchange's history: when the ledgers want an answer, ask; what comes, hold against the table."""

import asyncio
import logging
from collections.abc import Callable, Sequence
from datetime import timedelta

from btc_core.errors import DatabaseError, ExchangeError
from btc_core.model.candle import State, Verdict
from collector.alarms import Alarms
from collector.backoff import Backoff
from collector.clock import ClockWatch
from collector.ledger import Answer, Ask
from collector.metrics import Metrics
from collector.rest import History, RestClient, closed_rows
from collector.session import Action, Quarantine, Session
from collector.store import Store
from collector.waits import Waits
from collector.writer import Writer

logger = logging.getLogger(__name__)

FIRST_WAIT_SECONDS = 2.0
LONGEST_WAIT_SECONDS = 120.0
# What the exchange says to be our fault does not become right by asking again soon.
REFUSED_WAIT_SECONDS = 900.0
# How often to look whether a clock that was wrong is right again, or a database that was away is back.
PAUSE_SECONDS = 5.0
CORRECTED = (Verdict.LOST_TAIL, Verdict.CONFLICT, Verdict.IMPORTED)


class Confirmer:
    """Two loops a symbol, one for what has just ended and one for the rest, so that neither waits for the other.

    Args:
        session: Knows what to ask.
        rest: Asks.
        writer: What the stream brought is to be stored before it is compared.
        store: Compares.
        do: Does what the session wants.
        watch: Knows how wrong our clock is.
        confirm_after: A row is believed so long after its minute's end.
        waits: The clock.
        alarms: The log.
        metrics: Counts.
    """

    def __init__(
        self,
        session: Session,
        rest: RestClient,
        writer: Writer,
        store: Store,
        *,
        do: Callable[[Sequence[Action]], None],
        watch: ClockWatch,
        confirm_after: timedelta,
        waits: Waits,
        alarms: Alarms,
        metrics: Metrics,
    ) -> None:
        self._session = session
        self._rest = rest
        self._writer = writer
        self._store = store
        self._do = do
        self._watch = watch
        self._confirm_after = confirm_after
        self._waits = waits
        self._alarms = alarms
        self._metrics = metrics
        self._woken: dict[tuple[str, bool], asyncio.Event] = {}

    def look(self, symbol: str) -> None:
        """Wake the loops of a symbol."""
        for is_urgent in (True, False):
            event = self._woken.get((symbol, is_urgent))
            if event is not None:
                event.set()

    async def work(self, symbol: str, *, is_urgent: bool) -> None:
        """Ask what there is to ask about a symbol, for ever."""
        woken = self._woken.setdefault((symbol, is_urgent), asyncio.Event())
        backoff = Backoff(first=FIRST_WAIT_SECONDS, cap=LONGEST_WAIT_SECONDS)
        while True:
            if not self._watch.may_confirm or self._writer.is_away:
                # By a wrong clock an open candle looks closed; without the table there is nothing to compare with.
                await self._waits.sleep(PAUSE_SECONDS)
                continue
            ask = self._session.ask(symbol, self._waits.now(), is_urgent=is_urgent)
            if ask is None:
                await self._waits.until(self._session.ask_time(symbol, self._waits.now()), woken)
                continue
            try:
                history = await self._rest.history(ask.coin, ask.window, is_urgent=is_urgent)
                await self._compare(ask, history)
                backoff.reset()
            except (ExchangeError, DatabaseError) as error:
                is_refused = isinstance(error, ExchangeError) and not error.is_transient
                wait = REFUSED_WAIT_SECONDS if is_refused else backoff.next_wait()
                self._session.unanswered(ask, due=self._waits.now() + timedelta(seconds=wait))
                fields = {"symbol": symbol, "reason": str(error), "wait_seconds": round(wait, 1)}
                self._alarms.warn("history is asked again", fields)

    async def _compare(self, ask: Ask, history: History) -> None:
        """Hold an answer against the table, and take what it knows better."""
        settled_until = history.asked_at - self._confirm_after - max(self._watch.offset, timedelta())
        rows = closed_rows(history, settled_before=settled_until)
        candles = [
            row.candle(ask.symbol, source="rest", state=State.CONFIRMED) for row in rows if row.time in ask.range
        ]
        # The stream's own version first: history is compared with all that we have.
        await self._writer.flush()
        verdicts = await self._store.confirm(ask.symbol, ask.range, candles)
        for verdict in CORRECTED:
            self._metrics.corrected(verdict.value, sum(found is verdict for found in verdicts.values()))
        times = [row.time for row in history.rows]
        answer = Answer(
            verdicts=verdicts,
            rows=(min(times), max(times)) if times else None,
            settled_until=settled_until,
            is_clean=not history.refused,
        )
        actions = self._session.answered(ask, answer, candles, self._waits.now())
        self._do([*(Quarantine(ask.symbol, row.reason, row.text) for row in history.refused), *actions])
        logger.debug("history is compared", extra={"symbol": ask.symbol, "n_candles": len(candles)})
