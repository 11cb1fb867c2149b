"""The assets ``backtests/<strategy>``: a range of months launched in the UI is one continuous simulation."""

import time
from collections.abc import Sequence
from itertools import groupby

import dagster as dg
import msgspec

from btc_assets.candles import MINUTES_KEY
from btc_assets.decisions import completeness_of
from btc_assets.funding import FUNDING_KEY
from btc_assets.lineage import Column, table_metadata
from btc_assets.partitions import Partition, partitions_of
from btc_assets.pictures import picture_of_equity
from btc_assets.report.page import page_of
from btc_core.config import Config
from btc_core.model.backtest import Mode
from btc_core.model.interval import Interval, parse_interval
from btc_core.model.timerange import TimeRange, format_time
from btc_core.partitions import candles_closed_in
from btc_core.strategy import NamedStrategy, load_strategy
from btc_core.version import CODE_VERSION
from btc_store.backtests import Backtest, BacktestRequest, run_backtest, stored_range
from btc_store.frames import Frames
from btc_store.lake import Lake
from btc_store.warm_up import Minutes
from resources.progress import Progress
from resources.timescale import Timescale

MOST_PICTURES = 12
# The figures that are worth a look at first, and how they are shown.
HEADLINES = {
    "total_return": "{:+.2%}",
    "buy_and_hold_return": "{:+.2%}",
    "max_drawdown": "{:.2%}",
    "sharpe": "{:.2f}",
    "n_trades": "{}",
    "win_rate": "{:.1%}",
    "profit_factor": "{:.2f}",
    "fees_paid": "{:,.2f}",
    "final_equity": "{:,.2f}",
}
# What there is to know of coins beside that: how many were bought, for how much each, and what a plain plan paid.
SPOT_HEADLINES = {"accumulated": "{:,.5f}", "average_cost": "{:,.2f}", "dca_average_cost": "{:,.2f}"}


def backtests_key(strategy: str) -> dg.AssetKey:
    """Return the asset key of a strategy's backtests."""
    return dg.AssetKey(["backtests", strategy])


def build_backtests(config: Config, partitions: dg.PartitionsDefinition) -> list[dg.AssetsDefinition]:
    """Return an asset for each configured strategy."""
    return [_build(config, name, partitions) for name in config.strategies]


def _build(config: Config, name: str, partitions: dg.PartitionsDefinition) -> dg.AssetsDefinition:
    strategy = load_strategy(name, config.strategies[name].parameters)
    intervals = [parse_interval(label) for label in config.strategies[name].intervals]

    @dg.asset(
        key=backtests_key(name),
        deps=[MINUTES_KEY, FUNDING_KEY],
        description=f"What {name} would have earned, by the code that decides live. {strategy.rule.description} "
        "The months of a launch are one continuous simulation, with the warm-up from before them; fills at the open "
        "of the next 1m candle.",
        group_name="backtests",
        kinds={"polars", "postgres"},
        owners=["team:research"],
        code_version=CODE_VERSION,
        metadata=table_metadata(_columns(), docs=["docs/howto/add-a-strategy.md", "docs/laws.md"]),
        partitions_def=partitions,
        backfill_policy=dg.BackfillPolicy.single_run(),
    )
    def backtests(
        context: dg.AssetExecutionContext, timescale: dg.ResourceParam[Timescale], progress: dg.ResourceParam[Progress]
    ) -> dg.MaterializeResult:
        partitions_done = sorted(partitions_of(context, progress), key=lambda partition: partition.symbol)
        with timescale.frames() as frames:
            for _, each in groupby(partitions_done, key=lambda partition: partition.symbol):
                started, months = time.monotonic(), list(each)
                done = _simulate(
                    frames, config, strategy, intervals, months, run_id=context.run.run_id, lake=timescale.lake()
                )
                _describe(
                    context, backtests_key(name), months, done, started=started, api_url=timescale.settings.page_url
                )
        return dg.MaterializeResult()

    return backtests


