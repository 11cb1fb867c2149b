"""The figures of a report: each is there, exact, and explained."""

import msgspec
import pytest

from btc_assets.report.figures import GROUPS, figure_groups, shown_figure
from btc_core.model.backtest import BacktestResults
from tests.reports import backtest, market

FIGURES = [figure for group in GROUPS.values() for figure in group]


@pytest.fixture(scope="module")
def results():
    """The figures of a backtest."""
    return backtest(market()).simulation.results


def test_every_figure_of_a_backtest_is_in_one_group():
    """A figure that is added to the results is added to the report."""
    assert sorted(figure.name for figure in FIGURES) == sorted(BacktestResults.__struct_fields__)


def test_every_figure_says_what_it_means_in_a_sentence():
    """Plain words for each, and no two titles alike."""
    assert all(figure.meaning.endswith(".") and len(figure.meaning) > 20 for figure in FIGURES)
    assert len({figure.title for figure in FIGURES}) == len(FIGURES)


@pytest.mark.parametrize(
    ("value", "pattern", "shown"),
    [(None, "{:.2f}", "–"), (-0.12345, "{:+.2%}", "−12.35%"), (1234.5, "{:,.2f}", "1,234.50"), (7, "{:,}", "7")],
)
def test_a_figure_is_shown_as_people_read_it(value, pattern, shown):
    """Undefined is a dash, and a minus sign is one."""
    assert shown_figure(value, pattern) == shown


def test_an_undefined_figure_has_no_value(results):
    """Neither NaN nor 0."""
    made = figure_groups(msgspec.structs.replace(results, sharpe=None))
    assert '<data value="" data-figure="sharpe">–</data>' in made


def test_accumulation_is_shown_where_coins_were_bought(results):
    """A perpetual accumulates nothing."""
    assert 'data-figure="accumulated"' not in figure_groups(results)
    assert 'data-figure="accumulated"' in figure_groups(msgspec.structs.replace(results, accumulated=0.5))
