"""``btc import``: files of 1m candles into the table."""

from datetime import datetime
from pathlib import Path
from typing import TYPE_CHECKING

import click

from btc_assets.commands.options import command, json_option, pass_settings, symbol_option
from btc_assets.commands.output import answer, progress
from btc_core.errors import BtcError
from btc_core.model.timerange import format_time
from btc_store.settings import Settings

if TYPE_CHECKING:
    from btc_store.imports import ImportReport


@command(
    example="btc import BTCUSDT-1m-2021.parquet --symbol BTC\nbtc import archive/*.csv.gz --symbol BTC --source binance"
)
@click.argument("files", nargs=-1, required=True, metavar="FILE...", type=click.Path(path_type=Path))
@symbol_option
@click.option("--source", help="Name the rows get as import:NAME; by default the file's name before its date.")
@json_option
@pass_settings
def import_files(
    settings: Settings, *, files: tuple[Path, ...], symbol: str, source: str | None, as_json: bool
) -> None:
    """Import 1m candles from Parquet or CSV files, gzipped or not.

    CSV has a header (time, open, high, low, close, volume, trades) or is an exchange archive of 12 columns. Times are
    ISO 8601, or whole seconds, ms, µs or ns since 1970. A file is stored whole or not at all; repeating it changes
    nothing. What the exchange itself said is never overwritten, and a minute that is not over is left out.
    """
    from btc_store.frames import open_frames
    from btc_store.imports import check_source_name, import_candles, source_name

    if source is not None:
        check_source_name(source)
    reports: list[tuple[Path, ImportReport]] = []
    with progress("importing", total=len(files)) as advance, open_frames(settings.database_url) as frames:
        for path in files:
            try:
                report = import_candles(frames, symbol, path, source or source_name(path), now=settings.now())
            except BtcError:
                # The files before this one are stored, and whoever reads the error should know.
                for earlier in reports:
                    click.echo(_text(symbol, *earlier, since=settings.config.history_start_time), err=True)
                raise
            reports.append((path, report))
            advance(1)
    _answer(symbol, reports, since=settings.config.history_start_time, as_json=as_json)


def _answer(symbol: str, reports: "list[tuple[Path, ImportReport]]", *, since: datetime, as_json: bool) -> None:
    total = {
        count: sum(getattr(report, count) for _, report in reports) for count in ("n_rows", "new", "changed", "same")
    }
    refused = sum(n for _, report in reports for n in report.refused.values())
    files = [{"file": str(path), **_record(report)} for path, report in reports]
    value = {"symbol": symbol, **total, "refused": refused, "files": files}
    texts = (_text(symbol, path, report, since=since) for path, report in reports)
    answer(value, as_json=as_json, text="\n".join(texts))


def _record(report: "ImportReport") -> dict[str, object]:
    return {
        "source": report.source,
        "n_rows": report.n_rows,
        "start": report.start,
        "end": report.end,
        "new": report.new,
        "changed": report.changed,
        "same": report.same,
        "refused": report.refused,
        "examples": report.examples,
    }


def _text(symbol: str, path: Path, report: "ImportReport", *, since: datetime) -> str:
    n_refused = sum(report.refused.values())
    lines = [
        f"{path}: {report.n_rows:,} rows of {symbol} as {report.source}, {format_time(report.start)} to "
        f"{format_time(report.end)}: {report.new:,} new, {report.changed:,} changed, {report.same:,} same, "
        f"{n_refused:,} refused"
    ]
    for reason, n_rows in report.refused.items():
        examples = ", ".join(format_time(time) for time in report.examples.get(reason, []))
        lines.append(f"  refused, {reason}: {n_rows:,} (first {examples})")
    if report.start < since:
        lines.append(
            f"  before {format_time(since)} nothing is derived: set history_start in config.yaml to an earlier month"
        )
    return "\n".join(lines)


COMMAND = import_files
