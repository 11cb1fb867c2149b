"""From the database into the lake: which parts there are, and which of them the lake does not have as they are.

A month of minutes is settled when it is over and each of its minutes is confirmed, without trades or unrecoverable. It
stands in ``candles``, any other month in ``unsettled``, as it stands: so nothing that is stored is missing in the lake.
"""

from collections.abc import Iterator, Mapping, Sequence
from collections.abc import Set as AbstractSet
from dataclasses import dataclass, field
from datetime import UTC, datetime

import polars as pl

from btc_core.model.interval import ONE_MINUTE
from btc_core.model.timerange import EPOCH, MINUTE, TimeRange, format_time
from btc_core.partitions import month_range
from btc_store.frames import Frames, Value
from btc_store.lake import Lake, Manifest, folder_of
from btc_store.lake_places import parent
from btc_store.lake_tables import CANDLES, KINDS, QUALITY, UNSETTLED, Kind, month_of_key, read_rows

FOREVER = TimeRange(EPOCH, datetime(9998, 1, 1, tzinfo=UTC))
# A minute in one of these is not asked for any more.
SETTLED = ("confirmed", "no_trade", "unrecoverable")


@dataclass(frozen=True, slots=True, kw_only=True)
class Part:
    """A part as the database has it.

    Attributes:
        kind: Which.
        keys: What names it.
        digest: Differs where its rows do.
        n_rows: Of its first table.
        states: Of a month of minutes: how many are in which state.
        reason: Why a month of minutes is not settled; None where it is, and for every other kind.
    """

    kind: Kind
    keys: Mapping[str, str]
    digest: str
    n_rows: int
    states: Mapping[str, int] = field(default_factory=dict[str, int])
    reason: str | None = None

    @property
    def folder(self) -> str:
        """Where it is in a lake."""
        return folder_of(self.kind.name, self.keys)

    def is_in(self, manifest: Manifest | None) -> bool:
        """Return whether a manifest is about exactly this."""
        return manifest is not None and manifest.digest == self.digest and manifest.states == dict(self.states)


@dataclass(frozen=True, slots=True, kw_only=True)
class Archived:
    """What became of a part.

    Attributes:
        part: As the database had it.
        manifest: As the lake has it now.
        is_written: Whether it was written; else the lake had it already.
        refusal: Why it was not written although it differs; None where it was, or was not to be.
    """

    part: Part
    manifest: Manifest
    is_written: bool
    refusal: str | None = None


def symbols_stored(frames: Frames) -> list[str]:
    """Return the symbols of which something is stored that is archived."""
    with frames.transaction():
        return frames.read("archived_symbols")["symbol"].to_list()


def list_parts(frames: Frames, kind: Kind, symbol: str, *, within: TimeRange = FOREVER) -> list[Part]:
    """Return the parts of a kind that a symbol has; whether a month of minutes is settled is not asked yet.

    Args:
        frames: The database.
        kind: Which; not ``unsettled``, which comes with ``candles``.
        symbol: Whose; of ``terms`` it does not count.
        within: Months in this range; kinds without months are listed whole.
    """
    rows = frames.read(f"archived_{kind.name}", *_asked(frames, kind, symbol, within)).rows(named=True)
    return [
        Part(
            kind=kind,
            keys={key: symbol if key == "symbol" else row[key] for key in kind.keys},
            digest=row["digest"],
            n_rows=row["n_rows"],
        )
        for row in rows
        if row["n_rows"]
    ]


def _asked(frames: Frames, kind: Kind, symbol: str, within: TimeRange) -> tuple[Value, ...]:
    """Return what the statement takes that lists parts: months are listed whole."""
    if not kind.is_monthly:
        return (symbol,) if kind.keys else ()
    if kind is CANDLES:
        first, last = frames.read("edges_of_minutes", symbol, within.start, within.end).row(0)
        if first is None:
            return symbol, EPOCH, EPOCH
        within = TimeRange(first, last + MINUTE)
    return symbol, month_range(within.start).start, month_range(within.end - MINUTE).end


