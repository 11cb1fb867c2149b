"""How sure a figure is: published examples, and what must hold for any."""

import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from btc_core import metrics
from btc_core.confidence import best_of_chance, bootstrap, deflated_sharpe, probabilistic_sharpe

RETURNS = np.random.default_rng(7).normal(0.001, 0.02, 500)


@pytest.mark.parametrize(
    ("n_trials", "skewness", "kurtosis", "expected"),
    [(100, -3, 10, 0.9004), (46, -3, 10, 0.9505), (88, 0, 3, 0.9505)],
)
def test_the_example_of_the_paper(n_trials, skewness, kurtosis, expected):
    """Bailey and López de Prado (2014): five years of daily returns, Sharpe 2.5 a year, variance of trials 1/2 a year.

    Of 100 trials 0.1132 a day is chance and 0.9004 the deflated ratio; 0.9505 of 46, or of 88 with normal returns.
    """
    chance = best_of_chance(n_trials, variance=0.5 / 250)
    if n_trials == 100:
        assert chance == pytest.approx(0.1132, abs=5e-5)
    found = probabilistic_sharpe(
        2.5 / math.sqrt(250), threshold=chance, n_returns=1250, skewness=skewness, kurtosis=kurtosis
    )
    assert found == pytest.approx(expected, abs=5e-4)


def test_more_trials_deflate_more():
    """The same returns are worth less as the best of more; as the only trial they are worth most."""
    spread = np.linspace(-0.05, 0.05, 11)
    once, few, many = (deflated_sharpe(RETURNS, trials) for trials in (spread[:1], spread, np.tile(spread, 30)))
    assert once > few > many > 0


def test_a_deflated_ratio_needs_returns_that_deviate():
    """Two returns, equal ones and no trials say nothing."""
    assert deflated_sharpe(RETURNS[:2], np.array([0.1])) is None
    assert deflated_sharpe(np.full(50, 0.01), np.array([0.1])) is None
    assert deflated_sharpe(RETURNS, np.array([])) is None
    assert probabilistic_sharpe(2, threshold=0, n_returns=50, skewness=3, kurtosis=3) is None
    assert best_of_chance(1, variance=1) == 0


def test_the_same_seed_draws_the_same():
    """Byte for byte; another seed draws another interval."""
    assert bootstrap(RETURNS, metrics.sharpe, seed=1) == bootstrap(RETURNS, metrics.sharpe, seed=1)
    assert bootstrap(RETURNS, metrics.sharpe, seed=1) != bootstrap(RETURNS, metrics.sharpe, seed=2)


def test_an_interval_is_as_wide_as_theory_says():
    """The mean of independent returns: mean ± 1.96 · deviation / √n, within a fifth of its width."""
    found = bootstrap(RETURNS, lambda drawn: float(drawn.mean()), seed=3, n_draws=4000)
    half = 1.96 * RETURNS.std(ddof=1) / math.sqrt(len(RETURNS))
    assert found.low == pytest.approx(RETURNS.mean() - half, abs=half / 5)
    assert found.high == pytest.approx(RETURNS.mean() + half, abs=half / 5)


def test_blocks_keep_what_follows_what():
    """Returns that alternate have a mean that hardly moves in blocks of two, and moves when drawn alone."""
    returns = np.tile([0.1, -0.1], 50)
    blocks, alone = (bootstrap(returns, lambda drawn: float(drawn.mean()), seed=1, block=n) for n in (2, 1))
    assert blocks.high - blocks.low < 1e-12
    assert alone.high - alone.low > 0.02


@given(n=st.integers(0, 30), block=st.integers(1, 50))
def test_an_interval_lies_among_the_returns(n, block):
    """Whatever is drawn, a mean of returns lies between the least and the greatest of them."""
    returns = RETURNS[:n]
    found = bootstrap(returns, lambda drawn: float(drawn.mean()), seed=0, n_draws=20, block=block)
    assert (found is None) == (n < 2)
    assert found is None or returns.min() - 1e-12 <= found.low <= found.high <= returns.max() + 1e-12


def test_a_figure_that_is_mostly_undefined_has_no_interval():
    """A Sharpe ratio of equal returns is none in every draw."""
    assert bootstrap(np.full(20, 0.01), metrics.sharpe, seed=1) is None
