"""Minutes from the lake: where it has what the database has, byte for byte; and backtests say the same with it."""

import random
from datetime import UTC, datetime, timedelta

import polars as pl
import pytest

from btc_core.model.backtest import BacktestConfig
from btc_core.model.interval import ONE_MINUTE, parse_interval
from btc_core.model.timerange import TimeRange, parse_time
from btc_core.resample import CANDLE_SCHEMA
from btc_core.strategy import load_strategy
from btc_store.backtests import BacktestRequest, run_backtest
from btc_store.frames import open_frames, read_candles
from btc_store.lake import lake_to_read
from btc_store.lake_minutes import read_minutes
from btc_store.sweeps import read_grounds
from btc_store.warm_up import Minutes
from tests.derivation import RULE, made_minutes, store_minutes
from tests.lakes import NOW, fill_lake, rows_of, write

# The end of a month with gaps, and the first day of the next.
SPAN = TimeRange(datetime(2024, 2, 25, tzinfo=UTC), NOW)
INSIDE = TimeRange(SPAN.start + timedelta(hours=5), SPAN.end - timedelta(hours=7))


@pytest.fixture
def frames(database_url):
    """A database with six days of minutes, gaps in them."""
    with open_frames(database_url) as opened:
        store_minutes(opened, "BTC", made_minutes(SPAN, random.Random(6), n_gaps=9))
        yield opened


@pytest.fixture
def lake(frames, tmp_path):
    """All of it, archived."""
    return fill_lake(frames, tmp_path / "lake")


class Counting:
    """Frames that say how many rows of minutes were read from the database."""

    def __init__(self, frames):
        self._frames, self.n_rows = frames, 0

    def __getattr__(self, name):
        return getattr(self._frames, name)

    def read(self, name, *values):
        """Read, and count."""
        found = self._frames.read(name, *values)
        if name == "read_candles":
            self.n_rows += found.height
        return found


def both_ways(frames, lake, span=INSIDE):
    """Return what is read with the lake, how much of it came from the database, and what the database has."""
    counting = Counting(frames)
    found = read_minutes(counting, "BTC", span, lake)
    stored = read_candles(frames, "BTC", ONE_MINUTE, span)
    assert found.equals(stored)
    assert found.schema == stored.schema == CANDLE_SCHEMA
    return counting.n_rows


def test_the_same_rows_from_either(frames, lake):
    """Whatever the range cuts; nothing of it was asked of the database that the lake has."""
    ends = [
        ("2024-02-25T05:00", "2024-03-01T17:00"),
        ("2024-02-01", "2024-03-01"),
        ("2024-02-26", "2024-02-27"),
        ("2023-11-10", "2024-03-01T01:00"),
        ("2025-01-01", "2025-02-01"),
        ("2020-01-01", "2025-02-01"),
    ]
    for start, end in ends:
        assert both_ways(frames, lake, TimeRange(parse_time(start), parse_time(end))) == 0


def test_a_month_that_changed_comes_from_the_database(frames, lake):
    """A correction, or a lost minute: it shows in what the database says of the month, which alone is read there."""
    february = pl.col("time").dt.month() == 2
    n_february = read_candles(frames, "BTC", ONE_MINUTE, INSIDE).filter(february).height
    raised = read_candles(frames, "BTC", ONE_MINUTE, SPAN).filter(february)
    store_minutes(frames, "BTC", raised.slice(50, 1).with_columns(pl.col("high") + 3))
    # As if its transaction had been committed late: dated before all others.
    write(frames, "UPDATE candles SET ingested_at = '2020-01-01' WHERE revision = 1")
    assert both_ways(frames, lake) == n_february
    write(frames, "DELETE FROM candles WHERE time = '2024-03-01 05:00Z'")
    assert both_ways(frames, lake) == read_candles(frames, "BTC", ONE_MINUTE, INSIDE).height


def test_a_damaged_lake_is_said_and_not_used(frames, lake, caplog):
    """The database has the minutes too: a warning, and the same rows."""
    files = {path: lake.place.get(path) for path in lake.place.list()}
    for damage in ("gone", "cut", "other", "manifest"):
        caplog.clear()
        spoil(lake, damage)
        assert both_ways(frames, lake) == read_candles(frames, "BTC", ONE_MINUTE, INSIDE).height
        assert ("lake is not used" in caplog.text) == (damage != "manifest")
        for path, data in files.items():
            lake.place.put(path, data)


def spoil(lake, damage):
    """Damage every month of minutes."""
    for folder in ("candles", "unsettled"):
        for path in lake.place.list(folder):
            is_manifest = path.endswith(".json")
            if damage == "gone" and not is_manifest:
                lake.place.delete(path)
            elif is_manifest == (damage == "manifest"):
                data = lake.place.get(path)
                lake.place.put(path, data[:100] if damage != "other" else b"PAR1" + data[5:] + b"x")


def test_a_lake_that_is_not_there_is_no_lake(tmp_path, caplog):
    """Nothing was ever archived, or its address cannot be used: all comes from the database."""
    assert lake_to_read(str(tmp_path / "nothing"), tmp_path) is None
    assert caplog.text == ""


def test_a_backtest_says_the_same_with_and_without(frames, lake):
    """Every decision, trade, figure and point of the curve, to the bit; the fingerprint too."""
    request = BacktestRequest(
        symbol="BTC",
        interval=parse_interval("37m"),
        strategy=load_strategy("ma", {"period": 9}),
        range_=INSIDE,
        config=BacktestConfig(leverage=2, stop_bps=30),
    )
    done = []
    for source in (None, lake):
        counting = Counting(frames)
        minutes = Minutes(counting, "BTC", INSIDE.end, source)
        done.append(run_backtest(frames, request, rule=RULE, run_id="t", is_forced=True, minutes=minutes))
        assert (counting.n_rows == 0) == (source is lake)
    first, second = (each.simulation for each in done)
    assert first.results == second.results
    assert first.results.n_trades > 3
    for part in ("fills", "trades", "equity"):
        assert getattr(first, part).equals(getattr(second, part)), part
    said = [
        rows_of(
            frames,
            "(SELECT time, seq, signal, confidence, exposure, price, indicator_snapshot, data_revision FROM decisions"
            f" WHERE backtest_id = '{each.id}')",
        )
        for each in done
    ]
    assert said[0] == said[1]
    assert len(set(rows_of(frames, "(SELECT fingerprint FROM backtest_runs)"))) == 1


def test_a_sweep_stands_on_the_same_ground(frames, lake):
    """What trials are cut from is the same."""
    strategies = [load_strategy("ma", {"period": 9})]
    intervals = [parse_interval("37m")]
    (plain,), (wet,) = (
        read_grounds(frames, "BTC", intervals, strategies, range_=INSIDE, rule=RULE, lake=source)
        for source in (None, lake)
    )
    assert plain.prices.equals(wet.prices)
    assert plain.candles.equals(wet.candles)
    assert plain.no_trade.equals(wet.no_trade)