def archive(
    frames: Frames,
    lake: Lake,
    kind: Kind,
    symbol: str,
    *,
    now: datetime,
    within: TimeRange = FOREVER,
    is_verified: bool = False,
    is_replaced: bool = False,
) -> Iterator[Archived]:
    """Write the parts of a kind that a symbol has and the lake has not, or not as they are; yield each that there is.

    All of them are read as of one moment. What was written stays when a later part fails; twice is once.

    Args:
        frames: The database.
        lake: Where to.
        kind: Which.
        symbol: Whose.
        now: The present instant of the market.
        within: Months in this range.
        is_verified: Read what the lake has, and write anew what is damaged.
        is_replaced: Write months too of which the lake has more rows than the database.

    Raises:
        LakeError: If the lake cannot be reached or written.
    """
    with frames.snapshot():
        frames.read("lock_archive", f"{kind.name} {symbol}")
        parts = list_parts(frames, kind, symbol, within=within)
        if kind is CANDLES:
            parts = [_judged(frames, part, now) for part in parts]
        files = {path for name in _folders(kind) for path in lake.place.list(name)} if parts else set[str]()
        twins = lake.find([_twin_of(part) for part in parts]) if kind is CANDLES else [None] * len(parts)
        known = lake.find([part.folder for part in parts])
        for part, manifest, twin in zip(parts, known, twins, strict=True):
            is_there = manifest is not None and part.is_in(manifest) and _is_whole(manifest, files)
            richer = None if is_replaced else _richer(frames, lake, part, (manifest, twin))
            if is_there and manifest is not None and not (is_verified and lake.fault(manifest)):
                yield Archived(part=part, manifest=manifest, is_written=False)
            elif richer is not None:
                yield Archived(part=part, manifest=richer, is_written=False, refusal=_refusal(part, richer))
                continue
            else:
                yield Archived(part=part, manifest=_write(frames, lake, part), is_written=True)
            if kind is CANDLES and any(parent(path) == _twin_of(part) for path in files):
                lake.remove(_twin_of(part))


def archive_all(
    frames: Frames,
    lake: Lake,
    symbols: Sequence[str],
    *,
    now: datetime,
    within: TimeRange | None = None,
    is_verified: bool = False,
    is_replaced: bool = False,
) -> Iterator[Archived]:
    """Write whatever of some symbols the lake has not; yield each part.

    Args:
        frames: The database.
        lake: Where to.
        symbols: Whose.
        now: The present instant of the market.
        within: These months alone; None: everything, what has no months too.
        is_verified: Read what the lake has, and write anew what is damaged.
        is_replaced: Write months too of which the lake has more rows than the database.

    Raises:
        LakeError: If the lake cannot be reached or written.
    """
    for kind in KINDS.values():
        if kind is UNSETTLED or (within is not None and not kind.is_monthly):
            continue
        for symbol in symbols if kind.keys else [""]:
            yield from archive(
                frames,
                lake,
                kind,
                symbol,
                now=now,
                within=within or FOREVER,
                is_verified=is_verified,
                is_replaced=is_replaced,
            )


def _judged(frames: Frames, part: Part, now: datetime) -> Part:
    """Return a month of minutes with their states, in ``unsettled`` where one of them is open."""
    symbol, month = part.keys["symbol"], month_of_key(part.keys["month"])
    # Before a symbol's first minute nothing was collected: nothing is missing there.
    begun = frames.read("edges_of_minutes", symbol, EPOCH, month.end).row(0)[0]
    start = max(month.start, begun)
    asked = TimeRange(start, max(start + MINUTE, min(month.end, ONE_MINUTE.floor(now))))
    states: dict[str, int] = dict(frames.read("count_states", symbol, asked.start, asked.end).iter_rows())
    n_missing = asked.n_minutes - sum(states.values())
    if n_missing:
        states["missing"] = n_missing
    reason = None
    if month.end > now:
        reason = "the month is not over"
    elif n_missing:
        (first, *_) = frames.read("missing_ranges", symbol, asked.start, asked.end)["start_time"]
        reason = f"{n_missing:,} minutes are missing, the first {format_time(first)}"
    elif n_open := sum(n for state, n in states.items() if state not in SETTLED):
        reason = f"{n_open:,} minutes are not confirmed"
    kind = CANDLES if reason is None else UNSETTLED
    return Part(kind=kind, keys=part.keys, digest=part.digest, n_rows=part.n_rows, states=states, reason=reason)


