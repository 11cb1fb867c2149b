"""``/api/v1/symbols`` against the configuration."""


async def test_what_is_configured(http):
    """For whoever offers a choice of it."""
    told = (await http.get("/api/v1/symbols")).json()
    assert told["symbols"] == ["BTC"]
    assert told["intervals"][:2] == ["1m", "3m"]
    assert {"name": "ma44", "function": "sma", "drawn": "overlay"}.items() <= told["indicators"][0].items()
    assert told["writes"] == "loopback"
