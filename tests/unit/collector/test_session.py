"""The conversation with an exchange: subscriptions, deadlines, and what must not be believed."""

import json
from datetime import UTC, datetime, timedelta

import pytest

from btc_core.model.candle import Candle, State, Verdict
from btc_core.model.timerange import MINUTE, TimeRange, to_ms
from collector.exchanges.hyperliquid import EXCHANGE
from collector.ledger import Answer, Plan
from collector.link import Timing
from collector.session import (
    Alarm,
    Dispute,
    Drop,
    Late,
    Look,
    Mark,
    Quarantine,
    Replace,
    Send,
    Session,
    Store,
    Works,
)

NOON = datetime(2025, 2, 14, 12, tzinfo=UTC)
SECOND = timedelta(seconds=1)
HOUR = timedelta(hours=1)
PLAN = Plan(depth=EXCHANGE.history_depth, window=EXCHANGE.history_window)


def frame(trades: int = 1, *, time: datetime = NOON, coin: str = "BTC", **data: object) -> str:
    """Return a candle frame."""
    t = to_ms(time)
    values = {"t": t, "T": t + 59999, "s": coin, "i": "1m", "o": "1", "c": "1", "h": "1", "l": "1", "v": str(trades)}
    return json.dumps({"channel": "candle", "data": {**values, "n": trades, **data}})


def ack(coin: str = "BTC") -> str:
    """Return the answer to a subscription."""
    asked = {"interval": "1m", "type": "candle", "coin": coin}
    return json.dumps({"channel": "subscriptionResponse", "data": {"method": "subscribe", "subscription": asked}})


def row(trades: int, *, time: datetime = NOON) -> Candle:
    """Return a confirmed row of history."""
    return Candle(
        time=time, symbol="BTC", open=1, high=1, low=1, close=1, volume=trades, trades=trades, source="rest",
        state=State.CONFIRMED,
    )  # fmt: skip


def session(*coins: str, now: datetime = NOON, always_trades: tuple[str, ...] = ()) -> Session:
    """Return a session that collects coins under their own names, all stored up to now."""
    one = Session(EXCHANGE, Timing(), PLAN, always_trades=always_trades, rotate_jitter=timedelta())
    for coin in coins or ("BTC",):
        stored = [(TimeRange(now - 90 * HOUR, now), "confirmed")]
        one.begin(coin, coin, first=now - 90 * HOUR, runs=stored, lost=(), now=now)
    return one


def of(kind: type, actions: list) -> list:
    """Return the actions of one kind."""
    return [action for action in actions if isinstance(action, kind)]


def subscribed(actions: list) -> list[tuple[int, str, str]]:
    """Return which coins are subscribed to or unsubscribed from, and on which connection."""
    sent = [(action.link, json.loads(action.text)) for action in of(Send, actions)]
    return [(link, text["method"], text["subscription"]["coin"]) for link, text in sent if "subscription" in text]


def run(one: Session, start: datetime, end: datetime, *, link: int = 1) -> list[tuple[datetime, object]]:
    """Tick at every deadline, answer pings and subscriptions; return the actions and their times."""
    done, at = [], start
    while (deadline := one.next_deadline) is not None and deadline <= end:
        at = max(at, deadline)
        actions = one.tick(at)
        done += [(at, action) for action in actions]
        for send in of(Send, actions):
            message = json.loads(send.text)
            text = '{"channel":"pong"}' if message["method"] == "ping" else ack(message["subscription"]["coin"])
            done += [(at, action) for action in one.frame(send.link, text, at)]
    return done


# Connections


def test_a_connection_subscribes_first_and_then_looks_for_what_was_missed():
    """Stream and history overlap only if the stream comes first."""
    actions = session("BTC", "ETH").connected(1, NOON)
    assert subscribed(actions[:2]) == [(1, "subscribe", "BTC"), (1, "subscribe", "ETH")]
    assert {action.symbol for action in actions[2:] if isinstance(action, Look)} == {"BTC", "ETH"}


