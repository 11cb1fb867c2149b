"""``btc backtest``: what a strategy would have earned, by the code that decides live."""

from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from datetime import datetime
from pathlib import Path
from typing import Any

import click
import msgspec

from btc_assets.backtests import headlines_of
from btc_assets.commands.options import (
    command,
    end_option,
    json_option,
    parameters_option,
    pass_settings,
    start_option,
    symbol_option,
)
from btc_assets.commands.output import Place, answer, place_of, progress, table
from btc_assets.decisions import completeness_of
from btc_assets.report.page import Market, page
from btc_core.enabled import try_out
from btc_core.errors import DataError, InputError
from btc_core.model.backtest import Mode
from btc_core.model.interval import Interval, parse_interval
from btc_core.model.timerange import TimeRange, format_time
from btc_core.strategy import load_strategy
from btc_store.backtests import Backtest, BacktestRequest, run_backtest, stored_range
from btc_store.frames import open_frames
from btc_store.lake import lake_to_read
from btc_store.settings import Settings
from btc_store.warm_up import Minutes


def _intervals(_ctx: click.Context, _param: click.Parameter, text: str) -> list[Interval]:
    intervals = [parse_interval(part.strip()) for part in text.split(",")]
    if any(interval.label == "1m" for interval in intervals):
        raise InputError("--intervals 1m: expected an interval longer than 1m: decisions fill on 1m candles")
    return list(dict.fromkeys(intervals))


@command(example="btc backtest --symbol BTC --intervals 37m --strategy ma44 --start 2021-01-01 --end 2022-01-01")
@symbol_option
@click.option("--intervals", callback=_intervals, required=True, help="One or several, apart by commas: 37m,148m.")
@click.option("--strategy", required=True, help="A strategy of `btc strategies`.")
@start_option(required=True)
@end_option()
@click.option("--capital", type=float, help="Equity at the start, quote currency.")
@click.option("--leverage", type=float, help="Position ÷ equity at an exposure of 1.")
@click.option(
    "--mode",
    type=click.Choice([mode.value for mode in Mode]),
    help="The perpetual, or the coin: long only, paid in full.",
)
@click.option("--taker-bps", type=float, help="Fee of every fill at the market, basis points.")
@click.option("--maker-bps", type=float, help="Fee of a target, the only order that rests, basis points.")
@click.option("--slippage-bps", type=float, help="How much worse than the market a fill is, basis points.")
@click.option("--slippage-range", type=float, help="The same as a share of the minute's high-low range; both add up.")
@click.option("--delay-minutes", type=int, help="How long after a decision its order reaches the market.")
@click.option("--stop-bps", type=float, help="Loss at which a position is closed, of its entry price, basis points.")
@click.option("--target-bps", type=float, help="Gain at which a position is closed, of its entry price, basis points.")
@click.option("--trailing-stop-bps", type=float, help="Fall below the best price since the entry that closes it.")
@click.option("--sz-decimals", type=int, help="Decimals of an order's size on the exchange: BTC 5, ETH 4.")
@click.option("--min-notional", type=float, help="Smaller orders are not sent, quote currency.")
@click.option("--force", "is_forced", is_flag=True, help="Compute it even if the same was computed before.")
@click.option(
    *("--report", "report_file"),
    type=click.Path(path_type=Path, dir_okay=False),
    help="Write a page with charts to this file, HTML that needs no network; it is replaced where it exists.",
)
@parameters_option
@json_option
@pass_settings
def COMMAND(  # noqa: N802  # the constant that cli.py looks for
    settings: Settings,
    *,
    symbol: str,
    intervals: list[Interval],
    strategy: str,
    start: datetime,
    end: datetime | None,
    is_forced: bool,
    report_file: Path | None,
    parameters: dict[str, str],
    as_json: bool,
    **rules: float | str | None,
) -> None:
    """Simulate a strategy over stored 1m candles: decisions at each candle's close, fills at the next minute's open."""
    named = load_strategy(strategy, _from_start(strategy, parameters, start))
    try_out(named)
    given = {name: value for name, value in rules.items() if value is not None}
    config = msgspec.structs.replace(settings.config.backtest, **given)
    asked = TimeRange(start, end or settings.now())
    done: list[Backtest] = []
    with (
        whole_file(report_file) as write,
        open_frames(settings.database_url) as frames,
        progress(f"{strategy} on {symbol}", total=len(intervals)) as advance,
    ):
        range_ = stored_range(frames, symbol, asked)
        minutes = Minutes(frames, symbol, range_.end, lake_to_read(settings.lake, settings.lake_cache))
        for interval in intervals:
            request = BacktestRequest(symbol=symbol, interval=interval, strategy=named, range_=range_, config=config)
            done.append(
                run_backtest(
                    frames,
                    request,
                    rule=completeness_of(settings.config),
                    run_id="btc backtest",
                    is_forced=is_forced,
                    minutes=minutes,
                )
            )
            advance(1)
        if report_file is not None:
            newest = max((each.version.newest for each in done if each.version and each.version.newest), default=None)
            write(page(done, Market(minutes.since(range_.start), newest)))
    reports = [_report(backtest) for backtest in done]
    value = reports[0] if len(reports) == 1 else {"backtests": reports}
    written, text = ({}, "") if report_file is None else ({"report": str(report_file)}, f"\nreport: {report_file}")
    answer({**value, **written}, as_json=as_json, text=_text(done) + text)


