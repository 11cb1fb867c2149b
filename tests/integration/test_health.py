"""``/api/v1/health``: every part, also where it is away."""

import pytest

from tests.api_market import END, NOW


async def test_health_has_every_part_with_its_age(http):
    """Nothing of the rest runs here."""
    told = (await http.get("/api/v1/health")).json()
    parts = {part["name"]: part for part in told["parts"]}
    assert (parts["database"]["status"], parts["candles BTC"]["status"]) == ("ok", "ok")
    assert parts["candles BTC"]["age_seconds"] == pytest.approx((NOW - END).total_seconds(), abs=5)
    assert (parts["collector"]["status"], parts["dagster"]["status"], told["status"]) == ("down", "down", "down")
