"""``btc backfill``: missing minutes of the past, from the exchange itself or from another one.

What the exchange still has is asked by the collector's own rules, in a process of its own. What it has no longer may
come from the one other source that ``symbols.<SYMBOL>.history`` in config.yaml names: two sources are never mixed.
"""

import subprocess
import sys
from collections.abc import Callable, Mapping
from dataclasses import asdict, dataclass, field
from datetime import datetime, timedelta

import click
import msgspec

from btc_assets.commands.options import command, end_option, json_option, pass_settings, start_option, symbol_option
from btc_assets.commands.output import answer, progress
from btc_core.errors import DataError, ExchangeError, InputError
from btc_core.history import EXCHANGE_DEPTH, EXCHANGE_ITSELF, HistorySource, oldest_available, parse_history_source
from btc_core.model.timerange import MINUTE, TimeRange, floor_minute, format_time
from btc_store.frames import Frames, open_frames
from btc_store.history import Overlap, fill, imports_of_others, missing_ranges, plan_stretches
from btc_store.settings import Settings
from resources.ccxt_history import open_market

# A younger row may still change; the collector confirms no earlier either.
CLOSED_AFTER = timedelta(seconds=15)
SHOWN_IMPORTS = 3


@dataclass(frozen=True, slots=True, kw_only=True)
class Part:
    """What one source was asked for and what came of it, in minutes.

    Attributes:
        source: As ``--source`` takes it, with the market's name.
        start, end: The part of the range that is its.
        n_missing: Minutes that were not stored, and not known to be without trades.
        n_stored: Of these, stored now.
        n_absent: Of these, those for which the source has no row that can be used.
        refused: Rows that were not stored, by reason.
        overlap: How far its closes are from those of others beside them; None where nothing could be compared.
    """

    source: str
    start: datetime
    end: datetime
    n_missing: int = 0
    n_stored: int = 0
    n_absent: int = 0
    refused: Mapping[str, int] = field(default_factory=dict)
    overlap: Overlap | None = None


class ChildMessage(msgspec.Struct):
    """A line of ``python -m collector.history``: so many more minutes are done, the sum of it, or why it failed."""

    done: int = 0
    n_stored: int | None = None
    error: str | None = None


@command(
    example="btc backfill --symbol BTC --start 2026-11-20\n"
    "btc backfill --symbol BTC --start 2021-01-01 --end 2022-01-01 --source ccxt:binance"
)
@symbol_option
@start_option(required=True)
@end_option()
@click.option(
    "--source",
    "source_text",
    metavar="[hyperliquid|ccxt:EXCHANGE]",
    help="Whom to ask; by default the history of the symbol in config.yaml.",
)
@json_option
@pass_settings
def COMMAND(  # noqa: N802  # the constant that cli.py looks for
    settings: Settings, *, symbol: str, start: datetime, end: datetime | None, source_text: str | None, as_json: bool
) -> None:
    """Fetch missing minutes.

    Only minutes that are neither stored nor known to be without trades are asked for. The exchange itself has the last
    5,000; older ones can come from another exchange (ccxt:binance), once config.yaml names it as the symbol's history.
    Repeating it changes nothing; what is finished stays when it is interrupted.
    """
    configured = parse_history_source(settings.config.symbols[symbol].history)
    source = configured if source_text is None else parse_history_source(source_text)
    _refuse_unconfigured(symbol, source, configured)
    if not source.is_exchange_itself:
        source = configured  # with its market
    now = settings.now()
    span = minutes_of(start, end, now=now)
    old, recent = split(span, oldest_available(now))
    n_left_out = 0
    parts: list[Part] = []
    with open_frames(settings.database_url) as frames:
        if not source.is_exchange_itself and old:
            _refuse_other_imports(frames, symbol, old, source)
        # First what the exchange has: its minutes are what the other source's are compared with.
        if recent and (source.is_exchange_itself or source_text is None):
            parts.append(_from_exchange(frames, symbol, recent))
        elif recent:
            n_left_out = _n_missing(frames, symbol, recent)
        if old and not source.is_exchange_itself:
            parts.append(_from_elsewhere(frames, settings, symbol, old, source))
        elif old:
            n_left_out = _n_missing(frames, symbol, old)
    note = _left_out(symbol, n_left_out, source, oldest_available(now))
    if n_left_out and not parts:
        raise DataError(note)
    _answer(symbol, span, parts, n_left_out, note, as_json=as_json)