def _columns() -> list[Column]:
    """Return the columns of `backtest_equity`, the table that has a row for each candle of a backtest."""
    prices = {MINUTES_KEY: ("open", "high", "low", "close", "volume")}
    return [
        Column("backtest_id", "uuid", "which backtest: its figures are in `backtest_runs`", {}),
        Column("time", "timestamptz", "close of a candle, UTC", {MINUTES_KEY: ("time",)}),
        Column("equity", "float8", "quote currency, open positions at their price", prices),
        Column("drawdown", "float8", "how far below the highest equity so far, as a fraction", prices),
        Column("exposure", "float8", "position ÷ equity as held, signed", prices),
    ]


def _simulate(
    frames: Frames,
    config: Config,
    strategy: NamedStrategy,
    intervals: Sequence[Interval],
    months: Sequence[Partition],
    *,
    run_id: str,
    lake: Lake | None,
) -> list[Backtest]:
    """Run a backtest per interval over consecutive months of a symbol, as one range."""
    symbol = months[0].symbol
    range_ = stored_range(frames, symbol, TimeRange(months[0].month.start, months[-1].month.end))
    rule, settings, minutes = completeness_of(config), config.backtest, Minutes(frames, symbol, range_.end, lake)
    if strategy.rule.of == "capital":
        # The configured leverage is the perpetual's; coins are paid in full.
        settings = msgspec.structs.replace(settings, leverage=1)
    return [
        run_backtest(
            frames,
            BacktestRequest(symbol=symbol, interval=interval, strategy=strategy, range_=range_, config=settings),
            rule=rule,
            run_id=run_id,
            minutes=minutes,
            render=page_of,
        )
        for interval in intervals
        if candles_closed_in(range_, interval)
    ]


def _describe(
    context: dg.AssetExecutionContext,
    key: dg.AssetKey,
    months: Sequence[Partition],
    done: Sequence[Backtest],
    *,
    started: float,
    api_url: str,
) -> None:
    """Attach the figures to every month of the launch; so is the picture, where they are few."""
    best = max(done, key=lambda backtest: backtest.simulation.results.n_candles)
    range_ = best.request.range_
    metadata = {
        "figures": dg.MetadataValue.md(_figures(done, api_url)),
        "range": f"{format_time(range_.start)} to {format_time(range_.end)}",
        "rows": sum(backtest.simulation.equity.height for backtest in done),
        "seconds": round(time.monotonic() - started, 3),
    }
    picture = {f"equity, {best.request.interval}": picture_of_equity(best.simulation.equity)}
    # Which month Dagster shows as the latest is not ours to say: each has the picture, unless they are many.
    pictured = months if len(months) <= MOST_PICTURES else months[-1:]
    for partition in months:
        shown = {**metadata, **(picture if partition in pictured else {})}
        context.add_asset_metadata(metadata=shown, asset_key=key, partition_key=partition.key)


def headlines_of(backtest: Backtest) -> dict[str, str]:
    """Return the figures that are worth a look at first, with how they are shown."""
    return HEADLINES | (SPOT_HEADLINES if backtest.request.config.mode is Mode.SPOT else {})


def _figures(done: Sequence[Backtest], api_url: str) -> str:
    """Return the headlines as a table, a column per interval."""
    head = "| |" + "".join(f" {backtest.request.interval} |" for backtest in done)
    lines = [head, "|---" * (len(done) + 1) + "|"]
    for name, pattern in headlines_of(done[0]).items():
        figures = [getattr(backtest.simulation.results, name) for backtest in done]
        shown = ("–" if figure is None else pattern.format(figure) for figure in figures)
        lines.append(f"| {name.replace('_', ' ')} |" + "".join(f" {text} |" for text in shown))
    links = [f"{api_url}/api/v1/backtests/{backtest.id}/report" for backtest in done]
    lines.append("| report |" + "".join(f" [page]({link}) |" for link in links))
    said = ["found, not computed again" if backtest.is_found else "computed" for backtest in done]
    lines.append("| |" + "".join(f" {text} |" for text in said))
    lines.append("| id |" + "".join(f" `{backtest.id}` |" for backtest in done))
    return "\n".join(lines)
