"""The sensor of the daily checks: what was written since they last looked, the newest months first, one run at a time.

What is left to look at is the sensor's own memory, its cursor: no run has to be kept for it.
"""

from collections.abc import Iterable, Sequence
from datetime import UTC, datetime, timedelta

import dagster as dg
import msgspec

from btc_core.model.timerange import TimeRange, format_time, merge_ranges, subtract_ranges
from btc_core.partitions import months_of
from btc_core.pending import Range, common_ranges, pairs_of, ranges_of
from btc_store.changes import MARGIN, before_it_was_set_back
from btc_store.frames import Frames
from resources.timescale import Timescale
from sensors.requests import RUN_KEY_TAG, partition_range_tags, touched_tag

# Twenty past midnight, UTC: yesterday's last minutes are confirmed by then, and its largest candles derived.
PAST_MIDNIGHT = timedelta(minutes=20)
# A month costs two questions of the few dozen that the exchange answers a minute; the collector needs most of those.
MONTHS_OF_A_RUN = 6
SYMBOL_TAG = "btc/symbol"
_DAY = timedelta(days=1)


class Asked(msgspec.Struct):
    """The run that is under way."""

    run_key: str
    symbol: str
    days: list[Range]


class Cursor(msgspec.Struct):
    """The sensor's memory.

    Attributes:
        day: The day that began before the last look, on the market's clock.
        looked_at: When the last look was, by the database's clock; None before the first, which is at everything.
        left: By symbol, the days to be asked for.
        failed: Those whose run has failed: they are asked for again tomorrow.
        asked: The run that is under way.
    """

    day: datetime
    looked_at: datetime | None = None
    left: dict[str, list[Range]] = {}
    failed: dict[str, list[Range]] = {}
    asked: Asked | None = None


def build_daily_checks_sensor(
    job_name: str, *, symbols: Sequence[str], labels: Sequence[str], history: TimeRange
) -> dg.SensorDefinition:
    """Return the sensor.

    Args:
        job_name: The job that makes the daily checks.
        symbols: The configured symbols.
        labels: The intervals whose candles have daily checks, 1m among them.
        history: What there are partitions for.
    """

    @dg.sensor(
        name=job_name,
        job_name=job_name,
        minimum_interval_seconds=59,
        default_status=dg.DefaultSensorStatus.RUNNING,
        description="Asks at 00:20 UTC for the checks that are made once a day, over the days in which a minute was "
        "written since it last asked: yesterday, and a repaired day of last year. An import of years is looked at six "
        "months a run, the newest first. Reset its cursor, and all of history is looked at again.",
    )
    def daily_checks(context: dg.SensorEvaluationContext, timescale: dg.ResourceParam[Timescale]) -> dg.SensorResult:
        day = _day_of(timescale.now() - PAST_MIDNIGHT)
        # Not on the day on which it is first seen: history may be on its way in.
        cursor = msgspec.json.decode(context.cursor, type=Cursor) if context.cursor else Cursor(day)
        _settle(cursor, context.instance)
        if day > cursor.day:
            with timescale.frames() as frames:
                _look(frames, cursor, symbols, history)
            cursor.day = day
        request = None if cursor.asked else _ask(cursor, symbols, labels)
        return dg.SensorResult(
            run_requests=[request] if request else [],
            skip_reason=None if request else _why_not(cursor),
            cursor=msgspec.json.encode(cursor).decode(),
        )

    return daily_checks


def take_newest(left: dict[str, list[Range]], symbols: Iterable[str]) -> tuple[str, list[TimeRange]] | None:
    """Return the symbol with the newest days and those of them that one run looks at. They leave ``left``."""
    waiting = [symbol for symbol in symbols if left.get(symbol)]
    if not waiting:
        return None
    symbol = max(waiting, key=lambda name: left[name][-1][1])
    days = ranges_of(left[symbol])
    months = months_of(TimeRange(days[0].start, days[-1].end))[-MONTHS_OF_A_RUN:]
    newest = [TimeRange(months[0].start, months[-1].end)]
    left[symbol] = pairs_of(subtract_ranges(days, newest))
    return symbol, common_ranges(days, newest)


def _settle(cursor: Cursor, instance: dg.DagsterInstance) -> None:
    """Look how the run under way ended; one that cannot be found never started."""
    if (asked := cursor.asked) is None:
        return
    runs = instance.get_runs(dg.RunsFilter(tags={RUN_KEY_TAG: asked.run_key}), limit=1)
    if runs and not runs[0].is_finished:
        return
    cursor.asked = None
    if not (runs and runs[0].is_success):
        _add(cursor.failed, asked.symbol, ranges_of(asked.days))


def _look(frames: Frames, cursor: Cursor, symbols: Sequence[str], history: TimeRange) -> None:
    """Note the days in which a minute was written since the last look, and those that failed since."""
    clock: datetime = frames.read("database_clock").item()
    written: dict[str, list[TimeRange]] = {symbol: [] for symbol in symbols}
    if cursor.looked_at is None:
        for symbol in symbols:
            first, last = frames.read("edges_of_minutes", symbol, history.start, history.end).row(0)
            if first is not None:
                written[symbol].append(TimeRange(_day_of(first), _day_of(last) + _DAY))
    else:
        since = before_it_was_set_back(cursor.looked_at, clock) - MARGIN
        for symbol, start in frames.read("written_days", since).iter_rows():
            written.setdefault(symbol, []).append(TimeRange(start, start + _DAY))
    for symbol in symbols:
        days = [part for day in written[symbol] if (part := day.clip(history))]
        _add(cursor.left, symbol, [*days, *ranges_of(cursor.failed.pop(symbol, []))])
    cursor.looked_at = clock


def _ask(cursor: Cursor, symbols: Sequence[str], labels: Sequence[str]) -> dg.RunRequest | None:
    taken = take_newest(cursor.left, symbols)
    if taken is None:
        return None
    symbol, days = taken
    run_key = f"daily checks {symbol} {datetime.now(UTC).isoformat()}"
    cursor.asked = Asked(run_key, symbol, pairs_of(days))
    months = months_of(TimeRange(days[0].start, days[-1].end))
    touched = touched_tag(dict.fromkeys(labels, days))
    return dg.RunRequest(run_key, tags={**partition_range_tags(symbol, months), **touched, SYMBOL_TAG: symbol})


def _add(days: dict[str, list[Range]], symbol: str, more: Sequence[TimeRange]) -> None:
    if merged := merge_ranges([*ranges_of(days.get(symbol, [])), *more]):
        days[symbol] = pairs_of(merged)


def _day_of(instant: datetime) -> datetime:
    return instant.replace(hour=0, minute=0, second=0, microsecond=0)


def _why_not(cursor: Cursor) -> str:
    if cursor.asked:
        return f"a run for {cursor.asked.symbol} is under way"
    return f"what was written is looked at once a day, next at {format_time(cursor.day + _DAY + PAST_MIDNIGHT)}"