def minutes_of(start: datetime, end: datetime | None, *, now: datetime) -> TimeRange:
    """Return the whole minutes that open in [start, end) and ended long enough ago.

    Raises:
        TimeError: If there is none.
    """
    newest = floor_minute(now - CLOSED_AFTER)
    return TimeRange(_ceil(start), newest if end is None else min(_ceil(end), newest))


def split(span: TimeRange, at: datetime) -> tuple[TimeRange | None, TimeRange | None]:
    """Return the parts of a range before and after an instant, None for one that is empty."""
    old = TimeRange(span.start, min(span.end, at)) if span.start < at else None
    return old, TimeRange(max(span.start, at), span.end) if at < span.end else None


def _ceil(instant: datetime) -> datetime:
    floor = floor_minute(instant)
    return floor if floor == instant else floor + MINUTE


def _refuse_unconfigured(symbol: str, source: HistorySource, configured: HistorySource) -> None:
    """Refuse another exchange that config.yaml does not name for this symbol."""
    is_configured = source.exchange == configured.exchange and source.market in (None, configured.market)
    if source.is_exchange_itself or is_configured:
        return
    raise InputError(
        f"--source {source}: the history of {symbol} is {configured}, and two sources are not mixed. To change it, "
        f"write `history: {source}` under symbols.{symbol} in config.yaml"
    )


def _refuse_other_imports(frames: Frames, symbol: str, span: TimeRange, source: HistorySource) -> None:
    """Refuse a range in which minutes of a third source are stored."""
    found = imports_of_others(frames, symbol, span, source.import_name)
    if not found:
        return
    shown = "; ".join(f"{name} from {_shown(extent)}" for name, extent in found[:SHOWN_IMPORTS])
    more = f" and {len(found) - SHOWN_IMPORTS} more" if len(found) > SHOWN_IMPORTS else ""
    raise DataError(
        f"expected no other import beside {source} in the range, found {shown}{more}: two sources are not mixed. "
        "Choose --start and --end outside of it"
    )


def _n_missing(frames: Frames, symbol: str, span: TimeRange) -> int:
    return sum(hole.n_minutes for hole in missing_ranges(frames, symbol, span))


def _from_elsewhere(frames: Frames, settings: Settings, symbol: str, span: TimeRange, source: HistorySource) -> Part:
    """Fill a range from another exchange."""
    missing = missing_ranges(frames, symbol, span)
    if not missing:
        return Part(source=str(source), start=span.start, end=span.end)
    stretches = plan_stretches(frames, symbol, missing, source.import_name)
    total = sum(stretch.span.n_minutes for stretch in stretches)
    with (
        open_market(source, symbol, now=settings.now) as market,
        progress(f"asking {source} for {symbol}", total=total) as advance,
    ):
        filled = fill(frames, symbol, stretches, source.import_name, pages=market.pages, advance=advance)
    n_missing = sum(hole.n_minutes for hole in missing)
    return Part(
        source=str(market.source),
        start=span.start,
        end=span.end,
        n_missing=n_missing,
        n_stored=filled.n_stored,
        n_absent=n_missing - filled.n_stored,
        refused=filled.refused,
        overlap=filled.overlap,
    )


