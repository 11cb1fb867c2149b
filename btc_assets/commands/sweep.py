"""``btc sweep``: a strategy with many parameters over stored candles, and how far the best of them is to be trusted."""

import os
from collections.abc import Callable, Mapping, Sequence
from datetime import datetime
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
from btc_core.errors import InputError
from btc_core.model.backtest import BacktestConfig, Mode
from btc_core.model.interval import Interval
from btc_core.model.timerange import TimeRange, format_time
from btc_core.strategy import NamedStrategy, load_strategy
from btc_core.sweep import MAX_TRIALS, SORTS, Grid, Place, axes_of
from btc_core.sweep_trial import Arena, Trial, try_all
from btc_core.sweep_verdict import Verdict, judge, ranking
from btc_store.backtests import stored_range
from btc_store.frames import open_frames
from btc_store.settings import Settings
from btc_store.sweeps import read_arenas

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
@click.option("--seed", type=click.IntRange(0), default=0, show_default=True, help="Another number, another draw.")
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
    as_json: bool,
    **rules: float | str | None,
) -> None:
    """Try a strategy with many parameters: every one a backtest, by the same code and with the same figures.

    --param takes a range with both ends (period=5:400:5), a list (side=long_only,short_only) or one value. Of the best,
    the deflated Sharpe ratio says how probable it is that it is more than luck, and its neighbours whether it stands
    alone. Nothing is stored. Ctrl-C prints what is finished.
    """
    rule = load_strategy(name, {}).rule
    # A plan that begins on a day begins with the range, unless another day was given.
    given = {"start": f"{start:%Y%m%d}", **parameters} if "start" in rule.parameters else parameters
    grid = Grid(axes_of(f"strategy {name}", rule.parameters, given))
    asked, config = TimeRange(start, end or settings.now()), _config(settings, rules, is_spot=rule.of == "capital")
    strategies = _strategies(name, grid, draw=draw, seed=seed, n_markets=len(symbols) * len(intervals))
    arenas = _arenas(settings, symbols, intervals, list(strategies.values()), asked=asked, config=config)
    trials = [Trial(arena, place, strategy) for arena in arenas for place, strategy in strategies.items()]
    done = _try(trials, name)
    order = ranking(done, sort)
    best = judge(grid, done, order[0], sort)
    value = {
        "strategy": name,
        "sort": sort,
        "n_trials": len(trials),
        "n_finished": len(done),
        "config": msgspec.to_builtins(config),
        "best": msgspec.to_builtins(best),
        "trials": [_row(done[i]) for i in order[:top]],
    }
    top_trials = [done[i] for i in order[:top]]
    answer(value, as_json=as_json, text=_text(name, grid, top_trials, best, sort=sort, n_done=len(done)))
    if len(done) < len(trials):
        click.echo(f"interrupted: {len(done):,} of {len(trials):,} trials are finished, and shown", err=True)
        click.get_current_context().exit(_INTERRUPTED)


def _config(settings: Settings, rules: Mapping[str, object], *, is_spot: bool) -> BacktestConfig:
    """Return the configured capital, costs and rules with what was given instead."""
    given = {name: value for name, value in rules.items() if value is not None}
    config = msgspec.structs.replace(settings.config.backtest, **given)
    # As in a backtest: what spends a capital buys coins.
    return msgspec.structs.replace(config, mode=Mode.SPOT) if is_spot else config


def _strategies(name: str, grid: Grid, *, draw: int | None, seed: int, n_markets: int) -> dict[Place, NamedStrategy]:
    """Return the strategy at each place that is tried.

    Raises:
        InputError: If they are too many, or parameters do not go together.
    """
    n_trials = min(draw or grid.n, grid.n) * n_markets
    if n_trials > MAX_TRIALS:
        raise InputError(
            f"expected at most {MAX_TRIALS:,} trials, found {n_trials:,}: take larger steps, or --random 1000 of them"
        )
    return {place: load_strategy(name, grid.parameters(place)) for place in grid.places(draw=draw, seed=seed)}


def _arenas(
    settings: Settings,
    symbols: Sequence[str],
    intervals: Sequence[Interval],
    strategies: Sequence[NamedStrategy],
    *,
    asked: TimeRange,
    config: BacktestConfig,
) -> list[Arena]:
    """Return what the trials of each symbol and interval share."""
    rule = completeness_of(settings.config)
    arenas: list[Arena] = []
    with open_frames(settings.database_url) as frames, progress("minutes", total=len(symbols)) as advance:
        for symbol in symbols:
            range_ = stored_range(frames, symbol, asked)
            arenas += read_arenas(frames, symbol, intervals, strategies, range_=range_, rule=rule, config=config)
            advance(1)
    return arenas


def _try(trials: Sequence[Trial], name: str) -> list[Trial]:
    """Return the trials with their outcomes. Ctrl-C leaves those that are finished; where none is, it goes on."""
    done: list[Trial] = []
    with progress(name, total=len(trials)) as advance:
        try:
            for trial in try_all(trials, n_threads=os.cpu_count() or 1):
                done.append(trial)
                advance(1)
        except KeyboardInterrupt:
            if not done:
                raise
    return done


def _row(trial: Trial) -> dict[str, Any]:
    return {
        "symbol": trial.arena.symbol,
        "interval": trial.arena.interval.label,
        "parameters": dict(trial.strategy.parameters),
        **msgspec.to_builtins(trial.outcome),
    }


def _text(name: str, grid: Grid, shown: Sequence[Trial], best: Verdict, *, sort: str, n_done: int) -> str:
    span = shown[0].arena.market.range_
    head = f"{name}, {format_time(span.start)} to {format_time(span.end)}: {n_done:,} trials, best first by {sort}"
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
    columns = ["symbol", "interval", *names, *(each.replace("_", " ") for each in _SHOWN)]
    return "\n".join([head, table(columns, rows), "", *_judged(best, sort=sort)])


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