def test_a_symbol_that_comes_later_is_subscribed_to_on_every_connection():
    """And one that goes is unsubscribed from, where it was."""
    one = session("BTC")
    one.connected(1, NOON)
    later = one.begin("ETH", "ETH", first=None, runs=[], lost=(), now=NOON)
    assert subscribed(later) == [(1, "subscribe", "ETH")]
    assert subscribed(one.end("ETH")) == [(1, "unsubscribe", "ETH")]
    assert one.coins == {"BTC": "BTC"}


def test_an_unknown_coin_is_put_in_quarantine_and_the_others_run_on():
    """A drop within a second is one coin's fault: subscribing one by one finds it, and 15 minutes pass without it."""
    one = session("BTC", "BAD", "ETH")
    one.connected(1, NOON)
    assert of(Alarm, one.disconnected(1, NOON + 0.1 * SECOND)) == []
    at = NOON + 2 * SECOND
    assert subscribed(one.connected(2, at)) == [(2, "subscribe", "BTC")]
    assert subscribed(one.frame(2, ack("BTC"), at)) == [(2, "subscribe", "BAD")]
    (alarm,) = of(Alarm, one.disconnected(2, at + 0.1 * SECOND))
    assert (alarm.event, alarm.fields["coin"]) == ("coin is in quarantine", "BAD")
    at += 2 * SECOND
    assert subscribed(one.connected(3, at)) == [(3, "subscribe", "BTC"), (3, "subscribe", "ETH")]
    one.frame(3, ack("BTC"), at)
    one.frame(3, ack("ETH"), at)
    again = [(when, subscribed([action])) for when, action in run(one, at, at + 16 * MINUTE) if subscribed([action])]
    assert again == [(NOON + 2.1 * SECOND + 15 * MINUTE, [(3, "subscribe", "BAD")])]


def test_a_drop_after_everything_was_confirmed_puts_nothing_in_quarantine():
    """A network that breaks in the first second is no coin's fault."""
    one = session("BTC")
    one.connected(1, NOON)
    one.frame(1, ack(), NOON)
    assert of(Alarm, one.disconnected(1, NOON + 0.2 * SECOND)) == []
    assert subscribed(one.connected(2, NOON + SECOND)) == [(2, "subscribe", "BTC")]


def test_a_subscription_that_is_never_confirmed_ends_two_connections_and_no_more():
    """The second time the coin goes into quarantine, for the sake of the others."""
    one = session("BTC", "ETH")
    for number in (1, 2):
        at = NOON + number * MINUTE
        one.connected(number, at)
        one.frame(number, ack("BTC"), at)
        actions = one.tick(at + 10 * SECOND)
        assert of(Drop, actions) == [Drop(number, "no_ack", "ETH")]
        one.disconnected(number, at + 10 * SECOND)
    assert [alarm.fields["coin"] for alarm in of(Alarm, actions)] == ["ETH"]
    assert subscribed(one.connected(3, NOON + 3 * MINUTE)) == [(3, "subscribe", "BTC")]


def test_a_candle_is_as_good_as_an_acknowledgement():
    """An acknowledgement can fail to come while the stream flows."""
    one = session("BTC")
    one.connected(1, NOON)
    assert of(Works, one.frame(1, frame(), NOON + SECOND)) == [Works(1)]
    assert of(Works, one.frame(1, frame(2), NOON + SECOND)) == []
    assert of(Drop, one.tick(NOON + 11 * SECOND)) == []


@pytest.mark.parametrize(
    ("text", "is_refused"),
    [
        ("Already subscribed: " + '{"type":"candle","coin":"BTC","interval":"1m"}', False),
        ("Invalid subscription " + '{"type":"candle","coin":"BTC","interval":"1m"}', True),
    ],
)
def test_an_error_ends_the_waiting_for_an_acknowledgement(text, is_refused):
    """Subscribed already is subscribed; refused is told and tried again in a quarter of an hour."""
    one = session("BTC")
    one.connected(1, NOON)
    actions = one.frame(1, json.dumps({"channel": "error", "data": text}), NOON)
    assert [alarm.event for alarm in of(Alarm, actions)] == (
        ["exchange refuses a message", "coin is in quarantine"] if is_refused else []
    )
    assert of(Drop, one.tick(NOON + 11 * SECOND)) == []


