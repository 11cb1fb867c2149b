"""``btc export``: stored candles into a file that other programs read, and ``btc import`` too."""

from datetime import datetime
from pathlib import Path
from typing import TYPE_CHECKING

import click

from btc_assets.commands.options import (
    FOREVER,
    command,
    end_option,
    interval_option,
    json_option,
    pass_settings,
    range_of,
    start_option,
    symbol_option,
)
from btc_assets.commands.output import Place, answer, place_of
from btc_core.config import Config
from btc_core.errors import DataError, InputError, UnknownNameError
from btc_core.model.interval import Interval
from btc_core.model.timerange import TimeRange, format_time
from btc_store.settings import Settings

if TYPE_CHECKING:
    import polars as pl

KINDS = ("csv", "parquet")
STDOUT = Path("-")
CSV_TIME = "%Y-%m-%dT%H:%M:%SZ"


@command(
    example="btc export --symbol BTC --interval 37m --start 2021-01-01 --end 2022-01-01 --format parquet -o 37m.parquet"
    "\nbtc export --symbol BTC --interval 1d --format csv -o - | head"
)
@symbol_option
@interval_option
@start_option()
@end_option(left_out="all there is")
@click.option(
    "--format", "kind", type=click.Choice(KINDS), help="Kind; by default what the file's name ends in, else csv."
)
@click.option(
    *("-o", "--output"),
    type=click.Path(path_type=Path, dir_okay=False, allow_dash=True),
    required=True,
    help="The file, replaced where it exists; - is standard output (csv).",
)
@json_option
@pass_settings
def export(
    settings: Settings,
    *,
    symbol: str,
    interval: Interval,
    start: datetime | None,
    end: datetime | None,
    kind: str | None,
    output: Path,
    as_json: bool,
) -> None:
    """Write stored candles to a file: all of them, or those that open in a range.

    Columns: time, symbol, open, high, low, close, volume, trades and minutes, of how many 1m candles it was made. The
    file appears when it is complete.
    """
    within = range_of(start, end, now=FOREVER)
    ending = output.suffix.lower().removeprefix(".")
    if kind is not None and ending in KINDS and ending != kind:
        raise InputError(f"-o {output}: its name says {ending}, and --format says {kind}. Change one of them")
    kind = kind or (ending if ending in KINDS else "csv")
    if output == STDOUT and (kind != "csv" or as_json):
        raise InputError("-o - writes csv to standard output: name a file for parquet or --json")
    if not output.absolute().parent.is_dir():
        raise InputError(f"-o {output}: expected a file in an existing folder, found no folder {output.parent}")
    candles = _read(settings, symbol, interval, within)
    if output == STDOUT:
        click.echo(candles.write_csv(datetime_format=CSV_TIME), nl=False)
        return
    _write(candles, kind, output)
    first, last = candles["time"][0], candles["time"][-1]
    value = {"file": str(output), "symbol": symbol, "interval": interval.label, "n_rows": candles.height}
    text = f"{output}: {candles.height:,} {interval} candles of {symbol}, {format_time(first)} to {format_time(last)}"
    answer({**value, "start": first, "end": last}, as_json=as_json, text=text)


def _read(settings: Settings, symbol: str, interval: Interval, within: TimeRange) -> "pl.DataFrame":
    import polars as pl

    from btc_store.frames import open_frames, read_candles

    with open_frames(settings.database_url) as frames:
        candles = read_candles(frames, symbol, interval, within)
    if candles.height:
        columns = ("open", "high", "low", "close", "volume", "trades", "minutes")
        return candles.select("time", pl.lit(symbol).alias("symbol"), *columns)
    raise _nothing(settings.config, symbol, interval)


def _nothing(config: Config, symbol: str, interval: Interval) -> DataError | UnknownNameError:
    """Return the error for candles that are not there: perhaps because their interval is nobody's."""
    known = ("1m", *config.intervals)
    if interval.label not in known:
        return UnknownNameError("interval", interval.label, known)
    hint = "import some with `btc import`" if interval.label == "1m" else "make them with `btc derive`"
    return DataError(f"no {interval} candle of {symbol} is stored in that range: choose another, or {hint}")


def _write(candles: "pl.DataFrame", kind: str, output: Path) -> None:
    """Write the whole file beside its place, then put it there; what is no regular file is written into."""
    place: Place | None = None
    try:
        place = place_of(output)
        if kind == "csv":
            candles.write_csv(place.draft, datetime_format=CSV_TIME)
        else:
            candles.write_parquet(place.draft)
        place.settle()
    except OSError as error:
        raise DataError(f"{output} cannot be written: {error.strerror or error}. Choose another place") from error
    finally:
        if place is not None:
            place.clear()


COMMAND = export
