"""What checks find does not hang on how the time line is cut (law 5), and nothing they find is lost or invented."""

import random
from datetime import UTC, datetime, timedelta
from itertools import pairwise

import polars as pl
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from btc_core.check import Evidence, Source, load_check
from btc_core.model.interval import ONE_MINUTE, parse_interval
from btc_core.model.timerange import MINUTE, TimeRange
from btc_core.resample import resample
from tests.derivation import made_minutes

START = datetime(2025, 2, 14, tzinfo=UTC)
DAYS = 4
ALL = TimeRange(START, START + timedelta(days=DAYS))


def world(seed: int) -> dict[str, pl.DataFrame]:
    """Return four days of minutes with gaps, silence, jumps, impossible values and revisions."""
    chance = random.Random(seed)
    minutes = made_minutes(ALL, chance, n_gaps=8, longest_gap=200)
    quiet = [chance.randrange(minutes.height) for _ in range(6)]
    row = pl.int_range(pl.len())
    is_quiet = pl.any_horizontal([row.is_between(at, at + chance.randrange(10, 90)) for at in quiet])
    is_jump = row.is_in([chance.randrange(minutes.height) for _ in range(5)])
    minutes = minutes.with_columns(
        volume=pl.when(is_quiet).then(0.0).otherwise(pl.col("volume")),
        close=pl.when(is_jump).then(pl.col("close") * 1.5).otherwise(pl.col("close")),
    )
    gone = minutes.filter(pl.int_range(pl.len()).is_in([chance.randrange(minutes.height) for _ in range(40)]))
    revised = minutes.sample(fraction=0.02, seed=seed).sort("time").select("time", n_revisions=pl.lit(1))
    left = minutes.join(gone, on="time", how="anti")
    return {Source.MINUTES: left, Source.SILENT: gone.select("time"), Source.REVISIONS: revised}


def seen(name: str, frames: dict[str, pl.DataFrame], within: TimeRange) -> set[tuple[object, ...]]:
    """Return what a check finds in a range, given what it asks for and no more."""
    check = load_check(name)
    start, end = within.start - check.reach, within.end + check.reach
    cut = {
        source: frame.filter(pl.col("time").is_between(start, end, closed="left")) for source, frame in frames.items()
    }
    evidence = Evidence(symbol="BTC", interval=ONE_MINUTE, within=within, now=ALL.end, frames=cut)
    return set(check.find(evidence).rows())


def pieces(name: str, cuts: list[int]) -> list[TimeRange]:
    """Return the four days in pieces, by whole days where the check judges whole days."""
    step = timedelta(days=1) if load_check(name).rule.whole_days else MINUTE
    n_steps = (ALL.end - ALL.start) // step
    edges = sorted({0, n_steps, *(cut % n_steps for cut in cuts)})
    return [TimeRange(START + a * step, START + b * step) for a, b in pairwise(edges)]


@pytest.mark.parametrize("name", ["ohlc", "outliers", "revisions", "zero_volume"])
@settings(max_examples=40)
@given(seed=st.integers(0, 10_000), cuts=st.lists(st.integers(0, 100_000), max_size=6))
def test_findings_do_not_hang_on_the_cut(name, seed, cuts):
    """Judged in pieces, the days have the same findings as judged at once: each exactly as far as it reaches."""
    frames = world(seed)
    parts = [seen(name, frames, piece) for piece in pieces(name, cuts)]
    assert set().union(*parts) == seen(name, frames, ALL)


def test_the_worlds_have_something_to_find():
    """A law about nothing would hold too."""
    for name in ("ohlc", "outliers", "revisions", "zero_volume"):
        assert any(seen(name, world(seed), ALL) for seed in range(5)), name


@given(seed=st.integers(0, 10_000), label=st.sampled_from(["5m", "37m", "148m", "1h", "1d"]), at=st.integers(0, 1_000))
def test_sums_finds_the_candle_that_was_changed_and_no_other(seed, label, at):
    """Whatever the interval, gaps and silence."""
    interval, minutes = parse_interval(label), made_minutes(ALL, random.Random(seed), n_gaps=5)
    candles = resample(minutes, interval)
    chosen = pl.int_range(pl.len()) == at % candles.height
    wrong = candles.with_columns(high=pl.when(chosen).then(pl.col("high") + 1).otherwise(pl.col("high")))
    none = minutes.clear().select("time")

    def judged(frame: pl.DataFrame) -> list[datetime]:
        frames = {Source.CANDLES: frame, Source.MINUTES: minutes, Source.WRITTEN_SINCE: none}
        evidence = Evidence(symbol="BTC", interval=interval, within=ALL, now=ALL.end, frames=frames)
        return load_check("sums").find(evidence)["start_time"].to_list()

    assert judged(candles) == []
    assert judged(wrong) == [candles["time"][at % candles.height]]
