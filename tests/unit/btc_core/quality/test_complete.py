"""The check complete: the guard of decisions."""

from datetime import timedelta

from btc_core.check import load_check
from btc_core.model.interval import parse_interval
from tests.checks import START, found, named, times
from tests.derivation import minute, minutes_frame

HOUR = parse_interval("1h")
NONE = times()
CANDLES = minutes_frame([minute(60 * n, START) | {"minutes": count} for n, count in enumerate((60, 59, 0 + 30))])


def test_a_candle_that_may_still_be_filled_is_an_error():
    """So long as the wait lasts; afterwards it is a warning for good."""
    now = START + timedelta(hours=3, minutes=5)
    assert found(named("complete"), {"candles": CANDLES, "silent": NONE}, interval=HOUR, now=now) == [
        (60, 120, "warning", {"minutes": 59, "of": 60}),
        (120, 180, "error", {"minutes": 30, "of": 60}),
    ]
    severities = [
        row[2]
        for row in found(
            named("complete", wait_minutes=1), {"candles": CANDLES, "silent": NONE}, interval=HOUR, now=now
        )
    ]
    assert severities == ["warning", "warning"]


def test_minutes_without_trades_are_there():
    """A candle that lacks nothing else is complete; of one that does, both numbers are told."""
    now = START + timedelta(hours=3, minutes=5)
    silent = times(119, *range(120, 140))
    assert found(named("complete"), {"candles": CANDLES, "silent": silent}, interval=HOUR, now=now) == [
        (120, 180, "error", {"minutes": 30, "no_trade_minutes": 20, "of": 60}),
    ]


def test_it_blocks_and_keeps_no_finding():
    """The finding of a skipped candle is the strategy's."""
    rule = load_check("complete").rule
    assert rule.blocking
    assert rule.kind is None
