"""What a client's frame asks for, and the texts that answer it, against recorded ones."""

import json
from pathlib import Path

import pytest

from demo import protocol
from demo.protocol import Ping, Post, Subscribe, Subscription, Unreadable, read_frame

FIXTURES = Path(__file__).resolve().parents[2] / "fixtures" / "hyperliquid"
BAD = json.loads((FIXTURES / "ws_errors_bad_subscription.json").read_text())
BTC = Subscribe("subscribe", Subscription("candle", "1m", "BTC"))


def frame(**keys: object) -> str:
    """Return a client's frame as Python's json writes it."""
    return json.dumps(keys)


def test_a_subscription_is_read():
    """Unknown keys are tolerated, as on the exchange."""
    wanted = {"type": "candle", "coin": "BTC", "interval": "1m", "more": 1}
    assert read_frame(frame(method="subscribe", subscription=wanted, extra=None)) == BTC


def test_the_acknowledgement_has_its_keys_in_another_order():
    """As recorded: type, interval, coin for what was sent as type, coin, interval."""
    recorded = json.loads((FIXTURES / "ws_watchohlcv_btc_1m.json").read_text())["candle"]["received"][0]
    assert protocol.acknowledgement(BTC) == json.dumps(recorded, separators=(",", ":"))


@pytest.mark.parametrize("case", BAD, ids=lambda case: case["sent"]["subscription"]["type"])
def test_recorded_mistakes_get_the_recorded_errors(case):
    """The error holds the request as it was sent."""
    sent = json.dumps(case["sent"])
    assert read_frame(sent) == Unreadable()
    assert json.loads(protocol.unreadable(sent)) == case["received"]


@pytest.mark.parametrize(
    "text",
    [
        "no json",
        "[]",
        frame(method="dance"),
        frame(method="subscribe"),
        frame(method="subscribe", subscription={"type": "candle", "coin": ["BTC", "ETH"], "interval": "1m"}),
        frame(method="subscribe", subscription={"type": "candle", "coin": "BTC", "interval": "6h"}),
        frame(method="subscribe", subscription={"type": "candle", "coin": "BTC"}),
        frame(method="post", id=1),
    ],
)
def test_what_cannot_be_used_is_unreadable(text):
    """No JSON, an unknown method, a missing key, a list of coins, an interval that does not exist."""
    assert read_frame(text) == Unreadable()


def test_the_same_subscription_twice_is_told_so():
    """The texts begin as recorded and end in the normalised subscription."""
    assert json.loads(protocol.already(BTC)) == {
        "channel": "error",
        "data": 'Already subscribed: {"type":"candle","interval":"1m","coin":"BTC"}',
    }
    unsubscribe = Subscribe("unsubscribe", BTC.subscription)
    assert json.loads(protocol.already(unsubscribe))["data"].startswith("Already unsubscribed: ")


def test_a_ping_is_read():
    """``{"method":"ping"}`` needs nothing else."""
    assert read_frame(b'{"method":"ping"}') == Ping()


def test_other_channels_are_read_too():
    """They are acknowledged without an interval."""
    wanted = read_frame(frame(method="subscribe", subscription={"type": "trades", "coin": "BTC"}))
    assert wanted == Subscribe("subscribe", Subscription("trades", None, "BTC"))
    assert "interval" not in protocol.acknowledgement(wanted)


def test_an_info_request_can_be_posted():
    """The answer has the recorded shape, ``null`` included."""
    post = read_frame(frame(method="post", id=7, request={"type": "info", "payload": {"type": "meta"}}))
    assert post == Post(7, b'{"type": "meta"}')
    answer = json.loads(protocol.post_answer(7, kind="l2Book", data=b"null"))
    recorded = json.loads((FIXTURES / "ws_frames_20260924.json").read_text())
    assert answer in [case["received"] for case in recorded]
    assert json.loads(protocol.post_answer(7, kind="", data=None))["data"]["response"]["type"] == "error"
