"""The exchange's request interface: one attempt a question, within deadlines and a budget of our own.

What is asked again, and when, is the caller's affair (``ExchangeError.is_transient`` says whether it makes sense). What
one answer tells for all questions is seen to here: the limit's pause, and the alarm that our requests are at fault.
"""

import asyncio
import logging
from collections.abc import AsyncIterator, Callable, Iterable, Mapping
from contextlib import asynccontextmanager
from datetime import datetime, timedelta

import httpx
import msgspec

from btc_core.config import CollectorConfig
from btc_core.errors import ExchangeError
from btc_core.model.candle import State, candle_fault
from btc_core.model.clock import ClockScale
from btc_core.model.timerange import MINUTE, TimeRange
from collector.budget import Budget, Charge, Pause
from collector.clock import ClockCheck
from collector.exchange import Exchange, Malformed, Markets, Update
from collector.proxy import unsupported
from collector.waits import Waits

logger = logging.getLogger(__name__)

OK, LIMITED = 200, 429
# Not a word of a request is ours to vary: what the exchange cannot read now it cannot read later.
OUR_FAULTS = frozenset({400, 405, 415, 422})
# Market seconds; a refused request still counts on the other side, whose limit is by the minute.
PAUSE_SECONDS, LONGEST_PAUSE_SECONDS = 60.0, 300.0
ANSWER_SECONDS = 10.0
# Real seconds: a network does not become faster because the market's clock does.
LEAST_ANSWER_SECONDS = 3.0
# "A kept-alive REST connection can be dead after some 3 idle minutes" (PROTOCOL.md, section 10).
IDLE_SECONDS = 30.0
# Requests under way at once, urgent and other ones apart, so that slow history does not hold up what is live.
URGENT_TURNS, OTHER_TURNS = 4, 2
# The longest answer on record, 5,116 rows, has 0.8 MB.
MOST_BYTES = 16_000_000
# The rows around a window come with it.
MORE_ROWS = 2


class Limits(msgspec.Struct, frozen=True, kw_only=True):
    """What a client may spend.

    Attributes:
        weight_a_minute: Most weight in any market minute.
        reserve: The part of it that only urgent questions may use.
        answer_seconds: Real seconds from a question to the end of its answer.
    """

    weight_a_minute: int = 600
    reserve: int = 200
    answer_seconds: float = ANSWER_SECONDS


