"""What a request may ask for: symbols, intervals, ranges, pages; each wrong one is refused with the near misses."""

from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Annotated, Literal

import msgspec
from fastapi import Depends, Query, Request, Response

from btc_core.config import Config
from btc_core.errors import InputError, TimeError, UnknownNameError
from btc_core.model.interval import ONE_MINUTE, Interval, parse_interval
from btc_core.model.timerange import EPOCH, format_time, parse_time

FOREVER = datetime(9999, 1, 1, tzinfo=UTC)
MICROSECOND = timedelta(microseconds=1)

Limit = Annotated[int, Query(ge=1, le=5_000, description="Rows of a page")]
Cursor = Annotated[str | None, Query(max_length=200, description="`next` of the page before")]
Order = Annotated[Literal["asc", "desc"], Query(description="By time")]


@dataclass(frozen=True, slots=True)
class Within:
    """A half-open range as it was asked for; what was left out reaches to the end of time."""

    start: datetime
    end: datetime


def config_of(request: Request) -> Config:
    """Return the configuration."""
    config: Config = request.app.state.settings.config
    return config


# Coroutines, although none of them waits: FastAPI would run a plain function in a thread.
async def _symbol(
    request: Request,
    symbol: Annotated[
        str | None, Query(max_length=100, description="Default: the first that is configured", examples=["BTC"])
    ] = None,
) -> str:
    config = config_of(request)
    return next(iter(config.symbols)) if symbol is None else config.symbol(symbol)


async def _interval(
    request: Request,
    interval: Annotated[str, Query(max_length=20, description="1m, or one that is derived", examples=["37m"])] = "1m",
) -> Interval:
    return known_interval(config_of(request), interval)


async def _some_interval(
    request: Request,
    interval: Annotated[str | None, Query(max_length=20, description="Default: all of them", examples=["37m"])] = None,
) -> Interval | None:
    return None if interval is None else known_interval(config_of(request), interval)


async def _within(
    start: Annotated[
        str | None, Query(max_length=40, description="ISO 8601, UTC without an offset", examples=["2025-01-31"])
    ] = None,
    end: Annotated[str | None, Query(max_length=40, description="The first instant after the range")] = None,
) -> Within:
    first = EPOCH if start is None else parse_time(start)
    last = FOREVER if end is None else parse_time(end)
    if first >= last:
        raise TimeError(f"start: expected before end ({format_time(last)}), found {format_time(first)}")
    return Within(first, last)


Symbol = Annotated[str, Depends(_symbol)]
OneInterval = Annotated[Interval, Depends(_interval)]
SomeInterval = Annotated[Interval | None, Depends(_some_interval)]
Asked = Annotated[Within, Depends(_within)]


def known_interval(config: Config, label: str) -> Interval:
    """Return the interval of a label, 1m or a derived one.

    Raises:
        IntervalError: If the label is none.
        UnknownNameError: If it is not derived.
    """
    interval, derived = parse_interval(label), config.derived_intervals
    if interval != ONE_MINUTE and interval not in derived:
        raise UnknownNameError("interval", interval.label, ["1m", *(each.label for each in derived)])
    return interval


def cursor_at(time: datetime) -> str:
    """Return an instant as it stands in a cursor: nothing in it needs quoting in an address."""
    return time.astimezone(UTC).isoformat().replace("+00:00", "Z")


def time_in(cursor: str) -> datetime:
    """Return the instant that a cursor names.

    Raises:
        InputError: If it is none, or no row's.
    """
    try:
        time = parse_time(cursor)
    except TimeError:
        raise bad_cursor(cursor) from None
    # No row is so late, and nothing comes after the last instant that there is.
    if time >= FOREVER:
        raise bad_cursor(cursor)
    return time


def bad_cursor(cursor: str) -> InputError:
    """Return the refusal of a cursor that no page of ours ended with."""
    return InputError(f"cursor: expected `next` of another page, found {cursor[:40]!r}")


def page(items: str, next_: str | None) -> Response:
    """Return a page whose items PostgreSQL has made JSON of; its times end with Z, as everywhere."""
    text = f'{{"items":{as_utc(items)},"next":{"null" if next_ is None else msgspec.json.encode(next_).decode()}}}'
    return Response(text, media_type="application/json")


def as_utc(text: str) -> str:
    """Return PostgreSQL's JSON with times as we write them."""
    return text.replace('+00:00"', 'Z"')


def json_answer(value: object) -> Response:
    """Return a value as JSON."""
    return Response(msgspec.json.encode(value), media_type="application/json")
