"""The check parity: what differs, where it begins, and why."""

from datetime import timedelta

import polars as pl
import pytest

from btc_core.model.interval import parse_interval
from btc_core.quality.parity import LIVE_SCHEMA, WORD_SCHEMA, compare, words_of
from btc_core.version import CODE_VERSION
from tests.checks import START, found, named

HOUR = parse_interval("1h")


def side(*words, schema=WORD_SCHEMA, accounted=60, **others):
    """Return what one side says hour by hour; None is nothing."""
    said = {"confidence": 0.5, "accounted": accounted, "code_version": CODE_VERSION, "data_revision": START, **others}
    rows = [{"time": START + timedelta(hours=n), "words": word, **said} for n, word in enumerate(words) if word != "-"]
    return pl.DataFrame(rows, schema={**LIVE_SCHEMA}).select(schema.names())


def told(live, again, *, written=0, is_recent=False):
    """Return what the check says: hour, end, severity, and its details."""
    apart = compare(live, again).with_columns(
        written_at=pl.lit(START + timedelta(hours=written)), is_recent=pl.lit(is_recent)
    )
    frames = {"decisions": live, "parity": apart}
    return [
        (start // 60, end // 60, severity, details)
        for start, end, severity, details in found(named("parity"), frames, interval=HOUR)
    ]


def test_the_same_words_are_no_finding():
    """Nor is a last bit of a confidence."""
    live = side("HOLD 1.0 5.0", "HOLD 1.0 6.0", schema=LIVE_SCHEMA)
    assert told(live, side("HOLD 1.0 5.0", "HOLD 1.0 6.0")) == []
    assert told(live, side("HOLD 1.0 5.0", "HOLD 1.0 6.0", confidence=0.5 + 1e-12)) == []
    assert len(told(live, side("HOLD 1.0 5.0", "HOLD 1.0 6.0", confidence=0.6))) == 1


def test_candles_that_differ_one_after_the_other_are_one_finding_that_names_the_first():
    """What follows a difference follows from it."""
    live = side("A", "B", "C", "D", "E", schema=LIVE_SCHEMA)
    ((start, end, severity, details), other) = told(live, side("A", "b", "c", "D", "e"))
    assert (start, end, severity) == (1, 3, "error")
    assert (details["n_candles"], details["live"], details["backtest"]) == (2, "B", "b")
    assert details["cause"] == "unexplained"
    assert other[:2] == (4, 5)


@pytest.mark.parametrize(
    ("live", "again", "written", "cause"),
    [
        ({}, {}, 1, "data were revised since"),
        ({"data_revision": None}, {}, 0, "data were revised since"),
        ({"code_version": "0"}, {}, 0, "another version of the code decided"),
        ({"accounted": 60}, {"accounted": 40}, 0, "other minutes are there"),
        ({"code_version": "0"}, {"accounted": 40}, 1, "other minutes are there"),
    ],
)
def test_a_difference_names_its_cause(live, again, written, cause):
    """One with a cause is a warning; data, minutes or code."""
    ((_, _, severity, details),) = told(side("A", schema=LIVE_SCHEMA, **live), side("B", **again), written=written)
    assert (severity, details["cause"].startswith(cause)) == ("warning", True)


def test_a_candle_on_which_one_side_says_nothing_differs():
    """Skipped by the backtest, or never said."""
    assert told(side("A", schema=LIVE_SCHEMA), side(None))[0][3]["backtest"] == "nothing"
    live = side("A", "-", "C", schema=LIVE_SCHEMA)
    ((start, _, _, details),) = told(live, side("A", "B", "C"))
    assert (start, details["live"], details["backtest"]) == (1, "nothing", "B")


def test_what_is_on_its_way_is_left_to_the_lanes():
    """Revised minutes ago, a decision is being derived anew; what no revision explains is told at once."""
    live = side("A", schema=LIVE_SCHEMA)
    assert told(live, side("B"), written=1, is_recent=True) == []
    assert len(told(live, side("B"), written=0, is_recent=True)) == 1


def test_a_reversal_is_one_row_of_words():
    """Both signals of a candle, in their order, with every digit."""
    rows = {
        "time": [START, START],
        "signal": ["CLOSE_LONG", "OPEN_SHORT"],
        "exposure": [-1.0, -1.0],
        "price": [0.1, 0.1],
        "confidence": [0.3, 0.3],
    }
    assert words_of(pl.DataFrame(rows))["words"].to_list() == ["CLOSE_LONG -1.0 0.1, then OPEN_SHORT -1.0 0.1"]
