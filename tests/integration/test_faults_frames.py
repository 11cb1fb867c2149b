"""Frames in every shape, order and state that a network or an exchange can give them; after each, the invariant."""

import json
from collections.abc import Callable, Sequence
from contextlib import AbstractAsyncContextManager
from datetime import datetime, timedelta
from functools import partial
from itertools import pairwise
from pathlib import Path

import msgspec
import pytest

from btc_core.model.timerange import MINUTE, floor_minute
from btc_store.settings import Settings
from collector.exchange import Update
from collector.metrics import quarantine_code
from collector.rest import History, closed_rows
from demo.faults.script import fault
from demo.link import Link, Sending
from tests.faulty import Play, figures, play
from tests.stalls import real_time

pytestmark = real_time

# More minutes than anything here is away for.
N_HISTORY = 120

Start = Callable[..., AbstractAsyncContextManager[Play]]


@pytest.fixture
def start(database_url: str, settings_for: Callable[..., Settings], tmp_path: Path, caplog) -> Start:
    """A function that starts a play: ``start(faults=[...], rate=120)``; the collector's log is kept."""
    caplog.set_level("INFO", "collector")
    return partial(play, database_url, settings_for, tmp_path, n_history=N_HISTORY)


@pytest.fixture
def sent(monkeypatch) -> list[Sending]:
    """What the exchange has written, on whichever connection, oldest first."""
    written: list[Sending] = []
    put = Link.put

    def keep(link: Link, sending: Sending) -> None:
        written.append(sending)
        put(link, sending)

    monkeypatch.setattr(Link, "put", keep)
    return written


def true_frames(sent: Sequence[Sending], coin: str = "BTC") -> list[Sending]:
    """Return the candle frames of a coin that the feed has, as they were sent."""
    return [sending for sending in sent if sending.frame is not None and sending.coin == coin]


def garbage(sent: Sequence[Sending]) -> set[str]:
    """Return the texts that the exchange never meant."""
    return {sending.text for sending in sent if sending.frame is None and sending.channel == "candle"}


# Shapes


@pytest.mark.parametrize("kinds", [("fragments",), ("binary_frames",), ("fragments", "binary_frames")])
async def test_the_shape_of_a_message_does_not_matter(start, sent, kinds):
    """Messages in several WebSocket frames, or in binary ones, are messages."""
    async with start(faults=[fault(kind) for kind in kinds]) as one, one.collecting():
        await one.streams()
        first = one.now()
        await one.pass_time(timedelta(minutes=3))
        await one.heals()
        assert await one.without_stream("BTC", since=first) == []
        assert await one.findings("quarantined") == []
    assert one.exchange.n_links == 1
    assert {sending.n_parts for sending in sent} == {3 if "fragments" in kinds else 1}
    assert {sending.is_binary for sending in sent} == {"binary_frames" in kinds}


async def test_pings_of_the_exchange_are_answered(start, monkeypatch):
    """A WebSocket ping before every other frame is no message, and no reason to leave."""
    pinged: list[int] = []
    ping = Link.ping

    def keep(link: Link) -> None:
        pinged.append(link.number)
        ping(link)

    monkeypatch.setattr(Link, "ping", keep)
    async with start(faults=[fault("server_pings", seconds=5)]) as one, one.collecting():
        await one.streams()
        await one.pass_time(timedelta(minutes=3))
        await one.heals()
        assert await one.findings("quarantined") == []
    assert len(pinged) > 10
    assert set(pinged) == {1}


# Frames that were never meant

# What is written down of each, as ``quarantine_code`` calls it.
REFUSED = {
    "broken_json": "malformed",
    "null_frame": "malformed",
    "list_frame": "malformed",
    "number_frame": "malformed",
    "nan_price": "malformed",
    "negative_volume": "malformed",
    "wrong_end": "misaligned",
    "misaligned_minute": "misaligned",
    "future_minute": "future",
}


