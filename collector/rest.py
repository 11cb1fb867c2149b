"""The exchange's request interface: one question at a time, with timeouts, retries and a budget of our own."""

import asyncio
import logging
from collections import deque
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from datetime import datetime, timedelta

import httpx

from btc_core.errors import ExchangeError
from btc_core.model.candle import Candle, State
from btc_core.model.timerange import MINUTE
from collector.backoff import Backoff
from collector.exchange import Exchange, Malformed, Markets, Update
from collector.session import Fetch
from collector.waits import Waits

logger = logging.getLogger(__name__)

# Real seconds: a network does not become faster because the market's clock does.
CONNECT_SECONDS = 10.0
ANSWER_SECONDS = 30.0
# The exchange allows 1200 a minute and address; half of it leaves room for everything else that runs there.
WEIGHT_A_MINUTE = 600
CONNECTIONS = 4
OK, LIMITED = 200, 429
TRIES = 4
FIRST_WAIT_SECONDS = 1.0
# A refused request still counts on the other side, and the limit is by the minute.
LIMITED_WAIT_SECONDS = 20.0
LONGEST_WAIT_SECONDS = 60.0
# How long after a minute's end its row is final is not documented; no message came later than 2.56 s.
CONFIRMED_AFTER = timedelta(seconds=15)


class Budget:
    """What was spent of the exchange's limit in the last minute.

    Args:
        ceiling: Most that may be spent in any minute.
    """

    def __init__(self, ceiling: int) -> None:
        self._ceiling = ceiling
        self._spent: deque[tuple[datetime, int]] = deque()

    def spent(self, now: datetime) -> int:
        """Return the weight of the last minute's requests."""
        while self._spent and self._spent[0][0] <= now - MINUTE:
            self._spent.popleft()
        return sum(weight for _, weight in self._spent)

    def free_time(self, weight: int, now: datetime) -> datetime:
        """Return when a request of that weight may be made: now, or when enough of the past is a minute old."""
        excess = self.spent(now) + weight - self._ceiling
        for at, past in self._spent:
            if excess <= 0:
                break
            excess -= past
            now = at + MINUTE
        return now

    def spend(self, weight: int, now: datetime) -> None:
        """Note a request."""
        self._spent.append((now, weight))


def answer_fault(status: int, content_type: str, body: bytes) -> str | None:
    """Return why an answer cannot be used, or None. ``null`` is valid JSON and no answer."""
    if status == LIMITED:
        return "the exchange limits us (429)"
    if status != OK:
        return f"the exchange answered {status}: {' '.join(body[:200].decode('utf-8', 'replace').split()) or 'nothing'}"
    if "json" not in content_type:
        return f"expected JSON, found {content_type or 'no content type'}"
    return "the exchange answered null: it does not know what was asked for" if body.strip() == b"null" else None


def is_transient(status: int) -> bool:
    """Return whether the same request may succeed later: the limit, and what fails on the other side."""
    return status in (OK, LIMITED) or status >= 500


class RestClient:
    """Questions to the exchange. Any number of tasks may ask at once; they share the budget."""

    def __init__(self, client: httpx.AsyncClient, url: str, exchange: Exchange, waits: Waits) -> None:
        self._client = client
        self._url = url
        self._exchange = exchange
        self._waits = waits
        self._budget = Budget(WEIGHT_A_MINUTE)
        self._turns = asyncio.Semaphore(CONNECTIONS)

    @property
    def weight(self) -> int:
        """What the requests of the last minute cost."""
        return self._budget.spent(self._waits.now())

    async def markets(self) -> Markets:
        """Ask what can be collected.

        Raises:
            ExchangeError: If the exchange does not answer, or not with its markets.
        """
        requests = self._exchange.market_requests
        weight = self._exchange.request_weight(n_rows=0)
        return self._exchange.parse_markets([(await self._ask(body, weight))[0] for body in requests])

    async def history(self, fetch: Fetch, *, close_after: timedelta) -> list[Candle | Malformed]:
        """Ask for closed candles of at most one window; confirmed where their minute ended long enough ago.

        Raises:
            ExchangeError: If the exchange does not answer, or not with candles.
        """
        weight = self._exchange.request_weight(n_rows=fetch.range.n_minutes + 2)
        body, asked_at = await self._ask(self._exchange.history_request(fetch.coin, fetch.range), weight)
        return closed_candles(
            self._exchange.parse_history(body, fetch.range), fetch, asked_at=asked_at, close_after=close_after
        )

    async def _ask(self, body: bytes, weight: int) -> tuple[bytes, datetime]:
        """Return the answer and when the request that it answers was made."""
        backoff = Backoff(first=FIRST_WAIT_SECONDS, cap=LONGEST_WAIT_SECONDS)
        for n_left in reversed(range(TRIES)):
            fault, status, answer, asked_at = await self._try(body, weight)
            if fault is None:
                return answer, asked_at
            if n_left == 0 or not is_transient(status):
                raise ExchangeError(f"{self._url}: {fault}")
            wait = backoff.next_wait() + (LIMITED_WAIT_SECONDS if status == LIMITED else 0)
            logger.info("request is tried again", extra={"reason": fault, "wait_seconds": round(wait, 1)})
            await self._waits.sleep(wait)
        raise AssertionError("the last try returns or raises")

    async def _try(self, body: bytes, weight: int) -> tuple[str | None, int, bytes, datetime]:
        """Make one request; return what is wrong with the answer, its status, the answer, and when it was asked."""
        async with self._turns:
            await self._afford(weight)
            asked_at = self._waits.now()
            try:
                response = await self._client.post(self._url, content=body)
            except httpx.HTTPError as error:
                return f"no answer ({type(error).__name__}) {error}".rstrip(), 503, b"", asked_at
        fault = answer_fault(response.status_code, response.headers.get("content-type", ""), response.content)
        return fault, response.status_code, response.content, asked_at

    async def _afford(self, weight: int) -> None:
        """Wait until the budget allows the request, and note it at once: others wait at the same time."""
        while (free := self._budget.free_time(weight, self._waits.now())) > (now := self._waits.now()):
            await self._waits.sleep((free - now).total_seconds())
        self._budget.spend(weight, self._waits.now())


@asynccontextmanager
async def open_rest(url: str, exchange: Exchange, waits: Waits) -> AsyncIterator[RestClient]:
    """Hold a client for the time of a ``with`` block."""
    timeout = httpx.Timeout(ANSWER_SECONDS, connect=CONNECT_SECONDS)
    async with httpx.AsyncClient(timeout=timeout, headers={"content-type": "application/json"}) as client:
        yield RestClient(client, url, exchange, waits)


def closed_candles(
    updates: list[Update | Malformed], fetch: Fetch, *, asked_at: datetime, close_after: timedelta
) -> list[Candle | Malformed]:
    """Return the rows whose minute was over when they were asked for.

    The answer holds the open candle too, with nothing to tell it from a closed one. ``asked_at`` is when the request
    was made, not when the answer came: what was open in between must not pass.
    """
    return [
        item.candle(fetch.symbol, source="rest", state=_state(item, asked_at)) if isinstance(item, Update) else item
        for item in updates
        if isinstance(item, Malformed) or item.time + MINUTE <= asked_at - close_after
    ]


def _state(update: Update, asked_at: datetime) -> State:
    """Return how sure a row of history is: the youngest may still change."""
    is_final = update.time + MINUTE <= asked_at - CONFIRMED_AFTER
    return State.CONFIRMED if is_final else State.PROVISIONAL
