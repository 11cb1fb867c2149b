"""The sensor that follows ``ingested_at``: new, late and corrected minutes become one run for what they touch.

Symbols of which the same minutes changed share it.

What the live lane derives is left to it as long as it looks. It remembers what it has done; this sensor asks it.
"""

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from itertools import groupby

import dagster as dg
import msgspec

from btc_core.model.interval import ONE_MINUTE, Interval
from btc_core.model.timerange import TimeRange, format_time
from btc_core.partitions import month_key
from btc_store.changes import Changes, read_changes
from btc_store.frames import Frames
from btc_store.live_state import Seen, see_lane
from resources.timescale import Timescale
from sensors.pending import (
    Cursor,
    Due,
    Request,
    SymbolState,
    add_changes,
    closed_until,
    forget_derived,
    settle,
    take_due,
)
from sensors.requests import RUN_KEY_TAG, partition_range_tags, touched_tag

# Live work overtakes a backfill in the queue.
PRIORITY = {"dagster/priority": "10"}
# Longer runs are worth their start, and one that fails is made again whole.
MONTHS_TO_SHARE = 2
# A live lane that has not looked for so long, real time, is taken for dead: it looks every 5 s.
LANE_SECONDS = 30.0


@dataclass(frozen=True, kw_only=True)
class Watch:
    """What the sensor watches and launches.

    Attributes:
        job_name: The job that derives.
        minutes: The asset of the 1m candles.
        symbols: The configured symbols; others are left alone.
        assets: For each interval, the assets that hang on its candles, and their checks.
        always: Checks of every run.
        wait: How long missing minutes are waited for.
        history: What there are partitions for; minutes before it are stored and not derived.
        serves: What a live lane must derive to be trusted (``btc_store.live_state.served``); None trusts no lane.
    """

    job_name: str
    minutes: dg.AssetKey
    symbols: Sequence[str]
    assets: Mapping[Interval, Sequence[dg.AssetKey]]
    checks: Mapping[Interval, Sequence[dg.AssetCheckKey]]
    always: Sequence[dg.AssetCheckKey]
    wait: timedelta
    history: TimeRange
    serves: str | None = None


def build_new_candles_sensor(watch: Watch) -> dg.SensorDefinition:
    """Return the sensor for what is to be watched and launched."""

    @dg.sensor(
        name="new_candles",
        job_name=watch.job_name,
        # Dagster looks at its sensors every 5 s: 4 makes each of those looks count, 5 would miss every second one.
        minimum_interval_seconds=4,
        default_status=dg.DefaultSensorStatus.RUNNING,
        description="Follows ingested_at of the 1m candles and requests one run for the touched months and ranges.",
    )
    def new_candles(context: dg.SensorEvaluationContext, timescale: dg.ResourceParam[Timescale]) -> dg.SensorResult:
        cursor = msgspec.json.decode(context.cursor, type=Cursor) if context.cursor else Cursor()
        with timescale.frames() as frames:
            _settle_runs(cursor, context.instance)
            lane = _trusted_lane(frames, watch)
            # Before our own look: the lane cannot have seen what comes after its own.
            _ask_lane(cursor, lane)
            changes = read_changes(frames, through=cursor.through, seen=cursor.seen)
            cursor.looked_at = frames.read("database_clock").item()
            _remember(cursor, changes, watch)
            due = {
                symbol: _next_run(frames, state, symbol, watch, lane=lane, now=timescale.now())
                for symbol, state in cursor.symbols.items()
                if symbol in watch.symbols
            }
        requests = [_ask(cursor, block, each, watch) for block, each in _blocks(cursor, due, watch)]
        return dg.SensorResult(
            run_requests=requests,
            skip_reason=None if requests else _why_not(cursor, lane),
            cursor=msgspec.json.encode(cursor).decode(),
            asset_events=[event for symbol, each in due.items() if each for event in _reports(symbol, each, watch)],
        )

    return new_candles


def _trusted_lane(frames: Frames, watch: Watch) -> Seen | None:
    """Return the live lane, if there is one that derives what we would."""
    lane = see_lane(frames)
    # One that looked after the present has not looked since the clock was set back: it may be dead, and knows nothing
    # of what was written since.
    return lane if lane and lane.serves == watch.serves and lane.age_seconds >= 0 else None


def _ask_lane(cursor: Cursor, lane: Seen | None) -> None:
    """Forget what the lane has derived of what is pending, dead or alive: its word was committed with the rows."""
    if lane is None or cursor.looked_at is None or lane.looked_at <= cursor.looked_at:
        return
    for symbol, state in cursor.symbols.items():
        forget_derived(state, waiting=lane.pending(symbol), left=lane.left(symbol))


