"""Hyperliquid: its words, its messages, its numbers. What the wire says stays here.

The captured messages in ``tests/fixtures/hyperliquid`` hold this file to what was seen.
"""

import math
import re
from collections.abc import Mapping, Sequence
from contextlib import suppress
from datetime import datetime, timedelta
from typing import Annotated, TypeVar

import msgspec

from btc_core.errors import ExchangeError
from btc_core.model.timerange import MINUTE, TimeRange, from_ms, to_ms
from collector.exchange import Ack, Ignored, Malformed, Markets, Message, Pong, Refusal, Update, Updates

INTERVAL = "1m"
# An older server greets in plain text; anything else that is no JSON is a fault worth an alarm.
GREETING = "Websocket connection established."
ALREADY = "Already subscribed"
# A candle's last millisecond after its first.
LAST_MS = MINUTE // timedelta(milliseconds=1) - 1
# A candle has 170 characters; a frame that holds one, 200.
SHOWN_CHARACTERS = 500
ANSWER_CHARACTERS = 100

# 9999-12-31: a later instant is no datetime. A count of trades is an integer of four bytes in the table.
_Milliseconds = Annotated[int, msgspec.Meta(ge=0, le=253_402_300_799_999)]
_Count = Annotated[int, msgspec.Meta(ge=0, le=2**31 - 1)]
_Coin = Annotated[str, msgspec.Meta(min_length=1, max_length=64, pattern=r"^[!-~]+\Z")]
# Text on the wire, a number in the documentation. Python's float() reads more than a decimal ("NaN", "1_000", " 1 ",
# digits of other scripts), and the bounds keep it from rounding to zero or infinity. It rounds once, to the nearest.
_DECIMAL = re.compile(rb'("?)([0-9]{1,40}(?:\.[0-9]{1,40})?(?:[eE][+-]?[0-9]{1,2})?)\1')
# How people call what the exchange has under another name: its own screen, other exchanges, other chains' tokens.
_WRAPPED_BITCOIN = {"CBBTC": "cbBTC", "WBTC": "WBTC", "TBTC": "tBTC"}
_SCREEN_NAMES = {"BTC": "UBTC", "ETH": "UETH", "SOL": "USOL"}

T = TypeVar("T")


class _Envelope(msgspec.Struct):
    channel: str
    data: msgspec.Raw = msgspec.Raw(b"null")


class _Candle(msgspec.Struct):
    t: _Milliseconds
    T: _Milliseconds
    s: _Coin
    i: str
    o: msgspec.Raw
    c: msgspec.Raw
    h: msgspec.Raw
    l: msgspec.Raw  # noqa: E741 - the wire's own name
    v: msgspec.Raw
    n: _Count


class _Named(msgspec.Struct):
    s: _Coin


class _Opened(msgspec.Struct):
    t: _Milliseconds


class _Subscription(msgspec.Struct):
    type: str
    coin: _Coin | None = None
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


class _Status(msgspec.Struct):
    time: _Milliseconds


