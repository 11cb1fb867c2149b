"""Hyperliquid: its words, its messages, its numbers. What the wire says stays here.

The captured messages in ``tests/fixtures/hyperliquid`` hold this file to what was seen.
"""

import math
from collections.abc import Sequence
from datetime import timedelta
from typing import Annotated

import msgspec

from btc_core.errors import ExchangeError
from btc_core.model.timerange import MINUTE, TimeRange, from_ms, to_ms
from collector.exchange import Ack, Ignored, Malformed, Markets, Message, Refusal, Update, Updates

INTERVAL = "1m"
# An older server greets in plain text; anything else that is no JSON is a fault worth an alarm.
GREETING = "Websocket connection established."
ALREADY = "Already subscribed"
SHOWN_CHARACTERS = 200

# 9999-12-31: a later instant is no datetime. A count of trades is an integer of four bytes in the table.
_Milliseconds = Annotated[int, msgspec.Meta(ge=0, le=253_402_300_799_999)]
_Count = Annotated[int, msgspec.Meta(ge=0, le=2**31 - 1)]
# Text on the wire, a number in the documentation. Text is exact until float() rounds it once.
_Decimal = str | float


class _Envelope(msgspec.Struct):
    channel: str
    data: msgspec.Raw = msgspec.Raw(b"null")


class _Candle(msgspec.Struct):
    t: _Milliseconds
    T: _Milliseconds
    s: str
    i: str
    o: _Decimal
    c: _Decimal
    h: _Decimal
    l: _Decimal  # noqa: E741 - the wire's own name
    v: _Decimal
    n: _Count


class _Subscription(msgspec.Struct):
    type: str
    coin: str | None = None
    interval: str | None = None


class _Request(msgspec.Struct):
    method: str
    subscription: _Subscription


class _Perp(msgspec.Struct, rename="camel"):
    name: str
    is_delisted: bool = False


class _Meta(msgspec.Struct):
    universe: list[_Perp]


class _Token(msgspec.Struct):
    name: str
    index: int


class _Pair(msgspec.Struct, rename="camel"):
    name: str
    tokens: tuple[int, int]
    is_canonical: bool = False


class _SpotMeta(msgspec.Struct):
    tokens: list[_Token]
    universe: list[_Pair]


class Hyperliquid:
    """See ``collector.exchange.Exchange``."""

    # "Only the most recent 5000 candles are available" (the exchange's documentation of candleSnapshot).
    history_depth = 5000 * MINUTE
    # Answers of 5,001 and 5,116 rows were seen: 5000 is no exact page size, so stay clear of it.
    history_window = 4800 * MINUTE
    market_requests = (b'{"type":"meta"}', b'{"type":"spotMeta"}')

    def subscribe_text(self, coin: str) -> str:
        """Return the message that subscribes to the 1m candles of a coin."""
        return _text({"method": "subscribe", "subscription": {"type": "candle", "coin": coin, "interval": INTERVAL}})

    def ping_text(self) -> str:
        """Return the message that is answered by ``{"channel":"pong"}``."""
        return _text({"method": "ping"})

    def parse_message(self, text: str | bytes) -> Message:
        """Return what a message of the stream says. Never raises."""
        try:
            envelope = msgspec.json.decode(text, type=_Envelope)
            match envelope.channel:
                case "candle":
                    return _updates(envelope.data)
                case "subscriptionResponse":
                    return _acknowledgement(msgspec.json.decode(envelope.data, type=_Request))
                case "error":
                    return _refusal(envelope.data)
                case channel:
                    return Ignored(channel)
        except (msgspec.DecodeError, UnicodeError, RecursionError) as error:
            shown = _shown(text)
            return Ignored("greeting") if shown == GREETING else Malformed(str(error), shown)

    def history_request(self, coin: str, window: TimeRange) -> bytes:
        """Return the body of a ``candleSnapshot`` request for the candles that open in a window."""
        # A row is in the answer when it overlaps the window, and both ends count: ask for the opens alone.
        last = max(window.start, window.end - MINUTE)
        asked = {"coin": coin, "interval": INTERVAL, "startTime": to_ms(window.start), "endTime": to_ms(last)}
        return msgspec.json.encode({"type": "candleSnapshot", "req": asked})

    def parse_history(self, body: bytes, window: TimeRange) -> list[Update | Malformed]:
        """Return the candles of a ``candleSnapshot`` answer that open in the window.

        Raises:
            ExchangeError: If the answer is no list. ``null`` is none: it is what an unknown coin gets.
        """
        try:
            rows = msgspec.json.decode(body, type=list[msgspec.Raw])
        except msgspec.DecodeError:
            raise ExchangeError(f"candleSnapshot: expected a list of candles, found {_shown(body)!r}") from None
        updates = [_update(row) for row in rows]
        return [item for item in updates if isinstance(item, Malformed) or item.time in window]

    def parse_markets(self, bodies: Sequence[bytes]) -> Markets:
        """Return the markets that the answers to ``meta`` and ``spotMeta`` describe.

        A perp is named by its coin, a spot pair ``BASE/QUOTE`` by the names of its tokens. Tokens are found by their
        index: neither a token's nor a pair's index is its place in the list.

        Raises:
            ExchangeError: If an answer has another shape.
        """
        try:
            perps = msgspec.json.decode(bodies[0], type=_Meta).universe
            spot = msgspec.json.decode(bodies[1], type=_SpotMeta)
        except msgspec.DecodeError as error:
            raise ExchangeError(
                f"meta, spotMeta: expected the lists of markets, found another answer ({error})"
            ) from None
        tokens = {token.index: token.name for token in spot.tokens}
        # Tokens may share a name. The canonical pair comes last, so it is the one that keeps it.
        pairs = sorted(spot.universe, key=lambda pair: pair.is_canonical)
        named = {"/".join(tokens.get(index, "?") for index in pair.tokens): pair.name for pair in pairs}
        delisted = frozenset(perp.name for perp in perps if perp.is_delisted)
        return Markets({**named, **{perp.name: perp.name for perp in perps}}, delisted)

    def request_weight(self, *, n_rows: int) -> int:
        """Return the documented weight of a ``candleSnapshot``; requests without rows cost the 20 alone."""
        return 20 + math.ceil(n_rows / 60)


