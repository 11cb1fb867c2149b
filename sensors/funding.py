"""The sensor that asks for the newest funding rates: every six hours, and at once of a symbol that is new."""

from collections.abc import Sequence
from datetime import UTC, datetime, timedelta

import dagster as dg
import msgspec

from btc_core.model.timerange import TimeRange
from btc_core.partitions import months_of
from btc_store.funding import edges_of_funding
from resources.timescale import Timescale
from sensors.requests import partition_range_tags

# A backtest over the last days should know what they cost. Not on the hour, when candles close.
EVERY, PAST_THE_HOUR = timedelta(hours=6), timedelta(minutes=23)
# So far back the months are fetched again: on a month's first days the one before, too. The exchange's own history of
# minutes, with which a new database begins, is three and a half days.
REACH = timedelta(days=4)
# What was missed while nobody ran this is made good so far back; of a coin that is delisted nothing new ever comes.
LONGEST_REACH = timedelta(days=92)


class Cursor(msgspec.Struct, frozen=True):
    """The sensor's memory.

    Attributes:
        turn: The number of the six hours in which rates were last asked for.
        symbols: Those that have been asked for since the exchange told the collector of their coins.
    """

    turn: int
    symbols: tuple[str, ...] = ()


def build_funding_sensor(job_name: str, symbols: Sequence[str]) -> dg.SensorDefinition:
    """Return the sensor: one run for the newest months of all symbols; it runs unless somebody stops it."""

    @dg.sensor(
        name=job_name,
        job_name=job_name,
        minimum_interval_seconds=29,
        default_status=dg.DefaultSensorStatus.RUNNING,
        description="Asks for the newest funding rates and the terms of coins every six hours; of a symbol that is new "
        "as soon as the collector has found its coin.",
    )
    def fetch_funding(context: dg.SensorEvaluationContext, timescale: dg.ResourceParam[Timescale]) -> dg.SensorResult:
        with timescale.frames() as frames:
            found = {symbol for symbol, _coin in frames.read("read_coins").rows()}
            edges = [edges_of_funding(frames, symbol) for symbol in symbols]
        seen = msgspec.json.decode(context.cursor, type=Cursor) if context.cursor else None
        # Turns are of real time: on a clock that is scaled the exchange would be asked all the time.
        now = Cursor(turn_of(datetime.now(UTC)), tuple(symbol for symbol in symbols if symbol in found))
        cursor = msgspec.json.encode(now).decode()
        if not is_due(seen, now):
            return dg.SensorResult(
                skip_reason="all has been asked for; the next time is within six hours", cursor=cursor
            )
        months = months_due(timescale.now(), [each[1] for each in edges if each])
        tags = partition_range_tags(symbols[0], months, last_symbol=symbols[-1])
        return dg.SensorResult(run_requests=[dg.RunRequest(run_key=cursor, tags=tags)], cursor=cursor)

    return fetch_funding


def turn_of(now: datetime) -> int:
    """Return the number of the six hours that an instant is in; they begin 23 minutes past the hour."""
    return (now - PAST_THE_HOUR - datetime.fromtimestamp(0, UTC)) // EVERY


def is_due(seen: Cursor | None, now: Cursor) -> bool:
    """Return whether there is something to ask for; who looks for the first time waits until a coin is found."""
    if seen is None:
        return bool(now.symbols)
    return seen.turn != now.turn or not set(now.symbols) <= set(seen.symbols)


def months_due(now: datetime, newest: Sequence[datetime]) -> list[TimeRange]:
    """Return the months from the newest settlement of each symbol that has any to the present one."""
    since = max(min([now - REACH, *newest]), now - LONGEST_REACH)
    return months_of(TimeRange(since, now))
