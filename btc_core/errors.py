"""Every error this project raises on purpose. Facts are attributes; ``str(error)`` is for people.

BtcError
├── ConfigError        a key of config.yaml or of the environment is wrong
├── InputError         what a person gave is wrong
│   ├── UnknownNameError   a symbol, interval, strategy … that does not exist
│   ├── IntervalError      text that is no interval
│   ├── PluginError        a file of one's own that cannot be used as a strategy
│   ├── TimeError          text that is no time, or a range that is empty or reversed
│   └── ImportFileError    a candle file that cannot be taken as it is
├── DatabaseError      the database is away, refuses us, or has another schema
│   └── LockedError        somebody else holds a lock for longer than we wait
├── SymbolError        a symbol cannot be worked on; the others can
├── ExchangeError      the exchange did not answer, or something that cannot be used
├── SpoolError         candles cannot be kept on disk while the database is away
├── LakeError          the archive is away, or a file of it is missing or damaged
└── DataError          the stored data do not allow what was asked
"""

from collections.abc import Iterable
from difflib import get_close_matches

SHOWN_CHARACTERS = 300


class BtcError(Exception):
    """Base of all errors that are meant to be read by a person."""


class ConfigError(BtcError):
    """A key of ``config.yaml`` or of the environment is missing, unknown or has a wrong value."""


class InputError(BtcError):
    """What a person gave cannot be used."""


class IntervalError(InputError):
    """Text that is no candle interval."""


class TimeError(InputError):
    """Text that is no time, or a range that is empty or reversed."""


class ImportFileError(InputError):
    """A candle file that cannot be taken as it is; nothing of it was stored."""


class DatabaseError(BtcError):
    """The database is away, refuses the connection or has another schema than expected."""


class LockedError(DatabaseError):
    """Somebody else holds a lock for longer than this connection waits.

    Args:
        symbol: Whose lock it is; None where it is about none.
    """

    def __init__(self, symbol: str | None = None) -> None:
        self.symbol = symbol
        super().__init__(f"another process works on {symbol or 'the same rows'} for longer than is waited for")


class SymbolError(BtcError):
    """One symbol cannot be worked on, because of what is stored of it; the others can.

    Args:
        symbol: Which.
        error: What its work ended with.
    """

    def __init__(self, symbol: str, error: BaseException) -> None:
        self.symbol = symbol
        # An engine's words may go on for pages.
        reason = " ".join(str(error).split())[:SHOWN_CHARACTERS]
        super().__init__(f"{symbol} cannot be worked on: {type(error).__name__}: {reason}")


class ExchangeError(BtcError):
    """The exchange did not answer, or with something that cannot be used.

    Args:
        text: What was expected and what was found.
        is_transient: Whether the same question may be answered later. False where the question itself is at fault.
    """

    def __init__(self, text: str, *, is_transient: bool = True) -> None:
        self.is_transient = is_transient
        super().__init__(text)


class SpoolError(BtcError):
    """Candles cannot be kept on disk: the folder is out of reach, the disk is full, or the spool is."""


class LakeError(BtcError):
    """The lake cannot be reached or written, or what it holds is not what its manifest says."""


class DataError(BtcError):
    """The stored data do not allow what was asked."""


class PluginError(InputError):
    """A plug-in's file that cannot be used; it is left out, and everything else goes on.

    Args:
        file: The file, or the name of the plug-in.
        fault: What is wrong with it, in words that follow a colon.
    """

    def __init__(self, file: str, fault: str) -> None:
        self.file = file
        self.fault = fault
        end = "" if fault.endswith(("?", ".")) else "."
        super().__init__(f"{file}: {fault}{end} It is left out until the file is mended")


class UnknownNameError(InputError):
    """A name that does not exist.

    Args:
        kind: What the name should have been, in singular ("symbol").
        found: The name as given.
        known: All names that exist.
    """

    def __init__(self, kind: str, found: str, known: Iterable[str]) -> None:
        self.kind = kind
        self.found = found
        self.known = tuple(known)
        super().__init__(kind, found, self.known)

    def __str__(self) -> str:
        return f"unknown {self.kind} {self.found!r}. {near_misses(self.found, self.known)}"


def near_misses(found: str, known: Iterable[str]) -> str:
    """Return a sentence that leads from a wrong name to the right one."""
    names = list(known)
    by_folded = {name.casefold(): name for name in names}
    close = get_close_matches(found.casefold(), by_folded, n=3, cutoff=0.5)
    if close:
        return f"Did you mean {' or '.join(by_folded[name] for name in close)}?"
    return f"Known: {', '.join(names)}." if names else "None is configured."
