"""What becomes of acknowledgements and pongs."""

import json

from demo import protocol
from demo.faults.subscriptions import AlreadySubscribed, DoubleAck, LateAck, LatePong, LongAck, NoAck, UnknownCoin
from demo.link import Sending
from demo.protocol import Subscribe, Subscription

REQUEST = Subscribe("subscribe", Subscription("candle", "1m", "BTC"))
ACK = Sending(text=protocol.acknowledgement(REQUEST), at_ms=1000, channel="subscriptionResponse", coin="BTC")
PONG = Sending(text=protocol.PONG, at_ms=1000, channel="pong")


def test_late_is_later(passed):
    """A pong or an acknowledgement; nothing else."""
    assert [sending.at_ms for sending in passed(LatePong(), ACK, PONG)] == [1000, 13_000]
    assert [sending.at_ms for sending in passed(LateAck(seconds=5), ACK, PONG)] == [6000, 1000]


def test_none_and_two(passed):
    """Of the coin that is named."""
    assert passed(NoAck(), ACK, PONG) == [PONG]
    assert passed(NoAck(coin="ETH"), ACK) == [ACK]
    assert passed(DoubleAck(coin="BTC"), ACK) == [ACK, ACK]


def test_more_keys_than_were_sent(passed):
    """Those that are known from ``l2Book``; the others keep their values."""
    (sending,) = passed(LongAck(), ACK)
    wanted = json.loads(sending.text)["data"]["subscription"]
    assert {key: wanted[key] for key in ("type", "coin", "interval")} == {
        "type": "candle",
        "coin": "BTC",
        "interval": "1m",
    }
    assert len(wanted) == 6


def test_already_subscribed_is_an_error_with_the_subscription(passed):
    """As the exchange words it."""
    (sending,) = passed(AlreadySubscribed(), ACK)
    assert (sending.channel, sending.text) == ("error", protocol.already(REQUEST))


def test_a_coin_that_kills(begin):
    """Only that one."""
    fault = UnknownCoin(coin="ETH")
    assert [fault.kills(begin(fault), coin) for coin in ("ETH", "BTC")] == [True, False]
