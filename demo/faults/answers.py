"""What is wrong with the answers of REST."""

# ruff: noqa: ARG002 (a hook is given all that any fault may want to know)

from collections.abc import Sequence
from http import HTTPStatus
from typing import Annotated, Literal

import msgspec

from demo.answer import Answer, Query, changed_answer, changed_rows, edge_answer, json_answer, weight_of
from demo.faults.fault import Ask, Count, Fault, HttpError, Seconds, Share, Spell
from demo.faults.market import other_rows
from demo.meter import n_minutes
from demo.tape import Change
from demo.wire import MINUTE_MS, Frame, Row

CANDLES = "candleSnapshot"
Request = Literal["candleSnapshot", "fundingHistory", "meta", "spotMeta", "allMids", "exchangeStatus"]
# These come from the exchange itself, as JSON; the others from the network in front of it, as HTML.
OWN_ERRORS = (HTTPStatus.TOO_MANY_REQUESTS, HTTPStatus.INTERNAL_SERVER_ERROR)


class RestFault(Fault, frozen=True):
    """Base of what spoils answers.

    Attributes:
        share: Of the requests; which ones is drawn from the script's seed.
        times: It is over after so many answers; None: it is not.
    """

    share: Share = 1
    times: Count | None = None

    @property
    def wanted(self) -> str | None:
        """The type of request that it spoils; None: any."""
        return None

    async def answer(self, spell: Spell, query: Query, ask: Ask) -> Answer:
        """Leave alone what is another request, of another coin or not drawn."""
        if not self.is_about(query.coin) or self.wanted not in (None, query.kind):
            return await ask(query)
        spell.n_seen += 1
        is_spent = self.times is not None and spell.n_uses >= self.times
        if is_spent or spell.random(spell.n_seen).random() >= self.share:
            return await ask(query)
        spell.n_uses += 1
        return await self.spoiled(spell, query, ask)

    async def spoiled(self, spell: Spell, query: Query, ask: Ask) -> Answer:
        """Return the answer that the client gets."""
        raise NotImplementedError


class AnswerFault(RestFault, frozen=True):
    """Base of what spoils answers of any type.

    Attributes:
        request: Only requests of this type; None: all.
    """

    request: Request | None = None

    @property
    def wanted(self) -> str | None:
        """As set."""
        return self.request


class CandlesFault(RestFault, frozen=True):
    """Base of what spoils answers to ``candleSnapshot``."""

    @property
    def wanted(self) -> str | None:
        """Candles."""
        return CANDLES


class RowsFault(CandlesFault, frozen=True):
    """Base of what puts other rows into a right answer."""

    async def spoiled(self, spell: Spell, query: Query, ask: Ask) -> Answer:
        """Change its rows."""
        return changed_rows(await ask(query), lambda rows: self.rows(spell, rows))

    def rows(self, spell: Spell, rows: list[Row]) -> list[Row]:
        """Return the rows that the client gets."""
        raise NotImplementedError


class RestError(AnswerFault, frozen=True):
    """Requests are answered with an HTTP status: 429 and 500 with ``null``, others with a page of HTML.

    Attributes:
        status: 429, 500, 502, 503 …
    """

    status: HttpError = 500

    async def spoiled(self, spell: Spell, query: Query, ask: Ask) -> Answer:
        """Answer without asking."""
        status = HTTPStatus(self.status)
        return json_answer(None, status=status) if status in OWN_ERRORS else edge_answer(status, status.phrase)


class RestTimeout(AnswerFault, frozen=True):
    """Requests are not answered; the connection breaks at the end."""

    async def spoiled(self, spell: Spell, query: Query, ask: Ask) -> Answer:
        """Say nothing."""
        await spell.over.wait()
        raise ConnectionResetError


class RestSlow(AnswerFault, frozen=True):
    """Answers are late; they are what they were when they were asked for.

    Attributes:
        seconds: By so much.
    """

    seconds: Seconds = 20

    async def spoiled(self, spell: Spell, query: Query, ask: Ask) -> Answer:
        """Answer, and wait."""
        answer = await ask(query)
        await spell.sleep(self.seconds)
        return answer


