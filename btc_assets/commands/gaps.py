"""``btc gaps``: which minutes are missing between the stored ones."""

from datetime import datetime

from btc_assets.commands.options import (
    FOREVER,
    command,
    end_option,
    json_option,
    pass_settings,
    range_of,
    start_option,
    symbol_option,
)
from btc_assets.commands.output import answer, table
from btc_core.model.timerange import format_time
from btc_store.settings import Settings


@command(example="btc gaps --symbol BTC\nbtc gaps --symbol BTC --start 2021-04-01 --end 2021-05-01 --json")
@symbol_option
@start_option()
@end_option(left_out="all there is")
@json_option
@pass_settings
def gaps(settings: Settings, *, symbol: str, start: datetime | None, end: datetime | None, as_json: bool) -> None:
    """Show which minutes are missing between the first and the last stored one.

    With --start or --end, only what lies in that range.
    """
    within = range_of(start, end, now=FOREVER)
    from btc_store.frames import open_frames
    from btc_store.quality import find_gaps

    with open_frames(settings.database_url) as frames:
        found = [part for gap in find_gaps(frames, symbol, within) if (part := gap.clip(within))]
        n_stored = int(frames.read("count_stored", symbol, within.start, within.end).item())
    n_minutes = sum(gap.n_minutes for gap in found)
    value = {
        "symbol": symbol,
        "n_stored": n_stored,
        "n_ranges": len(found),
        "n_minutes": n_minutes,
        "ranges": [{"start": gap.start, "end": gap.end, "n_minutes": gap.n_minutes} for gap in found],
    }
    where = _where(start, end)
    if found:
        rows = [(gap.start, gap.end, gap.n_minutes) for gap in found]
        text = f"{symbol}{where}: {len(found):,} ranges, {n_minutes:,} minutes missing\n\n"
        text += table(("from", "to (not included)", "minutes"), rows)
    elif n_stored:
        text = f"{symbol}{where}: no minute is missing between the {n_stored:,} stored ones"
    else:
        text = f"{symbol}{where}: no 1m candle is stored; import some with `btc import FILE --symbol {symbol}`"
    answer(value, as_json=as_json, text=text)


def _where(start: datetime | None, end: datetime | None) -> str:
    since = f" from {format_time(start)}" if start else ""
    return since + (f" to {format_time(end)}" if end else "")


COMMAND = gaps
