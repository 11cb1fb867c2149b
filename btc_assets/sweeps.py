"""The assets ``sweeps/<name>``: a configured sweep, by the code of ``btc sweep``, and what was found as metadata."""

import time
from datetime import UTC, date, datetime
from typing import Any

import dagster as dg
import msgspec

from btc_assets.candles import MINUTES_KEY
from btc_assets.decisions import completeness_of
from btc_assets.funding import FUNDING_KEY
from btc_assets.partitions import LOG_SECONDS
from btc_assets.pictures import picture_of_heat
from btc_assets.swept import columns_of, finish_sweep, judged, walk_of
from btc_core.config import Config, SweepConfig
from btc_core.errors import BtcError, InputError, PluginError
from btc_core.model.backtest import BacktestConfig
from btc_core.model.timerange import format_time
from btc_core.sweep import SORTS
from btc_core.sweep_heat import heat_of
from btc_core.version import CODE_VERSION
from btc_core.walk_forward import parse_walk
from btc_store.frames import Frames
from btc_store.lake import Lake
from btc_store.sweep_run import Advance, Sweep, SweepRequest, grid_of, plan_sweep, prepare_sweep
from resources.timescale import Timescale

# Rows and columns of the picture at most.
_CELLS = (24, 40)


def sweeps_key(name: str) -> dg.AssetKey:
    """Return the asset key of a configured sweep."""
    return dg.AssetKey(["sweeps", name])


def build_sweeps(config: Config, *, now: datetime) -> tuple[list[dg.AssetsDefinition], list[PluginError]]:
    """Return an asset for each configured sweep that can be used, and what is wrong with the strategies of the others.

    Args:
        config: What is configured.
        now: The present instant of the market.

    Raises:
        InputError: If a sweep cannot be meant: the message begins with its key.
    """
    built: list[dg.AssetsDefinition] = []
    broken: list[PluginError] = []
    for name, entry in config.sweeps.items():
        try:
            # Nothing is read, and not every place is filled in: this runs whenever definitions are loaded.
            grid_of(request_of(config, entry, now=now))
            built.append(_build(config, name, entry))
        except PluginError as error:
            broken.append(error)
        except BtcError as error:
            raise InputError(f"sweeps.{name}: {error}") from error
    return built, broken


def request_of(config: Config, entry: SweepConfig, *, now: datetime) -> SweepRequest:
    """Return what a configured sweep asks for.

    Args:
        config: The rest of the configuration: symbols, first day, costs and rules.
        entry: The sweep.
        now: The present instant. Without an ``end`` a sweep ends at the last midnight: within a day it is the same.

    Raises:
        InputError: If it cannot be meant.
    """
    if entry.sort not in SORTS:
        raise InputError(f"sort: expected one of {', '.join(SORTS)}, found {entry.sort!r}")
    midnight = now.replace(hour=0, minute=0, second=0, microsecond=0)
    start = config.history_start_time if entry.start is None else _midnight(entry.start)
    end = midnight if entry.end is None else _midnight(entry.end)
    if start >= end:
        raise InputError(f"expected a start before the end, found {format_time(start)} and {format_time(end)}")
    try:
        said = msgspec.convert({**msgspec.to_builtins(config.backtest), **entry.backtest}, BacktestConfig)
    except msgspec.ValidationError as error:
        raise InputError(f"backtest: {error}") from error
    # Only what differs is taken from there: the sweep is then the very one that the command makes of the same options.
    rules = msgspec.structs.replace(config.backtest, **{name: getattr(said, name) for name in entry.backtest})
    walk = None if entry.walk_forward is None else parse_walk(entry.walk_forward, is_anchored=entry.anchored)
    return SweepRequest(
        strategy=entry.strategy,
        symbols=entry.symbols or tuple(config.symbols),
        intervals=entry.intervals,
        parameters={name: _written(value) for name, value in entry.parameters.items()},
        start=start,
        end=end,
        draw=entry.random,
        seed=entry.seed,
        walk=walk,
        config=rules,
    )


def _written(value: object) -> str:
    """Return a parameter as people write it on the command line."""
    return ",".join(map(str, value)) if isinstance(value, tuple) else str(value)


def _midnight(day: date) -> datetime:
    return datetime(day.year, day.month, day.day, tzinfo=UTC)