def limits_of(config: CollectorConfig, clock: ClockScale, exchange: Exchange, *, n_symbols: int) -> Limits:
    """Return the limits for that many symbols: each can be asked for at once, and so can one window of history."""
    ceiling = config.rest_weight_a_minute
    live = n_symbols * exchange.request_weight(n_rows=1)
    history = exchange.request_weight(n_rows=exchange.history_window // MINUTE + MORE_ROWS)
    return Limits(
        weight_a_minute=ceiling,
        reserve=max(0, min(live, ceiling - history)),
        answer_seconds=max(clock.real_seconds(ANSWER_SECONDS), LEAST_ANSWER_SECONDS),
    )


class History(msgspec.Struct, frozen=True):
    """What the exchange answered for a window.

    Attributes:
        rows: The candles that open in it, ascending, one a minute. The last may still be open: ``closed_rows``.
        refused: Rows that cannot be used.
        asked_at: When the question was put, market time.
    """

    rows: tuple[Update, ...]
    refused: tuple[Malformed, ...]
    asked_at: datetime


def closed_rows(history: History, *, settled_before: datetime) -> tuple[Update, ...]:
    """Return the rows whose minute had ended by an instant.

    The answer holds the open candle too, with nothing to tell it from a closed one. What was open when the question
    was put must not pass, however late the answer came: count from ``asked_at``.
    """
    return tuple(row for row in history.rows if row.time + MINUTE <= settled_before)


def usable_rows(
    items: Iterable[Update | Malformed], coin: str, window: TimeRange
) -> tuple[tuple[Update, ...], tuple[Malformed, ...]]:
    """Return the rows of an answer that open in the window, ascending and one a minute, and those that are refused.

    Raises:
        ExchangeError: If there is a row of another coin: it is the answer to another question.
    """
    refused: list[Malformed] = []
    versions: dict[datetime, list[Update]] = {}
    for item in items:
        if isinstance(item, Malformed):
            refused.append(item)
        elif item.coin != coin:
            raise ExchangeError(f"expected candles of {coin}, found one of {item.coin}")
        elif item.time in window and item not in (known := versions.setdefault(item.time, [])):
            known.append(item)
    rows: list[Update] = []
    for _, known in sorted(versions.items()):
        fault = _fault(known)
        if fault is None:
            rows.append(known[0])
        else:
            text = msgspec.json.encode(known).decode()
            refused.append(Malformed(fault, text, coin=coin, time=known[0].time))
    return tuple(rows), tuple(refused)


def _fault(versions: list[Update]) -> str | None:
    """Return why none of the versions of a minute can be taken, or None."""
    if len(versions) > 1:
        return f"one answer has {len(versions)} different rows of this minute"
    return candle_fault(versions[0].candle("", source="rest", state=State.PROVISIONAL))


def answer_fault(status: int, content_type: str, body: bytes) -> str | None:
    """Return why an answer cannot be used, or None. ``null`` is valid JSON and no answer."""
    if status == LIMITED:
        return "the exchange limits us (429)"
    if status != OK:
        return f"the exchange answered {status}: {' '.join(body[:200].decode('utf-8', 'replace').split()) or 'nothing'}"
    if "json" not in content_type:
        return f"expected JSON, found {content_type or 'no content type'}"
    if not body.strip():
        return "expected JSON, found an empty body"
    return "the exchange answered null: it does not know what was asked for" if body.strip() == b"null" else None


def is_transient(status: int) -> bool:
    """Return whether the same request may succeed later: all but what says that the request itself is wrong."""
    return status not in OUR_FAULTS


class _Answer(msgspec.Struct, frozen=True):
    """What came back, when it was asked for, how long that took, and what it was charged with."""

    body: bytes
    asked_at: datetime
    round_trip: timedelta
    charge: Charge


class RestClient:
    """Questions to the exchange. Any number of tasks may ask at once; they share the budget.

    Args:
        client: Makes the connections.
        url: Where questions are posted to.
        exchange: Whose words are used.
        waits: The clock.
        limits: What may be spent.
        count: Told the outcome of each request: ``ok``, ``limited``, ``refused``, ``failed``.
    """

    def __init__(
        self,
        client: httpx.AsyncClient,
        url: str,
        exchange: Exchange,
        waits: Waits,
        limits: Limits,
        *,
        count: Callable[[str], None] | None = None,
    ) -> None:
        self._client = client
        self._url = url
        self._exchange = exchange
        self._waits = waits
        self._limits = limits
        self._count = count or _ignore
        self._budget = Budget(limits.weight_a_minute, reserve=limits.reserve)
        self._pause = Pause(first=PAUSE_SECONDS, longest=LONGEST_PAUSE_SECONDS)
        self._urgent_turns = asyncio.Semaphore(URGENT_TURNS)
        self._other_turns = asyncio.Semaphore(OTHER_TURNS)
        self._is_at_fault = False

    @property
    def weight(self) -> int:
        """What the requests of the last minute cost."""
        return self._budget.spent(self._waits.elapsed())

    @property
    def paused_until(self) -> datetime | None:
        """When the pause ends that the exchange's limit forces on us, market time; None where there is none."""
        left = self._pause.end - self._waits.elapsed()
        return self._waits.now() + timedelta(seconds=left) if left > 0 else None

    async def history(self, coin: str, window: TimeRange, *, is_urgent: bool) -> History:
        """Ask once for the candles that open in a window, which is at most the exchange's ``history_window`` long.

        Args:
            coin: The exchange's name of the instrument.
            window: UTC.
            is_urgent: Whether it may use the part of the budget that is reserved for what is live.

        Raises:
            ExchangeError: If there is no answer, or one that cannot be used.
        """
        assert window.end - window.start <= self._exchange.history_window, "one question is about one window at most"
        question = self._exchange.history_request(coin, window)
        answer = await self._ask(question, n_rows=window.n_minutes + MORE_ROWS, is_urgent=is_urgent)
        items = self._exchange.parse_history(answer.body)
        answer.charge.weight = self._exchange.request_weight(n_rows=len(items))
        rows, refused = usable_rows(items, coin, window)
        return History(rows, refused, answer.asked_at)

    async def markets(self, symbols: Mapping[str, str | None]) -> Markets:
        """Ask what can be collected: no more than is needed to know these symbols.

        A list that the exchange does not have (a server for perps alone) is left out.

        Args:
            symbols: Our names, each with the coin that the configuration states, or None.

        Raises:
            ExchangeError: If there is no answer, or one that cannot be used.
        """
        answers: list[bytes] = []
        while questions := self._exchange.market_requests(symbols, answers):
            for question in questions:
                try:
                    answers.append((await self._ask(question, n_rows=0, is_urgent=True)).body)
                except ExchangeError as error:
                    if error.is_transient or not answers:
                        raise
                    return self._exchange.parse_markets(answers)
        return self._exchange.parse_markets(answers)

    async def server_time(self) -> ClockCheck:
        """Ask for the exchange's time.

        Raises:
            ExchangeError: If there is no answer, or one that cannot be used.
        """
        answer = await self._ask(self._exchange.status_request, n_rows=0, is_urgent=True)
        time = self._exchange.parse_status(answer.body)
        return ClockCheck(exchange=time, ours=answer.asked_at + answer.round_trip / 2, round_trip=answer.round_trip)

    async def _ask(self, question: bytes, *, n_rows: int, is_urgent: bool) -> _Answer:
        """Put one question when it is its turn.

        Raises:
            ExchangeError: If there is no answer, or it is none.
        """
        weight = self._exchange.request_weight(n_rows=n_rows)
        async with self._urgent_turns if is_urgent else self._other_turns:
            charge = await self._afford(weight, is_urgent=is_urgent)
            asked_at, asked = self._waits.now(), self._waits.elapsed()
            try:
                status, content_type, body = await self._post(question)
            except ExchangeError:
                self._count("failed")
                raise
            answered = self._waits.elapsed()
        fault = answer_fault(status, content_type, body)
        self._learn(status, fault, asked=asked, now=answered)
        if fault is not None:
            raise ExchangeError(f"{self._url}: {fault}", is_transient=is_transient(status))
        return _Answer(body, asked_at, timedelta(seconds=answered - asked), charge)

    def _learn(self, status: int, fault: str | None, *, asked: float, now: float) -> None:
        """Note what an answer says of all the others."""
        if fault is None:
            self._count("ok")
            self._pause.succeed(asked)
            self._is_at_fault = False
        elif status == LIMITED:
            self._count("limited")
            self._pause.refuse(asked, now)
        elif status in OUR_FAULTS:
            self._count("refused")
            # Once until something succeeds: whatever is asked next is refused for the same reason.
            if not self._is_at_fault:
                logger.error("exchange refuses our request", extra={"status": status, "reason": fault})
            self._is_at_fault = True
        else:
            self._count("failed")

    async def _afford(self, weight: int, *, is_urgent: bool) -> Charge:
        """Wait until the budget allows the request and no pause is on, and note it at once: others wait too."""
        while True:
            now = self._waits.elapsed()
            free = max(self._budget.free_at(weight, now, is_urgent=is_urgent), self._pause.end)
            if free <= now:
                return self._budget.spend(weight, now, is_urgent=is_urgent)
            await self._waits.sleep(free - now)

    async def _post(self, question: bytes) -> tuple[int, str, bytes]:
        """Return status, content type and body of an answer that came whole and in time."""
        try:
            async with (
                asyncio.timeout(self._limits.answer_seconds),
                self._client.stream("POST", self._url, content=question) as response,
            ):
                # A limit is known by its first line: a body that does not come must not hide it.
                body = b"" if response.status_code == LIMITED else await _read(response)
                return response.status_code, response.headers.get("content-type", ""), body
        except TimeoutError:
            raise ExchangeError(f"{self._url}: no whole answer within {self._limits.answer_seconds:g} s") from None
        except httpx.HTTPError as error:
            raise ExchangeError(f"{self._url}: no answer ({type(error).__name__}) {error}".rstrip()) from None


def _ignore(outcome: str) -> None:
    del outcome


async def _read(response: httpx.Response) -> bytes:
    body = bytearray()
    async for chunk in response.aiter_bytes():
        body += chunk
        if len(body) > MOST_BYTES:
            raise ExchangeError(f"expected an answer of at most {MOST_BYTES} bytes, found a longer one")
    return bytes(body)


@asynccontextmanager
async def open_rest(
    url: str, exchange: Exchange, waits: Waits, limits: Limits, *, count: Callable[[str], None] | None = None
) -> AsyncIterator[RestClient]:
    """Hold a client for the time of a ``with`` block; see ``RestClient``.

    Raises:
        ConfigError: If the environment names a proxy that we cannot speak to.
    """
    # Uncompressed, so that the bound on an answer is a bound on memory.
    headers = {"content-type": "application/json", "accept-encoding": "identity"}
    connections = httpx.Limits(
        max_connections=URGENT_TURNS + OTHER_TURNS,
        max_keepalive_connections=URGENT_TURNS + OTHER_TURNS,
        keepalive_expiry=IDLE_SECONDS,
    )
    try:
        opening = httpx.AsyncClient(timeout=limits.answer_seconds, headers=headers, limits=connections)
    except (ImportError, ValueError) as error:
        # It reads the environment's proxies at once.
        raise unsupported() from error
    async with opening as client:
        yield RestClient(client, url, exchange, waits, limits, count=count)
