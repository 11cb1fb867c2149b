"""The market's past as a file."""

from datetime import UTC, datetime, timedelta

from btc_core.model.timerange import EPOCH, MINUTE, TimeRange
from demo.history import write_history
from demo.market import Market


def test_the_file_holds_the_markets_minutes(tmp_path):
    """Each minute of the span, its end left out, with exactly the values that the exchange will show."""
    market = Market(seed=7, coins=["BTC"])
    start = datetime(2025, 1, 1, 23, 58, tzinfo=UTC)
    path = tmp_path / "history.csv"
    assert write_history(market, "BTC", TimeRange(start, start + timedelta(minutes=3)), path) == 3
    header, *rows = (line.split(",") for line in path.read_text().splitlines())
    assert header == ["time", "open", "high", "low", "close", "volume", "trades"]
    for i, (time, *numbers) in enumerate(rows):
        assert datetime.fromisoformat(time) == start + i * MINUTE
        assert tuple(map(float, numbers)) == market.values("BTC", (start - EPOCH) // MINUTE + i)
