"""Incidents, messages and channels as rows: what was noticed, what there is to say, and who has been told.

All of a look is one transaction, and a message's key makes it the same message whenever it is written. So a look that
is cut off has not been, and one that is repeated says nothing twice.
"""

from collections.abc import Mapping, Sequence
from datetime import datetime, timedelta
from pathlib import Path

import msgspec

from btc_core.alert_words import Decision, Message, message_of_decision, message_of_note
from btc_core.alerts import AlertsConfig, digest_day, next_try, severity_of, tags_of
from btc_core.config import Config
from btc_core.digest import digest_key, digest_of
from btc_core.incidents import Incident, Sighting, advance, rules_of
from btc_store.connection import Connection
from btc_store.digest import read_figures
from btc_store.sightings import lost_minutes
from btc_store.statements import statement

# A decision is dated before its transaction is committed; this far back they are read again, and known by their keys.
MARGIN = timedelta(hours=1)
# What was decided on candles that closed longer ago is history that was derived, and no news.
RECENT = timedelta(days=1)
# So long it is known what was said.
KEPT = timedelta(days=90)


class Waiting(msgspec.Struct, frozen=True, kw_only=True):
    """A message that waits for a channel."""

    id: int
    created_at: datetime
    message: Message


class ChannelState(msgspec.Struct, frozen=True, kw_only=True):
    """How a channel does: failures in a row and the last one's words, when it is tried again, what waits for it."""

    name: str
    n_failed: int = 0
    next_at: datetime | None = None
    error: str | None = None
    sent_at: datetime | None = None
    n_waiting: int = 0
    oldest: datetime | None = None

    def is_due(self, now: datetime) -> bool:
        """Return whether it may be tried; also where the clock was set back since it failed."""
        return self.next_at is None or not now < self.next_at <= next_try(now, self.n_failed)


async def take_lock(connection: Connection) -> bool:
    """Return whether nobody else looks and sends, and keep it so until the connection ends."""
    return await connection.fetchval(statement("lock_alerts")) is True


async def open_incidents(connection: Connection) -> list[Incident]:
    """Return the incidents that are not over, those among them that are not told yet."""
    return [
        Incident(**{**row, "details": msgspec.json.decode(row["details"])})
        for row in await connection.fetch(statement("open_incidents"))
    ]


async def note_look(
    connection: Connection,
    config: Config,
    known: Sequence[Incident],
    sightings: Sequence[Sighting],
    *,
    now: datetime,
    channels: Mapping[str, str],
    folders: Sequence[Path] = (),
    rate: float = 1.0,
) -> int:
    """Keep what a look has seen, and what there is to say of it; return how many messages are new.

    To be called under the lock, with what was read under it.

    Args:
        connection: The database.
        config: The symbols, and the rules.
        known: The open incidents.
        sightings: What is wrong now.
        now: The present instant of the market.
        channels: Whom there is to tell: tags by name.
        folders: Whose disks the digest tells of.
        rate: How much faster than time the market's clock runs.
    """
    rules, n_new = config.alerts, 0
    async with connection.transaction():
        for incident, note in advance(known, sightings, now=now, rules=rules_of(rules)):
            kept = await _keep(connection, incident)
            if note is None:
                continue
            if note.what == "end":
                kept = msgspec.structs.replace(
                    kept, details={**kept.details, "lost": await lost_minutes(connection, kept)}
                )
            message = message_of_note(msgspec.structs.replace(note, incident=kept))
            kinds, routed_by = list(dict.fromkeys((message.kind, kept.kind))), kept.severity
            n_new += await _write(connection, rules, message, channels, kinds=kinds, routed_by=routed_by, now=now)
        state = await connection.fetchrow(statement("alert_state"))
        through = state and state["decided_through"]
        for decision in await _new_decisions(connection, through or now, now=now, rate=rate):
            # What was decided before anybody looked is known from now on, and nobody is told.
            whom = channels if through else {}
            n_new += await _write(connection, rules, message_of_decision(decision), whom, now=now)
        day = digest_day(rules, now)
        if day is not None and not await connection.fetchval(statement("has_message"), digest_key(day)):
            figures = await read_figures(connection, list(config.symbols), folders, now=now)
            n_new += await _write(connection, rules, digest_of(day, figures), channels, now=now)
        await connection.execute(statement("save_alert_state"), now)
        await connection.execute(statement("prune_messages"), now - KEPT)
    return n_new


async def read_waiting(connection: Connection, channel: str, *, errors_only: bool, most: int) -> list[Waiting]:
    """Return the oldest messages that wait for a channel; errors alone where it is quiet."""
    rows = await connection.fetch(statement("waiting_messages"), channel, errors_only, most)
    return [
        Waiting(
            id=row["id"],
            created_at=row["created_at"],
            message=Message(key="", kind=row["kind"], severity=row["severity"], title=row["title"], body=row["body"]),
        )
        for row in rows
    ]


async def read_channels(connection: Connection) -> dict[str, ChannelState]:
    """Return how the channels do that were ever tried, or that something waits for."""
    return {row["name"]: ChannelState(**row) for row in await connection.fetch(statement("alert_channels"))}


async def note_sent(connection: Connection, channel: str, ids: Sequence[int], *, now: datetime) -> None:
    """Keep that a channel has taken messages."""
    async with connection.transaction():
        await connection.execute(statement("mark_messages"), channel, list(ids), now)
        await connection.execute(statement("channel_took"), channel, now)


async def note_failed(connection: Connection, state: ChannelState, error: str, *, now: datetime) -> None:
    """Keep that a channel has failed, and when it is tried again."""
    n_failed = state.n_failed + 1
    await connection.execute(statement("channel_failed"), state.name, n_failed, next_try(now, n_failed), error)


async def seconds_since_look(connection: Connection) -> float | None:
    """Return how long ago somebody looked, real time; None where nobody ever did."""
    return await connection.fetchval(statement("alerts_age"))


async def _keep(connection: Connection, incident: Incident) -> Incident:
    told = (incident.started_at, incident.noticed_at, incident.seen_at, incident.told_at, incident.ended_at)
    rest = (incident.size, msgspec.json.encode(incident.details).decode())
    if incident.id is not None:
        await connection.execute(statement("update_incident"), incident.id, incident.severity, *told, *rest)
        return incident
    about = (incident.kind, incident.subject, incident.severity)
    number = await connection.fetchval(statement("insert_incident"), *about, *told, *rest)
    return msgspec.structs.replace(incident, id=number)


async def _write(
    connection: Connection,
    rules: AlertsConfig,
    message: Message,
    channels: Mapping[str, str],
    *,
    now: datetime,
    kinds: Sequence[str] | None = None,
    routed_by: str | None = None,
) -> int:
    """Write a message for the channels that are told of its kind; return 1 if it is new."""
    severity = severity_of(rules, message.kind, message.severity)
    tags = tags_of(rules, kinds or [message.kind], routed_by or severity)
    names = [name for name, tag in channels.items() if tags is None or tag in tags]
    told = (message.key, message.kind, severity, message.title, message.body, now, names)
    return int(await connection.fetchval(statement("insert_message"), *told) is not None)


async def _new_decisions(connection: Connection, through: datetime, *, now: datetime, rate: float) -> list[Decision]:
    since = min(through, now) - MARGIN * max(rate, 1.0)
    rows = await connection.fetch(statement("alert_decisions"), since)
    decisions = [Decision(**{**row, "snapshot": msgspec.json.decode(row["snapshot"])}) for row in rows]
    return [each for each in decisions if each.is_news and each.close_time > now - RECENT]
