"""From the lake into the database: rows as they were, with their state, revision and date; what is better there stays.

A part is one transaction. Whether its files are as its manifest says is known before the first row is written.
"""

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass

import polars as pl

from btc_core.model.timerange import MINUTE, TimeRange
from btc_store.frames import Frames
from btc_store.lake import Lake, Manifest
from btc_store.lake_tables import (
    CANDLES,
    KINDS,
    UNSETTLED,
    Kind,
    Table,
    count_differing,
    insert_rows,
    month_of_key,
    values_of,
)

# Of these a stored row may give way; the statement that says to what.
_ROOM = {CANDLES.name: "make_room_minutes", UNSETTLED.name: "make_room_minutes", "funding": "make_room_funding"}


@dataclass(frozen=True, slots=True, kw_only=True)
class Restored:
    """What became of a part's rows; of all its tables together.

    Attributes:
        manifest: Of the part.
        n_new: Were not stored.
        n_replaced: Minutes and rates in whose place a worse version of them was stored.
        n_same: Were stored just so.
        n_kept: What was stored in their place differs and stays: it is better, or was written by somebody else.
    """

    manifest: Manifest
    n_new: int = 0
    n_replaced: int = 0
    n_same: int = 0
    n_kept: int = 0


@dataclass(frozen=True, slots=True)
class Choice:
    """Which parts are meant.

    Attributes:
        symbols: Of these symbols; None: of all.
        within: Months in this range; None: all of them, and what has no months.
    """

    symbols: Sequence[str] | None = None
    within: TimeRange | None = None

    def takes(self, manifest: Manifest) -> bool:
        """Return whether a part is meant; what is nobody's in particular comes with whatever is asked for."""
        symbol, month = manifest.keys.get("symbol"), manifest.keys.get("month")
        if symbol is not None and self.symbols is not None and symbol not in self.symbols:
            return False
        if self.within is None:
            return True
        return month is not None and month_of_key(month).overlaps(self.within)


def choose(lake: Lake, choice: Choice) -> tuple[list[Manifest], list[str]]:
    """Return the parts that are meant, in the order in which they are restored, and what is wrong with some folders.

    Raises:
        LakeError: If the lake cannot be reached.
    """
    manifests, faults = lake.parts(KINDS)
    chosen = [manifest for manifest in manifests if choice.takes(manifest)]
    return _without_twins(chosen), faults


def verify(lake: Lake, manifests: Sequence[Manifest], *, advance: Callable[[float], None]) -> dict[str, str]:
    """Return what is wrong with the files of some parts, by their folder."""
    faults: dict[str, str] = {}
    for manifest in manifests:
        if fault := lake.fault(manifest):
            faults[manifest.folder] = fault
        advance(1)
    return faults


def restore(frames: Frames, lake: Lake, manifests: Sequence[Manifest]) -> Iterator[Restored]:
    """Write the rows of parts; yield what became of each. Twice is once.

    Args:
        frames: The database.
        lake: Where from.
        manifests: From ``choose``, in that order.

    Raises:
        LakeError: If a file is not as its manifest says; of its part nothing is written then.
    """
    for manifest in manifests:
        with frames.transaction():
            done = _restore_part(frames, lake, KINDS[manifest.kind], manifest)
        if manifest.kind in (CANDLES.name, UNSETTLED.name) and done.n_new + done.n_replaced:
            _heal(frames, manifest)
        yield done


def _restore_part(frames: Frames, lake: Lake, kind: Kind, manifest: Manifest) -> Restored:
    if kind in (CANDLES, UNSETTLED):
        symbol = manifest.keys["symbol"]
        frames.lock(symbol)
        frames.read("lock_minutes", symbol)
    n_new = n_replaced = n_same = n_kept = 0
    for table in kind.tables:
        if table.name not in manifest.tables:
            continue
        for rows in _whole_units(lake.rows(manifest, table.name), table):
            if not rows.height:
                continue
            replaced = _make_room(frames, kind, rows, manifest.keys)
            n_inserted = insert_rows(frames, kind, table, manifest.keys, rows)
            n_there = rows.height - n_inserted
            differing = count_differing(frames, kind, table, manifest.keys, rows.columns) if n_there else 0
            if kind.is_whole and table is kind.tables[0] and n_there:
                # It is there, and what hangs on it with it: rows of two versions are not mixed.
                return _left(manifest, is_same=not differing)
            n_new, n_replaced = n_new + n_inserted - replaced, n_replaced + replaced
            n_same, n_kept = n_same + n_there - differing, n_kept + differing
    return Restored(manifest=manifest, n_new=n_new, n_replaced=n_replaced, n_same=n_same, n_kept=n_kept)


def _whole_units(parts: Iterable[pl.DataFrame], table: Table) -> Iterator[pl.DataFrame]:
    """Yield the rows of a table cut elsewhere, where files cut what is restored as one."""
    begun: list[pl.DataFrame] = []
    for rows in parts:
        if not table.unit or not rows.height:
            yield rows
            continue
        both = pl.concat([*begun, rows])
        is_last = pl.all_horizontal(pl.col(name) == rows[name][-1] for name in table.unit)
        yield both.filter(~is_last)
        begun = [both.filter(is_last)]
    yield from begun


def _left(manifest: Manifest, *, is_same: bool) -> Restored:
    n_rows = manifest.n_rows
    return Restored(manifest=manifest, n_same=n_rows if is_same else 0, n_kept=0 if is_same else n_rows)


def _make_room(frames: Frames, kind: Kind, rows: pl.DataFrame, keys: Mapping[str, str]) -> int:
    """Delete the minutes and rates that are stored in a worse version; return how many.

    They are deleted and not updated: an update is a correction, which makes a revision and is dated now.
    """
    name = _ROOM.get(kind.name)
    if name is None:
        return 0
    frames.put("incoming", rows)
    return int(frames.read(name, *values_of(kind, keys)).item())


def _heal(frames: Frames, manifest: Manifest) -> None:
    """Let what was said of minutes be over that are there now; the lake's own findings are restored later."""
    assert manifest.first is not None, "it has rows"
    assert manifest.last is not None, "it has rows"
    with frames.transaction():
        frames.read("lock_minutes", manifest.keys["symbol"])
        frames.read("heal_minutes", manifest.keys["symbol"], manifest.first, manifest.last + MINUTE)


def _without_twins(manifests: Sequence[Manifest]) -> list[Manifest]:
    """Return parts in the order of their kinds and keys; of a month that stands in two places the newer one."""
    newest: dict[tuple[str, ...], Manifest] = {}
    for manifest in manifests:
        kind = CANDLES.name if manifest.kind == UNSETTLED.name else manifest.kind
        key = (kind, *manifest.keys.values())
        if key not in newest or newest[key].written_at < manifest.written_at:
            newest[key] = manifest
    order = {name: n for n, name in enumerate(KINDS)}
    return sorted(newest.values(), key=lambda each: (order[each.kind], *each.keys.values()))
