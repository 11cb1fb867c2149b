"""``btc sweep``: a strategy with many parameters over stored candles, and how far the best of them is to be trusted."""

import os
from collections.abc import Callable, Sequence
from datetime import datetime
from pathlib import Path
from typing import Any, TypeVar

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
from btc_assets.commands.output import answer, progress, table
from btc_assets.decisions import completeness_of
from btc_assets.sweep_page import sweep_page
from btc_core.errors import InputError
from btc_core.model.backtest import BacktestConfig
from btc_core.model.interval import Interval
from btc_core.model.timerange import TimeRange, floor_minute, format_time
from btc_core.sweep import SORTS, Grid
from btc_core.sweep_trial import Trial
from btc_core.sweep_verdict import Verdict
from btc_core.walk_forward import Walked, parse_walk
from btc_store.frames import open_frames
from btc_store.kept_trials import finish
from btc_store.lake import lake_to_read
from btc_store.settings import Settings
from btc_store.sweep_run import Sweep, SweepRequest, plan_sweep, prepare_sweep, run_sweep

# As after every Ctrl-C (btc_assets.cli).
_INTERRUPTED = 130
_SHOWN = {
    "total_return": "{:+.2%}",
    "sharpe": "{:.2f}",
    "sortino": "{:.2f}",
    "max_drawdown": "{:.2%}",
    "n_trades": "{:,}",
    "win_rate": "{:.1%}",
    "profit_factor": "{:.2f}",
    "exposure_time": "{:.1%}",
    "n_liquidations": "{:,}",
    "final_equity": "{:,.2f}",
}

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
    answer({**_value(found, top), **written}, as_json=as_json, text=_text(found, top) + text)
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
    plan = plan_sweep(request)
    with open_frames(settings.database_url) as frames:
        prepared = prepare_sweep(frames, plan, rule=completeness_of(settings.config))
        with progress(request.strategy, total=prepared.n_trials) as advance:
            lake = lake_to_read(settings.lake, settings.lake_cache)
            found = run_sweep(frames, prepared, sort=sort, n_threads=os.cpu_count() or 1, advance=advance, lake=lake)
        if found.is_whole:
            finish(frames, prepared.fingerprint, _value(found, top))
    if found.best is None:
        raise KeyboardInterrupt
    return found


def _value(found: Sweep, top: int) -> dict[str, Any]:
    """Return what was found, for programs."""
    request = found.prepared.plan.request
    return {
        "strategy": request.strategy,
        "sort": found.sort,
        "n_trials": found.prepared.n_trials,
        "n_finished": found.n_finished,
        "config": msgspec.to_builtins(request.config),
        "best": msgspec.to_builtins(found.best),
        "trials": [_row(found.done[i]) for i in found.order[:top]],
        "walk_forward": None if found.walked is None else msgspec.to_builtins(found.walked),
    }


def _row(trial: Trial) -> dict[str, Any]:
    return {
        "symbol": trial.arena.symbol,
        "interval": trial.arena.interval.label,
        "parameters": dict(trial.strategy.parameters),
        **msgspec.to_builtins(trial.outcome),
    }


def _text(found: Sweep, top: int) -> str:
    """Return what was found, for people: the best trials, and how far they are to be trusted."""
    assert found.best is not None, "something is finished"
    grid, shown = found.prepared.plan.grid, [found.done[i] for i in found.order[:top]]
    span, n_done = shown[0].arena.market.range_, len(found.done)
    name = found.prepared.plan.request.strategy
    what = "the last training" if found.walked else name
    head = (
        f"{what}, {format_time(span.start)} to {format_time(span.end)}: {n_done:,} trials, best first by {found.sort}"
    )
    walked = [] if found.walked is None else [*_walked(found.walked, grid, found.sort), ""]
    return "\n".join([*walked, head, _table(grid, shown), "", *_judged(found.best, sort=found.sort)])


def _table(grid: Grid, shown: Sequence[Trial]) -> str:
    names = [axis.name for axis in grid.axes]
    rows = [
        [
            trial.arena.symbol,
            trial.arena.interval.label,
            *(f"{trial.strategy.parameters[each]:g}" for each in names),
            *(_shown(getattr(trial.outcome, each), pattern) for each, pattern in _SHOWN.items()),
        ]
        for trial in shown
    ]
    return table(["symbol", "interval", *names, *(each.replace("_", " ") for each in _SHOWN)], rows)


def _walked(walked: Walked, grid: Grid, sort: str) -> list[str]:
    """Return the windows of a walk-forward, and what it came to beside what the past had promised."""
    names = [axis.name for axis in grid.axes]
    rows = [
        [
            f"{step.test_start:%Y-%m-%d}",
            f"{step.test_end:%Y-%m-%d}",
            step.best.symbol,
            step.best.interval,
            *(f"{step.best.parameters[each]:g}" for each in names),
            _shown(getattr(step.best.outcome, sort), _SHOWN[sort]),
            _shown(step.best.deflated_sharpe, "{:.2f}"),
            _shown(getattr(step.test, sort), _SHOWN[sort]),
            _shown(step.test.total_return, "{:+.2%}"),
        ]
        for step in walked.steps
    ]
    columns = ["test from", "to", "symbol", "interval", *names, f"{sort} before", "deflated", f"{sort} in it", "return"]
    kind = "anchored" if walked.is_anchored else "rolling"
    out, efficiency = walked.out_of_sample, _shown(walked.efficiency, "{:.2f}")
    return [
        f"walk-forward {walked.walk}, {kind}: {len(walked.steps):,} of {walked.n_windows:,} windows",
        table(columns, rows),
        "",
        f"out of sample: return {_shown(out.total_return, '{:+.2%}')}, {sort} "
        f"{_shown(getattr(out, sort), _SHOWN[sort])}, drawdown {_shown(out.max_drawdown, '{:.2%}')}, "
        f"{out.n_trades:,} trades; in sample the bests had a {sort} of "
        f"{_shown(walked.in_sample[sort], _SHOWN[sort])} in the median",
        f"deflated Sharpe ratio out of sample: {_shown(walked.deflated_sharpe, '{:.2f}')} (nothing was chosen by it); "
        f"efficiency: {efficiency} (yearly growth out of sample, of what the past promised)",
    ]


def _judged(best: Verdict, *, sort: str) -> list[str]:
    """Return the sentences about the best trial."""
    luck = _shown(best.deflated_sharpe, "{:.2f}")
    beside = f"{best.n_neighbours:,}, {_shown(best.neighbours_median, _SHOWN[sort])} in the median"
    own = _shown(getattr(best.outcome, sort), _SHOWN[sort])
    return [
        f"deflated Sharpe ratio of the best: {luck} (the probability that it is more than luck)",
        f"its neighbours in the grid: {beside if best.n_neighbours else 'none'} ({sort}; its own is {own})",
    ]


def _shown(figure: float | None, pattern: str) -> str:
    return "–" if figure is None else pattern.format(figure)


# Capital, costs and rules: the options of `btc backtest`, by the same names and with the same meaning.
sweep.params += [option for option in backtest.COMMAND.params if option.name in BacktestConfig.__struct_fields__]
COMMAND = sweep