def test_a_connection_without_messages_is_given_up():
    """After 30 s, whatever it was: nobody is asked any more."""
    one = session()
    one.connected(1, NOON)
    one.frame(1, ack(), NOON)
    one.tick(NOON + 29 * SECOND)
    one.frame(1, '{"channel":"pong"}', NOON + 29 * SECOND)
    assert of(Drop, one.tick(NOON + 58 * SECOND)) == []
    one.frame(1, '{"channel":"pong"}', NOON + 29 * SECOND)
    assert of(Drop, one.tick(NOON + 59 * SECOND)) == [Drop(1, "silence", "")]
    assert of(Send, one.tick(NOON + 90 * SECOND)) == []


def test_connections_take_over_from_each_other_without_a_break():
    """After 9,000 s another one is made; when it has been whole for 10 s the old one goes."""
    one = session()
    one.connected(1, NOON)
    one.frame(1, ack(), NOON)
    done = run(one, NOON, NOON + 9001 * SECOND)
    assert [at for at, action in done if isinstance(action, Replace)] == [NOON + 9000 * SECOND]
    at = NOON + 9001 * SECOND
    one.connected(2, at)
    assert of(Drop, one.frame(2, ack(), at + SECOND)) == []
    drops = [(when, action) for when, action in run(one, at, at + MINUTE) if isinstance(action, Drop)]
    assert drops == [(at + 11 * SECOND, Drop(1, "rotated"))]


# Minutes


def test_a_minute_is_stored_three_seconds_after_its_end():
    """Source ws, provisional, urgent; and nothing before."""
    one = session()
    one.connected(1, NOON)
    one.frame(1, ack(), NOON)
    assert of(Store, one.frame(1, frame(2), NOON + 5 * SECOND)) == []
    assert of(Store, one.tick(NOON + 62.9 * SECOND)) == []
    (store,) = of(Store, one.tick(NOON + 63 * SECOND))
    assert store.is_urgent
    assert [(c.time, c.trades, c.source, c.state) for c in store.candles] == [(NOON, 2, "ws", State.PROVISIONAL)]


def test_a_late_frame_corrects_its_minute_and_has_it_confirmed_anew():
    """Stored at once; history is asked 15 s later; how late it was is counted."""
    one = session()
    one.connected(1, NOON)
    one.frame(1, frame(2), NOON + 5 * SECOND)
    one.tick(NOON + 63 * SECOND)
    while one.ask("BTC", NOON + 75 * SECOND, is_urgent=True):
        pass
    actions = one.frame(1, frame(3), NOON + 90 * SECOND)
    assert [candle.trades for store in of(Store, actions) for candle in store.candles] == [3]
    assert of(Late, actions) == [Late(30.0)]
    assert one.ask_time("BTC", NOON + 90 * SECOND) == NOON + 105 * SECOND
    assert NOON in one.ask("BTC", NOON + 105 * SECOND, is_urgent=True).range


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        ("{", "truncated"),
        ("null", "Expected"),
        (frame(coin="XRP"), "not collected"),
        (frame(time=NOON + 5 * MINUTE), "future"),
        (frame(time=NOON - 81 * HOUR), "older than history"),
        (frame(h="0.5"), "contradict"),
        (frame(h="33554432"), "a price is 33,554,432 or more"),
        (frame(l="0.000000014"), "a price is finer than 0.00000001"),
        (frame(v="2e18"), "the volume is more than"),
        (frame(trades=1_000_001), "the number of trades is more than"),
        (frame(v="0"), "contradict"),
        (frame(n=0), "contradict"),
        (frame(l="-1"), "at least 0"),
        (frame(l="0"), "positive"),
    ],
)
def test_what_cannot_be_true_is_quarantined_with_its_text(text, reason):
    """Never stored, never a crash, never dropped unseen."""
    one = session()
    one.connected(1, NOON)
    (item,) = of(Quarantine, one.frame(1, text, NOON + SECOND))
    assert reason in item.reason
    assert item.text == text
    assert one.tick(NOON + HOUR) is not None
    assert of(Store, one.tick(NOON + HOUR)) == []


def test_a_jump_is_no_fault():
    """A minute of −30 % is real."""
    one = session()
    one.connected(1, NOON)
    assert of(Quarantine, one.frame(1, frame(5, o="1", h="1", l="0.7", c="0.7"), NOON + SECOND)) == []