class RestCut(AnswerFault, frozen=True):
    """The connection breaks in the middle of the body."""

    async def spoiled(self, spell: Spell, query: Query, ask: Ask) -> Answer:
        """Send half."""
        answer = await ask(query)
        return msgspec.structs.replace(answer, n_sent=len(answer.body) // 2)


class RestEmpty(AnswerFault, frozen=True):
    """Status 200 and an empty body."""

    async def spoiled(self, spell: Spell, query: Query, ask: Ask) -> Answer:
        """Answer without asking."""
        return Answer(HTTPStatus.OK, b"", "application/json")


class RestNull(AnswerFault, frozen=True):
    """Status 200 and ``null``."""

    async def spoiled(self, spell: Spell, query: Query, ask: Ask) -> Answer:
        """Answer without asking."""
        return json_answer(None)


class RestBehind(CandlesFault, frozen=True):
    """Candles are as they stood a while ago.

    Attributes:
        seconds: So long.
    """

    seconds: Seconds = 30

    async def spoiled(self, spell: Spell, query: Query, ask: Ask) -> Answer:
        """Ask as if it were earlier."""
        return await ask(msgspec.structs.replace(query, now_ms=query.now_ms - int(self.seconds * 1000)))


class RestDiffers(RowsFault, frozen=True):
    """Rows of the minutes that begin while it lasts have as many trades as the frames, and other values.

    Attributes:
        truth: ``rest``: the rows are right, for good, and the frames are not. ``stream``: the rows are wrong, in as
            many answers as ``times`` says, and until it ends.
    """

    truth: Literal["rest", "stream"] = "rest"

    def begun(self, spell: Spell) -> None:
        """Change the tape where REST is right."""
        if self.truth == "rest":
            first_name = None if self.coin is None else spell.stage.tape.first_name(self.coin)
            spell.stage.tape.changes.append(OtherRows(spell, first_name))

    def rows(self, spell: Spell, rows: list[Row]) -> list[Row]:
        """Change the answer where it is wrong."""
        return rows if self.truth == "rest" else other_rows(rows, spell, self.coin)


class OtherRows(Change):
    """Minutes whose rows differ from their frames at equal trades."""

    def __init__(self, spell: Spell, coin: str | None) -> None:
        self._spell = spell
        self._coin = coin

    def frames(self, coin: str, minute: int, frames: Sequence[Frame]) -> Sequence[Frame]:
        """Return them as they were."""
        return frames

    def row(self, coin: str, minute: int, row: Row | None, now_ms: float) -> Row | None:
        """Return the other row."""
        return None if row is None else other_rows([row], self._spell, self._coin)[0]


class RestHorizon(CandlesFault, frozen=True):
    """Only the most recent candles exist.

    Attributes:
        n_rows: How many.
    """

    n_rows: Count = 500

    async def spoiled(self, spell: Spell, query: Query, ask: Ask) -> Answer:
        """Ask an exchange that has no more."""
        return await ask(msgspec.structs.replace(query, most_candles=self.n_rows))


class RestLong(CandlesFault, frozen=True):
    """An answer holds more rows than were asked for, and more than exist as documented.

    Attributes:
        n_rows: How many, up to the end of what was asked for.
    """

    n_rows: Count = 5001

    async def spoiled(self, spell: Spell, query: Query, ask: Ask) -> Answer:
        """Ask an exchange that has more, for all of it."""
        tree = msgspec.json.decode(query.body)
        end_ms = tree["req"].get("endTime", query.now_ms)
        tree["req"]["startTime"] = max(0, min(end_ms, query.now_ms) - (self.n_rows - 1) * MINUTE_MS)
        wider = msgspec.structs.replace(query, body=msgspec.json.encode(tree), most_candles=2 * self.n_rows)
        return await ask(wider)


class RestHole(RowsFault, frozen=True):
    """Rows of some minutes are not in the answer.

    Attributes:
        age: The first of them began so long before the fault.
        minutes: How many.
    """

    age: Seconds = 1800
    minutes: Count = 10

    def rows(self, spell: Spell, rows: list[Row]) -> list[Row]:
        """Leave them out."""
        first_ms = (spell.begun_ms - self.age * 1000) // MINUTE_MS * MINUTE_MS
        return [row for row in rows if not first_ms <= row.open_ms < first_ms + self.minutes * MINUTE_MS]


class RestDescending(RowsFault, frozen=True):
    """Rows come in descending order."""

    def rows(self, spell: Spell, rows: list[Row]) -> list[Row]:
        """Turn them."""
        return rows[::-1]


class RestDuplicates(RowsFault, frozen=True):
    """Every row comes twice."""

    def rows(self, spell: Spell, rows: list[Row]) -> list[Row]:
        """Double them."""
        return [row for row in rows for _ in range(2)]


class ClockOff(Fault, frozen=True):
    """``exchangeStatus`` shows another time, so the client's clock looks wrong.

    Attributes:
        seconds: By so much it is ahead; negative: behind.
    """

    seconds: float = 15

    async def answer(self, spell: Spell, query: Query, ask: Ask) -> Answer:
        """Move it."""
        answer = await ask(query)
        return changed_answer(answer, self._moved) if query.kind == "exchangeStatus" else answer

    def _moved(self, tree: dict[str, int]) -> object:
        return {**tree, "time": tree["time"] + int(self.seconds * 1000)}


class WeightLimit(Fault, frozen=True):
    """An address may use so much weight in a market minute; then it is answered 429. Always on.

    Attributes:
        most: As documented.
    """

    most: Annotated[int, msgspec.Meta(ge=1)] = 1200

    async def answer(self, spell: Spell, query: Query, ask: Ask) -> Answer:
        """Refuse what goes beyond."""
        minutes = n_minutes(spell.stage.clock.rate)
        used = spell.stage.weights.spent(query.address, spell.stage.now_ms(), minutes)
        if used + weight_of(query.kind, 0) > self.most * minutes:
            return json_answer(None, status=HTTPStatus.TOO_MANY_REQUESTS)
        return await ask(query)
