"""The WebSocket protocol without a socket: what a client's frame asks for, and the texts that answer it."""

import msgspec

# PROTOCOL.md, section 2. There is no 1s and no 6h.
INTERVALS = ("1m", "3m", "5m", "15m", "30m", "1h", "2h", "4h", "8h", "12h", "1d", "3d", "1w", "1M")
# Subscriptions that the exchange has and this one acknowledges only: nothing is ever sent for them.
SILENT_TYPES = ("trades", "l2Book", "bbo", "activeAssetCtx", "activeSpotAssetCtx")

PONG = '{"channel":"pong"}'


class Subscription(msgspec.Struct, frozen=True, omit_defaults=True):
    """What a client subscribes to. The order of the fields is that of the exchange's answer, not of the request.

    Attributes:
        type: ``candle``, or one of ``SILENT_TYPES``.
        interval: Of a candle.
        coin: Exactly as the client wrote it.
    """

    type: str
    interval: str | None = None
    coin: str = ""


class Ping(msgspec.Struct, frozen=True):
    """``{"method":"ping"}``."""


class Subscribe(msgspec.Struct, frozen=True):
    """A subscribe or unsubscribe frame."""

    method: str
    subscription: Subscription


class Post(msgspec.Struct, frozen=True):
    """A post frame.

    Attributes:
        id: The client's number of it.
        payload: The info request, as it would be posted to ``/info``.
    """

    id: int
    payload: bytes


class Unreadable(msgspec.Struct, frozen=True):
    """A frame that cannot be used."""


class _Request(msgspec.Struct):
    method: str
    # Empty where it is missing, which no decoder reads; msgspec takes Raw into no union with None.
    subscription: msgspec.Raw = msgspec.Raw()
    id: int | None = None
    request: "_PostRequest | None" = None


class _PostRequest(msgspec.Struct):
    type: str
    payload: msgspec.Raw


class _Wanted(msgspec.Struct):
    type: str
    coin: str
    interval: str | None = None


_read_request = msgspec.json.Decoder(_Request).decode
_read_wanted = msgspec.json.Decoder(_Wanted).decode


def read_frame(text: str | bytes) -> Ping | Subscribe | Post | Unreadable:
    """Return what a client's frame asks for.

    Unknown extra keys are tolerated; an unknown method, type or interval, a missing key or a list in ``coin`` is
    unreadable, as on the exchange.
    """
    try:
        request = _read_request(text)
        if request.method == "ping":
            return Ping()
        if request.method in ("subscribe", "unsubscribe"):
            return _subscribe(request.method, _read_wanted(request.subscription))
    except msgspec.DecodeError:
        return Unreadable()
    if request.method == "post" and request.id is not None and request.request is not None:
        return Post(request.id, bytes(request.request.payload))
    return Unreadable()


def _subscribe(method: str, wanted: _Wanted) -> Subscribe | Unreadable:
    if wanted.type == "candle" and wanted.interval in INTERVALS:
        return Subscribe(method, Subscription("candle", wanted.interval, wanted.coin))
    if wanted.type in SILENT_TYPES:
        return Subscribe(method, Subscription(wanted.type, None, wanted.coin))
    return Unreadable()


def acknowledgement(request: Subscribe) -> str:
    """Return the answer to a subscribe or unsubscribe frame that was followed."""
    return _text({"channel": "subscriptionResponse", "data": request})


def already(request: Subscribe) -> str:
    """Return the answer to a subscribe or unsubscribe frame that changes nothing."""
    return _error(f"Already {request.method}d: {_text(request.subscription)}")


def unreadable(text: str | bytes) -> str:
    """Return the answer to a frame that cannot be used; it holds the request and no number."""
    shown = text if isinstance(text, str) else text.decode(errors="replace")
    return _error(f"Error parsing JSON into valid websocket request: {shown}")


def post_answer(number: int, *, kind: str, data: bytes | None) -> str:
    """Return the answer to a post frame.

    Args:
        number: The ``id`` of the request.
        kind: The type of the info request.
        data: What REST would have answered, JSON; None where REST would have refused the request.
    """
    if data is None:
        response: object = {"type": "error", "payload": "Failed to deserialize the JSON body into the target type"}
    else:
        response = {"type": "info", "payload": {"type": kind, "data": msgspec.Raw(data)}}
    return _text({"channel": "post", "data": {"id": number, "response": response}})


def _error(text: str) -> str:
    return _text({"channel": "error", "data": text})


def _text(value: object) -> str:
    return msgspec.json.encode(value).decode()