class Hyperliquid:
    """See ``collector.exchange.Exchange``."""

    # "Only the most recent 5000 candles are available" (the exchange's documentation of candleSnapshot).
    history_depth = 5000 * MINUTE
    # Answers of 5,001 and 5,116 rows were seen: 5000 is no exact page size, so stay clear of it.
    history_window = 4800 * MINUTE
    status_request = b'{"type":"exchangeStatus"}'

    def subscribe_text(self, coin: str) -> str:
        """Return the message that subscribes to the 1m candles of a coin."""
        return _text({"method": "subscribe", "subscription": {"type": "candle", "coin": coin, "interval": INTERVAL}})

    def unsubscribe_text(self, coin: str) -> str:
        """Return the message that ends a subscription."""
        return _text({"method": "unsubscribe", "subscription": {"type": "candle", "coin": coin, "interval": INTERVAL}})

    def ping_text(self) -> str:
        """Return the message that is answered by ``{"channel":"pong"}``."""
        return _text({"method": "ping"})

    def parse_message(self, text: str | bytes) -> Message:
        """Return what a message of the stream says. Never raises."""
        try:
            # What is skipped is not looked at: broken UTF-8 could hide half of a key.
            whole = text if isinstance(text, str) else text.decode()
            envelope = msgspec.json.decode(whole, type=_Envelope)
            match envelope.channel:
                case "candle":
                    return _updates(envelope.data)
                case "subscriptionResponse":
                    return _acknowledgement(msgspec.json.decode(envelope.data, type=_Request))
                case "error":
                    return _refusal(envelope.data)
                case "pong":
                    return Pong()
                case channel:
                    return Ignored(_shown(channel))
        except (msgspec.DecodeError, UnicodeError, RecursionError) as error:
            shown = _shown(text)
            return Ignored("greeting") if shown == GREETING else Malformed(str(error), shown)

    def history_request(self, coin: str, window: TimeRange) -> bytes:
        """Return the body of a ``candleSnapshot`` request for the candles that open in a window."""
        # A row is in the answer when it overlaps the window, and both ends count: ask for the opens alone.
        last = max(window.start, window.end - MINUTE)
        asked = {"coin": coin, "interval": INTERVAL, "startTime": to_ms(window.start), "endTime": to_ms(last)}
        return msgspec.json.encode({"type": "candleSnapshot", "req": asked})

    def parse_history(self, body: bytes) -> list[Update | Malformed]:
        """Return the candles of a ``candleSnapshot`` answer.

        Raises:
            ExchangeError: If the answer is no list. ``null`` is none: it is what an unknown coin gets.
        """
        return [_update(row) for row in _answer(body, list[msgspec.Raw], "candleSnapshot: expected a list of candles")]

    def parse_status(self, body: bytes) -> datetime:
        """Return the ``time`` of an ``exchangeStatus`` answer.

        Raises:
            ExchangeError: If there is none.
        """
        return from_ms(_answer(body, _Status, "exchangeStatus: expected a time in ms").time)

    def market_requests(self, symbols: Mapping[str, str | None], answers: Sequence[bytes] = ()) -> tuple[bytes, ...]:
        """Return the request for ``meta``, and then for ``spotMeta`` where a symbol may be a spot pair.

        Raises:
            ExchangeError: If ``meta`` has another shape.
        """
        if not answers:
            return (b'{"type":"meta"}',)
        if len(answers) > 1:
            return ()
        # A server without spot markets serves perps: it is not asked for what none of the symbols can be.
        perps = {perp.name.casefold() for perp in _perps(answers[0])}
        is_known = all((stated or symbol).casefold() in perps for symbol, stated in symbols.items())
        return () if is_known else (b'{"type":"spotMeta"}',)

    def parse_markets(self, bodies: Sequence[bytes]) -> Markets:
        """Return the markets that the answers to ``meta`` and, where it was asked for, ``spotMeta`` describe.

        A perp is named by its coin, a spot pair ``BASE/QUOTE`` by the names of its tokens. Tokens are found by their
        index: neither a token's nor a pair's index is its place in the list. Of several pairs of one name the
        canonical one has it; where there is none, or more than one, the name is ambiguous.

        Raises:
            ExchangeError: If an answer has another shape.
        """
        perps = _perps(bodies[0])
        alive = {perp.name for perp in perps if not perp.is_delisted}
        coins = {perp.name: perp.name for perp in perps}
        ambiguous: dict[str, tuple[str, ...]] = {}
        for name, pairs in _pairs(bodies[1]).items() if len(bodies) > 1 else ():
            canonical = [pair.name for pair in pairs if pair.is_canonical]
            meant = canonical if len(canonical) == 1 else [pair.name for pair in pairs]
            if len(meant) == 1:
                coins[name] = meant[0]
            else:
                ambiguous[name] = tuple(meant)
        return Markets(coins, frozenset({perp.name for perp in perps} - alive), ambiguous)

    def hint(self, symbol: str) -> str | None:
        """Return what bitcoin and its like are called here, for who looks for them by another name; else None."""
        base, _, quote = symbol.upper().partition("/")
        if base in _WRAPPED_BITCOIN:
            name = _WRAPPED_BITCOIN[base]
            return f"{name} is not listed on Hyperliquid; bitcoin spot is UBTC/USDC there, the perpetual is BTC."
        if quote and base in _SCREEN_NAMES:
            return f"Hyperliquid lists it as {_SCREEN_NAMES[base]}/USDC; {base}/USDC is what its screen shows."
        return "Bitcoin is BTC on Hyperliquid, its spot UBTC/USDC." if base in ("XBT", "BTCUSDT", "BTCUSD") else None

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
        fault = _fault(wire)
        if fault is not None:
            return _refused_row(row, fault)
        return Update(
            coin=wire.s,
            time=from_ms(wire.t),
            open=_decimal(wire.o),
            high=_decimal(wire.h),
            low=_decimal(wire.l),
            close=_decimal(wire.c),
            volume=_decimal(wire.v),
            trades=wire.n,
        )
    # A DecodeError is a ValueError; lists nested deeper than the stack are a RecursionError.
    except (ValueError, RecursionError) as error:
        return _refused_row(row, str(error))


