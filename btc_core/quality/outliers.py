"""Minutes whose price jumps out of its neighbourhood."""

from datetime import timedelta

import polars as pl

from btc_core.check import Check, Evidence, Source, Subject, findings
from btc_core.model.timerange import MINUTE
from btc_core.parameters import Parameter, Parameters

# The median absolute deviation of a normal distribution, in standard deviations: it makes the figure a z-score.
# B. Iglewicz, D. Hoaglin, How to Detect and Handle Outliers (1993), section 3.3.
MAD_OF_NORMAL = 0.6745
# With fewer neighbours than this a median says nothing.
LEAST_NEIGHBOURS = 30


def robust_z(close: pl.Expr, *, neighbours: int, floor: float) -> pl.Expr:
    """Return how far each log return lies from the median of its neighbours, in robust standard deviations.

    Shape: one value per minute of a complete grid, aligned with ``close``; null beside a missing minute (the jump over
    an outage is none of one minute) and with fewer than 30 neighbours. Unit: none, at least 0.

    Args:
        close: Closes of consecutive minutes, null where one is missing.
        neighbours: Minutes on each side that it is compared with.
        floor: Least median absolute deviation, as a return: a market that hardly moves is not held against a tick.
    """
    returns = (close / close.shift(1)).log()
    size = 2 * neighbours + 1
    middle = returns.rolling_median(window_size=size, min_samples=LEAST_NEIGHBOURS, center=True)
    distance = (returns - middle).abs()
    spread = distance.rolling_median(window_size=size, min_samples=LEAST_NEIGHBOURS, center=True)
    return MAD_OF_NORMAL * distance / pl.max_horizontal(spread, pl.lit(floor))


def _reach(parameters: Parameters) -> timedelta:
    # The spread is taken of distances to medians, which look as far again, and a return looks at the minute before.
    return (2 * int(parameters["neighbours"]) + 1) * MINUTE


def _find(evidence: Evidence, parameters: Parameters) -> pl.DataFrame:
    minutes = evidence[Source.MINUTES].select("time", "close")
    if not minutes.height:
        return findings(minutes, start=pl.col("time"), end=pl.col("time"), severity="warning")
    score = robust_z(pl.col("close"), neighbours=int(parameters["neighbours"]), floor=parameters["floor_bps"] / 10_000)
    # The frame may begin or end with a gap; a window that is cut there sees the same minutes all the same.
    far = (
        minutes.upsample("time", every="1m")
        .with_columns(z=score, log_return=(pl.col("close") / pl.col("close").shift(1)).log())
        .filter(pl.col("z") > parameters["z"])
    )
    return findings(
        far,
        start=pl.col("time"),
        end=pl.col("time") + MINUTE,
        severity="warning",
        z=pl.col("z").round(1),
        log_return=pl.col("log_return").round(6),
        close=pl.col("close"),
    )


CHECK = Check(
    description="No minute's return lies more than `z` robust standard deviations from its neighbours'. A warning to "
    "look at, never a filter: the −5.8 % of one minute of May 2021 are real.",
    subject=Subject.MINUTES,
    sources=(Source.MINUTES,),
    find=_find,
    kind="outlier",
    parameters={
        # 79 minutes of BTC in 2021, the wildest year: one or two a week, for a person to look at.
        "z": Parameter(12.0, 3, 1_000, "robust standard deviations"),
        "neighbours": Parameter(120, 30, 720, "minutes on each side"),
        # The quietest hours of BTC have a deviation of 1 to 1.5 basis points.
        "floor_bps": Parameter(1.0, 0.001, 1_000, "least deviation that a neighbourhood is taken to have"),
    },
    reach=_reach,
)
