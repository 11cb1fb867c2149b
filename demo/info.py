"""The REST half, ``POST /info``, as a pure function: request, feed and instant in, answer out."""

from collections.abc import Sequence
from random import Random

import msgspec

from btc_core.model.interval import ONE_MINUTE, Interval, parse_interval
from btc_core.model.timerange import from_ms, to_ms
from demo.answer import MOST_CANDLES, Answer, json_answer, text_answer
from demo.feeds import Feed
from demo.protocol import INTERVALS
from demo.wire import MINUTE_MS, Coin, Row, decimal_text

# A larger interval is put together from minutes; it reaches back so many times as many of them (52 days), not 5000
# candles.
MINUTES_PER_CANDLE = 15
MOST_FUNDING_ROWS = 500
HOUR_MS = 60 * MINUTE_MS
# Measured on the exchange: its `time` is 128 to 268 ms behind the clock.
STATUS_LAG_MS = 200

NOT_JSON = "Failed to parse the request body as JSON"
NOT_A_REQUEST = "Failed to deserialize the JSON body into the target type"

# Known coins for which nothing is ever sent: MATIC is delisted, the pairs are quiet unless the feed has them.
DELISTED = Coin("MATIC", 1, 20)
_TOKENS = (("USDC", 0, 8), ("PURR", 1, 0), ("HYPE", 150, 2), ("UBTC", 197, 5))
# Name, index, base token, quote token. As on the exchange, a pair's index is not its place in the list.
_PAIRS = (("PURR/USDC", 0, 1, 0), ("@107", 107, 150, 0), ("@142", 142, 197, 0))


class _Window(msgspec.Struct):
    coin: str
    interval: str
    start_ms: int = msgspec.field(name="startTime")
    end_ms: int | None = msgspec.field(name="endTime", default=None)


class _Candles(msgspec.Struct, tag_field="type", tag="candleSnapshot"):
    req: _Window


class _Funding(msgspec.Struct, tag_field="type", tag="fundingHistory"):
    coin: str
    start_ms: int = msgspec.field(name="startTime")
    end_ms: int | None = msgspec.field(name="endTime", default=None)


class _Meta(msgspec.Struct, tag_field="type", tag="meta"):
    pass


class _SpotMeta(msgspec.Struct, tag_field="type", tag="spotMeta"):
    pass


class _AllMids(msgspec.Struct, tag_field="type", tag="allMids"):
    pass


class _Status(msgspec.Struct, tag_field="type", tag="exchangeStatus"):
    pass


_InfoRequest = _Candles | _Funding | _Meta | _SpotMeta | _AllMids | _Status


def answer_info(feed: Feed, body: bytes, *, now_ms: int, most_candles: int = MOST_CANDLES) -> Answer:
    """Answer the body of a ``POST /info``.

    Args:
        feed: What the exchange plays.
        body: The request as it came.
        now_ms: The present instant, milliseconds since 1970.
        most_candles: How many candles of an interval exist.
    """
    try:
        tree: object = msgspec.json.decode(body)
    except msgspec.DecodeError:
        return text_answer(400, NOT_JSON)
    try:
        request = msgspec.convert(tree, _InfoRequest)
    except msgspec.ValidationError:
        return text_answer(422, NOT_A_REQUEST)
    if isinstance(request, _Candles):
        return _candles_answer(feed, request.req, now_ms, most_candles)
    if isinstance(request, _Funding):
        return _funding_answer(feed, request, now_ms)
    return json_answer(_static(feed, request, now_ms))


def is_known(feed: Feed, coin: str) -> bool:
    """Return whether the exchange knows a coin, traded or not. Names are case-sensitive."""
    return coin in feed.coins or coin == DELISTED.name or any(coin == name for name, *_ in _PAIRS)


