"""The rules do what they are named after, and the page shows what they give."""

from datetime import UTC, datetime, timedelta
from pathlib import Path

from benchmarks.closing import (
    Faults,
    Heard,
    Score,
    at_the_end,
    compare,
    confirmed,
    highest_rank,
    judge,
    last_write_wins,
    markdown,
    measure,
    on_the_next_frame,
    suffer,
)
from btc_core.model.candle import Candle, State
from btc_core.model.timerange import MINUTE, TimeRange

PAGE = Path(__file__).resolve().parents[3] / "docs" / "collector.md"
NOON = datetime(2025, 2, 14, 12, tzinfo=UTC)


def heard(minute: int, second: float, trades: int) -> Heard:
    """Return a version of a minute after noon, received so many seconds after that minute began."""
    time = NOON + minute * MINUTE
    values = {"open": 1.0, "high": 9.0, "low": 1.0, "close": float(trades), "volume": float(trades)}
    candle = Candle(time=time, symbol="ETH", **values, trades=trades, source="ws", state=State.PROVISIONAL)
    return Heard(time + timedelta(seconds=second), candle)


def trades(candles) -> list[int]:
    """Return what a rule gave out, by minute."""
    return [candles[time].trades for time in sorted(candles)]


# The second minute ends with a frame after its end, and its best frame is not the last one.
FRAMES = [
    heard(0, 5, 1),
    heard(0, 50, 4),
    heard(1, 3, 1),
    heard(1, 59, 5),
    heard(1, 61, 7),
    heard(1, 61.1, 6),
    heard(2, 4, 2),
]


def test_each_rule_takes_the_version_that_it_is_named_after():
    """What is known at the end, before the next frame, last of all, or with the most trades."""
    assert trades(at_the_end(FRAMES)) == [4, 5, 2]
    assert trades(on_the_next_frame(FRAMES)) == [4, 6, 2]
    assert trades(last_write_wins(FRAMES)) == [4, 6, 2]
    assert trades(highest_rank(FRAMES)) == [4, 7, 2]


def test_a_frame_after_the_close_corrects_ours():
    """Four seconds after the end the minute is stored already."""
    assert trades(highest_rank([heard(0, 5, 1), heard(0, 64, 2), heard(1, 10, 1)])) == [2, 1]


def test_history_adds_what_is_missing_and_never_takes_trades_away():
    """More or as many trades are taken, fewer are not."""
    stored = {item.candle.time: item.candle for item in (heard(0, 5, 4), heard(1, 5, 4))}
    history = {item.candle.time: item.candle for item in (heard(0, 5, 3), heard(1, 5, 5), heard(2, 5, 1))}
    assert trades(confirmed(stored, history)) == [4, 5, 1]


def test_a_score_counts_minutes_not_values():
    """Wrong in volume alone is wrong, but no wrong price."""
    finals = last_write_wins([heard(0, 5, 4), heard(1, 5, 4), heard(2, 5, 4)])
    first, second = finals[NOON], finals[NOON + MINUTE]
    given = {NOON: Candle(**{**asdict(first), "volume": 3.0}), NOON + MINUTE: Candle(**{**asdict(second), "low": 0.5})}
    assert judge(given, finals) == Score(wrong=2, wrong_price=1, missing=1)


def asdict(candle: Candle) -> dict:
    """Return a candle's values by name."""
    return {name: getattr(candle, name) for name in candle.__struct_fields__}


def test_faults_drop_lose_and_delay():
    """A drop swallows, a lost last frame is the minute's last, a burst comes at its end and minute by minute."""
    drop = TimeRange(NOON + timedelta(seconds=40), NOON + timedelta(seconds=62))
    burst = TimeRange(NOON + timedelta(seconds=118), NOON + timedelta(seconds=125))
    received = suffer(FRAMES, Faults(drops=(drop,), lost=frozenset({NOON + 2 * MINUTE}), bursts=(burst,)))
    assert [item.candle.trades for item in received[:2]] == [1, 1]
    assert sorted(item.candle.trades for item in received[2:]) == [5, 6, 7]
    assert {item.at for item in received[2:]} == {burst.end}


def test_without_a_recording_there_is_no_figure_but_a_sentence(tmp_path, capsys):
    """A benchmark that is left out says so."""
    assert list(measure(tmp_path)) == []
    assert "--shared" in capsys.readouterr().err


def test_the_page_shows_what_the_comparison_gives(shared):
    """The table of the page, recomputed; and our rule has no wrong and no missing minute in it."""
    results = compare(shared)
    assert markdown(results) in PAGE.read_text(encoding="utf-8")
    assert set(results["ours"].values()) == {Score(wrong=0, wrong_price=0, missing=0)}
