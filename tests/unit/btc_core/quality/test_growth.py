"""The check growth."""

import polars as pl

from btc_core.check import load_check
from tests.checks import START, found, named

TABLES = pl.DataFrame(
    {
        "name": ["candles", "indicators", "dagster"],
        "n_bytes": [400_000_000, 100_000_000, 7_000_000],
        "n_rows": [2_000_000, 1_000_000, 0],
        "n_rows_day": [10_000, 5_000, None],
    }
)


def test_it_tells_size_and_growth():
    """A row's share of its table times the rows of a day; below the limit that is information."""
    ((_, end, severity, told),) = found(named("growth"), {"tables": TABLES}, now=START)
    assert end is None
    assert severity == "info"
    assert told == {"megabytes": 507.0, "megabytes_a_day": 2.5, "rows_a_day": 15_000, "fastest_table": "candles"}


def test_above_the_limit_it_warns():
    """The limit is a parameter."""
    ((_, _, severity, _),) = found(named("growth", megabytes_a_day=2.4), {"tables": TABLES}, now=START)
    assert severity == "warning"


def test_the_sentence_has_the_figures():
    """They are plotted over time."""
    rule = load_check("growth").rule
    assert rule.summarise is not None
    text = '{"megabytes": 507.0, "megabytes_a_day": 2.5, "rows_a_day": 15000, "fastest_table": "candles"}'
    assert rule.summarise(pl.DataFrame({"details": [text]})) == (
        "507 MB, growing by 2.5 MB and 15000 rows a day",
        {"megabytes": 507.0, "megabytes_a_day": 2.5, "rows_a_day": 15_000},
    )
