"""What the tests of reports share: a backtest over made-up minutes, without a database."""

import random
from datetime import UTC, datetime, timedelta
from uuid import UUID

import polars as pl

from btc_core.decide import decide
from btc_core.model.backtest import BacktestConfig
from btc_core.model.interval import parse_interval
from btc_core.model.timerange import TimeRange
from btc_core.resample import resample
from btc_core.simulator.simulate import simulate
from btc_core.strategy import NamedStrategy, load_strategy
from btc_store.backtests import Backtest, BacktestRequest
from tests.derivation import RULE, made_minutes

SPAN = TimeRange(datetime(2024, 5, 20, tzinfo=UTC), datetime(2024, 6, 9, tzinfo=UTC))


def market(*, n_gaps: int = 6) -> pl.DataFrame:
    """Return three weeks of minutes, over the end of a month."""
    return made_minutes(SPAN, random.Random(8), n_gaps=n_gaps, longest_gap=80)


def backtest(
    minutes: pl.DataFrame, label: str = "37m", strategy: NamedStrategy | None = None, *, n: int = 1, **rules: object
) -> Backtest:
    """Return what a strategy would have earned over minutes; ``n`` makes its id."""
    interval, named = parse_interval(label), strategy or load_strategy("ma", {"period": 9})
    config = BacktestConfig(**rules)  # type: ignore[arg-type]
    positions, _, skipped = decide(
        resample(minutes, interval),
        named,
        interval,
        no_trade=minutes["time"].clear(),
        rule=RULE,
        since=SPAN.start,
        before=0.0,
        now=SPAN.end + timedelta(days=1),
    )
    request = BacktestRequest(symbol="BTC", interval=interval, strategy=named, range_=SPAN, config=config)
    simulation = simulate(positions, minutes, config, range_=SPAN, interval=interval)
    return Backtest(UUID(int=n), request, simulation, skipped.height)
