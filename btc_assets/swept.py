"""A prepared sweep to its end, and what is said of it, for programs and for people; by `btc sweep` and by its asset."""

import os
from collections.abc import Sequence
from typing import Any

import msgspec

from btc_assets.commands.output import table
from btc_core.model.timerange import format_time
from btc_core.sweep import Grid
from btc_core.sweep_trial import Trial
from btc_core.walk_forward import Walked
from btc_store.frames import Frames
from btc_store.kept_trials import finish
from btc_store.lake import Lake
from btc_store.sweep_run import Advance, Prepared, Sweep, run_sweep

SHOWN = {
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


def finish_sweep(
    frames: Frames, prepared: Prepared, *, sort: str, top: int, advance: Advance, lake: Lake | None
) -> Sweep:
    """Try what is not finished yet on all processors, and keep what was found in the table ``sweeps``.

    Args:
        frames: The database; nobody else uses this connection meanwhile.
        prepared: What is tried.
        sort: The figure by which the best is.
        top: How many of them are kept beside it.
        advance: Called with the number of trials that were finished.
        lake: Where closed months may be read.

    Raises:
        DataError: If the stored data do not allow it.
    """
    found = run_sweep(frames, prepared, sort=sort, n_threads=os.cpu_count() or 1, advance=advance, lake=lake)
    if found.is_whole:
        finish(frames, prepared.fingerprint, value_of(found, top))
    return found


def value_of(found: Sweep, top: int) -> dict[str, Any]:
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


def text_of(found: Sweep, top: int) -> str:
    """Return what was found, for people: the best trials, and how far they are to be trusted."""
    assert found.best is not None, "something is finished"
    grid, best = found.prepared.plan.grid, [found.done[i] for i in found.order[:top]]
    span, n_done = best[0].arena.market.range_, len(found.done)
    name = found.prepared.plan.request.strategy
    what = "the last training" if found.walked else name
    head = (
        f"{what}, {format_time(span.start)} to {format_time(span.end)}: {n_done:,} trials, best first by {found.sort}"
    )
    walked = [] if found.walked is None else [*_walked(found.walked, grid, found.sort), ""]
    return "\n".join([*walked, head, table(*columns_of(grid, best)), "", *judged(found)])


def columns_of(grid: Grid, trials: Sequence[Trial]) -> tuple[list[str], list[list[str]]]:
    """Return trials as a table: what the columns are called, and the rows."""
    names = [axis.name for axis in grid.axes]
    rows = [
        [
            trial.arena.symbol,
            trial.arena.interval.label,
            *(f"{trial.strategy.parameters[each]:g}" for each in names),
            *(shown(getattr(trial.outcome, each), pattern) for each, pattern in SHOWN.items()),
        ]
        for trial in trials
    ]
    return ["symbol", "interval", *names, *(each.replace("_", " ") for each in SHOWN)], rows


def walk_of(walked: Walked, grid: Grid, sort: str) -> tuple[list[str], list[list[str]], list[str]]:
    """Return the windows of a walk-forward as a table, and what it came to beside what the past had promised."""
    names = [axis.name for axis in grid.axes]
    rows = [
        [
            f"{step.test_start:%Y-%m-%d}",
            f"{step.test_end:%Y-%m-%d}",
            step.best.symbol,
            step.best.interval,
            *(f"{step.best.parameters[each]:g}" for each in names),
            shown(getattr(step.best.outcome, sort), SHOWN[sort]),
            shown(step.best.deflated_sharpe, "{:.2f}"),
            shown(getattr(step.test, sort), SHOWN[sort]),
            shown(step.test.total_return, "{:+.2%}"),
        ]
        for step in walked.steps
    ]
    columns = ["test from", "to", "symbol", "interval", *names, f"{sort} before", "deflated", f"{sort} in it", "return"]
    out, efficiency = walked.out_of_sample, shown(walked.efficiency, "{:.2f}")
    sentences = [
        f"out of sample: return {shown(out.total_return, '{:+.2%}')}, {sort} "
        f"{shown(getattr(out, sort), SHOWN[sort])}, drawdown {shown(out.max_drawdown, '{:.2%}')}, "
        f"{out.n_trades:,} trades; in sample the bests had a {sort} of "
        f"{shown(walked.in_sample[sort], SHOWN[sort])} in the median",
        f"deflated Sharpe ratio out of sample: {shown(walked.deflated_sharpe, '{:.2f}')} (nothing was chosen by it); "
        f"efficiency: {efficiency} (yearly growth out of sample, of what the past promised)",
    ]
    return columns, rows, sentences


def _walked(walked: Walked, grid: Grid, sort: str) -> list[str]:
    columns, rows, sentences = walk_of(walked, grid, sort)
    kind = "anchored" if walked.is_anchored else "rolling"
    head = f"walk-forward {walked.walk}, {kind}: {len(walked.steps):,} of {walked.n_windows:,} windows"
    return [head, table(columns, rows), "", *sentences]


def judged(found: Sweep) -> list[str]:
    """Return the sentences about the best trial: how far it is to be trusted."""
    best, sort = found.best, found.sort
    assert best is not None, "something is finished"
    luck = shown(best.deflated_sharpe, "{:.2f}")
    middle, worst = (shown(each, SHOWN[sort]) for each in (best.neighbours_median, best.neighbours_worst))
    beside = f"{best.n_neighbours:,}, {middle} in the median, {worst} at worst"
    own = shown(getattr(best.outcome, sort), SHOWN[sort])
    return [
        f"deflated Sharpe ratio of the best: {luck} (the probability that it is more than luck)",
        f"its neighbours in the grid: {beside if best.n_neighbours else 'none'} ({sort}; its own is {own})",
    ]


def shown(figure: float | None, pattern: str) -> str:
    """Return a figure as people read it; a dash where it is undefined."""
    return "–" if figure is None else pattern.format(figure)
