"""``/api/v1/ta`` against the stored indicators."""


async def test_what_the_indicators_say(http):
    """Each configured one, with its newest value and a sentence."""
    told = (await http.get("/api/v1/ta?interval=37m")).json()["items"]
    assert [row["name"] for row in told] == ["ma44", "ma125"]
    (newest,) = (await http.get("/api/v1/indicators?interval=37m&name=ma44&order=desc&limit=1")).json()["items"]
    assert told[0]["values"] == {"ma44": newest["value"]}
    assert "the average" in told[0]["says"]
    assert told[1]["says"] is None  # 125 candles are more than three days