def _write(frames: Frames, lake: Lake, part: Part) -> Manifest:
    tables: dict[str, Iterator[pl.DataFrame]] = {
        table.name: read_rows(frames, part.kind, table, part.keys) for table in part.kind.tables
    }
    manifest = Manifest(
        kind=part.kind.name,
        keys=dict(part.keys),
        states=dict(part.states),
        digest=part.digest,
        tables={},
        written_at=datetime.now(UTC),
    )
    return lake.write(manifest, tables, time=part.kind.time)


def _folders(kind: Kind) -> list[str]:
    """Return the folders in which parts of a kind may be."""
    return [CANDLES.name, UNSETTLED.name] if kind is CANDLES else [kind.name]


def _is_whole(manifest: Manifest, files: AbstractSet[str]) -> bool:
    """Return whether the files of a part are there; what is in them is looked at when they are read."""
    return {f"{manifest.folder}/{file.name}" for file in manifest.files()} <= files


def _twin_of(part: Part) -> str:
    """Return where a month of minutes stood before it was settled, or while it was."""
    return folder_of((UNSETTLED if part.kind is CANDLES else CANDLES).name, part.keys)


def _richer(frames: Frames, lake: Lake, part: Part, manifests: Sequence[Manifest | None]) -> Manifest | None:
    """Return what the lake has of a part if it is more than the database has: such rows of ours are never deleted.

    So that the archive of a database that began anew does not take the place of the backup that it needs. Findings
    become one (mark_minutes.sql): that there are fewer says so only where minutes are missing too.
    """
    if part.kind.is_whole:
        return None
    richer = next((each for each in manifests if each is not None and each.n_rows > part.n_rows), None)
    if richer is not None and part.kind is QUALITY and not _lacks_minutes(frames, lake, part):
        return None
    return richer


def _lacks_minutes(frames: Frames, lake: Lake, part: Part) -> bool:
    """Return whether the lake has more minutes of a part's month than the database."""
    month = month_of_key(part.keys["month"])
    n_stored = frames.read("archived_candles", part.keys["symbol"], month.start, month.end)["n_rows"].sum()
    archived = lake.find([folder_of(kind.name, part.keys) for kind in (CANDLES, UNSETTLED)])
    return any(each is not None and each.n_rows > n_stored for each in archived)


def _refusal(part: Part, richer: Manifest) -> str:
    return (
        f"{richer.folder}: the lake has {richer.n_rows:,} rows, the database {part.n_rows:,}. `btc restore` brings the "
        "others back, `btc archive --replace` forgets them"
    )


def months_behind(frames: Frames, lake: Lake, symbol: str, *, now: datetime) -> list[TimeRange]:
    """Return the months of which the lake lacks something, ascending.

    Args:
        frames: The database.
        lake: What is archived.
        symbol: Whose months.
        now: The present instant of the market.

    Raises:
        LakeError: If the lake cannot be reached.
    """
    behind: set[str] = set()
    for kind in KINDS.values():
        if not kind.is_monthly or kind is UNSETTLED:
            continue
        with frames.transaction():
            parts = list_parts(frames, kind, symbol)
            for part, manifest in zip(parts, lake.find([part.folder for part in parts]), strict=True):
                is_there = manifest is not None and manifest.digest == part.digest
                if not is_there and not (kind is CANDLES and _is_unsettled(frames, lake, part, now)):
                    behind.add(part.keys["month"])
    return [month_of_key(key) for key in sorted(behind)]


def _is_unsettled(frames: Frames, lake: Lake, part: Part, now: datetime) -> bool:
    """Return whether the lake has a month of minutes as one that is not settled, and it is so still."""
    (manifest,) = lake.find([folder_of(UNSETTLED.name, part.keys)])
    return manifest is not None and manifest.digest == part.digest and _judged(frames, part, now).is_in(manifest)