def _fault(wire: _Candle) -> str | None:
    """Return why it is no 1m candle, or None. Whether its values can be true is the same for every exchange."""
    if wire.i != INTERVAL:
        return f"expected interval {INTERVAL}, found {_shown(wire.i)}"
    return None if wire.T - wire.t == LAST_MS else f"T must be t + {LAST_MS}, found {wire.T - wire.t} more"


def _refused_row(row: msgspec.Raw, reason: str) -> Malformed:
    """Return why a row cannot be used, and whose it is as far as that can be read."""
    coin, time = None, None
    with suppress(ValueError, RecursionError):
        coin = msgspec.json.decode(row, type=_Named).s
    with suppress(ValueError, RecursionError):
        time = from_ms(msgspec.json.decode(row, type=_Opened).t)
    return Malformed(reason, _shown(bytes(row)), coin=coin, time=time)


def _decimal(raw: msgspec.Raw) -> float:
    """Return the float nearest to a decimal of at least 0, which is a JSON text or number.

    Raises:
        ValueError: If it is anything else.
    """
    found = _DECIMAL.fullmatch(bytes(raw))
    if found is None:
        raise ValueError(f"expected a decimal number of at least 0, found {_shown(bytes(raw))}")
    return float(found[2])


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
    return Refusal(coin, _shown(text))


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


def _perps(body: bytes) -> list[_Perp]:
    return _answer(body, _Meta, "meta: expected the list of perps").universe


def _pairs(body: bytes) -> dict[str, list[_Pair]]:
    """Return the spot pairs by the names of their tokens; one whose tokens have none goes by its own."""
    spot = _answer(body, _SpotMeta, "spotMeta: expected the lists of tokens and pairs")
    tokens = {token.index: token.name for token in spot.tokens}
    pairs: dict[str, list[_Pair]] = {}
    for pair in spot.universe:
        is_named = all(index in tokens for index in pair.tokens)
        name = "/".join(tokens[index] for index in pair.tokens) if is_named else pair.name
        pairs.setdefault(name, []).append(pair)
    return pairs


def _answer(body: bytes, kind: type[T], expected: str) -> T:
    """Return the answer as that type.

    Raises:
        ExchangeError: If it is none.
    """
    try:
        return msgspec.json.decode(body, type=kind)
    except (msgspec.DecodeError, RecursionError) as error:
        found = _shown(body)[:ANSWER_CHARACTERS]
        raise ExchangeError(f"{expected}, found {found!r} ({error})") from None


def _text(message: dict[str, object]) -> str:
    return msgspec.json.encode(message).decode()


def _shown(text: str | bytes) -> str:
    """Return the beginning of a message, for people and for the table, which takes neither NUL nor half a character."""
    start = text[: 4 * SHOWN_CHARACTERS]
    raw = start if isinstance(start, bytes) else start.encode("utf-8", "replace")
    return raw.decode("utf-8", "replace").replace("\0", "\ufffd")[:SHOWN_CHARACTERS]
