"""Wrong and missing minutes of four ways to turn frames into candles, on the same recorded frames.

A rule is a function from what was received and when to the candles that it gives out. It is judged by the recording's
table of final values. ``docs/collector.md`` shows the table and says in which projects the rules were read.
"""

import csv
import gzip
import sys
from bisect import bisect_right
from collections.abc import Callable, Iterator, Mapping, Sequence
from datetime import datetime, timedelta
from itertools import pairwise
from pathlib import Path
from random import Random
from typing import NamedTuple

import msgspec

from benchmarks.figure import Figure
from btc_core.model.candle import Candle, State
from btc_core.model.timerange import EPOCH, MINUTE, TimeRange, from_ms, merge_ranges
from collector.exchange import Update, Updates
from collector.exchanges.hyperliquid import EXCHANGE
from collector.minutes import Minutes, rank

RECORDING = "hyperliquid/ws_candle_1m_ETH_20250214_h00-16.log.gz"
FINALS = "hyperliquid/derived_final_1m_ETH_20250214_h00-16.csv.gz"
CLOSE_AFTER = timedelta(seconds=3)
MEMORY = timedelta(hours=1)

# A bad day: two and a half drops an hour, now and then a last frame that is lost, and a network that stalls.
SEED = 3
N_DROPS, N_LOST, N_BURSTS = 40, 30, 120
DROP_SECONDS = (5, 90)
BURST_SECONDS = (2, 8)


class Heard(NamedTuple):
    """A version of a minute, and when it was received."""

    at: datetime
    candle: Candle


class Faults(NamedTuple):
    """What happens to the frames of a recording.

    Attributes:
        drops: No connection. The first frame after one holds the whole minute so far, as every frame does.
        lost: Minutes whose last frame never comes.
        bursts: What was sent meanwhile comes at the end, minute by minute, out of order inside a minute (as in both
            bursts of the recording).
    """

    drops: tuple[TimeRange, ...] = ()
    lost: frozenset[datetime] = frozenset()
    bursts: tuple[TimeRange, ...] = ()


class Score(msgspec.Struct, frozen=True, kw_only=True):
    """How a rule did.

    Attributes:
        wrong: Minutes with another value than the final one.
        wrong_price: Those of them with a wrong open, high, low or close.
        missing: Minutes without a candle.
    """

    wrong: int
    wrong_price: int
    missing: int


Candles = Mapping[datetime, Candle]


def at_the_end(heard: Sequence[Heard]) -> Candles:
    """Give out a minute when it ends, with what is known then."""
    return {candle.time: candle for at, candle in heard if at <= candle.time + MINUTE}


def on_the_next_frame(heard: Sequence[Heard]) -> Candles:
    """Give out the last frame of a minute when a frame of another minute comes; the recording's end counts as one."""
    given = {before.time: before for (_, before), (_, after) in pairwise(heard) if after.time != before.time}
    return {**given, heard[-1].candle.time: heard[-1].candle}


def last_write_wins(heard: Sequence[Heard]) -> Candles:
    """Keep the last frame of every minute, over reconnects too; the cache is read at the end of all, at its best."""
    return {candle.time: candle for _, candle in heard}


def highest_rank(heard: Sequence[Heard]) -> Candles:
    """Keep the frame with the most trades, close at the minute's end + 3 s, take later ones as corrections."""
    minutes, stored = Minutes(close_after=CLOSE_AFTER, memory=MEMORY), dict[datetime, Candle]()
    for at, candle in heard:
        stored.update({closed.time: closed for closed in minutes.close(at)})
        correction = minutes.see(candle)
        if correction is not None:
            stored[candle.time] = correction
    end = heard[-1].at + MINUTE + CLOSE_AFTER
    return stored | {closed.time: closed for closed in minutes.close(end)}


def confirmed(stored: Candles, finals: Candles) -> Candles:
    """Ask REST for every minute, as the demo exchange answers: its row is taken unless it has fewer trades."""
    taken = {time: row for time, row in finals.items() if time not in stored or rank(row)[0] >= rank(stored[time])[0]}
    return {**stored, **taken}


RULES: Mapping[str, Callable[[Sequence[Heard]], Candles]] = {
    "emit at the minute's end": at_the_end,
    "emit on the next minute's first frame": on_the_next_frame,
    "last write wins, cache kept over a reconnect": last_write_wins,
    "ours, before REST has answered": highest_rank,
}
OURS = "ours"


def measure(shared: Path) -> Iterator[Figure]:
    """Judge every rule on the recording as it is, and on a bad day; say so where there is no recording."""
    if not (shared / RECORDING).exists():
        sys.stderr.write(f"closing: left out, there is no {shared / RECORDING}; --shared names the folder\n")
        return
    n_minutes = len(read_finals(shared))
    for rule, scores in compare(shared).items():
        for scenario, score in scores.items():
            yield Figure(
                name="minutes_wrong_or_missing",
                value=score.wrong + score.missing,
                unit=f"of {n_minutes} minutes, {scenario}",
                beside={"rule": rule, **msgspec.structs.asdict(score)},
            )


