"""Alerts: look what is wrong, keep it, and send what there is to say. One look at a time, whoever makes it.

Dagster's sensor makes a look every half minute, and so does ``btc alerts --follow`` where there is no Dagster. A lock
lets one of them do it, so both may run. A channel that hangs or fails holds back nothing but its own messages.
"""

import asyncio
import logging
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import dataclass
from datetime import datetime, timedelta
from pathlib import Path

import asyncpg

from btc_core.alert_words import message_of_test, together
from btc_core.alerts import is_quiet, tags_of, unknown_tags, zone_of
from btc_core.errors import ConfigError, DatabaseError
from btc_core.model.timerange import format_time
from btc_store.alerts import (
    ChannelState,
    Waiting,
    note_failed,
    note_look,
    note_sent,
    open_incidents,
    read_channels,
    read_waiting,
    take_lock,
)
from btc_store.connection import UNAVAILABLE, Connection, connect, explain
from btc_store.settings import Settings
from btc_store.sightings import low_disks, see
from resources.channels import Opened, open_channels, parse_channels

logger = logging.getLogger(__name__)

# Between two looks, market seconds; by a fast clock, real seconds that are not gone below.
LOOK_SECONDS, LOOK_LEAST_SECONDS = 30.0, 1.0
# How long a channel may take, real seconds: a look of the sensor may take a minute.
SEND_SECONDS = 15.0
# Messages that are looked at for one that is sent together; the others follow at the next look.
MOST_WAITING = 50
_TONES = {"info": "info", "warning": "warning", "error": "failure"}


@dataclass(frozen=True)
class Desk:
    """Who is told, made once a process: it imports apprise.

    Attributes:
        settings: The rules and the addresses.
        opened: The channels that can be used.
        faults: A sentence for each that cannot, and for each rule that names one that is not there.
    """

    settings: Settings
    opened: Sequence[Opened]
    faults: Sequence[str]


@dataclass(frozen=True)
class Looked:
    """What a look did: messages that are new, those that were sent, and what channels said against them."""

    n_new: int = 0
    n_sent: int = 0
    failed: Sequence[str] = ()
    is_ours: bool = True

    def __str__(self) -> str:
        if not self.is_ours:
            return "another process sends the alerts"
        told = f"{self.n_new} new, {self.n_sent} sent" if self.n_new or self.n_sent else "nothing new"
        return "; ".join([told, *self.failed])


def open_desk(settings: Settings) -> Desk:
    """Open the channels. What cannot be used is left out: it must not silence the others.

    Raises:
        ConfigError: If the time zone does not exist.
    """
    zone_of(settings.config.alerts)
    channels, faults = parse_channels(settings.alert_urls)
    opened, unusable = open_channels(channels)
    faults += unusable + unknown_tags(settings.config.alerts, {channel.tag for channel in channels})
    return Desk(settings, opened, faults)


def log_faults(desk: Desk) -> None:
    """Log what cannot be used, at the start of who sends."""
    for fault in desk.faults:
        logger.error("alert channel left out", extra={"fault": fault})


async def look_once(desk: Desk, *, now: datetime | None = None) -> Looked:
    """Look, keep what is new, and send what waits.

    Args:
        desk: Who is told.
        now: The present instant of the market; None: by the settings.

    Raises:
        DatabaseError: If the database is away, or lacks our tables.
    """
    url = desk.settings.database_url
    async with connect(url) as connection:
        try:
            return await look_on(connection, desk, now=now or desk.settings.now())
        except (*UNAVAILABLE, asyncpg.PostgresError) as error:
            raise explain(error, url) from error


async def look_on(connection: Connection, desk: Desk, *, now: datetime) -> Looked:
    """Look by a connection that is there; it holds the lock until it ends."""
    if not await take_lock(connection):
        return Looked(is_ours=False)
    settings, config = desk.settings, desk.settings.config
    known, folders = await open_incidents(connection), folders_of(settings)
    seen = [*await see(connection, config, known, now=now), *low_disks(folders, config.alerts, now=now)]
    names = {each.channel.name: each.channel.tag for each in desk.opened}
    n_new = await note_look(
        connection, config, known, seen, now=now, channels=names, folders=folders, rate=settings.clock.rate
    )
    n_sent, failed = await _send(connection, desk, now=now)
    return Looked(n_new, n_sent, failed)


