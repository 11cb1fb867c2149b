"""What is wrong with answers; each kind with a client in ``integration/test_demo_faults.py``."""

import json

import pytest

from demo.answer import Answer, Query, json_answer, read_query
from demo.faults.answers import RestDiffers, RestError, RestHole, RestLong, RestNull, RestTimeout, WeightLimit
from demo.info import answer_info

MINUTE = 29_040_480
WINDOW = {"coin": "BTC", "interval": "1m", "startTime": (MINUTE - 60) * 60_000, "endTime": MINUTE * 60_000}


def query(**request: object) -> Query:
    """Return a request, by default for an hour of candles."""
    body = json.dumps(request or {"type": "candleSnapshot", "req": WINDOW}).encode()
    return read_query(body, now_ms=MINUTE * 60_000, address="a")


async def true_answer(asked: Query) -> Answer:
    """Answer something."""
    return json_answer({"true": True})


def test_asking(stage):
    """The stage's own REST has an hour of rows."""
    assert len(json.loads(answer_info(stage.tape, query().body, now_ms=MINUTE * 60_000).body)) == 60


@pytest.mark.parametrize(
    ("fault", "is_spoiled"),
    [
        (RestNull(), True),
        (RestNull(request="meta"), False),
        (RestNull(request="candleSnapshot"), True),
        (RestNull(coin="BTC"), True),
        (RestNull(coin="ETH"), False),
    ],
)
async def test_a_fault_spoils_what_it_is_about(fault, is_spoiled, begin):
    """By type of request and by coin."""
    answer = await fault.answer(begin(fault), query(), true_answer)
    assert (answer.body == b"null") is is_spoiled


async def test_a_fault_is_over_after_so_many_answers(begin):
    """What it does not spoil does not count."""
    fault = RestNull(times=2, request="candleSnapshot")
    spell = begin(fault)
    asked = [query(), query(type="meta"), query(), query()]
    bodies = [(await fault.answer(spell, each, true_answer)).body for each in asked]
    assert [body == b"null" for body in bodies] == [True, False, True, False]


async def test_a_share_is_drawn(begin):
    """The same one in every run."""
    fault = RestNull(share=0.5)
    runs = []
    for _ in range(2):
        spell = begin(fault)
        runs.append([(await fault.answer(spell, query(), true_answer)).body for _ in range(40)])
    assert runs[0] == runs[1]
    assert 5 < runs[0].count(b"null") < 35


@pytest.mark.parametrize(
    ("status", "content_type"), [(429, "application/json"), (503, "text/html"), (504, "text/html")]
)
async def test_errors_look_like_those_of_who_makes_them(status, content_type, begin):
    """The exchange speaks JSON, the edge HTML."""
    fault = RestError(status=status)
    answer = await fault.answer(begin(fault), query(), true_answer)
    assert (answer.status, answer.content_type) == (status, content_type)


async def test_a_timeout_ends_with_a_broken_connection(begin, waits):
    """When the fault is over."""
    fault = RestTimeout()
    spell = begin(fault)
    assert await waits(fault.answer(spell, query(), true_answer))
    spell.over.set()
    with pytest.raises(ConnectionResetError):
        await fault.answer(spell, query(), true_answer)


async def test_a_long_answer_is_asked_for_from_the_end_back(begin):
    """So many rows up to the end of the window, and an exchange that has them."""
    asked: list[Query] = []

    async def note(each: Query) -> Answer:
        asked.append(each)
        return await true_answer(each)

    fault = RestLong()
    await fault.answer(begin(fault), query(), note)
    window = json.loads(asked[0].body)["req"]
    assert window["startTime"] == WINDOW["endTime"] - 5000 * 60_000
    assert asked[0].most_candles > 5001


async def test_a_hole_stays_where_it_was(begin, stage):
    """Ten minutes, half an hour before the begin."""

    async def rows(each: Query) -> Answer:
        return answer_info(stage.tape, each.body, now_ms=each.now_ms)

    fault = RestHole()
    answer = await fault.answer(begin(fault), query(), rows)
    there = {row["t"] // 60_000 for row in json.loads(answer.body)}
    assert set(range(MINUTE - 60, MINUTE)) - there == set(range(MINUTE - 30, MINUTE - 20))
    assert answer.n_rows == 50


def test_where_rest_is_right_the_truth_differs_from_the_frames(begin, stage):
    """Where the stream is right the tape is as it was."""
    true = stage.tape.final_row("BTC", MINUTE + 1)
    begin(RestDiffers(truth="stream"))
    assert stage.tape.final_row("BTC", MINUTE + 1) == true
    begin(RestDiffers(coin="BTC"))
    other = stage.tape.final_row("BTC", MINUTE + 1)
    assert other.trades == true.trades
    assert other != true
    assert stage.tape.final_row("BTC", MINUTE - 1).close == stage.tape.frames("BTC", MINUTE - 1)[-1].row.close


async def test_weight_is_counted_by_address(begin, stage):
    """Of the last minute; what would go beyond is refused."""
    stage.weights.add("a", stage.now_ms(), 1190)
    fault = WeightLimit()
    spell = begin(fault)
    assert (await fault.answer(spell, query(), true_answer)).status == 429
    assert (await fault.answer(spell, query(type="exchangeStatus"), true_answer)).status == 200
