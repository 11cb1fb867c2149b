"""The conversation with an exchange: deadlines, subscriptions, history, and what must not be believed."""

import json
from datetime import UTC, datetime, timedelta

import msgspec
import pytest

from btc_core.model.candle import Candle, State
from btc_core.model.timerange import MINUTE, TimeRange, to_ms
from collector.exchange import Malformed
from collector.exchanges.hyperliquid import EXCHANGE
from collector.session import Alarm, Fetch, Reconnect, Send, Session, Store, Timing

NOON = datetime(2025, 2, 14, 12, tzinfo=UTC)
SECOND = timedelta(seconds=1)


def frame(trades: int = 1, *, time: datetime = NOON, coin: str = "BTC", **data: object) -> str:
    """Return a candle frame."""
    t = to_ms(time)
    values = {"t": t, "T": t + 59999, "s": coin, "i": "1m", "o": "1", "c": "1", "h": "1", "l": "1", "v": str(trades)}
    return json.dumps({"channel": "candle", "data": {**values, "n": trades, **data}})


def ack(coin: str = "BTC") -> str:
    """Return the answer to a subscription."""
    asked = {"interval": "1m", "type": "candle", "coin": coin}
    return json.dumps({"channel": "subscriptionResponse", "data": {"method": "subscribe", "subscription": asked}})


def row(trades: int, *, time: datetime = NOON, **changes: object) -> Candle:
    """Return a confirmed row of history."""
    usual = Candle(
        time=time, symbol="BTC", open=1, high=1, low=1, close=1, volume=trades, trades=trades, source="rest",
        state=State.CONFIRMED,
    )  # fmt: skip
    return msgspec.structs.replace(usual, **changes)


def session(**newest: datetime | None) -> Session:
    """Return a session that collects BTC, or the given symbols from their newest stored minutes on."""
    known = newest or {"BTC": NOON - MINUTE}
    return Session(EXCHANGE, {symbol: symbol for symbol in known}, known, Timing())


def of(kind: type, actions: list) -> list:
    """Return the actions of one kind."""
    return [action for action in actions if isinstance(action, kind)]


def test_a_connection_subscribes_first_and_then_fetches():
    """Stream and history overlap only if the stream comes first; each symbol goes on from its newest minute."""
    actions = session(BTC=NOON - timedelta(hours=2), ETH=NOON - timedelta(hours=1)).connected(NOON)
    assert [json.loads(action.text)["subscription"]["coin"] for action in actions[:2]] == ["BTC", "ETH"]
    assert actions[2:] == [
        Fetch("BTC", "BTC", TimeRange(NOON - timedelta(hours=2, minutes=5), NOON)),
        Fetch("ETH", "ETH", TimeRange(NOON - timedelta(hours=1, minutes=5), NOON)),
    ]


def test_an_empty_table_is_filled_as_far_back_as_the_exchange_goes():
    """Nothing stored: the last 5000 minutes are asked for."""
    (fetch,) = of(Fetch, session(BTC=None).connected(NOON))
    assert fetch.range == TimeRange(NOON - 5000 * MINUTE, NOON)


def test_a_gap_that_the_exchange_cannot_fill_is_told():
    """After five days away the first two are beyond its history: an alarm, and the rest is fetched."""
    actions = session(BTC=NOON - timedelta(days=5)).connected(NOON)
    assert [alarm.event for alarm in of(Alarm, actions)] == ["minutes are older than the exchange's history"]
    assert of(Fetch, actions)[0].range.start == NOON - 5000 * MINUTE


def test_the_seam_is_closed_after_the_connect_and_after_its_minute():
    """The minute under way at the connect may have had its last trade before: only history tells, once it is over."""
    one = session()
    at = NOON + 10 * SECOND
    one.connected(at)
    one.frame(ack(), at)
    fetched = {}
    while (deadline := one.next_deadline) < at + 3 * MINUTE:
        for fetch in of(Fetch, one.tick(deadline)):
            fetched[deadline] = fetch.range
        one.frame('{"channel":"pong"}', deadline)
    assert list(fetched) == [at + 20 * SECOND, NOON + MINUTE + 20 * SECOND]
    assert all(asked.start <= NOON - 5 * MINUTE and asked.end == when for when, asked in fetched.items())