# History


def ask_about_noon(one: Session, now: datetime):
    """Return the first question that is about the minute of noon."""
    one.tick(now)
    ask = one.ask("BTC", now, is_urgent=True)
    assert ask is not None
    assert NOON in ask.range
    return ask


def answer(ask, now: datetime, verdicts: dict[datetime, Verdict]) -> Answer:
    """Return an answer with rows on both sides of the question."""
    rows = (ask.window.start, now)
    return Answer(verdicts=verdicts, rows=rows, settled_until=now - 15 * SECOND)


def test_a_market_that_always_trades_alarms_when_it_does_not():
    """The minute is marked in either case."""
    now = NOON + 75 * SECOND
    for always, events in (((), []), (("BTC",), ["no trades in a market that always trades"])):
        one = session(always_trades=always)
        ask = ask_about_noon(one, now)
        actions = one.answered(ask, answer(ask, now, {}), [], now)
        (mark,) = of(Mark, actions)
        assert (mark.kind, mark.ranges) == ("no_trade", (TimeRange(NOON, NOON + MINUTE),))
        assert [alarm.event for alarm in of(Alarm, actions)] == events


def test_a_deaf_connection_is_dropped():
    """History shows trades of a coin that the stream has not told for 90 s: the others may be missing too."""
    one = session("BTC", "ETH")
    one.connected(1, NOON - 2 * MINUTE)
    for coin in ("BTC", "ETH"):
        one.frame(1, ack(coin), NOON - 2 * MINUTE)
    now = NOON + 75 * SECOND
    one.frame(1, '{"channel":"pong"}', now)
    ask = ask_about_noon(one, now)
    told = one.answered(ask, answer(ask, now, {NOON: Verdict.NEW}), [row(5)], now)
    assert of(Drop, told) == [Drop(1, "silent_coin", "BTC")]


def test_a_quiet_coin_is_not_a_deaf_connection():
    """No trades in history, or a flat row: there was nothing to tell."""
    now = NOON + 75 * SECOND
    for verdicts, rows in (({}, []), ({NOON: Verdict.NEW}, [row(0)])):
        one = session()
        one.connected(1, NOON - 2 * MINUTE)
        one.frame(1, ack(), NOON - 2 * MINUTE)
        ask = ask_about_noon(one, now)
        assert of(Drop, one.answered(ask, answer(ask, now, verdicts), rows, now)) == []


def test_what_history_has_no_longer_is_marked_and_told():
    """After five days away the first part of them is lost."""
    one = Session(EXCHANGE, Timing(), PLAN)
    lost = TimeRange(NOON - 120 * HOUR, NOON - 80 * HOUR)
    actions = one.begin("BTC", "BTC", first=NOON - 200 * HOUR, runs=[], lost=[lost], now=NOON)
    assert of(Mark, actions) == [Mark("BTC", "unrecoverable", (lost,), "error")]
    assert [alarm.event for alarm in of(Alarm, actions)] == ["minutes are older than the exchange's history"]


def test_a_lasting_dispute_is_written_down():
    """History keeps having fewer trades than are stored."""
    one = session()
    now = NOON + 75 * SECOND
    one.tick(now)
    told = []
    while now < NOON + HOUR:
        ask = one.ask("BTC", now, is_urgent=True)
        if ask is None:
            now = min(now + MINUTE, one.ask_time("BTC", now) or now + MINUTE)
            one.tick(now)
            continue
        times = [ask.range.start + i * MINUTE for i in range(ask.range.n_minutes)]
        verdicts = {time: Verdict.FEWER if time == NOON else Verdict.SAME for time in times}
        told += of(Dispute, one.answered(ask, answer(ask, now, verdicts), [], now))
    assert told == [Dispute("BTC", (TimeRange(NOON, NOON + MINUTE),))]


def test_a_candle_that_could_not_be_kept_is_asked_for():
    """Neither memory nor disk had room: history brings it."""
    one = session()
    one.lost("BTC", TimeRange(NOON - 3 * MINUTE, NOON - 2 * MINUTE), NOON)
    assert one.ask("BTC", NOON, is_urgent=True).range.start == NOON - 3 * MINUTE
