"""The daily digest: what came, what was decided, what was wrong, what the paper accounts are worth."""

from collections.abc import Sequence
from datetime import datetime

import msgspec

from btc_core.alert_words import Message
from btc_core.model.timerange import format_time

# Rows of a kind in a message that a phone shows.
_MOST = 12


class Minutes(msgspec.Struct, frozen=True):
    """A symbol's minutes of a day: due, stored, confirmed, known to be without trades."""

    symbol: str
    n_minutes: int
    n_stored: int
    n_confirmed: int
    n_no_trade: int

    @property
    def n_missing(self) -> int:
        """Those that are due, and neither stored nor known to be without trades."""
        return max(self.n_minutes - self.n_stored - self.n_no_trade, 0)


class Decided(msgspec.Struct, frozen=True):
    """What a strategy has decided in a day: how often its exposure changed, and the newest word."""

    strategy: str
    symbol: str
    interval: str
    n_decisions: int
    signal: str


class Wrong(msgspec.Struct, frozen=True):
    """An incident: ``ended_at`` is None while it lasts."""

    kind: str
    subject: str
    severity: str
    started_at: datetime
    ended_at: datetime | None


class Account(msgspec.Struct, frozen=True):
    """A paper account: what it is worth and began with, quote currency."""

    strategy: str
    symbol: str
    interval: str
    equity: float
    capital: float
    exposure: float


class Disk(msgspec.Struct, frozen=True):
    """A disk, by a folder on it."""

    folder: str
    total_bytes: int
    free_bytes: int

    @property
    def free(self) -> float:
        """What share of it is free; 1 of one without a size."""
        return self.free_bytes / self.total_bytes if self.total_bytes else 1.0


class Figures(msgspec.Struct, frozen=True, kw_only=True):
    """What a digest tells of."""

    minutes: Sequence[Minutes] = ()
    decided: Sequence[Decided] = ()
    wrong: Sequence[Wrong] = ()
    findings: Sequence[tuple[str, int]] = ()
    accounts: Sequence[Account] = ()
    disks: Sequence[Disk] = ()


def digest_key(day: str) -> str:
    """Return the key of a day's digest: it is sent once."""
    return f"digest {day}"


def digest_of(day: str, figures: Figures) -> Message:
    """Return a day's digest."""
    n_open = sum(each.ended_at is None for each in figures.wrong)
    n_missing = sum(each.n_missing for each in figures.minutes)
    n_changes = sum(each.n_decisions for each in figures.decided)
    state = f"{n_open} open {'incident' if n_open == 1 else 'incidents'}" if n_open else "all is well"
    title = f"BTC {day}: {state}, {n_missing:,} minutes missing, {n_changes:,} changes of exposure"
    parts = [
        ("Last 24 hours", [_minutes(each) for each in figures.minutes] or ["no minutes are stored"]),
        ("Decisions", [_decided(each) for each in figures.decided]),
        ("Incidents", [_wrong(each) for each in figures.wrong]),
        ("Open findings", [", ".join(f"{n:,} {kind}" for kind, n in figures.findings)] if figures.findings else []),
        ("Paper accounts", [_account(each) for each in figures.accounts]),
        ("Disks", [f"{each.folder}: {each.free:.0%} free, {each.free_bytes / 1e9:,.1f} GB" for each in figures.disks]),
    ]
    body = "\n\n".join(f"{name}\n" + "\n".join(_few(lines)) for name, lines in parts if lines)
    return Message(key=digest_key(day), kind="digest", severity="info", title=title, body=body)


def _few(lines: Sequence[str]) -> list[str]:
    more = len(lines) - _MOST
    return [f"- {line}" for line in lines[:_MOST]] + ([f"- … and {more} more"] if more > 0 else [])


def _minutes(each: Minutes) -> str:
    silent = f", {each.n_no_trade:,} without trades" if each.n_no_trade else ""
    return (
        f"{each.symbol}: {each.n_stored:,} of {each.n_minutes:,} minutes, {each.n_confirmed:,} confirmed, "
        f"{each.n_missing:,} missing{silent}"
    )


def _decided(each: Decided) -> str:
    return f"{each.symbol} {each.interval} {each.strategy}: {each.n_decisions}, last {each.signal}"


def _wrong(each: Wrong) -> str:
    until = f"until {format_time(each.ended_at.replace(microsecond=0))}" if each.ended_at else f"OPEN, {each.severity}"
    return f"{each.kind} {each.subject}: since {format_time(each.started_at.replace(microsecond=0))}, {until}"


def _account(each: Account) -> str:
    change = each.equity / each.capital - 1 if each.capital else 0.0
    sign = f"{change:+.1%}".replace("-", "−")
    return f"{each.symbol} {each.interval} {each.strategy}: {each.equity:,.2f} ({sign})"