def test_after_history_came_the_next_connect_goes_on_from_there():
    """What history covered is not asked for again; what only the stream brought is, for a lost frame is not seen."""
    one = session(BTC=NOON - timedelta(days=1))
    (fetch,) = of(Fetch, one.connected(NOON))
    one.fetched(fetch)
    one.disconnected(NOON + timedelta(hours=2))
    (again,) = of(Fetch, one.connected(NOON + timedelta(hours=2)))
    assert again.range == TimeRange(NOON - 5 * MINUTE, NOON + timedelta(hours=2))


def test_history_that_never_came_is_asked_for_again():
    """A connection that ended before its history was stored covers nothing."""
    one = session(BTC=NOON - timedelta(days=1))
    (first,) = of(Fetch, one.connected(NOON))
    one.disconnected(NOON)
    (second,) = of(Fetch, one.connected(NOON + MINUTE))
    assert second.range.start == first.range.start


def test_a_minute_is_stored_three_seconds_after_its_end():
    """Source ws, provisional, urgent; and nothing before."""
    one = session()
    one.connected(NOON)
    one.frame(ack(), NOON)
    assert of(Store, one.frame(frame(2), NOON + 5 * SECOND)) == []
    assert of(Store, one.tick(NOON + 62.9 * SECOND)) == []
    (store,) = of(Store, one.tick(NOON + 63 * SECOND))
    assert store.is_urgent
    assert [(c.time, c.trades, c.source, c.state) for c in store.candles] == [(NOON, 2, "ws", State.PROVISIONAL)]


def test_a_minute_closes_without_a_connection():
    """A connection lost in the middle of a minute does not keep the minute open."""
    one = session()
    one.connected(NOON)
    one.frame(frame(2), NOON + SECOND)
    one.disconnected(NOON + 30 * SECOND)
    assert one.next_deadline == NOON + 63 * SECOND
    assert of(Store, one.tick(NOON + 63 * SECOND))


def test_a_late_better_frame_is_a_correction():
    """It is stored without haste, so that a burst of them becomes one."""
    one = session()
    one.connected(NOON)
    one.frame(frame(2), NOON + SECOND)
    one.tick(NOON + 63 * SECOND)
    (store,) = of(Store, one.frame(frame(3), NOON + 64 * SECOND))
    assert not store.is_urgent
    assert store.candles[0].trades == 3
    assert of(Store, one.frame(frame(1), NOON + 64 * SECOND)) == []


def test_a_ping_is_sent_every_fifteen_seconds():
    """The exchange closes a connection to which it has sent nothing for 60 s."""
    one = session()
    one.connected(NOON)
    one.frame(ack(), NOON + SECOND)
    assert of(Send, one.tick(NOON + 14.9 * SECOND)) == []
    assert of(Send, one.tick(NOON + 15 * SECOND)) == [Send('{"method":"ping"}')]
    assert of(Send, one.tick(NOON + 15 * SECOND)) == []
    assert of(Send, one.tick(NOON + 30 * SECOND)) == [Send('{"method":"ping"}')]


def test_silence_ends_a_connection_once():
    """Any message counts, also an answer to a ping; 30 s without one and the connection is dropped."""
    one = session()
    one.connected(NOON)
    one.frame(ack(), NOON + 5 * SECOND)
    assert of(Reconnect, one.tick(NOON + 34.9 * SECOND)) == []
    one.frame('{"channel":"pong"}', NOON + 34.9 * SECOND)
    assert of(Reconnect, one.tick(NOON + 35 * SECOND)) == []
    assert of(Reconnect, one.tick(NOON + 65 * SECOND)) == [Reconnect("no message in time")]
    assert of(Reconnect, one.tick(NOON + 66 * SECOND)) == []


def test_a_missing_answer_to_a_subscription_ends_a_connection():
    """An acknowledgement can fail to come: after 10 s the connection is of no use, and the reason names the coin."""
    one = session(BTC=NOON, ETH=NOON)
    one.connected(NOON)
    one.frame(ack("BTC"), NOON + SECOND)
    (reconnect,) = of(Reconnect, one.tick(NOON + 10 * SECOND))
    assert "ETH" in reconnect.reason
    assert "BTC" not in reconnect.reason