def _build(config: Config, name: str, entry: SweepConfig) -> dg.AssetsDefinition:
    @dg.asset(
        key=sweeps_key(name),
        deps=[MINUTES_KEY, FUNDING_KEY],
        description=f"What {entry.strategy} would have earned with many parameters, and how far the best of them is to "
        "be trusted; as `btc sweep`. What is finished is kept: a run that was ended goes on where it was.",
        group_name="backtests",
        kinds={"polars", "numba", "postgres"},
        owners=["team:research"],
        code_version=CODE_VERSION,
        metadata={"docs": dg.MetadataValue.path("docs/howto/sweep.md")},
    )
    def sweeps(context: dg.AssetExecutionContext, timescale: dg.ResourceParam[Timescale]) -> dg.MaterializeResult:
        started = time.monotonic()
        try:
            with timescale.frames() as frames:
                request = request_of(config, entry, now=timescale.settings.now())
                found = _swept(context, frames, config, request, entry, lake=timescale.lake())
        except BtcError as error:
            # Trying again finds the same.
            raise dg.Failure(f"sweeps.{name}: {error}", allow_retries=False) from error
        return dg.MaterializeResult(
            metadata={**_described(found, entry), "seconds": round(time.monotonic() - started, 1)}
        )

    return sweeps


def _swept(
    context: dg.AssetExecutionContext,
    frames: Frames,
    config: Config,
    request: SweepRequest,
    entry: SweepConfig,
    *,
    lake: Lake | None,
) -> Sweep:
    prepared = prepare_sweep(frames, plan_sweep(request), rule=completeness_of(config))
    n = prepared.n_trials
    if prepared.known:
        context.log.info("%d of %d trials are finished already: this goes on from there", len(prepared.known), n)
    return finish_sweep(frames, prepared, sort=entry.sort, top=entry.top, advance=_told(context, n), lake=lake)


def _told(context: dg.AssetExecutionContext, n_trials: int) -> Advance:
    """Return what counts finished trials, and says now and then in the run's log how many there are."""
    n_done, told = 0.0, time.monotonic()

    def advance(amount: float) -> None:
        nonlocal n_done, told
        n_done += amount
        if n_done >= n_trials or time.monotonic() - told >= LOG_SECONDS:
            told = time.monotonic()
            context.log.info("%d of %d trials are finished", n_done, n_trials)

    return advance


def _described(found: Sweep, entry: SweepConfig) -> dict[str, dg.MetadataValue]:
    """Return the best trials, what speaks for the best of them, and a picture."""
    best, grid, sort = found.best, found.prepared.plan.grid, found.sort
    assert best is not None, "a finished sweep has a best"
    range_ = found.done[0].arena.market.range_
    trials = [found.done[i] for i in found.order[: entry.top]]
    said: dict[str, Any] = {
        "best": dg.MetadataValue.md(_markdown(*columns_of(grid, trials))),
        "verdict": dg.MetadataValue.md("\n".join(f"- {sentence}" for sentence in judged(found))),
        "trials": found.n_finished,
        "range": f"{format_time(range_.start)} to {format_time(range_.end)}",
        "fingerprint": found.prepared.fingerprint,
    }
    # Numbers are drawn over time by Dagster; what is undefined is left out.
    figures = {sort: getattr(best.outcome, sort), "deflated_sharpe": best.deflated_sharpe}
    figures["neighbours_median"] = best.neighbours_median
    said |= {f"best: {name.replace('_', ' ')}": float(each) for name, each in figures.items() if each is not None}
    heat = heat_of(grid, found.done, found.done[found.order[0]], sort, most=_CELLS)
    if heat is not None:
        said[f"heat, {best.symbol} {best.interval}"] = picture_of_heat(heat)
    if found.walked is not None:
        columns, rows, sentences = walk_of(found.walked, grid, sort)
        listed = "\n".join(f"- {sentence}" for sentence in sentences)
        said["walk-forward"] = dg.MetadataValue.md(f"{_markdown(columns, rows)}\n\n{listed}")
    return said


def _markdown(columns: list[str], rows: list[list[str]]) -> str:
    lines = [columns, ["---"] * len(columns), *rows]
    return "\n".join("| " + " | ".join(line) + " |" for line in lines)
