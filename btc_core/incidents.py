"""Incidents: what is wrong for a while, told when it begins and when it is over, and not at every look between.

Pure arithmetic: what is open, what is seen now, and the instant, make what is open next and what there is to say. A
look that sees the same says nothing, so it does not matter how often one looks, or who looked before.
"""

from collections.abc import Iterable, Mapping, Sequence
from datetime import datetime, timedelta
from typing import Literal

import msgspec

from btc_core.alerts import AlertsConfig, by_severity

Detail = str | int | float | None
What = Literal["start", "worse", "reminder", "end"]


class Sighting(msgspec.Struct, frozen=True, kw_only=True):
    """Something that is wrong at a look.

    Attributes:
        kind: One of ``btc_core.alerts.KINDS``.
        subject: What it is about: a symbol, a job, a folder. Of one kind and subject there is one incident at a time.
        severity: ``info``, ``warning`` or ``error``.
        since: Since when, on the market's clock.
        size: How much of it: of two looks the larger one's details are kept.
        details: What a message says of it.
        is_news: False for what has been known for long: it makes no incident, and ends one without a word.
    """

    kind: str
    subject: str
    severity: str
    since: datetime
    size: float = 1
    details: Mapping[str, Detail] = {}
    is_news: bool = True


class Incident(msgspec.Struct, frozen=True, kw_only=True):
    """Something that has been wrong for a while, as the table ``incidents`` keeps it.

    Attributes:
        id: None before it is kept.
        started_at: Since when it is wrong.
        noticed_at, seen_at: The first and the last look that saw it.
        told_at: When it was told last; None: it is not told yet, and never will be if it ends before.
        ended_at: None while it lasts.
    """

    id: int | None = None
    kind: str
    subject: str
    severity: str
    started_at: datetime
    noticed_at: datetime
    seen_at: datetime
    told_at: datetime | None = None
    ended_at: datetime | None = None
    size: float = 1
    details: Mapping[str, Detail] = {}


class Note(msgspec.Struct, frozen=True):
    """Something to say of an incident: it begins, became an error, still lasts, or is over."""

    what: What
    incident: Incident


class Rules(msgspec.Struct, frozen=True, kw_only=True):
    """When something is said.

    Attributes:
        patience: By kind, how long a thing is wrong before it is told; of the others none.
        calm: An incident is over when nothing was seen for so long.
        reminder: One that lasts is told again after so long; None: never.
    """

    patience: Mapping[str, timedelta]
    calm: timedelta
    reminder: timedelta | None


def rules_of(config: AlertsConfig) -> Rules:
    """Return the configured rules."""
    return Rules(
        patience={"gap": timedelta(minutes=config.gap_minutes)},
        calm=timedelta(minutes=config.calm_minutes),
        reminder=timedelta(hours=config.reminder_hours) if config.reminder_hours else None,
    )


def advance(
    known: Iterable[Incident], sightings: Sequence[Sighting], *, now: datetime, rules: Rules
) -> list[tuple[Incident, Note | None]]:
    """Return every incident that is open or has just ended, as it is now, and what there is to say of it.

    Args:
        known: The open incidents, one of a kind and subject.
        sightings: What is wrong now; several of a kind and subject are one.
        now: The present instant of the market.
        rules: When something is said.
    """
    seen = _together(sightings)
    told: list[tuple[Incident, Note | None]] = []
    for incident in known:
        before = _not_later(incident, now)
        sighting = seen.pop((incident.kind, incident.subject), None)
        told.append(_unseen(before, now, rules) if sighting is None else _seen(before, sighting, now, rules))
    told += [_seen(_begun(each, now), each, now, rules) for each in seen.values() if each.is_news]
    return told


def _together(sightings: Sequence[Sighting]) -> dict[tuple[str, str], Sighting]:
    """Return one sighting for each kind and subject: the larger one's details, the worst severity, the first time."""
    seen: dict[tuple[str, str], Sighting] = {}
    for each in sightings:
        key = each.kind, each.subject
        other = seen.get(key, each)
        larger = other if other.size >= each.size else each
        seen[key] = msgspec.structs.replace(
            larger,
            severity=by_severity((other.severity, each.severity)),
            since=min(other.since, each.since),
            is_news=other.is_news or each.is_news,
        )
    return seen


def _begun(sighting: Sighting, now: datetime) -> Incident:
    return Incident(
        kind=sighting.kind,
        subject=sighting.subject,
        severity=sighting.severity,
        started_at=min(sighting.since, now),
        noticed_at=now,
        seen_at=now,
        size=sighting.size,
        details=sighting.details,
    )


def _seen(incident: Incident, sighting: Sighting, now: datetime, rules: Rules) -> tuple[Incident, Note | None]:
    if not sighting.is_news:
        return msgspec.structs.replace(incident, ended_at=now), None
    larger = sighting if sighting.size >= incident.size else incident
    severity = by_severity((incident.severity, sighting.severity))
    after = msgspec.structs.replace(
        incident,
        severity=severity,
        started_at=min(incident.started_at, sighting.since),
        seen_at=now,
        size=larger.size,
        details=larger.details,
    )
    what = _word(incident, after, now, rules)
    if what is None:
        return after, None
    after = msgspec.structs.replace(after, told_at=now)
    return after, Note(what, after)


def _word(before: Incident, after: Incident, now: datetime, rules: Rules) -> What | None:
    if before.told_at is None:
        return "start" if now - after.noticed_at >= rules.patience.get(after.kind, timedelta(0)) else None
    # What was told as less may be held back by quiet hours, so an error is said although it is no new incident.
    if after.severity == "error" and before.severity != "error":
        return "worse"
    return "reminder" if rules.reminder is not None and now - before.told_at >= rules.reminder else None


def _unseen(incident: Incident, now: datetime, rules: Rules) -> tuple[Incident, Note | None]:
    if now - incident.seen_at < rules.calm:
        return incident, None
    over = msgspec.structs.replace(incident, ended_at=now)
    return over, None if incident.told_at is None else Note("end", over)


def _not_later(incident: Incident, now: datetime) -> Incident:
    """Return an incident that nobody saw after now: the clock may have been set back."""
    return msgspec.structs.replace(
        incident,
        noticed_at=min(incident.noticed_at, now),
        seen_at=min(incident.seen_at, now),
        told_at=incident.told_at and min(incident.told_at, now),
    )
