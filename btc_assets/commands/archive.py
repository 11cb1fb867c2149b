"""``btc archive``: from the database into the lake."""

from collections.abc import Sequence
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
from btc_core.model.timerange import TimeRange
from btc_store.settings import Settings

if TYPE_CHECKING:
    from btc_store.archive import Archived


@command(example="btc archive\nbtc archive --symbol BTC --month 2024-05 --lake s3://my-bucket/btc --json")
@click.option("--symbol", type=SYMBOL, help="Of this symbol alone; by default of all that are stored.")
@month_option
@start_option()
@end_option(left_out="all there is")
@lake_option
@click.option("--verify", "is_verified", is_flag=True, help="Read what the lake has; write anew what is damaged.")
@click.option("--replace", "is_replaced", is_flag=True, help="Write months too of which the lake has more rows.")
@json_option
@pass_settings
def archive(
    settings: Settings,
    *,
    symbol: str | None,
    month: TimeRange | None,
    start: datetime | None,
    end: datetime | None,
    lake: str | None,
    is_verified: bool,
    is_replaced: bool,
    as_json: bool,
) -> None:
    """Write to the lake what it has not yet, or not as it is now.

    Months of 1m candles, and what cannot be made again from them: decisions, backtests, paper accounts, findings,
    revisions, funding. With --month, --start or --end, months that overlap the range alone. What is unchanged is not
    written; repeating it changes nothing.
    """
    within = months_asked(month, start, end)
    from btc_store.archive import archive_all, symbols_stored
    from btc_store.frames import open_frames
    from btc_store.lake import open_lake

    place = open_lake(lake or settings.lake, settings.lake_cache)
    done: list[Archived] = []
    with open_frames(settings.database_url) as frames, progress("archiving") as advance:
        symbols = [symbol] if symbol else symbols_stored(frames)
        options = {"is_verified": is_verified, "is_replaced": is_replaced}
        for one in archive_all(frames, place, symbols, now=settings.now(), within=within, **options):
            done.append(one)
            advance(1)
    value = {
        "lake": place.place.name,
        "n_parts": len(done),
        "n_written": sum(one.is_written for one in done),
        "n_rows": sum(one.manifest.n_rows for one in done),
        "n_bytes": sum(one.manifest.n_bytes for one in done),
        "parts": [_record(one) for one in done],
    }
    answer(value, as_json=as_json, text=_text(place.place.name, done))
    if refused := [one.refusal for one in done if one.refusal]:
        click.echo("\n".join(refused), err=True)
        click.get_current_context().exit(1)


def _record(one: "Archived") -> dict[str, Any]:
    manifest = one.manifest
    return {
        "kind": manifest.kind,
        **manifest.keys,
        "folder": manifest.folder,
        "is_written": one.is_written,
        "n_rows": manifest.n_rows,
        "n_bytes": manifest.n_bytes,
        "checksum": manifest.checksum,
        "first": manifest.first,
        "last": manifest.last,
        "states": manifest.states,
        "reason": one.part.reason,
        "refusal": one.refusal,
    }


def _text(place: str, done: "Sequence[Archived]") -> str:
    if not done:
        return f"{place}: nothing is stored that could be archived"
    kinds = dict.fromkeys(one.manifest.kind for one in done)
    rows: list[tuple[Any, ...]] = []
    for kind in kinds:
        own = [one for one in done if one.manifest.kind == kind]
        mebibytes = round(sum(one.manifest.n_bytes for one in own) / 2**20, 2)
        n_rows = sum(one.manifest.n_rows for one in own)
        rows.append((kind, len(own), sum(one.is_written for one in own), n_rows, mebibytes))
    n_written = sum(one.is_written for one in done)
    n_refused = sum(one.refusal is not None for one in done)
    unchanged = "" if n_written + n_refused == len(done) else ", the others are unchanged"
    unchanged += f", {n_refused:,} left as the lake has them" if n_refused else ""
    lines = [f"{place}: {n_written:,} of {len(done):,} parts written{unchanged}", ""]
    lines.append(table(("kind", "parts", "written", "rows", "MiB"), rows))
    if open_months := [one for one in done if one.part.reason and not one.refusal]:
        lines += ["", "not settled, kept as they stand:"]
        lines += [f"  {one.part.keys['symbol']} {one.part.keys['month']}: {one.part.reason}" for one in open_months]
    return "\n".join(lines)


COMMAND = archive