def test_a_refused_subscription_does_not_end_the_others():
    """It would be refused on the next connection too: an alarm, and the socket lives on."""
    one = session(BTC=NOON, ETH=NOON)
    one.connected(NOON)
    one.frame(ack("BTC"), NOON)
    refusal = 'Invalid subscription {"type":"candle","coin":"ETH","interval":"1m"}'
    (alarm,) = one.frame(json.dumps({"channel": "error", "data": refusal}), NOON)
    assert alarm.fields["coin"] == "ETH"
    assert of(Reconnect, one.tick(NOON + 11 * SECOND)) == []


@pytest.mark.parametrize(
    ("text", "event"),
    [
        (frame(coin="XYZ"), "candle of an unknown coin"),
        (frame(time=NOON + MINUTE), "candle refused"),
        (frame(time=NOON - timedelta(days=1)), "candle refused"),
        (frame(time=NOON + 0.5 * SECOND), "candle refused"),
        (frame(h="0.5"), "candle refused"),
        (frame(o="nan"), "candle refused"),
        (frame(v="0"), "candle refused"),
        (frame(T=0), "message refused"),
        ("{", "message refused"),
        (json.dumps({"channel": "error", "data": "too many pending post requests"}), "exchange refuses a message"),
    ],
)
def test_what_cannot_be_true_is_an_alarm(text, event):
    """Nothing of it is stored and nothing of it stops the collector."""
    one = session()
    one.connected(NOON)
    assert [action.event for action in one.frame(text, NOON)] == [event]
    one.frame(ack(), NOON)
    assert of(Store, one.tick(NOON + 10 * MINUTE)) == []


def test_a_clock_that_is_a_little_off_is_no_fault():
    """A minute that opens some seconds from now is taken: clocks differ."""
    assert session().frame(frame(time=NOON), NOON - 4 * SECOND) == []


def test_greeting_and_unknown_channels_pass():
    """Frames that say nothing about candles are messages all the same."""
    one = session()
    for text in ("Websocket connection established.", '{"channel":"news","data":[]}', '{"channel":"pong"}'):
        assert one.frame(text, NOON) == []
    assert one.n_messages == 3


def test_only_a_usable_candle_counts_as_success():
    """Acknowledgements and pongs do not start the backoff again."""
    one = session()
    one.connected(NOON)
    one.frame(ack(), NOON)
    one.frame(frame(coin="XYZ"), NOON)
    assert not one.had_candle
    one.frame(frame(), NOON)
    one.disconnected(NOON)
    assert one.had_candle
    one.connected(NOON)
    assert not one.had_candle


def test_history_is_stored_unless_the_stream_saw_more():
    """Equal or more trades: stored. Fewer: an alarm, for one of the two is wrong. Nonsense: an alarm."""
    one = session()
    (fetch,) = of(Fetch, one.connected(NOON))
    one.frame(frame(5, time=NOON - MINUTE), NOON)
    rows = [row(4, time=NOON - MINUTE), row(1), row(2, time=NOON - 2 * MINUTE, high=0.5), Malformed("odd", "{}")]
    actions = one.backfilled(fetch, rows)
    assert [action.event for action in of(Alarm, actions)] == [
        "history has fewer trades than the stream", "row refused", "row refused",
    ]  # fmt: skip
    assert of(Store, actions) == [Store((row(1),), is_urgent=False)]
    assert of(Store, one.backfilled(fetch, [row(5, time=NOON - MINUTE)]))
    assert one.backfilled(fetch, []) == []


def test_lost_candles_are_fetched_again():
    """A candle that was closed and then dropped from a full buffer may come back by history."""
    one = session()
    one.connected(NOON)
    one.frame(frame(5), NOON)
    one.tick(NOON + 63 * SECOND)
    lost = TimeRange(NOON, NOON + MINUTE)
    (fetch,) = one.lost("BTC", lost)
    assert fetch == Fetch("BTC", "BTC", lost)
    assert of(Store, one.backfilled(fetch, [row(4)]))
