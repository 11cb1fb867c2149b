"""``btc sweep``: a strategy with many parameters over stored candles, and how far the best of them is to be trusted."""

import sys
from collections.abc import Callable
from datetime import datetime
from pathlib import Path
from typing import TypeVar

import click
import msgspec

from btc_assets.commands import backtest
from btc_assets.commands.options import (
    INTERVAL,
    SYMBOL,
    command,
    end_option,
    json_option,
    parameters_option,
    pass_settings,
    start_option,
)
from btc_assets.commands.output import answer, progress
from btc_assets.decisions import completeness_of
from btc_assets.sweep_grid import grid_of_sweep
from btc_assets.sweep_page import sweep_page
from btc_assets.swept import finish_sweep, text_of, value_of
from btc_core.errors import InputError
from btc_core.model.backtest import BacktestConfig
from btc_core.model.interval import Interval
from btc_core.model.timerange import TimeRange, floor_minute
from btc_core.sweep import SORTS
from btc_core.walk_forward import parse_walk
from btc_store.frames import open_frames
from btc_store.lake import lake_to_read
from btc_store.settings import Settings
from btc_store.sweep_run import Sweep, SweepRequest, plan_sweep, prepare_sweep

# As after every Ctrl-C (btc_assets.cli).
_INTERRUPTED = 130
Named = TypeVar("Named")


def _each(kind: click.ParamType[Named]) -> Callable[[click.Context, click.Parameter, str], list[Named]]:
    """Return a callback that reads several values of a kind, apart by commas."""

    def read(ctx: click.Context, param: click.Parameter, text: str) -> list[Named]:
        return list(dict.fromkeys(kind.convert(part.strip(), param, ctx) for part in text.split(",")))

    return read


def _intervals(ctx: click.Context, param: click.Parameter, text: str) -> list[Interval]:
    intervals = _each(INTERVAL)(ctx, param, text)
    if any(interval.label == "1m" for interval in intervals):
        raise InputError("--interval 1m: expected an interval longer than 1m: decisions fill on 1m candles")
    return intervals


@command(
    example="btc sweep --symbol BTC --interval 37m --strategy ma --param period=5:400:5 --start 2021-01-01\n"
    "btc sweep --symbol BTC --interval 37m,148m --strategy ma_cross --param fast=5:100:5 --param slow=20:400:10 "
    "--random 200 --start 2021-01-01",
)
@click.option("--symbol", "symbols", callback=_each(SYMBOL), required=True, help="One or several, apart by commas.")
@click.option(
    "--interval", "intervals", callback=_intervals, required=True, help="One or several, apart by commas: 37m,1d."
)
@click.option("--strategy", "name", required=True, help="A strategy of `btc strategies`.")
@parameters_option
@start_option(required=True)
@end_option()
@click.option("--sort", type=click.Choice(list(SORTS)), default="sharpe", show_default=True, help="What is best.")
@click.option("--top", type=click.IntRange(1), default=20, show_default=True, help="How many are shown.")
@click.option("--random", "draw", type=click.IntRange(1), help="Try so many places of the grid, drawn at random.")
@click.option(
    "--walk-forward",
    "walk",
    metavar="TRAIN/TEST",
    help="Choose by the past, trade what follows, again and again: 12M/3M, 365d/90d, 2y/6M.",
)
@click.option("--anchored", is_flag=True, help="With --walk-forward: every training begins where the range does.")
@click.option("--seed", type=click.IntRange(0), default=0, show_default=True, help="Another number, another draw.")
@click.option(
    *("--report", "report_file"),
    type=click.Path(path_type=Path, dir_okay=False),
    help="Write a page with heat maps to this file, HTML that needs no network; it is replaced where it exists.",
)
@json_option
@pass_settings
def sweep(
    settings: Settings,
    *,
    symbols: list[str],
    intervals: list[Interval],
    name: str,
    parameters: dict[str, str],
    start: datetime,
    end: datetime | None,
    sort: str,
    top: int,
    draw: int | None,
    seed: int,
    walk: str | None,
    anchored: bool,
    report_file: Path | None,
    as_json: bool,
    **rules: float | str | None,
) -> None:
    """Try a strategy with many parameters: every one a backtest, by the same code and with the same figures.

    --param takes a range with both ends (period=5:400:5), a list (side=long_only,short_only) or one value. Of the best,
    the deflated Sharpe ratio says how probable it is that it is more than luck, and its neighbours whether it stands
    alone. What is finished is kept: Ctrl-C prints it, and the same command goes on from there.
    """
    if anchored and walk is None:
        raise InputError("--anchored: expected --walk-forward with it, such as --walk-forward 12M/3M")
    given = {key: value for key, value in rules.items() if value is not None}
    request = SweepRequest(
        strategy=name,
        symbols=tuple(symbols),
        intervals=tuple(interval.label for interval in intervals),
        parameters=parameters,
        start=start,
        end=TimeRange(start, end or floor_minute(settings.now())).end,
        draw=draw,
        seed=seed,
        walk=None if walk is None else parse_walk(walk, is_anchored=anchored),
        config=msgspec.structs.replace(settings.config.backtest, **given),
    )
    with backtest.whole_file(report_file) as write:
        found = _run(settings, request, sort=sort, top=top)
        if report_file is not None:
            write(sweep_page(found))
    written, text = ({}, "") if report_file is None else ({"report": str(report_file)}, f"\nreport: {report_file}")
    grid = None if as_json else grid_of_sweep(found, is_terminal=sys.stdout.isatty())
    said = text_of(found, top) + (f"\n\n{grid}" if grid else "") + text
    answer({**value_of(found, top), **written}, as_json=as_json, text=said)
    if not found.is_whole:
        n, of = found.n_finished, found.prepared.n_trials
        # Without an end the same command would mean another range: it ends when it is given.
        how = "" if end else f" with --end {request.end:%Y-%m-%dT%H:%MZ}"
        said = f"interrupted: {n:,} of {of:,} trials are finished, and kept; the same command{how} goes on"
        click.echo(said, err=True)
        click.get_current_context().exit(_INTERRUPTED)


def _run(settings: Settings, request: SweepRequest, *, sort: str, top: int) -> Sweep:
    """Try everything that is not finished yet, and store what was found.

    Ctrl-C before the first trial is finished is the command's end.
    """
    plan, rule = plan_sweep(request), completeness_of(settings.config)
    with open_frames(settings.database_url) as frames:
        prepared = prepare_sweep(frames, plan, rule=rule)
        with progress(request.strategy, total=prepared.n_trials) as advance:
            lake = lake_to_read(settings.lake, settings.lake_cache)
            found = finish_sweep(frames, prepared, sort=sort, top=top, advance=advance, lake=lake)
    if found.best is None:
        raise KeyboardInterrupt
    return found


# Capital, costs and rules: the options of `btc backtest`, by the same names and with the same meaning.
sweep.params += [option for option in backtest.COMMAND.params if option.name in BacktestConfig.__struct_fields__]
COMMAND = sweep