def candle_rows(
    feed: Feed,
    coin: str,
    interval: Interval,
    *,
    start_ms: int,
    end_ms: int,
    now_ms: int,
    most_candles: int = MOST_CANDLES,
) -> list[Row]:
    """Return the rows that overlap a window, ascending, with the still open one as it stands.

    Both ends belong to the window: the row that holds ``start_ms`` and the row that holds ``end_ms`` are there.
    """
    last_ms = min(end_ms, now_ms)
    if last_ms < start_ms:
        return []
    oldest_minute = now_ms // MINUTE_MS - most_candles * (1 if interval == ONE_MINUTE else MINUTES_PER_CANDLE) + 1
    first_ms = to_ms(interval.floor(from_ms(max(start_ms, oldest_minute * MINUTE_MS))))
    close_ms = to_ms(interval.close_of(interval.floor(from_ms(last_ms))))
    minutes = range(first_ms // MINUTE_MS, min(close_ms, now_ms + MINUTE_MS) // MINUTE_MS)
    rows = [row for minute in minutes if (row := feed.row(coin, minute, now_ms)) is not None]
    return rows if interval == ONE_MINUTE else _larger(rows, interval)[-most_candles:]


def _candles_answer(feed: Feed, window: _Window, now_ms: int, most_candles: int) -> Answer:
    end_ms = now_ms if window.end_ms is None else window.end_ms
    if window.interval not in INTERVALS or window.start_ms < 0 or end_ms < 0:
        return text_answer(422, NOT_A_REQUEST)
    if not is_known(feed, window.coin):
        return json_answer(None, status=500)
    interval = parse_interval(window.interval)
    rows = (
        candle_rows(
            feed,
            window.coin,
            interval,
            start_ms=window.start_ms,
            end_ms=end_ms,
            now_ms=now_ms,
            most_candles=most_candles,
        )
        if window.coin in feed.coins
        else []
    )
    return json_answer(rows)


def _larger(rows: Sequence[Row], interval: Interval) -> list[Row]:
    groups: dict[int, list[Row]] = {}
    for row in rows:
        groups.setdefault(to_ms(interval.floor(from_ms(row.open_ms))), []).append(row)
    return [_joined(group, open_ms, interval) for open_ms, group in groups.items()]


def _joined(rows: Sequence[Row], open_ms: int, interval: Interval) -> Row:
    # The exchange opens a candle at the first minute with volume: a flat one carries an older price.
    traded = [row for row in rows if row.trades] or rows
    return Row(
        open_ms=open_ms,
        last_ms=to_ms(interval.close_of(from_ms(open_ms))) - 1,
        coin=rows[0].coin,
        interval=interval.label,
        open=traded[0].open,
        close=rows[-1].close,
        high=max((row.high for row in traded), key=float),
        low=min((row.low for row in traded), key=float),
        volume=decimal_text(sum(float(row.volume) for row in rows)),
        trades=sum(row.trades for row in rows),
    )


def _funding_answer(feed: Feed, request: _Funding, now_ms: int) -> Answer:
    end_ms = now_ms if request.end_ms is None else request.end_ms
    if request.start_ms < 0 or end_ms < 0:
        return text_answer(422, NOT_A_REQUEST)
    if not is_known(feed, request.coin):
        return json_answer(None, status=500)
    hours = range(request.start_ms // HOUR_MS, min(end_ms, now_ms) // HOUR_MS + 1)
    rows = (_funding_row(request.coin, hour) for hour in hours[: MOST_FUNDING_ROWS + 1])
    within = [row for row in rows if request.start_ms <= row.time <= min(end_ms, now_ms)]
    return json_answer(within[:MOST_FUNDING_ROWS])


class _FundingRow(msgspec.Struct, rename="camel"):
    coin: str
    funding_rate: str
    premium: str
    time: int


def _funding_row(coin: str, hour: int) -> _FundingRow:
    rng = Random(f"{coin}:{hour}:funding")
    premium = rng.gauss(0.0002, 0.0004)
    # The exchange's formula: the premium's distance from the interest of 0.01 % in 8 hours is cut at 0.05 %.
    rate = (premium + max(-0.0005, min(0.0005, 0.0001 - premium))) / 8
    time = hour * HOUR_MS + rng.randint(1, 700)
    return _FundingRow(coin, f"{rate:.10f}", f"{premium:.10f}", time)


def _static(feed: Feed, request: _Meta | _SpotMeta | _AllMids | _Status, now_ms: int) -> object:
    match request:
        case _Meta():
            return {"universe": [*(_perp(coin) for coin in feed.coins.values() if not coin.is_spot), _delisted()]}
        case _SpotMeta():
            return {"tokens": [_token(*token) for token in _TOKENS], "universe": [_pair(*pair) for pair in _PAIRS]}
        case _AllMids():
            return {name: price for name in feed.coins if (price := _last_price(feed, name, now_ms)) is not None}
        case _Status():
            return {"specialStatuses": None, "time": now_ms - STATUS_LAG_MS}


def _perp(coin: Coin) -> dict[str, object]:
    return {"name": coin.name, "szDecimals": coin.size_decimals, "maxLeverage": coin.max_leverage, "marginTableId": 56}


def _delisted() -> dict[str, object]:
    return {**_perp(DELISTED), "isDelisted": True}


def _token(name: str, index: int, size_decimals: int) -> dict[str, object]:
    return {
        "name": name,
        "index": index,
        "szDecimals": size_decimals,
        "weiDecimals": size_decimals + 5,
        "tokenId": f"0x{index:032x}",
        "isCanonical": index <= 1,
    }


def _pair(name: str, index: int, base: int, quote: int) -> dict[str, object]:
    return {"name": name, "index": index, "tokens": [base, quote], "isCanonical": index == 0}


def _last_price(feed: Feed, coin: str, now_ms: int) -> str | None:
    minute = now_ms // MINUTE_MS
    rows = (feed.row(coin, number, now_ms) for number in range(minute, minute - 10, -1))
    return next((row.close for row in rows if row is not None), None)
