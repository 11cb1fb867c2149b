"""Whom to tell what, and when: the section ``alerts`` of ``config.yaml``. Plain part; no channel, no clock, no text.

What is wrong becomes incidents in ``btc_core.incidents``, and words in ``btc_core.alert_words``.
"""

import re
from collections.abc import Collection, Sequence
from datetime import UTC, datetime, timedelta, tzinfo
from types import MappingProxyType
from zoneinfo import ZoneInfo

import msgspec

from btc_core.errors import ConfigError, near_misses

# What can be told. `restored` is the end of any of them, `test` is what `btc doctor --send-test` sends.
KINDS = ("decision", "gap", "stale", "reconciliation", "run_failed", "disk", "restored", "digest", "test")
SEVERITIES = ("info", "warning", "error")
# A gap that its minutes' own history can still fill is no reason to wake anybody.
SEVERITY_OF = MappingProxyType({"gap": "warning"})
# Between two tries of a channel that fails: doubled each time.
RETRY_MIN, RETRY_MAX = timedelta(seconds=30), timedelta(minutes=30)
_TIME = re.compile(r"([01]\d|2[0-3]):([0-5]\d)")
_PAGE = re.compile(r"https?://[^\s]+")

Tags = tuple[str, ...]


def _check_name(what: str, found: str, known: Sequence[str]) -> None:
    if found not in known:
        raise ValueError(f"unknown {what} {found!r}. {near_misses(found, known)}")


def _set_time(section: msgspec.Struct, name: str) -> None:
    """Make a time of day of what YAML makes of one: without quotes, 22:30 is 1350 there, as in "22 · 60 + 30"."""
    value: str | int | None = getattr(section, name)
    text = f"{value // 60:02}:{value % 60:02}" if isinstance(value, int) else value
    if text is not None and _TIME.fullmatch(text) is None:
        raise ValueError(f"{name}: expected a time of day such as 08:00, found {value!r}")
    msgspec.structs.force_setattr(section, name, text)


class QuietConfig(msgspec.Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """From when to when nothing but errors is sent: ``22:00`` to ``07:00`` in the time zone; None: never quiet."""

    start: str | int | None = None
    end: str | int | None = None

    def __post_init__(self) -> None:
        if (self.start is None) != (self.end is None):
            raise ValueError("expected start and end, found one of them")
        for name in ("start", "end"):
            _set_time(self, name)


class AlertsConfig(msgspec.Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """What is told to whom.

    Attributes:
        channels: By kind, the tags of the channels that are told, or those by severity; ``default`` for the kinds that
            are not named. Where neither is, all channels are told.
        severity: By kind, another severity than its own.
        time_zone: Of the quiet hours and the digest.
        quiet: When nothing but errors is sent.
        digest: When the daily digest is sent; None: there is none.
        reminder_hours: An incident that lasts is told again after so long; 0: never.
        gap_minutes: A gap is told when its minutes have been missed for so long.
        stale_minutes: Age of a symbol's newest minute from which on it is told.
        calm_minutes: An incident is over when nothing was wrong for so long.
        disk_free: A disk is low below this free share.
        disks: Folders whose disks are looked at, beside those of the project.
        dashboard: Address of the dashboard, for a link in the messages.
    """

    channels: dict[str, Tags | dict[str, Tags]] = {}
    severity: dict[str, str] = {}
    time_zone: str = "UTC"
    quiet: QuietConfig = QuietConfig()
    digest: str | int | None = "08:00"
    reminder_hours: float = 24
    gap_minutes: float = 10
    stale_minutes: float = 5
    calm_minutes: float = 5
    disk_free: float = 0.1
    disks: tuple[str, ...] = ()
    dashboard: str | None = None

    def __post_init__(self) -> None:
        for kind, tags in self.channels.items():
            _check_name("kind", kind, (*KINDS, "default"))
            for severity in tags if isinstance(tags, dict) else ():
                _check_name("severity", severity, SEVERITIES)
        for kind, severity in self.severity.items():
            _check_name("kind", kind, KINDS)
            _check_name("severity", severity, SEVERITIES)
        _set_time(self, "digest")
        if not 0 <= self.disk_free < 1:
            raise ValueError(f"disk_free is a fraction from 0 to below 1, found {self.disk_free}")
        for name in ("reminder_hours", "gap_minutes", "stale_minutes", "calm_minutes"):
            if not 0 <= getattr(self, name) < 1e6:
                raise ValueError(f"{name} must be 0 or above, found {getattr(self, name)}")
        if self.dashboard is not None and _PAGE.fullmatch(self.dashboard) is None:
            raise ValueError(f"dashboard: expected http://host:port or https://host, found {self.dashboard!r}")


def zone_of(config: AlertsConfig) -> tzinfo:
    """Return the time zone. Not asked for by who sends nothing: the collector's image has no zones.

    Raises:
        ConfigError: If there is none of that name.
    """
    if config.time_zone == "UTC":
        return UTC
    try:
        return ZoneInfo(config.time_zone)
    except (OSError, ValueError, LookupError):
        raise ConfigError(
            f"alerts.time_zone: expected a name such as Europe/Berlin, found {config.time_zone!r}"
        ) from None


def is_quiet(config: AlertsConfig, now: datetime) -> bool:
    """Return whether an instant lies in the quiet hours, which may go over midnight."""
    if config.quiet.start is None or config.quiet.end is None:
        return False
    start, end, local = str(config.quiet.start), str(config.quiet.end), f"{now.astimezone(zone_of(config)):%H:%M}"
    return start <= local < end if start <= end else local >= start or local < end


def digest_day(config: AlertsConfig, now: datetime) -> str | None:
    """Return the day whose digest is due, as ``2025-02-14``; None where none is."""
    local = now.astimezone(zone_of(config))
    return f"{local:%Y-%m-%d}" if config.digest is not None and f"{local:%H:%M}" >= str(config.digest) else None


def severity_of(config: AlertsConfig, kind: str, found: str) -> str:
    """Return how bad a thing of a kind is: as configured, else as its kind is, else as it was found."""
    return {**SEVERITY_OF, **config.severity}.get(kind, found)


def tags_of(config: AlertsConfig, kinds: Sequence[str], severity: str) -> Tags | None:
    """Return the tags of the channels that are told; None: all.

    Args:
        config: The rules.
        kinds: The first of these that is configured counts, else ``default``.
        severity: Of what is told. Where a kind is configured by severity, one that is not named tells nobody.
    """
    for kind in (*kinds, "default"):
        tags = config.channels.get(kind)
        if tags is not None:
            return tags.get(severity, ()) if isinstance(tags, dict) else tags
    return None


def unknown_tags(config: AlertsConfig, known: Collection[str]) -> list[str]:
    """Return a sentence for each tag that the rules name and no channel has."""
    named: dict[str, str] = {}
    for kind, tags in config.channels.items():
        for part in tags.values() if isinstance(tags, dict) else (tags,):
            named |= {tag: kind for tag in part if tag not in known}
    return [
        f"alerts.channels.{kind} names the channel {tag!r}, which ALERT_URLS has not. {near_misses(tag, known)}"
        for tag, kind in named.items()
    ]


def next_try(now: datetime, n_failed: int) -> datetime:
    """Return when a channel that failed so often in a row is tried again."""
    return now + min(RETRY_MIN * 2 ** min(n_failed - 1, 16), RETRY_MAX)


def by_severity(severities: Collection[str]) -> str:
    """Return the worst of some severities."""
    return max(severities, key=SEVERITIES.index)