EXCHANGE = Hyperliquid()


def _updates(data: msgspec.Raw) -> Updates:
    """Return the candles of a frame: one object on the wire, a list in the documentation."""
    rows = msgspec.json.decode(data, type=list[msgspec.Raw]) if bytes(data).startswith(b"[") else [data]
    return Updates(tuple(_update(row) for row in rows))


def _update(row: msgspec.Raw) -> Update | Malformed:
    try:
        wire = msgspec.json.decode(row, type=_Candle)
        prices = {"open": float(wire.o), "high": float(wire.h), "low": float(wire.l), "close": float(wire.c)}
        volume = float(wire.v)
    except (msgspec.DecodeError, ValueError) as error:
        return Malformed(str(error), _shown(bytes(row)))
    if wire.i != INTERVAL:
        return Malformed(f"expected interval {INTERVAL}, found {wire.i}", _shown(bytes(row)))
    if wire.t + MINUTE // timedelta(milliseconds=1) - 1 != wire.T:
        return Malformed(f"T must be t + 59999, found {wire.T - wire.t} more", _shown(bytes(row)))
    return Update(coin=wire.s, time=from_ms(wire.t), volume=volume, trades=wire.n, **prices)


def _acknowledgement(answer: _Request) -> Ack | Ignored:
    """Match by values: the keys come in another order than was sent, and there may be more of them."""
    asked = answer.subscription
    if answer.method == "subscribe" and asked.type == "candle" and asked.interval == INTERVAL and asked.coin:
        return Ack(asked.coin)
    return Ignored("subscriptionResponse")


def _refusal(data: msgspec.Raw) -> Ack | Refusal | Malformed:
    """Tie an error to its request by the request's text inside it: an error frame holds no id."""
    text = msgspec.json.decode(data, type=str)
    coin = _coin_in(text[text.find("{") :])
    if coin is not None and text.startswith(ALREADY):
        return Ack(coin)
    return Refusal(coin, text[:SHOWN_CHARACTERS])


def _coin_in(request: str) -> str | None:
    """Return the coin of a candle subscription that an error repeats, whole or its inner part."""
    for kind in (_Request, _Subscription):
        try:
            asked = msgspec.json.decode(request, type=kind)
        except (msgspec.DecodeError, RecursionError):
            continue
        inner = asked.subscription if isinstance(asked, _Request) else asked
        return inner.coin if inner.type == "candle" and inner.interval == INTERVAL else None
    return None


def _text(message: dict[str, object]) -> str:
    return msgspec.json.encode(message).decode()


def _shown(text: str | bytes) -> str:
    """Return the beginning of a message, for people."""
    readable = text if isinstance(text, str) else text.decode("utf-8", "replace")
    return readable[:SHOWN_CHARACTERS]
