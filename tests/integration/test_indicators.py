"""Every indicator through the database: the same rows whatever the order, and none where there is no value any more."""

from collections.abc import Iterator, Mapping, Sequence
from datetime import UTC, datetime, timedelta
from random import Random

import dagster as dg
import polars as pl
import pytest

from btc_core.indicator import NamedIndicator, load_indicator
from btc_core.model.interval import parse_interval
from btc_core.model.timerange import MINUTE, TimeRange
from btc_core.parameters import resolve_parameters
from btc_core.plugins import plugin_names
from btc_store.derive import derive_candles, derive_indicators
from btc_store.frames import Frames, open_frames
from tests.dagster_runs import run_derive
from tests.derivation import made_minutes, minute, minutes_frame, query, store_minutes

Told = tuple[bool, str | None, bool]
FIVE = parse_interval("5m")
# A month's end is in it, and it is many look-backs long.
SPAN = TimeRange(datetime(2021, 1, 28, tzinfo=UTC), datetime(2021, 2, 4, tzinfo=UTC))
SHORT = {"period": 3, "atr_period": 2, "fast": 2, "slow": 4, "signal": 2, "smooth": 2, "multiple": 1.5}


@pytest.fixture
def frames(database_url: str) -> Iterator[Frames]:
    """A connection to a database of its own."""
    with open_frames(database_url) as opened:
        yield opened


def short(function: str) -> NamedIndicator:
    """Return an indicator with short periods, under its function's name."""
    known = load_indicator(function).parameters
    given = {name: value for name, value in SHORT.items() if name in known}
    return NamedIndicator(function, function, resolve_parameters(function, known, given))


EVERY = [short(function) for function in plugin_names("btc_core.indicators")]


def derive(frames: Frames, symbol: str, minutes: pl.DataFrame, indicators: list[NamedIndicator] = EVERY) -> int:
    """Store minutes and derive what hangs on them; returns how many indicator rows changed."""
    store_minutes(frames, symbol, minutes)
    span = FIVE.cover(TimeRange(minutes["time"][0], minutes["time"][-1] + MINUTE))
    derive_candles(frames, symbol, {FIVE: [span]})
    return derive_indicators(frames, symbol, FIVE, [span], indicators).n_written


def stored(frames: Frames, symbol: str) -> pl.DataFrame:
    """Return every stored value."""
    return query(frames, "SELECT indicator_name, time, value FROM indicators WHERE symbol = $1 ORDER BY 1, 2", symbol)


def test_pieces_in_any_order_end_as_one_pass_does(frames):
    """All of them, to the bit: history in shuffled pieces, one of them wrong at first and corrected (law 5)."""
    chance = Random(4)
    minutes = made_minutes(SPAN, chance, n_gaps=20)
    assert derive(frames, "ONE", minutes) > 0
    pieces = [minutes[k : k + 1700] for k in range(0, minutes.height, 1700)]
    wrong = pieces[2].with_columns(close=pl.col("low"))
    for piece in [wrong, *chance.sample(pieces, len(pieces))]:
        derive(frames, "BTC", piece)
    whole = stored(frames, "ONE")
    assert set(whole["indicator_name"]) == {name for indicator in EVERY for name in indicator.columns()}
    assert stored(frames, "BTC").equals(whole)
    # Twice is once (law 9): a second pass over a piece rewrites nothing, up to the last bit.
    assert derive(frames, "BTC", pieces[3]) == 0


def test_a_value_that_is_none_any_more_is_deleted(frames):
    """A correction that makes a window flat takes its z-score away, and another one brings it back."""
    scores = [short("zscore")]
    minutes = minutes_frame([minute(n, SPAN.start, price=100.0 + n // 5) for n in range(50)])
    assert derive(frames, "BTC", minutes, scores) == 8
    flat = minutes[20:35].with_columns(*(pl.lit(105.0).alias(name) for name in ("open", "high", "low", "close")))
    derive(frames, "BTC", flat, scores)
    times = set(stored(frames, "BTC")["time"])
    assert SPAN.start + timedelta(minutes=30) not in times
    assert len(times) == 7
    derive(frames, "BTC", minutes[20:35], scores)
    assert stored(frames, "BTC").height == 8


def test_each_month_says_whether_its_candles_are_complete(settings_for, database_url):
    """A small run over one month leaves the other's result alone, and says of its own what an import says (law 10)."""
    settings = settings_for(database_url)
    with open_frames(database_url) as opened:
        store_minutes(opened, "BTC", made_minutes(SPAN, Random(3), n_gaps=3))

    with dg.DagsterInstance.ephemeral() as instance:

        def said(months: TimeRange, touched: Mapping[str, Sequence[TimeRange]] | None = None) -> dict[str, Told]:
            result = run_derive(settings, instance, months, touched=touched)
            assert result.success
            return {
                each.partition or "": (each.passed, each.description, each.blocking)
                for each in result.get_asset_check_evaluations()
                if each.asset_check_key == dg.AssetCheckKey(dg.AssetKey(["indicators", "37m"]), "complete")
            }

        whole = said(SPAN)
        assert {month: passed for month, (passed, *_) in whole.items()} == {
            "2021-01-01|BTC": False,
            "2021-02-01|BTC": False,
        }
        quarter = TimeRange(SPAN.start, SPAN.start + 37 * MINUTE)
        assert said(quarter, {"37m": [quarter]}) == {"2021-01-01|BTC": whole["2021-01-01|BTC"]}