def _remember(cursor: Cursor, changes: Changes, watch: Watch) -> None:
    cursor.through, cursor.seen = changes.through, changes.seen
    labels = [interval.label for interval in watch.assets]
    for symbol, ranges in changes.ranges.items():
        since = [part for item in ranges if (part := item.clip(watch.history))]
        if symbol in watch.symbols and since:
            add_changes(cursor.symbols.setdefault(symbol, SymbolState()), since, labels)


def _settle_runs(cursor: Cursor, instance: dg.DagsterInstance) -> None:
    """Look how the runs under way ended; one that cannot be found never started."""
    for state in cursor.symbols.values():
        if state.request is None:
            continue
        runs = instance.get_runs(dg.RunsFilter(tags={RUN_KEY_TAG: state.request.run_key}), limit=1)
        if not runs or runs[0].is_finished:
            settle(state, succeeded=bool(runs) and runs[0].is_success, now=datetime.now(UTC))


def _next_run(
    frames: Frames, state: SymbolState, symbol: str, watch: Watch, *, lane: Seen | None, now: datetime
) -> Due | None:
    if state.request is not None or (state.retry_at is not None and datetime.now(UTC) < state.retry_at):
        return None
    count = _counter(frames, symbol)
    ready = {
        interval: closed_until(interval, now=now, wait=watch.wait, count=count)
        for interval in watch.assets
        if state.pending.get(interval.label)
    }
    # A lane that looks does all but what it leaves to us.
    is_alive = lane is not None and lane.age_seconds < LANE_SECONDS
    return take_due(state, ready, within=lane.left(symbol) if lane and is_alive else None)


def _counter(frames: Frames, symbol: str) -> Callable[[TimeRange], int]:
    return lambda minutes: int(frames.read("count_minutes", symbol, minutes.start, minutes.end).item())


def _blocks(cursor: Cursor, due: Mapping[str, Due | None], watch: Watch) -> Iterator[tuple[list[str], Due]]:
    """Yield what is due, symbols beside each other with the same minutes together: a run costs more than its work.

    A symbol whose last run has failed stands alone, so that it keeps no other waiting, and so does a long history.
    """

    def alike(symbol: str) -> object:
        each = due.get(symbol)
        is_alone = each and (cursor.symbols[symbol].n_failed > 0 or len(each.months) > MONTHS_TO_SHARE)
        return symbol if is_alone else each

    for _, block in groupby(watch.symbols, key=alike):
        symbols = list(block)
        if each := due.get(symbols[0]):
            yield symbols, each


def _ask(cursor: Cursor, symbols: Sequence[str], due: Due, watch: Watch) -> dg.RunRequest:
    run_key = f"{' '.join(symbols)} {datetime.now(UTC).isoformat()}"
    pairs = {label: [(span.start, span.end) for span in spans] for label, spans in due.touched.items()}
    for symbol in symbols:
        cursor.symbols[symbol].request = Request(run_key, pairs)
    touched = [interval for interval in watch.assets if interval.label in due.touched]
    partitions = partition_range_tags(symbols[0], due.months, last_symbol=symbols[-1])
    return dg.RunRequest(
        run_key=run_key,
        tags={**partitions, **touched_tag(due.touched), **PRIORITY},
        asset_selection=sorted({key for interval in touched for key in watch.assets[interval]}),
        asset_check_keys=[*watch.always, *(key for interval in touched for key in watch.checks.get(interval, ()))],
    )


def _reports(symbol: str, due: Due, watch: Watch) -> list[dg.AssetMaterialization]:
    """Return the runless materialisations of the 1m candles that the request rests on."""
    spans = [ONE_MINUTE.cover(span) for ranges in due.touched.values() for span in ranges]
    text = f"{format_time(min(s.start for s in spans))} to {format_time(max(s.end for s in spans))}"
    return [
        dg.AssetMaterialization(
            watch.minutes,
            partition=f"{month_key(month)}|{symbol}",
            metadata={"range": text, "written by": "collector or import"},
        )
        for month in due.months
    ]


def _why_not(cursor: Cursor, lane: Seen | None) -> str:
    running = [symbol for symbol, state in cursor.symbols.items() if state.request]
    if running:
        return f"a run for {', '.join(running)} is under way"
    waiting = [symbol for symbol, state in cursor.symbols.items() if state.retry_at]
    if waiting:
        return f"the last run for {', '.join(waiting)} failed; it is asked for again at its time"
    if not cursor.symbols:
        return "no 1m candle is stored"
    if lane is not None and lane.age_seconds < LANE_SECONDS:
        return "the live lane derives what closes"
    return "no candle has closed since the last run"