async def follow(settings: Settings, stop: asyncio.Event) -> None:
    """Look every half minute until ``stop`` is set; wait for a database that is away.

    Raises:
        ConfigError: If there is nobody to tell.
    """
    desk = await asyncio.to_thread(open_desk, settings)
    log_faults(desk)
    if not desk.opened:
        raise ConfigError(" ".join(desk.faults) or "ALERT_URLS is empty: expected whom to tell (docs/alerts.md)")
    logger.info("alerts are sent", extra={"channels": ", ".join(each.channel.name for each in desk.opened)})
    pause, absence = max(settings.clock.real_seconds(LOOK_SECONDS), LOOK_LEAST_SECONDS), Absence(desk)
    while not stop.is_set():
        try:
            looked = await look_once(desk)
        except DatabaseError as error:
            logger.warning("database away", extra={"reason": str(error)})
            await absence.note(settings.now(), str(error))
        else:
            await absence.note(settings.now(), None)
            if looked.n_new or looked.n_sent or looked.failed:
                logger.info("alerts", extra={"new": looked.n_new, "sent": looked.n_sent, "failed": list(looked.failed)})
        with suppress(TimeoutError):
            await asyncio.wait_for(stop.wait(), pause)


class Absence:
    """The one incident that cannot be a row: the database is away. It is told like a collector that stands still.

    It is remembered by this process alone: one that starts anew meanwhile tells it again.
    """

    def __init__(self, desk: Desk) -> None:
        rules = desk.settings.config.alerts
        tags = tags_of(rules, ["stale"], "error")
        self._whom = [each for each in desk.opened if tags is None or each.channel.tag in tags]
        self._patience = timedelta(minutes=rules.stale_minutes)
        self._since: datetime | None = None
        self._untold: list[Opened] | None = None

    async def note(self, now: datetime, fault: str | None) -> None:
        """Take note of how a look went. A channel that fails is tried at the next one."""
        if fault is not None:
            self._since = self._since or now
            if now - self._since >= self._patience:
                text = f"{fault[:1].upper()}{fault[1:]}.\nThe collector keeps what comes on its disk meanwhile."
                whom = self._whom if self._untold is None else self._untold
                title = f"The database is away since {format_time(self._since.replace(microsecond=0))}"
                self._untold = await self._tell(whom, title, text, "failure")
        elif self._since is not None:
            if self._untold is not None:
                since = format_time(self._since.replace(microsecond=0))
                told = [each for each in self._whom if each not in self._untold]
                await self._tell(told, "The database is back", f"It was away since {since}.", "success")
            self._since = self._untold = None

    async def _tell(self, whom: Sequence[Opened], title: str, text: str, tone: str) -> list[Opened]:
        """Return those who have not taken it."""
        said = await asyncio.gather(*(_post(each, title, text, tone) for each in whom))
        return [each for each, error in zip(whom, said, strict=True) if error is not None]


def send_test(desk: Desk, *, now: datetime) -> dict[str, str | None]:
    """Send a test message to every channel; return for each None, or what was said against it."""
    message = message_of_test(now)

    async def ask() -> list[str | None]:
        return await asyncio.gather(*(_post(each, message.title, message.body, "info") for each in desk.opened))

    return dict(zip((each.channel.name for each in desk.opened), asyncio.run(ask()), strict=True))


def folders_of(settings: Settings) -> list[Path]:
    """Return the folders whose disks are looked at: the collector's, ours, the embedded database's, configured ones."""
    own = settings.collector_folder
    there = next((folder for folder in (own, *own.parents) if folder.exists()), own)
    return [there, settings.dagster_home, *(Path(each) for each in settings.config.alerts.disks)]


async def _send(connection: Connection, desk: Desk, *, now: datetime) -> tuple[int, list[str]]:
    """Send what waits, to all channels at once; each is noted as soon as it has answered."""
    states, alerts = await read_channels(connection), desk.settings.config.alerts
    quiet, posts = is_quiet(alerts, now), list[asyncio.Task[tuple[ChannelState, list[int], str | None]]]()
    for each in desk.opened:
        name = each.channel.name
        state = states.get(name, ChannelState(name=name))
        if not state.is_due(now):
            continue
        waiting = await read_waiting(connection, name, errors_only=quiet, most=MOST_WAITING)
        if waiting:
            posts.append(asyncio.create_task(_post_waiting(each, state, waiting, alerts.dashboard)))
    n_sent, failed = 0, list[str]()
    for post in asyncio.as_completed(posts):
        state, ids, error = await post
        if error is None:
            await note_sent(connection, state.name, ids, now=now)
            n_sent += len(ids)
        else:
            await note_failed(connection, state, error, now=now)
            failed.append(f"{state.name}: {error}")
    return n_sent, failed


async def _post_waiting(
    to: Opened, state: ChannelState, waiting: Sequence[Waiting], link: str | None
) -> tuple[ChannelState, list[int], str | None]:
    n, title, body = together([each.message for each in waiting], waiting[0].created_at, link=link)
    taken = waiting[:n]
    tones = {"success" if each.message.kind == "restored" else _TONES[each.message.severity] for each in taken}
    tone = next(name for name in ("failure", "warning", "success", "info") if name in tones)
    return state, [each.id for each in taken], await _post(to, title, body, tone)


async def _post(to: Opened, title: str, body: str, tone: str) -> str | None:
    """Send without holding the loop; the thread that waits ends with the time that a channel is given."""
    return await asyncio.to_thread(to.send, title, body, tone=tone, seconds=SEND_SECONDS)