@pytest.mark.parametrize(("kind", "code"), REFUSED.items())
async def test_a_frame_that_cannot_be_true_is_kept_and_not_taken(start, sent, caplog, kind, code):
    """It is a finding with the raw text and the reason; the connection and its true frames live on."""
    async with start(faults=[fault(kind, share=0.5)]) as one, one.collecting():
        await one.streams()
        first = one.now()
        await one.pass_time(timedelta(minutes=2))
        await one.heals()
        assert await one.without_stream("BTC", since=first) == []
        found = [json.loads(row["details"]) for row in await one.findings("quarantined")]
        counted = await figures(caplog)
        beyond = await one.connection.fetchval("SELECT count(*) FROM candles WHERE time > $1", one.now() + MINUTE)
    told = [details for details in found if "text" in details]
    codes = {quarantine_code(details["reason"]) for details in told}
    # Half a minute later is in the future too, for most of a minute.
    assert {code} <= codes <= ({code, "future"} if kind == "misaligned_minute" else {code})
    assert {details["text"] for details in told} <= garbage(sent)
    assert sum(counted[f'collector_quarantined_total{{reason="{code}"}}'] for code in codes) >= len(told) > 0
    assert beyond == 0
    assert one.exchange.n_links == 1


async def test_what_is_true_and_not_our_business_is_passed_over(start, sent):
    """A channel that nobody has heard of is neither a candle nor a fault."""
    async with start(faults=[fault("unknown_channel")]) as one, one.collecting():
        await one.streams()
        await one.pass_time(timedelta(minutes=2))
        await one.heals()
        assert await one.findings("quarantined") == []
    assert one.exchange.n_links == 1
    assert garbage(sent)


@pytest.mark.parametrize("kind", ["unknown_keys", "data_as_list", "numbers_for_texts"])
async def test_a_true_candle_in_another_dress_is_taken(start, sent, kind):
    """No frame comes as it should be, and what comes says the same: the stream brings every minute."""
    # What is asked first sees the true frame; what is asked next loses it.
    async with start(faults=[fault(kind), fault("loss", share=1)]) as one, one.collecting():
        await one.streams()
        first = one.now()
        await one.pass_time(timedelta(minutes=3))
        await one.heals()
        assert await one.without_stream("BTC", since=first) == []
        assert await one.findings("quarantined") == []
    assert true_frames(sent) == []
    assert garbage(sent)


async def test_a_tiny_volume_is_a_volume(start, sent):
    """``1e-05`` is read; history then has more trades than this one."""
    async with start(faults=[fault("exponents"), fault("loss", share=1)]) as one, one.collecting():
        await one.streams()
        await one.pass_time(timedelta(minutes=2))
        await one.heals()
        assert await one.reasons() == {"lost_tail"}
        assert await one.connection.fetchval("SELECT DISTINCT volume FROM candle_revisions") == 1e-05
        assert await one.findings("quarantined") == []


async def test_float_noise_in_a_volume_is_no_difference(start):
    """The stream and history write a volume with 17 digits: it is the same number in the table."""
    async with start(faults=[fault("float_noise")]) as one, one.collecting():
        await one.streams()
        await one.pass_time(timedelta(minutes=3))
        await one.heals()
        volumes = await one.connection.fetch("SELECT volume FROM candles WHERE time >= $1", one.start + MINUTE)
        assert await one.findings("conflict") == []
    assert all(len(repr(row["volume"])) > 10 for row in volumes)


# Frames at another time, in another number, in another order

# Of the minutes of two coins: a busy machine is late now and then, and the first minutes are heard in part.
FEW = 4


async def n_changed(one: Play) -> int:
    """Return how many minutes history had to correct."""
    sql = "SELECT count(DISTINCT (symbol, time)) FROM candle_revisions WHERE reason = 'lost_tail'"
    return await one.connection.fetchval(sql)


async def test_frames_that_come_twice_are_taken_once(start, sent):
    """Every frame three times: no minute is written or counted more often for it."""
    async with start(faults=[fault("duplicates", copies=2)], rate=240) as one, one.collecting():
        await one.streams()
        first = floor_minute(one.now()) + MINUTE
        await one.pass_time(timedelta(minutes=5))
        await one.heals()
        assert await one.without_stream("BTC", since=first) == []
        assert await n_changed(one) <= FEW
    assert len(true_frames(sent)) == 3 * len({sending.text for sending in true_frames(sent)})


async def test_the_best_frame_of_a_minute_counts_and_not_the_last(start, sent):
    """Frames come in any order within their minute: the last one to come is the best one in half of the minutes."""
    async with start(faults=[fault("reordered", seconds=50, share=0.5)], rate=240) as one, one.collecting():
        await one.streams()
        first = floor_minute(one.now()) + MINUTE
        await one.pass_time(timedelta(minutes=8))
        await one.heals()
        assert await one.without_stream("BTC", since=first) == []
        assert await n_changed(one) <= FEW
    frames = [sending.frame for sending in true_frames(sent)]
    n_back = sum(a.minute == b.minute and a.row.rank > b.row.rank for a, b in pairwise(frames))
    assert n_back > 5