def compare(shared: Path) -> dict[str, dict[str, Score]]:
    """Return the score of each rule in each scenario."""
    recorded, finals = read_recording(shared), read_finals(shared)
    bad = bad_day(TimeRange(min(finals), max(finals) + MINUTE))
    scores: dict[str, dict[str, Score]] = {rule: {} for rule in (*RULES, OURS)}
    for scenario, faults in (("as recorded", Faults()), ("a bad day", bad)):
        heard = suffer(recorded, faults)
        given = {rule: give_out(heard) for rule, give_out in RULES.items()}
        given[OURS] = confirmed(highest_rank(heard), finals)
        for rule, candles in given.items():
            scores[rule][scenario] = judge(candles, finals)
    return scores


def markdown(results: Mapping[str, Mapping[str, Score]]) -> str:
    """Return the results as the table of ``docs/collector.md``."""
    scenarios = list(next(iter(results.values())))
    heads = [f"{name}: {what}" for name in scenarios for what in ("wrong", "of these a price", "missing")]
    lines = [f"| rule | {' | '.join(heads)} |", "|---" * (len(heads) + 1) + "|"]
    for rule, scores in results.items():
        cells = [n for score in scores.values() for n in (score.wrong, score.wrong_price, score.missing)]
        lines.append(f"| {rule} | {' | '.join(map(str, cells))} |")
    return "\n".join(lines) + "\n"


def judge(given: Candles, finals: Candles) -> Score:
    """Compare what a rule gave out with the final values."""
    pairs = [(_values(given[time]), _values(final)) for time, final in finals.items() if time in given]
    return Score(
        wrong=sum(found != expected for found, expected in pairs),
        wrong_price=sum(found[:4] != expected[:4] for found, expected in pairs),
        missing=len(finals) - len(pairs),
    )


def bad_day(span: TimeRange) -> Faults:
    """Return the faults of the second scenario, the same in every run."""
    rng = Random(SEED)

    def ranges(n: int, seconds: tuple[int, int]) -> tuple[TimeRange, ...]:
        starts = [span.start + rng.random() * (span.end - span.start) for _ in range(n)]
        return tuple(TimeRange(start, start + timedelta(seconds=rng.uniform(*seconds))) for start in starts)

    drops, bursts = ranges(N_DROPS, DROP_SECONDS), ranges(N_BURSTS, BURST_SECONDS)
    return Faults(drops, frozenset(span.start + rng.randrange(span.n_minutes) * MINUTE for _ in range(N_LOST)), bursts)


def suffer(heard: Sequence[Heard], faults: Faults) -> list[Heard]:
    """Return what is received of a recording where the faults happen."""
    last = {candle.time: i for i, (_, candle) in enumerate(heard)}
    lost = {last[time] for time in faults.lost if time in last}
    drops, bursts, rng = merge_ranges([*faults.drops]), merge_ranges([*faults.bursts]), Random(SEED)
    received: list[tuple[datetime, datetime, float, Candle]] = []
    for i, (at, candle) in enumerate(heard):
        burst = _holding(bursts, at)
        if i not in lost:
            received.append((at, EPOCH, i, candle) if burst is None else (burst.end, candle.time, rng.random(), candle))
    received.sort(key=lambda item: item[:3])
    return [Heard(at, candle) for at, _, _, candle in received if _holding(drops, at) is None]


def read_recording(shared: Path) -> list[Heard]:
    """Return every version of every minute that the recording holds, in the order of receipt."""
    heard: list[Heard] = []
    with gzip.open(shared / RECORDING, "rt", encoding="utf-8") as lines:
        for line in lines:
            nanoseconds, _, frame = line.rstrip("\n").partition(" ")
            at = EPOCH + timedelta(microseconds=int(nanoseconds) // 1000)
            message = EXCHANGE.parse_message(frame)
            items = message.items if isinstance(message, Updates) else ()
            heard += [Heard(at, _candle(item)) for item in items if isinstance(item, Update)]
    return heard


def read_finals(shared: Path) -> dict[datetime, Candle]:
    """Return the final values of every whole minute of the recording: the frame with the most trades."""
    with gzip.open(shared / FINALS, "rt", encoding="utf-8") as file:
        rows = [row for row in csv.DictReader(file) if row["whole"] == "yes"]
    return {
        from_ms(int(row["t_ms"])): Candle(
            time=from_ms(int(row["t_ms"])),
            symbol="ETH",
            **{name: float(row[name[0]]) for name in ("open", "high", "low", "close", "volume")},
            trades=int(row["n"]),
            source="rest",
            state=State.CONFIRMED,
        )
        for row in rows
    }


def _holding(ranges: Sequence[TimeRange], at: datetime) -> TimeRange | None:
    """Return which of some disjoint, ascending ranges holds an instant."""
    i = bisect_right(ranges, at, key=lambda item: item.start) - 1
    return ranges[i] if i >= 0 and at in ranges[i] else None


def _candle(update: Update) -> Candle:
    return update.candle("ETH", source="ws", state=State.PROVISIONAL)


def _values(candle: Candle) -> tuple[float | int | None, ...]:
    return candle.open, candle.high, candle.low, candle.close, candle.volume, candle.trades
