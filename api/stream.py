"""The live stream, ``WS /api/v1/stream``: what clients may say and what they are answered (``docs/stream.md``)."""

import asyncio
import time
from collections import deque
from collections.abc import Iterator, Sequence
from datetime import datetime
from urllib.parse import urlsplit

import msgspec
from fastapi import APIRouter, WebSocket, WebSocketDisconnect

from api.errors import ApiError
from api.hub import HEARTBEAT_SECONDS, Hub
from api.news import CHANNELS, told
from api.protocol import drop
from api.subscriber import MAX_SUBSCRIPTIONS, POLICY_VIOLATION, Drop, Series, Subscriber
from btc_core.config import Config
from btc_core.errors import InputError, TimeError, UnknownNameError
from btc_core.model.interval import ONE_MINUTE, parse_interval
from btc_core.model.timerange import parse_time

router = APIRouter()

ACTIONS = ("subscribe", "unsubscribe", "ping")
# What a client may ask in so many seconds.
MAX_ASKED, ASKED_SECONDS = 60, 10.0
MAX_CURSOR = 2_000
_XID_END = 1 << 63


class Asked(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """A message of a client; symbol or interval left out is each that is configured."""

    action: str
    channel: str = ""
    symbol: str | None = None
    interval: str | None = None
    since: str | None = None


@router.websocket("/api/v1/stream")
async def stream(websocket: WebSocket) -> None:
    """Tell a client what changes of what it subscribes to, until it leaves or does not read."""
    hub: Hub = websocket.app.state.hub
    config: Config = websocket.app.state.settings.config
    await websocket.accept()
    if not _is_from_here(websocket, config.api.cors_origins):
        await drop(websocket, POLICY_VIOLATION, "pages of this origin may not read here: add it to api.cors_origins")
        return
    try:
        subscriber = hub.join()
    except ApiError as error:
        await drop(websocket, error.status, str(error))
        return
    try:
        subscriber.put(told("hello", heartbeat_seconds=HEARTBEAT_SECONDS, channels=CHANNELS))
        if hub.is_away:
            hub.greet(subscriber)
        if websocket.query_params:
            _obey(msgspec.json.encode({"action": "subscribe", **websocket.query_params}), hub, subscriber, config)
        await _converse(websocket, hub, subscriber, config)
    finally:
        hub.leave(subscriber)


async def _converse(websocket: WebSocket, hub: Hub, subscriber: Subscriber, config: Config) -> None:
    """Read and write until one of it ends, or the client has to go."""
    tasks = [
        asyncio.create_task(_write(websocket, subscriber)),
        asyncio.create_task(_read(websocket, hub, subscriber, config)),
    ]
    try:
        await asyncio.wait({*tasks, subscriber.dropped}, return_when=asyncio.FIRST_COMPLETED)
    finally:
        for task in tasks:
            task.cancel()
        ended = await asyncio.gather(*tasks, return_exceptions=True)
    if subscriber.dropped.done():
        reason: Drop = subscriber.dropped.result()
        await drop(websocket, reason.code, reason.reason)
    for error in ended:
        # Gone, in uvicorn's words or Starlette's; whatever else is a fault of ours.
        if isinstance(error, Exception) and not isinstance(error, WebSocketDisconnect | RuntimeError):
            raise error


async def _write(websocket: WebSocket, subscriber: Subscriber) -> None:
    while True:
        await websocket.send_text(await subscriber.take())


async def _read(websocket: WebSocket, hub: Hub, subscriber: Subscriber, config: Config) -> None:
    asked_at: deque[float] = deque(maxlen=MAX_ASKED)
    while True:
        message = await websocket.receive()
        if message["type"] == "websocket.disconnect":
            return
        now = time.monotonic()
        if len(asked_at) == MAX_ASKED and now - asked_at[0] < ASKED_SECONDS:
            subscriber.drop(POLICY_VIOLATION, f"more than {MAX_ASKED} messages in {ASKED_SECONDS:.0f} s")
            return
        asked_at.append(now)
        _obey(message.get("text") or message.get("bytes") or b"", hub, subscriber, config)


def _obey(text: str | bytes, hub: Hub, subscriber: Subscriber, config: Config) -> None:
    """Do what a client says; what it cannot mean is answered, and changes nothing."""
    try:
        asked = _understood(text)
        if asked.action == "ping":
            hub.greet(subscriber)
            return
        wanted = list(series_of(asked, config))
        if asked.action == "unsubscribe":
            subscriber.subscribed.difference_update(wanted)
            for series in wanted:
                subscriber.asked.pop(series, None)
        else:
            _subscribe(subscriber, wanted, parse_since(asked.since))
            hub.serve()
        for series in wanted:
            subscriber.put(told(f"{asked.action}d", **series._asdict()))
    except UnknownNameError as error:
        detail, _, hint = str(error).partition(". ")
        subscriber.put(told("error", error=f"unknown_{error.kind}", detail=f"{detail}.", hint=hint))
    except InputError as error:
        subscriber.put(
            told("error", error="invalid_input", detail=str(error), hint="docs/stream.md lists the messages")
        )


def _understood(text: str | bytes) -> Asked:
    try:
        asked = msgspec.json.decode(text, type=Asked)
    except (msgspec.DecodeError, UnicodeDecodeError) as error:
        raise InputError(
            f'expected {{"action": "subscribe", "channel": "candles", "symbol": "BTC", "interval": "37m"}}; {error}'
        ) from None
    if asked.action not in ACTIONS:
        raise UnknownNameError("action", asked.action, ACTIONS)
    return asked


def series_of(asked: Asked, config: Config) -> Iterator[Series]:
    """Find what a message is about: one series, or one of each symbol or interval where none is named.

    Raises:
        UnknownNameError: If a channel, a symbol or an interval does not exist.
        IntervalError: If the interval is none.
    """
    if asked.channel not in CHANNELS:
        raise UnknownNameError("channel", asked.channel, CHANNELS)
    known = [ONE_MINUTE.label, *(interval.label for interval in config.derived_intervals)]
    labels = known
    if asked.interval is not None:
        labels = [parse_interval(asked.interval).label]
        if labels[0] not in known:
            raise UnknownNameError("interval", asked.interval, known)
    symbols = list(config.symbols) if asked.symbol is None else [config.symbol(asked.symbol)]
    for symbol in symbols:
        for label in labels:
            yield Series(asked.channel, symbol, label)


def _subscribe(subscriber: Subscriber, wanted: Sequence[Series], since: str | datetime | None) -> None:
    n_wanted = len(subscriber.subscribed.union(subscriber.asked, wanted))
    if n_wanted > MAX_SUBSCRIPTIONS:
        raise InputError(f"expected at most {MAX_SUBSCRIPTIONS} series for one client, found {n_wanted}")
    for series in wanted:
        subscriber.subscribed.discard(series)
        subscriber.asked[series] = since


def parse_since(text: str | None) -> str | datetime | None:
    """Return the cursor or the instant that a text names.

    Raises:
        TimeError: If it is neither.
    """
    if text is None:
        return None
    if is_cursor(text):
        return text
    try:
        return parse_time(text)
    except (TimeError, OverflowError):
        raise TimeError(f"since: expected a cursor that came with a message, or a time; found {text[:40]!r}") from None


def is_cursor(text: str) -> bool:
    """Return whether PostgreSQL takes a text for a snapshot: ``xmin:xmax:xip,xip``, ascending, each in [xmin, xmax)."""
    parts = text.split(":")
    if len(text) > MAX_CURSOR or len(parts) != 3:
        return False
    numbers = [parts[0], *(parts[2].split(",") if parts[2] else []), parts[1]]
    if not all(number.isascii() and number.isdigit() for number in numbers):
        return False
    xmin, *running, xmax = (int(number) for number in numbers)
    return (
        0 < xmin <= xmax < _XID_END and running == sorted(set(running)) and all(xmin <= xid < xmax for xid in running)
    )


def _is_from_here(websocket: WebSocket, allowed: Sequence[str]) -> bool:
    """Return whether a connection comes from a page of ours, from one that may read here, or from no page at all."""
    origin = websocket.headers.get("origin")
    return origin is None or origin in allowed or urlsplit(origin).netloc == websocket.headers.get("host")
