"""What is different in the market, minute by minute."""

import pytest

from demo.faults.market import ChangedRow, DelistedCoin, FloatNoise, Jump, NoTrades, RenamedPair, other_row
from demo.wire import MINUTE_MS, Ohlcv, best_frame, minute_row

MINUTE = 29_040_480
LONG_AFTER_MS = (MINUTE + 10_000) * MINUTE_MS


def test_a_minute_is_changed_by_the_state_of_things_at_its_start(begin, stage):
    """Half a minute after the begin nothing changes in the minute; half a minute after the end it stays changed."""
    spell = begin(NoTrades(coin="BTC"))
    spell.begun_ms += 30_000
    spell.ended_ms = spell.begun_ms + 2 * MINUTE_MS
    n_frames = [len(stage.tape.frames("BTC", MINUTE + i)) for i in range(4)]
    assert [n > 0 for n in n_frames] == [True, False, False, True]
    assert len(stage.tape.frames("ETH", MINUTE + 1)) > 0


def test_flat_rows_come_ten_minutes_later_at_the_last_close(begin, stage):
    """Also the second one, whose predecessor is flat itself."""
    close = stage.tape.final_row("BTC", MINUTE - 1).close
    begin(NoTrades())
    for minute in (MINUTE, MINUTE + 5):
        end_ms = (minute + 1) * MINUTE_MS
        assert stage.tape.row("BTC", minute, end_ms + 599_999) is None
        row = stage.tape.row("BTC", minute, end_ms + 600_000)
        assert (row.open, row.high, row.low, row.close, row.volume, row.trades) == (*[close] * 4, "0.0", 0)


def test_flat_rows_may_never_come(begin, stage):
    """Nor those of a delisted coin."""
    begin(NoTrades(coin="BTC", flat=False))
    begin(DelistedCoin(coin="ETH"))
    assert stage.tape.final_row("BTC", MINUTE) is None
    assert stage.tape.final_row("ETH", MINUTE) is None
    assert stage.tape.final_row("@142", MINUTE) is not None


@pytest.mark.parametrize("factor", [1.3, 0.7])
def test_a_jump_keeps_every_frame_a_possible_candle(factor, begin, stage):
    """In the minute it begins, in those it lasts, and in the one in which prices come back; REST has the best frame."""
    spell = begin(Jump(factor=factor))
    spell.ended_ms = spell.begun_ms + 2 * MINUTE_MS
    for minute in range(MINUTE - 1, MINUTE + 4):
        frames = stage.tape.frames("BTC", minute)
        for row in (frame.row for frame in frames):
            assert float(row.low) <= min(float(row.open), float(row.close))
            assert float(row.high) >= max(float(row.open), float(row.close))
        assert best_frame(frames).row == stage.tape.final_row("BTC", minute)


def test_minutes_without_trades_do_not_jump(begin, stage):
    """A flat row at another level is still flat."""
    begin(NoTrades())
    begin(Jump())
    row = stage.tape.final_row("BTC", MINUTE)
    assert row.open == row.high == row.low == row.close


def test_noise_is_in_frames_and_rows(begin, stage):
    """A hair below the true volume."""
    true = float(stage.tape.final_row("BTC", MINUTE).volume)
    begin(FloatNoise())
    row = stage.tape.final_row("BTC", MINUTE)
    assert best_frame(stage.tape.frames("BTC", MINUTE)).row == row
    assert float(row.volume) == pytest.approx(true, rel=1e-6)
    assert row.volume.endswith("9999")


def test_one_row_changes_an_hour_after_its_end(begin, stage):
    """Its neighbours and its frames do not."""
    before = {minute: stage.tape.final_row("BTC", minute) for minute in range(MINUTE - 65, MINUTE)}
    frames = stage.tape.frames("BTC", MINUTE - 61)
    begin(ChangedRow(coin="BTC"))
    after = {minute: stage.tape.final_row("BTC", minute) for minute in before}
    assert [minute for minute in before if before[minute] != after[minute]] == [MINUTE - 61]
    assert stage.tape.frames("BTC", MINUTE - 61) == frames


@pytest.mark.parametrize(
    "values",
    [
        Ohlcv(100.0, 110.0, 90.0, 105.0, 1.5, 7),
        Ohlcv(100.0, 110.0, 90.0, 110.0, 1.5, 7),
        Ohlcv(100.0, 100.0, 100.0, 100.0, 0.00001, 1),
        Ohlcv(100.0, 100.0, 100.0, 100.0, 0.0, 0),
    ],
)
@pytest.mark.parametrize("n_more", [0, 3])
def test_another_row_is_a_possible_candle(values, n_more):
    """Inside its extremes, with volume where there are trades; another one unless there is nothing to change."""
    row = minute_row("BTC", MINUTE, values)
    other = other_row(row, n_more)
    assert float(other.low) <= float(other.close) <= float(other.high)
    assert (float(other.volume) > 0) == (other.trades > 0)
    assert other.trades == row.trades + n_more
    assert (other != row) == (row.trades + n_more > 0)


def test_a_renamed_pair_keeps_its_changes(begin, stage):
    """They are the pair's, not its name's; at the end it has its name back."""
    begin(NoTrades(coin="@142"))
    fault = RenamedPair(coin="@142", to="@1142")
    spell = begin(fault)
    assert "@142" not in stage.tape.coins
    assert stage.tape.frames("@1142", MINUTE) == []
    assert stage.tape.final_row("@1142", MINUTE - 1).coin == "@1142"
    fault.ended(spell)
    assert stage.tape.final_row("@142", MINUTE - 1).coin == "@142"
