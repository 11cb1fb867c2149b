"""What messages say: a title that is enough to read on a phone, then what is behind it and what to do."""

from collections.abc import Mapping, Sequence
from datetime import datetime, timedelta
from typing import Any

import msgspec

from btc_core.incidents import Incident, Note
from btc_core.model.interval import parse_interval
from btc_core.model.timerange import format_time

# What the least patient of the services takes in one message (Discord: 2,000), with room for a link.
MOST_CHARACTERS = 1800
_SHOWN_VALUES = 4
# Of a snapshot: how complete its candle was; the close is the price.
_NOT_SHOWN = ("close", "minutes", "expected_minutes", "no_trade_minutes")


class Message(msgspec.Struct, frozen=True, kw_only=True):
    """What is sent.

    Attributes:
        key: Whatever has the same key is the same message, and sent once.
        kind: As ``btc_core.alerts.KINDS`` has it.
        severity: ``info``, ``warning`` or ``error``.
        title: One line.
        body: Lines; may be empty.
    """

    key: str
    kind: str
    severity: str
    title: str
    body: str


class Decision(msgspec.Struct, frozen=True, kw_only=True):
    """What a strategy said at a candle, as a message has it; ``exposure_before`` is what it had said there before."""

    symbol: str
    interval: str
    strategy: str
    time: datetime
    revision: int
    signals: str
    exposure: float
    confidence: float
    price: float
    snapshot: Mapping[str, Any]
    exposure_before: float | None = None

    @property
    def close_time(self) -> datetime:
        """When the candle closed."""
        return parse_interval(self.interval).close_of(self.time)

    @property
    def is_news(self) -> bool:
        """Whether the exposure is another one: a correction may change prices alone."""
        return not self.revision or self.exposure != self.exposure_before


def message_of_note(note: Note) -> Message:
    """Return what is said of an incident."""
    incident, what = note.incident, note.what
    if what == "end":
        title, text = _ENDS[incident.kind](incident)
        lasted = _lasted(incident.seen_at - incident.started_at)
        body = f"{text} It lasted {lasted}, from {format_time(incident.started_at)} to {format_time(incident.seen_at)}."
        return Message(key=_key(note), kind="restored", severity="info", title=title, body=body.strip())
    title, body = _STARTS[incident.kind](incident)
    opening = {"start": "", "worse": "Now an error. ", "reminder": "Still: "}[what]
    return Message(key=_key(note), kind=incident.kind, severity=incident.severity, title=opening + title, body=body)


def message_of_decision(decision: Decision) -> Message:
    """Return what is said of a decision that changes the exposure."""
    stream = f"{decision.symbol} {decision.interval} {decision.strategy}"
    values = [
        f"{name} {value:,.10g}"
        for name, value in decision.snapshot.items()
        if isinstance(value, float | int) and name not in _NOT_SHOWN
    ]
    lines = [
        f"Exposure {_signed(decision.exposure)}, confidence {decision.confidence:.2f}, "
        f"at the candle that closed {format_time(decision.close_time)}.",
        "It saw " + ", ".join(values[:_SHOWN_VALUES]) + "." if values else "",
    ]
    if decision.revision:
        before = "" if decision.exposure_before is None else f": the exposure was {_signed(decision.exposure_before)}"
        lines.insert(0, f"After a correction of the data this is said otherwise than before{before}.")
    return Message(
        key=f"decision {stream} {decision.time.isoformat()} {decision.revision}",
        kind="decision",
        severity="info",
        title=f"{stream}: {decision.signals} at {decision.price:,.10g}",
        body="\n".join(filter(None, lines)),
    )


def message_of_test(at: datetime) -> Message:
    """Return what ``btc doctor --send-test`` sends."""
    body = f"Sent by `btc doctor --send-test` at {format_time(at)}. Whoever reads this is told when something is wrong."
    return Message(key="test", kind="test", severity="info", title="BTC alerts: a test", body=body)


def together(messages: Sequence[Message], since: datetime, *, link: str | None = None) -> tuple[int, str, str]:
    """Return how many of some waiting messages are sent as one, the oldest first, and its title and body.

    A digest goes alone.

    Args:
        messages: At least one.
        since: When the oldest was written.
        link: The address of a page, for the last line.
    """
    last = f"\n{link}" if link else ""
    if (
        len(messages) == 1
        or messages[0].kind == "digest"
        or len(_item(messages[0])) + len(_item(messages[1])) > MOST_CHARACTERS
    ):
        return 1, messages[0].title, _short(messages[0].body) + last
    n, size = 0, 0
    for each in messages:
        size += len(_item(each)) + 2
        if n and (size > MOST_CHARACTERS or each.kind == "digest"):
            break
        n += 1
    if n == 1:
        return together(messages[:1], since, link=link)
    n_errors = sum(each.severity == "error" for each in messages[:n])
    errors = f", {n_errors} of them {'errors' if n_errors > 1 else 'an error'}" if n_errors else ""
    title = f"{n} messages since {format_time(since.replace(second=0, microsecond=0))}{errors}"
    return n, title, "\n\n".join(_item(each) for each in messages[:n]) + last


