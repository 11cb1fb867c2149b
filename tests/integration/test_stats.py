"""``/api/v1/stats`` against the stored minutes."""

from datetime import timedelta

import pytest

from tests.api_market import END

HOUR = timedelta(hours=1)


async def test_the_statistics_of_a_day(http, market):
    """The newest 24 hours of minutes."""
    minutes = market[1]
    told = (await http.get("/api/v1/stats")).json()
    day = minutes.filter(minutes["time"] >= END - 24 * HOUR)
    assert (told["open"], told["close"]) == (day["open"][0], day["close"][-1])
    assert (told["high"], told["low"]) == (day["high"].max(), day["low"].min())
    assert told["volume"] == pytest.approx(day["volume"].sum())
    assert told["trades"] == day["trades"].sum()
    assert told["change"] == pytest.approx(day["close"][-1] / day["open"][0] - 1)
    assert told["quality"] == {"expected": 1440, "stored": 1437, "provisional": 0, "no_trade": 3, "missing": 0}
    assert told["volatility"] > 0
