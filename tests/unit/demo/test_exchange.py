"""What the exchange does apart from its sockets; with them it is tested in ``integration/test_demo_exchange.py``."""

import pytest

from btc_core.model.clock import ClockScale
from demo.exchange import Exchange
from demo.faults.connections import Stall
from demo.http import HttpRequest
from demo.market import Market

JSON = {"content-type": "application/json"}


def exchange() -> Exchange:
    """Return an exchange that listens nowhere."""
    return Exchange(Market(seed=7, coins=("BTC",)), ClockScale())


@pytest.mark.parametrize(
    ("request_", "status", "text"),
    [
        (HttpRequest("POST", "/info", JSON, b'{"type":"meta"}'), 200, '{"universe"'),
        (
            HttpRequest("POST", "/info", {"content-type": "application/json; charset=utf-8"}, b"x"),
            400,
            "Failed to parse",
        ),
        (HttpRequest("POST", "/info", {"content-type": "text/plain"}, b"{}"), 415, "Expected request with"),
        (HttpRequest("POST", "/info", {}, b"{}"), 415, "Expected request with"),
        (HttpRequest("PUT", "/info", JSON, b"{}"), 405, ""),
        (HttpRequest("POST", "/exchange", JSON, b"{}"), 404, ""),
    ],
)
async def test_rest_answers_by_path_method_and_type(request_, status, text):
    """As documented: 405 has an empty body, 415 a text."""
    answer = await exchange().answer(request_)
    assert answer.status == status
    assert answer.body.decode().startswith(text)


async def test_a_request_is_weighed():
    """Twenty, and one more for each 60 rows of candles; what is refused weighs nothing."""
    served = exchange()
    for body in (b'{"type":"meta"}', b'{"type":"candleSnapshot","req":{"coin":"BTC","interval":"1m","startTime":0}}'):
        await served.answer(HttpRequest("POST", "/info", JSON, body, "here"))
    assert [weight for _, weight in served.weights.log] == [20, 20 + 84]
    assert served.weights.most == 124


async def test_a_fault_that_is_not_under_way_cannot_be_ended():
    """Somebody who ends the wrong one hears of it."""
    with pytest.raises(ValueError, match="expected a fault that is under way"):
        exchange().end(Stall())


async def test_the_truth_is_what_rest_says_in_the_end():
    """Of a minute without changes: the feed's own values."""
    row = exchange().truth("BTC", 29_040_480)
    values = Market(seed=7, coins=("BTC",)).values("BTC", 29_040_480)
    assert row is not None
    assert (float(row.close), float(row.volume), row.trades) == (values.close, values.volume, values.trades)