def _item(message: Message) -> str:
    return _short(f"* {message.title}\n{message.body}".strip())


def _short(text: str) -> str:
    return text if len(text) <= MOST_CHARACTERS else text[: MOST_CHARACTERS - 2] + " …"


def _key(note: Note) -> str:
    told_at = note.incident.told_at if note.what == "reminder" else None
    return f"incident {note.incident.id} {note.what}{f' {told_at.isoformat()}' if told_at else ''}"


def _gap(incident: Incident) -> tuple[str, str]:
    n_ranges, last = incident.details.get("n_ranges"), incident.details.get("last")
    missing = "1 minute is" if incident.size == 1 else f"{incident.size:,.0f} minutes are"
    title = f"{incident.subject}: {missing} missing since {format_time(incident.started_at)}"
    body = f"In {n_ranges:,} ranges, the last ends at {last}. " if n_ranges and n_ranges != 1 else ""
    symbol = incident.subject.partition(",")[0]
    return title, (
        f"{body}The collector asks the exchange for them, and what hangs on them is derived when they come.\n"
        f"To do, if they stay away: `btc gaps --symbol {symbol}`, then `btc backfill` or `btc import`."
    )


def _gap_end(incident: Incident) -> tuple[str, str]:
    lost, n = incident.details.get("lost") or 0, f"{incident.size:,.0f} {'minute' if incident.size == 1 else 'minutes'}"
    if lost:
        return (
            f"{incident.subject}: {lost:,} of {n} stay missing",
            "The exchange does not have them any more: `btc gaps` shows them, `btc import` brings them from elsewhere.",
        )
    return f"{incident.subject}: no minute is missing any more", f"{n} had been missing."


def _stale(incident: Incident) -> tuple[str, str]:
    return (
        f"{incident.subject}: no minute comes any more, the newest ended {format_time(incident.started_at)}",
        "To do: `btc doctor`, and the collector's log. What it misses it fetches when it is back, for three and a half "
        "days.",
    )


def _stale_end(incident: Incident) -> tuple[str, str]:
    return f"{incident.subject}: minutes come again", "The collector fetches what it has missed."


def _reconciliation(incident: Incident) -> tuple[str, str]:
    n = f"{incident.size:,.0f} {'contradiction' if incident.size == 1 else 'contradictions'}"
    found = ", ".join(f"{kind}: {told}" for kind, told in incident.details.items())
    return (
        f"{incident.subject}: {n} in the data since {format_time(incident.started_at)}",
        f"{found}.\nTo do: see the findings on the dashboard, or in the table data_quality; docs/quality.md says what "
        "each means.",
    )


def _reconciliation_end(incident: Incident) -> tuple[str, str]:
    return f"{incident.subject}: the data agree again", ""


def _run_failed(incident: Incident) -> tuple[str, str]:
    n = f"{incident.size:,.0f} runs have" if incident.size != 1 else "a run has"
    return (
        f"Dagster: {n} failed of {incident.subject}",
        f"The last is {incident.details.get('run_id')}; its page in Dagster says why. What a sensor asked for is asked "
        "for again by itself, and nothing is lost meanwhile.",
    )


def _run_failed_end(incident: Incident) -> tuple[str, str]:
    return f"Dagster: runs of {incident.subject} fail no more", ""


def _disk(incident: Incident) -> tuple[str, str]:
    details = incident.details
    return (
        f"Disk low: {details.get('free_percent')} % is free at {incident.subject}",
        f"{details.get('free_gb')} of {details.get('total_gb')} GB. A database whose disk is full stops.\n"
        "To do: make room. Backups and journals of raw frames can live elsewhere.",
    )


def _disk_end(incident: Incident) -> tuple[str, str]:
    return f"There is room again at {incident.subject}", ""


_STARTS = {
    "gap": _gap,
    "stale": _stale,
    "reconciliation": _reconciliation,
    "run_failed": _run_failed,
    "disk": _disk,
}
_ENDS = {
    "gap": _gap_end,
    "stale": _stale_end,
    "reconciliation": _reconciliation_end,
    "run_failed": _run_failed_end,
    "disk": _disk_end,
}


def _lasted(span: timedelta) -> str:
    minutes = max(round(span.total_seconds() / 60), 0)
    if minutes < 120:
        return "a minute" if minutes <= 1 else f"{minutes} minutes"
    return f"{minutes // 60} h {minutes % 60} min" if minutes < 2880 else f"{minutes // 1440} days"


def _signed(value: float) -> str:
    return f"{value:+.3g}".replace("-", "−") if value else "0"
