"""``btc funding``: what perpetuals paid for being held, from the exchange or from a file."""

from datetime import datetime
from pathlib import Path

import click
import polars as pl

from btc_assets.commands.options import command, end_option, json_option, pass_settings, start_option, symbol_option
from btc_assets.commands.output import answer
from btc_assets.funding import fetch_funding, store_terms
from btc_core.errors import DataError, ImportFileError, InputError
from btc_core.model.timerange import TimeRange, format_time
from btc_store.frames import Frames, open_frames
from btc_store.funding import SCHEMA, edges_of_funding, store_funding
from btc_store.imports import TIMES, check_source_name, read_times
from btc_store.settings import Settings
from resources.exchange_funding import ExchangeFunding

# What files call the rate.
_RATES = ("rate", "funding_rate", "fundingRate")


@command(
    example="btc funding --symbol BTC --start 2023-05-12\n"
    "btc funding --symbol BTC --file btc_funding.parquet --source archive"
)
@symbol_option
@start_option(required=False)
@end_option()
@click.option(
    *("--file", "file"),
    type=click.Path(path_type=Path, dir_okay=False),
    help="Take them from a Parquet or CSV file: time, rate (or funding_rate) and, if known, premium.",
)
@click.option("--source", default="file", show_default=True, help="With --file: where it comes from.")
@json_option
@pass_settings
def COMMAND(  # noqa: N802  # the constant that cli.py looks for
    settings: Settings,
    *,
    symbol: str,
    start: datetime | None,
    end: datetime | None,
    file: Path | None,
    source: str,
    as_json: bool,
) -> None:
    """Fetch hourly funding rates, and the terms of the coin; backtests of perpetuals pay them.

    Twice is once. What the exchange said is not replaced by a file.
    """
    now = settings.now()
    span = None if start is None else TimeRange(start, end or now)
    if (file is None) == (span is None):
        raise InputError("expected --start, to ask the exchange, or --file: one of them")
    with open_frames(settings.database_url) as frames:
        if file is not None:
            rates = read_rates(file)
            n_rows, n_written = (
                rates.height,
                store_funding(frames, symbol, rates, f"import:{check_source_name(source)}"),
            )
        else:
            assert span is not None, "one of the two is given"
            exchange = ExchangeFunding(settings)
            coins = store_terms(frames, exchange, settings.config)
            if symbol not in coins:
                raise DataError(f"{symbol}: expected a perpetual of the exchange, found none: only those pay funding")
            n_rows, n_written = fetch_funding(frames, exchange, symbol, coins[symbol], span)
        stored = _stored(frames, symbol)
    value = {"symbol": symbol, "n_rows": n_rows, "n_written": n_written, "stored": stored}
    shown = "nothing is stored" if stored is None else f"stored from {stored[0]} to {stored[1]}"
    answer(value, as_json=as_json, text=f"{symbol}: {n_rows:,} rates, {n_written:,} new or different; {shown}")


def read_rates(file: Path) -> pl.DataFrame:
    """Return the rates in a file, in ``btc_store.funding.SCHEMA``.

    Raises:
        ImportFileError: If it cannot be read, or a column is missing or wrong; nothing of it is taken then.
    """
    try:
        frame = pl.read_parquet(file) if file.suffix == ".parquet" else pl.read_csv(file, try_parse_dates=True)
    except OSError as error:
        raise ImportFileError(
            f"{file} cannot be read: {str(error).partition(' (os error')[0]}. Check the name"
        ) from None
    except pl.exceptions.PolarsError as error:
        raise ImportFileError(f"{file}: expected Parquet or CSV, found {' '.join(str(error).split())[:200]}") from None
    rate = next((name for name in _RATES if name in frame.columns), None)
    if rate is None or "time" not in frame.columns:
        raise ImportFileError(f"{file}: expected the columns time and rate, found {', '.join(frame.columns)}")
    premium = pl.col("premium") if "premium" in frame.columns else pl.lit(None)
    try:
        rates = frame.select(_times(file, frame["time"]), pl.col(rate).alias("rate"), premium.alias("premium"))
        rates = rates.cast(SCHEMA)
    except pl.exceptions.PolarsError as error:
        raise ImportFileError(f"{file}: expected numbers, found {str(error).splitlines()[0]}") from None
    is_good = pl.col("rate").is_between(-1, 1, closed="none")
    wrong = rates.filter(is_good.not_() | is_good.is_null())
    if wrong.height:
        raise ImportFileError(f"{file}: expected a rate between -1 and 1 for each time, found {wrong.row(0)}")
    return rates.sort("time")


def _times(file: Path, found: pl.Series) -> pl.Series:
    """Return the instants of a column, by the rule of candle files; a day is its midnight."""
    times = read_times(found.cast(pl.Datetime("us")) if found.dtype == pl.Date else found)
    if times is None:
        raise ImportFileError(f"{file}: expected times in {TIMES}, found {found.dtype}")
    if times.null_count():
        cell = found.filter(times.is_null()).to_physical()[0]
        shown = "nothing" if cell is None else repr(cell)[:80] if isinstance(cell, str) else cell
        raise ImportFileError(f"{file}: expected times in {TIMES}, found {shown}")
    return times


def _stored(frames: Frames, symbol: str) -> tuple[str, str] | None:
    edges = edges_of_funding(frames, symbol)
    return None if edges is None else (format_time(edges[0]), format_time(edges[1]))