def _from_exchange(frames: Frames, symbol: str, span: TimeRange) -> Part:
    """Fill a range from the exchange itself, as the collector does."""
    n_missing = _n_missing(frames, symbol, span)
    if not n_missing:
        return Part(source=EXCHANGE_ITSELF, start=span.start, end=span.end)
    with progress(f"asking {EXCHANGE_ITSELF} for {symbol}", total=n_missing) as advance:
        n_stored = ask_collector(symbol, span, advance)
    return Part(
        source=EXCHANGE_ITSELF,
        start=span.start,
        end=span.end,
        n_missing=n_missing,
        n_stored=n_stored,
        n_absent=n_missing - n_stored,
    )


def ask_collector(symbol: str, span: TimeRange, advance: Callable[[float], None]) -> int:
    """Run ``python -m collector.history``, which has this process's environment; return the minutes that it stored.

    Raises:
        ExchangeError: If it fails; the sentence is its own.
    """
    ends = ("--start", span.start.isoformat(), "--end", span.end.isoformat())
    line = (sys.executable, "-m", "collector.history", "--symbol", symbol, *ends, "--json")
    n_stored, error = None, None
    with subprocess.Popen(line, stdout=subprocess.PIPE) as child:  # noqa: S603  # our own program
        try:
            for text in child.stdout or ():
                message = msgspec.json.decode(text, type=ChildMessage)
                advance(message.done)
                n_stored, error = message.n_stored, message.error
        except BaseException:
            child.terminate()
            raise
    if n_stored is None:
        raise ExchangeError(error or f"the collector's history ended with {child.returncode} and without a word")
    return n_stored


def _left_out(symbol: str, n_minutes: int, source: HistorySource, oldest: datetime) -> str:
    """Return the sentence about the missing minutes that the source was not asked for; "" where there is none."""
    if not n_minutes:
        return ""
    if source.is_exchange_itself:
        return (
            f"{symbol}: {EXCHANGE_ITSELF} has the last {EXCHANGE_DEPTH // MINUTE:,} minutes, from "
            f"{format_time(oldest)}, and {n_minutes:,} missing ones are older. Name a source that has them in "
            f"config.yaml (symbols.{symbol}.history: ccxt:<exchange>, such as ccxt:binance), or `btc import` files"
        )
    return (
        f"{symbol}: {n_minutes:,} missing minutes from {format_time(oldest)} on are not asked of {source}, because "
        f"{EXCHANGE_ITSELF} itself still has them: `--source {EXCHANGE_ITSELF}` fetches them"
    )


def _answer(symbol: str, span: TimeRange, parts: list[Part], n_left_out: int, note: str, *, as_json: bool) -> None:
    totals = {name: sum(getattr(part, name) for part in parts) for name in ("n_missing", "n_stored", "n_absent")}
    value = {
        "symbol": symbol,
        "start": span.start,
        "end": span.end,
        **totals,
        "n_left_out": n_left_out,
        "note": note or None,
        "parts": [asdict(part) for part in parts],
    }
    lines = [line for part in parts for line in _lines(symbol, part)] + ([note] if note else [])
    answer(value, as_json=as_json, text="\n".join(lines) or f"{symbol}: no minute is missing from {_shown(span)}")


def _lines(symbol: str, part: Part) -> list[str]:
    where = _shown(TimeRange(part.start, part.end))
    if not part.n_missing:
        return [f"{symbol}: no minute is missing from {where}"]
    lines = [
        f"{symbol}: {part.n_stored:,} of {part.n_missing:,} missing minutes from {where} stored, from {part.source}; "
        f"it has no row for {part.n_absent:,}"
    ]
    lines += [f"  refused, {reason}: {n_rows:,}" for reason, n_rows in part.refused.items()]
    if part.overlap is not None:
        found = part.overlap
        lines.append(
            f"  compared with {', '.join(found.stored)}: {found.n_compared:,} minutes, {found.n_differ:,} closes "
            f"differ, by {found.median_difference:.4%} in the median and {found.max_difference:.4%} at most"
        )
    return lines


def _shown(span: TimeRange) -> str:
    return f"{format_time(span.start)} to {format_time(span.end)}"
