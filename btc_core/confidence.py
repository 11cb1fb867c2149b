"""How sure a figure is: bootstrap intervals, and the Sharpe ratio of the best of many trials."""

import math
from collections.abc import Callable
from dataclasses import dataclass
from statistics import NormalDist

import numpy as np

from btc_core.metrics import Floats

_NORMAL = NormalDist()
_EULER = 0.5772156649015329


@dataclass(frozen=True, slots=True)
class Interval:
    """Where a figure lies, at a level of confidence."""

    low: float
    high: float


def bootstrap(
    returns: Floats,
    figure: Callable[[Floats], float | None],
    *,
    seed: int,
    n_draws: int = 1_000,
    block: int | None = None,
    level: float = 0.95,
) -> Interval | None:
    """Return a confidence interval of a figure, from redrawn series of returns: percentiles of the circular bootstrap.

    Whole blocks are drawn, so what one return says about the next survives; the same seed draws the same blocks. None
    with fewer than two returns or where the figure is undefined on more than half of the draws.

    Args:
        returns: Per period, in order.
        figure: What is estimated; None where it is undefined.
        seed: Of the random numbers.
        n_draws: How many series are drawn.
        block: Length of a block in returns; None: the cube root of their number, at least 2.
        level: Share of the draws between the ends.

    Source: D. N. Politis, J. P. Romano, A Circular Block-Resampling Procedure for Stationary Data (1992).
    """
    n = len(returns)
    if n < 2:
        return None
    length = min(n, block if block is not None else max(2, round(n ** (1 / 3))))
    random = np.random.default_rng(seed)
    offsets, n_blocks = np.arange(length), -(-n // length)
    drawn: list[float] = []
    for _ in range(n_draws):
        starts = random.integers(0, n, n_blocks)
        found = figure(returns[((starts[:, None] + offsets) % n).ravel()[:n]])
        if found is not None:
            drawn.append(found)
    if len(drawn) * 2 < n_draws:
        return None
    low, high = np.quantile(drawn, [(1 - level) / 2, (1 + level) / 2])
    return Interval(float(low), float(high))


def probabilistic_sharpe(
    ratio: float, *, threshold: float, n_returns: int, skewness: float, kurtosis: float
) -> float | None:
    """Return how probable it is that the true Sharpe ratio is above a threshold.

    Args:
        ratio: As estimated, per period (not annualised).
        threshold: Likewise.
        n_returns: How many returns it is estimated from.
        skewness: Of the returns.
        kurtosis: Of the returns, 3 for a normal distribution.

    Returns:
        A probability; None with fewer than two returns, or where the estimate has no variance.

    Source: D. H. Bailey, M. López de Prado, The Sharpe Ratio Efficient Frontier, Journal of Risk 15 (2012).
    """
    variance = 1 - skewness * ratio + (kurtosis - 1) / 4 * ratio**2
    if n_returns < 2 or variance <= 0:
        return None
    return _NORMAL.cdf((ratio - threshold) * math.sqrt(n_returns - 1) / math.sqrt(variance))


def best_of_chance(n_trials: int, *, variance: float) -> float:
    """Return the Sharpe ratio that the best of many worthless trials is expected to have, per period.

    Args:
        n_trials: How many were made, independent of each other; at least 1, and one alone is not selected: 0.
        variance: Of their Sharpe ratios, per period.

    Source: D. H. Bailey, M. López de Prado, The Deflated Sharpe Ratio, Journal of Portfolio Management 40 (2014).
    """
    if n_trials < 2:
        return 0.0
    first = _NORMAL.inv_cdf(1 - 1 / n_trials)
    second = _NORMAL.inv_cdf(1 - 1 / (n_trials * math.e))
    return math.sqrt(variance) * ((1 - _EULER) * first + _EULER * second)


def deflated_sharpe(returns: Floats, trials: Floats) -> float | None:
    """Return how probable it is that the best of a sweep is better than the best of chance.

    A grid's trials resemble each other, so their number overstates how many are independent: the figure is on the
    careful side. None with fewer than three returns or without deviation.

    Args:
        returns: Of the best one, per period.
        trials: The Sharpe ratios of all that were tried, the best included, per period; undefined ones left out.

    Source: as ``best_of_chance``.
    """
    if len(returns) < 3 or len(trials) == 0:
        return None
    centred = returns - returns.mean()
    spread = float(returns.std())
    if spread < 1e-12:
        return None
    return probabilistic_sharpe(
        float(returns.mean() / returns.std(ddof=1)),
        threshold=best_of_chance(len(trials), variance=float(trials.var(ddof=1)) if len(trials) > 1 else 0.0),
        n_returns=len(returns),
        skewness=float((centred**3).mean()) / spread**3,
        kurtosis=float((centred**4).mean()) / spread**4,
    )
