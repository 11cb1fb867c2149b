"""Statements are counted by name and for a while; what they cost more is told, the worst first."""

from benchmarks.flat import Cost, _figures, timed_statements
from btc_store.frames import Frames


class Silent(Frames):
    """A connection that answers nothing."""

    def __init__(self):
        """Connect to nothing."""


def test_statements_are_counted_while_they_are_asked_for(monkeypatch):
    """By name, in milliseconds; behind the block nothing is counted, and frames are as they were."""
    monkeypatch.setattr(Frames, "read", lambda _frames, name, *values: (name, *values))
    original = Frames.read
    with timed_statements() as counted:
        assert Silent().read("newest_candle", "BTC") == ("newest_candle", "BTC")
        assert Silent().read("newest_candle", "ETH") == ("newest_candle", "ETH")
    Silent().read("read_candles")
    assert list(counted) == ["newest_candle"]
    assert counted["newest_candle"] > 0
    assert Frames.read is original


def test_the_ratio_is_of_medians_and_the_dearer_statements_are_named():
    """One slow candle in three changes nothing."""
    month = [Cost(10.0, {"a": 2.0, "b": 2.0}), Cost(90.0, {"a": 2.0}), Cost(10.0, {"a": 2.0, "b": 2.0})]
    years = [Cost(15.0, {"a": 2.0, "b": 6.0})] * 3
    whole, statements = _figures("run", {"month": month, "years": years})
    assert (whole.name, whole.value, whole.beside["ratio"]) == ("flat_run_whole", 15.0, 1.5)
    assert (statements.value, statements.beside["ratio"]) == (8.0, 2.0)
    assert statements.beside["dearer_ms"] == {"b": 4.0, "a": 0.0}
