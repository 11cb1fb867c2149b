"""Channels: the addresses of ``ALERT_URLS`` (Telegram, Discord, mail …), and apprise, which speaks to them.

An address is a secret: what is shown of it is its name and its service. apprise is imported when a channel is opened:
it costs a third of a second and 40 MB, and no run of Dagster needs it.
"""

import logging
import re
import threading
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from btc_core.errors import near_misses

if TYPE_CHECKING:
    from apprise import NotifyBase

# An address and before it, where it has one, its tag: phone=tgram://…
_ADDRESS = re.compile(r"(?:(?P<tag>[A-Za-z][\w-]*)=)?(?P<url>(?P<service>[A-Za-z][\w+.-]*)://\S*)")
# A comma parts two addresses where another one follows it; an address may hold commas of its own.
_BETWEEN = re.compile(r"\s+|,\s*(?=(?:[A-Za-z][\w-]*=)?[A-Za-z][\w+.-]*://)")
# What is longer in an address may be a secret, and is not shown when apprise's words hold it.
_LONGEST_SHOWN = 5
_MOST_CHARACTERS = 200
_ORDINALS = ("first", "second", "third", "fourth", "fifth")


@dataclass(frozen=True, slots=True)
class Channel:
    """Somebody to tell.

    Attributes:
        name: Its tag, numbered from the second of the same tag on: ``phone``, ``phone-2``. So it stays the same when a
            secret of its address changes.
        tag: What ``config.yaml`` calls it: what stands before its address, else its service.
        service: As apprise calls it: ``tgram``, ``mailto``.
        url: Its address.
    """

    name: str
    tag: str
    service: str
    url: str = field(repr=False)


@dataclass(slots=True)
class Opened:
    """A channel that can be spoken to, one message at a time."""

    channel: Channel
    _plugin: "NotifyBase"
    _busy: threading.Thread | None = None

    def send(self, title: str, body: str, *, tone: str, seconds: float) -> str | None:
        """Send a message; return None when it was taken, else what was said against it, without secrets.

        Args:
            title: One line.
            body: Lines.
            tone: ``info``, ``success``, ``warning`` or ``failure``.
            seconds: How long it is waited for. Whether one that takes longer is delivered nobody knows.
        """
        if self._busy is not None and self._busy.is_alive():
            return "an earlier message is still under way"
        ended: list[bool | str] = []
        heard = _Heard()

        def run() -> None:
            heard.thread = threading.get_ident()
            try:
                ended.append(bool(self._plugin.notify(body=body, title=title, notify_type=tone)))
            except Exception as error:  # noqa: BLE001  # whatever a service's plug-in does, it stops nobody
                ended.append(f"{type(error).__name__}: {error}")

        log = logging.getLogger("apprise")
        log.addHandler(heard)
        try:
            # A thread that nobody waits for at the end: a service that hangs must not hold the process.
            self._busy = threading.Thread(target=run, name=f"alert {self.channel.name}", daemon=True)
            self._busy.start()
            self._busy.join(seconds)
        finally:
            log.removeHandler(heard)
        if not ended:
            return f"no answer within {seconds:g} s"
        if ended[0] is True:
            return None
        said = ended[0] if isinstance(ended[0], str) else " ".join(heard.texts) or "it was not taken"
        return without_secrets(said, self.channel.url)


class _Heard(logging.Handler):
    """What apprise says in one thread: its results are no more than yes and no."""

    def __init__(self) -> None:
        super().__init__(logging.WARNING)
        self.texts: list[str] = []
        self.thread: int | None = None

    def emit(self, record: logging.LogRecord) -> None:
        if record.thread == self.thread:
            self.texts.append(record.getMessage())


def parse_channels(text: str) -> tuple[list[Channel], list[str]]:
    """Return the channels that ``ALERT_URLS`` names, and a sentence for each entry that is no address."""
    channels: list[Channel] = []
    faults: list[str] = []
    counts: dict[str, int] = {}
    for number, entry in enumerate(filter(None, _BETWEEN.split(text.strip().strip(","))), 1):
        found = _ADDRESS.fullmatch(entry)
        if found is None:
            # Nothing of it is shown: it may be a torn address.
            faults.append(
                f"ALERT_URLS: expected an address such as tgram://…, found none in the {_ordinal(number)} entry"
            )
            continue
        tag = found["tag"] or found["service"].lower()
        counts[tag] = counts.get(tag, 0) + 1
        name = tag if counts[tag] == 1 else f"{tag}-{counts[tag]}"
        channels.append(Channel(name, tag, found["service"].lower(), found["url"]))
    return channels, faults


def open_channels(channels: Sequence[Channel]) -> tuple[list[Opened], list[str]]:
    """Return the channels that apprise can speak to, and a sentence for each of the others."""
    import apprise

    # It writes to its own standard error what we say ourselves.
    logging.getLogger("apprise").propagate = False
    opened: list[Opened] = []
    faults: list[str] = []
    for channel in channels:
        plugin: Any = apprise.Apprise.instantiate(channel.url, suppress_exceptions=True)
        if plugin is None:
            faults.append(_fault(channel))
            continue
        # What is too long for a service goes in parts, and does not fail for ever.
        plugin.overflow_mode = apprise.OverflowMode.SPLIT
        opened.append(Opened(channel, plugin))
    return opened, faults


def without_secrets(text: str, url: str) -> str:
    """Return a text in which no part of an address is left that may be a secret, on one line."""
    rest = url.partition("://")[2]
    for part in sorted(set(re.split(r"[/:@?&=,\s]+", rest)), key=len, reverse=True):
        if len(part) > _LONGEST_SHOWN:
            text = text.replace(part, "…")
    text = " ".join(text.split())
    return text if len(text) <= _MOST_CHARACTERS else text[: _MOST_CHARACTERS - 1] + "…"


def _fault(channel: Channel) -> str:
    from apprise.manager_plugins import NotificationManager

    services = sorted(NotificationManager().schemas())
    shown = f"ALERT_URLS: the channel {channel.name!r} ({channel.service}://…)"
    if channel.service not in services:
        hint = near_misses(channel.service, services)
        return f"{shown}: apprise knows no such service. {hint if len(hint) < _MOST_CHARACTERS else ''}".strip()
    return f"{shown}: apprise cannot use it: a part of the address is missing or wrong. See https://appriseit.com/services/"


def _ordinal(number: int) -> str:
    return _ORDINALS[number - 1] if number <= len(_ORDINALS) else f"{number}th"