@pytest.mark.parametrize(
    ("kind", "parameters"),
    [
        pytest.param("late_frames", {"share": 0.5}, id="up to 30 s late"),
        pytest.param("after_next", {}, id="a minute's last frame after the next minute's first"),
        pytest.param("bursts", {"seconds": 44}, id="bursts after a slow network"),
    ],
)
async def test_what_comes_after_a_minute_was_closed_corrects_it(start, caplog, kind, parameters):
    """A better version is a revision with its reason, from the stream or, if that is quicker, from history."""
    async with start(faults=[fault(kind, **parameters)]) as one, one.collecting():
        await one.streams()
        await one.pass_time(timedelta(minutes=10))
        await one.heals()
        assert "late_frame" in await one.reasons()
        assert (await figures(caplog))["collector_late_frame_seconds_count"] > 5
    assert one.exchange.n_links == 1


@pytest.mark.parametrize("seconds", [0.5, 20, 45])
async def test_a_minute_may_be_told_only_after_its_end(start, caplog, seconds):
    """The first frame of a minute comes after its end, before or after history has confirmed it."""
    async with start(faults=[fault("first_after_end", seconds=seconds)]) as one, one.collecting():
        await one.pass_time(timedelta(minutes=6))
        await one.heals()
        counted = await figures(caplog)
    n_late, n_seconds = (counted[f"collector_late_frame_seconds_{name}"] for name in ("count", "sum"))
    assert n_late > 5
    assert n_seconds / n_late >= seconds
    assert one.exchange.n_links == 1


@pytest.mark.parametrize(
    ("kind", "parameters"),
    [
        pytest.param("lost_tail", {}, id="a minute's last frame is lost"),
        pytest.param("loss", {"share": 0.8}, id="frames are lost at random"),
    ],
)
async def test_what_the_stream_has_lost_comes_by_history(start, sent, kind, parameters):
    """History has more trades: its row is taken, and the old one is kept with the reason."""
    # Where four of five frames are lost, the others are far apart: a slow machine makes a coin look silent.
    async with start(faults=[fault(kind, **parameters)], rate=120) as one, one.collecting():
        await one.streams()
        await one.pass_time(timedelta(minutes=5))
        await one.heals()
        assert "lost_tail" in await one.reasons()
    assert one.exchange.n_links == 1


async def test_all_of_it_at_once(start, sent, caplog):
    """Garbage of every kind, losses, delays and drops, on a machine that does its best."""
    garbled = [fault(kind, share=0.1) for kind in REFUSED]
    delivery = [fault(kind, share=0.2) for kind in ("loss", "duplicates", "reordered", "late_frames", "after_next")]
    drops = [fault("abort", at=200 + 90 * i) for i in range(6)]
    async with start(faults=[*garbled, *delivery, fault("fragments"), *drops]) as one, one.collecting():
        await one.pass_time(timedelta(minutes=14))
        await one.heals()
        found = [json.loads(row["details"]) for row in await one.findings("quarantined")]
    assert {quarantine_code(details["reason"]) for details in found} >= set(REFUSED.values())
    assert one.exchange.n_links >= 5


# The invariant itself


def never(history: History, *, settled_before: datetime) -> list[Update]:
    """Believe nothing that history says."""
    return []


def wrongly(history: History, *, settled_before: datetime) -> list[Update]:
    """Take from history what it does not say."""
    rows = closed_rows(history, settled_before=settled_before)
    return [msgspec.structs.replace(row, volume=row.volume + 1) for row in rows]


@pytest.mark.parametrize(
    ("broken", "complaint"), [(never, "it is (provisional|missing)|0 states"), (wrongly, "the truth is")]
)
async def test_a_collector_that_is_broken_is_found_out(start, monkeypatch, broken, complaint):
    """These tests can fail: by a state, and by a value."""
    monkeypatch.setattr("collector.confirm.closed_rows", broken)
    async with start() as one, one.collecting():
        await one.pass_time(timedelta(minutes=4))
        with pytest.raises(AssertionError, match=complaint):
            await one.heals(seconds=0.5)


async def test_a_lost_revision_is_found_out(start):
    """These tests can fail: by a difference of which nothing is kept."""
    async with start(faults=[fault("lost_tail")]) as one, one.collecting():
        until = await one.pass_time(timedelta(minutes=4))
        await one.heals(until=until)
        await one.connection.execute("DELETE FROM candle_revisions")
        with pytest.raises(AssertionError, match="of its versions are kept"):
            await one.heals(until=until, seconds=0.5)