@contextmanager
def whole_file(path: Path | None) -> Iterator[Callable[[str], None]]:
    """Make sure that a file can be written before there is anything to write; it appears when it is complete."""
    if path is None:
        yield lambda _text: None
        return
    try:
        place = place_of(path)
        place.draft.touch()
    except OSError as error:
        raise InputError(
            f"--report {path}: expected a place where a file can be written, found {error.strerror or error}"
        ) from error
    try:
        yield lambda text: _put(text, place, path)
    finally:
        place.clear()


def _put(text: str, place: Place, path: Path) -> None:
    try:
        place.draft.write_text(text, encoding="utf-8")
        place.settle()
    except OSError as error:
        raise DataError(
            f"--report {path} cannot be written: {error.strerror or error}. Choose another place"
        ) from error


def _from_start(strategy: str, parameters: dict[str, str], start: datetime) -> dict[str, str]:
    """Return the parameters; a plan that begins on a day begins with the range, unless another day was given."""
    has_start = "start" in load_strategy(strategy, parameters).parameters
    return {"start": f"{start:%Y%m%d}", **parameters} if has_start else parameters


def _report(backtest: Backtest) -> dict[str, Any]:
    request = backtest.request
    return {
        "id": str(backtest.id),
        "strategy": request.strategy.name,
        "parameters": dict(request.strategy.parameters),
        "symbol": request.symbol,
        "interval": request.interval.label,
        "config": msgspec.to_builtins(request.config),
        "n_skipped": backtest.n_skipped,
        "is_found": backtest.is_found,
        "data_version": backtest.version and backtest.version.digest,
        **msgspec.to_builtins(backtest.simulation.results),
    }


def _text(done: Sequence[Backtest]) -> str:
    request = done[0].request
    start, end = format_time(request.range_.start), format_time(request.range_.end)
    head = f"{request.strategy.name} on {request.symbol}, {start} to {end}"
    rows = [
        [name.replace("_", " "), *(_shown(getattr(backtest.simulation.results, name), pattern) for backtest in done)]
        for name, pattern in headlines_of(done[0]).items()
    ]
    return "\n".join([head, table(["", *(str(backtest.request.interval) for backtest in done)], rows), *_notes(done)])


def _notes(done: Sequence[Backtest]) -> Iterator[str]:
    """Yield what there is to know beside the figures, a sentence each."""
    if found := [backtest for backtest in done if backtest.known is not None]:
        when = max(format_time(backtest.known.finished_at) for backtest in found if backtest.known)
        labels = ", ".join(str(backtest.request.interval) for backtest in found)
        yield f"{labels}: found, not computed again (of {when}); --force computes it"
    results = done[0].simulation.results
    if hours := results.funding_missing_hours:
        yield (
            f"the funding of {hours:,} hours is not stored and counts as 0: `btc funding` fetches what the exchange "
            "has (since 2023-05-12), or takes a file"
        )
    if minutes := results.n_missing_minutes:
        across = _of_each(done, lambda backtest: backtest.simulation.results.n_trades_across_gaps)
        skipped = _of_each(done, lambda backtest: backtest.n_skipped)
        yield (
            f"{minutes:,} minutes of the range are not stored; trades held across them: {across}; candles too "
            f"incomplete to decide on: {skipped}"
        )
    for backtest in done:
        if not backtest.simulation.results.n_candles:
            interval, strategy = backtest.request.interval, backtest.request.strategy
            yield (
                f"{interval}: nothing was decided: {strategy.name} looks at {strategy.warm_up:,} candles before its "
                "first decision, and fewer are stored. Begin later, or import what lies before"
            )
    if any(backtest.simulation.results.n_unfilled for backtest in done):
        n_small = _of_each(done, lambda backtest: backtest.simulation.results.n_unfilled)
        yield f"orders that were too small to be sent (min_notional {done[0].request.config.min_notional:g}): {n_small}"


def _of_each(done: Sequence[Backtest], count: Callable[[Backtest], int]) -> str:
    return ", ".join(f"{backtest.request.interval} {count(backtest):,}" for backtest in done)


def _shown(figure: float | None, pattern: str) -> str:
    return "–" if figure is None else pattern.format(figure)
