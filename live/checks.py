"""The checks of what was derived, behind decisions and accounts: those of every run, in the Dagster lane's words."""

from collections.abc import Collection, Sequence
from datetime import UTC, datetime, timedelta

from btc_core.check import Subject
from btc_core.partitions import Partition
from btc_core.pending import take_minutes
from btc_store.checks import Result, completeness, evaluate, minutes_of
from btc_store.evidence import EvidenceReader
from btc_store.frames import Frames
from btc_store.live_state import LiveSymbol, Look, Told
from btc_store.outbox import Report, write_outbox
from live.accounts import follow_due
from live.left_out import named
from live.plan import Plan
from live.reports import check_report, minutes_report, partition_of

# Minutes are worked on every few minutes, and each event is kept for weeks: their partition is told again after so
# long, real time, and at once when a check says something else.
TELL_AGAIN = timedelta(minutes=10)
_INSTANT = timedelta(microseconds=1)
_EVER = datetime.max.replace(tzinfo=UTC)


def check(frames: Frames, plan: Plan, look: Look, *, now: datetime, locked: Collection[str] = ()) -> str | None:
    """Follow and check what was derived of one symbol and is not checked; return which, None where everything is."""
    for name in plan.symbols:
        if name in locked:
            continue
        known = look.state.symbols.get(name)
        # What was derived is closed: all of it is due.
        due = take_minutes(known.unchecked, dict.fromkeys(plan.intervals, _EVER)) if known else None
        if known and due:
            with named(name):
                follow_due(frames, plan, name, due, now=now)
                # What was written since the look has read it is derived, and checked, by the next one.
                began = look.state.through + _INSTANT if look.state.through else None
                reader = EvidenceReader(frames=frames, symbol=name, now=now, began=began)
                for month in due.months:
                    partition = Partition(partition_of(month, name), name, month, due.touched)
                    write_outbox(frames, _told(known, partition, _results(reader, plan, partition), at=look.at))
            return name
    return None


def _results(reader: EvidenceReader, plan: Plan, partition: Partition) -> list[Result]:
    """Make the checks of the minutes and of the candles that were derived."""
    touched = [interval for interval in plan.intervals if partition.spans(interval, now=reader.now)]
    placed = [
        each
        for each in plan.checks
        if each.check.rule.subject == Subject.MINUTES or set(each.intervals).intersection(touched)
    ]
    guards = [
        completeness(reader, f"indicators/{interval}", interval, partition, wait=plan.rule.wait)
        for interval in touched
        if interval in plan.indicators
    ]
    return [*evaluate(reader, partition, placed), *guards]


def _told(known: LiveSymbol, partition: Partition, results: Sequence[Result], *, at: datetime) -> list[Report]:
    """Return what there is to tell: of the 1m candles all or nothing, since one without its checks looks unchecked."""
    of_minutes = [result for result in results if result.asset == Subject.MINUTES.value]
    others = [check_report(result, partition.key) for result in results if result not in of_minutes]
    words, told = " ".join(f"{result.check}: {result.text}." for result in of_minutes), known.told
    if told and (told.partition, told.words) == (partition.key, words) and at - told.at < TELL_AGAIN:
        return others
    known.told, minutes = Told(partition.key, words, at), minutes_of(partition)
    written = [minutes_report(partition.key, minutes)] if minutes else []
    return [*written, *(check_report(result, partition.key) for result in of_minutes), *others]
