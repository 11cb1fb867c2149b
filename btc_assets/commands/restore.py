"""``btc restore``: from the lake into the database."""

from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import TYPE_CHECKING, Any

import click

from btc_assets.commands.options import (
    SYMBOL,
    command,
    end_option,
    json_option,
    lake_option,
    month_option,
    months_asked,
    pass_settings,
    start_option,
)
from btc_assets.commands.output import answer, progress, table
from btc_core.errors import LakeError
from btc_core.model.timerange import TimeRange, format_time
from btc_store.settings import Settings

if TYPE_CHECKING:
    from btc_store.lake import Lake, Manifest
    from btc_store.restore import Choice, Restored

_COUNTS = ("n_new", "n_replaced", "n_same", "n_kept")
# So many damaged parts are named.
_SHOWN = 3


@command(example="btc restore\nbtc restore --symbol BTC --month 2024-05 --lake s3://my-bucket/btc --json")
@click.option("--symbol", type=SYMBOL, help="Of this symbol alone; by default of all.")
@month_option
@start_option()
@end_option(left_out="all there is")
@lake_option
@click.option("--skip-damaged", "is_tolerant", is_flag=True, help="Restore the rest where something is damaged.")
@json_option
@pass_settings
def restore(
    settings: Settings,
    *,
    symbol: str | None,
    month: TimeRange | None,
    start: datetime | None,
    end: datetime | None,
    lake: str | None,
    is_tolerant: bool,
    as_json: bool,
) -> None:
    """Write what the lake has into the database, rows as they were; then `btc derive` makes the rest of them.

    All files are held against their manifests before the first row is written. What is stored already stays where it
    is newer; repeating it changes nothing.
    """
    from btc_store.frames import open_frames
    from btc_store.lake import open_lake
    from btc_store.restore import Choice
    from btc_store.restore import restore as restore_parts

    choice = Choice([symbol] if symbol else None, months_asked(month, start, end))
    place = open_lake(lake or settings.lake, settings.lake_cache)
    manifests, faults = _verified(place, choice, is_tolerant=is_tolerant)
    done: list[Restored] = []
    with (
        open_frames(settings.database_url) as frames,
        progress("restoring", total=sum(manifest.n_rows for manifest in manifests)) as advance,
    ):
        for one in restore_parts(frames, place, manifests):
            done.append(one)
            advance(one.manifest.n_rows)
    value = {
        "lake": place.place.name,
        "n_parts": len(done),
        **{count: sum(getattr(one, count) for one in done) for count in _COUNTS},
        "damaged": faults,
        "parts": [{"kind": one.manifest.kind, **one.manifest.keys, **_counts([one])} for one in done],
    }
    answer(value, as_json=as_json, text=_text(place.place.name, done, faults))
    if faults:
        click.get_current_context().exit(1)


def _verified(place: "Lake", choice: "Choice", *, is_tolerant: bool) -> "tuple[list[Manifest], list[str]]":
    """Return the parts that are meant and whole, and what is wrong with others.

    Raises:
        LakeError: If there is nothing, or something is damaged that is not to be skipped.
    """
    from btc_store.restore import choose, verify

    manifests, faults = choose(place, choice)
    with progress("verifying", total=len(manifests)) as advance:
        damaged = verify(place, manifests, advance=advance)
    faults += damaged.values()
    if faults and not is_tolerant:
        more = f", and {len(faults) - _SHOWN} more" if len(faults) > _SHOWN else ""
        raise LakeError(
            f"the lake {place.place.name} is not whole: {'; '.join(faults[:_SHOWN])}{more}. Nothing was restored; "
            "--skip-damaged restores the rest, and `btc archive --verify` repairs it where the database has the rows"
        )
    if not manifests and not faults:
        raise LakeError(
            f"the lake {place.place.name} has nothing of what was asked: `btc archive` fills it, --lake or BTC_LAKE "
            "names another"
        )
    return [manifest for manifest in manifests if manifest.folder not in damaged], faults


def _counts(done: "Sequence[Restored]") -> Mapping[str, int]:
    return {count: sum(getattr(one, count) for one in done) for count in _COUNTS}


def _text(place: str, done: "Sequence[Restored]", faults: Sequence[str]) -> str:
    kinds = dict.fromkeys(one.manifest.kind for one in done)
    rows: list[tuple[Any, ...]] = []
    for kind in kinds:
        own = [one for one in done if one.manifest.kind == kind]
        rows.append((kind, len(own), *_counts(own).values()))
    lines = [f"{place}: {len(done):,} parts", ""]
    lines.append(table(("kind", "parts", "new", "replaced", "same", "kept"), rows))
    if any(one.n_kept for one in done):
        lines += ["", "kept: what the database has in their place is better, or another's, and stays"]
    lines += [f"damaged, left out: {fault}" for fault in faults]
    hints = _hints(done)
    return "\n".join([*lines, *(["", "what is derived of the minutes comes back with", *hints] if hints else [])])


def _hints(done: "Sequence[Restored]") -> list[str]:
    """Return the commands that derive what hangs on the minutes that are there now."""
    firsts: dict[str, datetime] = {}
    for one in done:
        if one.manifest.kind in ("candles", "unsettled") and one.n_new + one.n_replaced and one.manifest.first:
            symbol = one.manifest.keys["symbol"]
            firsts[symbol] = min(firsts.get(symbol, one.manifest.first), one.manifest.first)
    return [f"  btc derive --symbol {symbol} --start {format_time(first)[:10]}" for symbol, first in firsts.items()]


COMMAND = restore
