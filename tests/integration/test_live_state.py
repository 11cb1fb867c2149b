"""What the live lane remembers, through the database and back."""

from collections.abc import Iterator
from datetime import UTC, datetime, timedelta

import msgspec
import pytest

from btc_core.model.timerange import MINUTE, TimeRange
from btc_store.frames import Frames, open_frames
from btc_store.live_state import LiveSymbol, begin_look, end_look, see_lane, served

START = datetime(2025, 2, 14, 8, tzinfo=UTC)


@pytest.fixture
def frames(database_url: str) -> Iterator[Frames]:
    """A connection to a database of its own."""
    with open_frames(database_url) as opened:
        yield opened


def test_a_lane_that_never_looked_is_none(frames):
    """There is nothing to trust."""
    assert see_lane(frames) is None


def test_the_memory_reads_back(frames):
    """With the time of the look by the database's clock, and how long ago that is."""
    with frames.transaction():
        look = begin_look(frames)
        look.state.through = START + timedelta(microseconds=1)
        look.state.seen["BTC|1"] = 7
        pair = (START, START + MINUTE)
        look.state.symbols["BTC"] = LiveSymbol(pending={"37m": [pair]}, left=[pair])
        end_look(frames, look, "all of it")
    seen = see_lane(frames)
    assert (seen.state, seen.serves, seen.looked_at) == (look.state, "all of it", look.at)
    assert 0 <= seen.age_seconds < 60
    assert (seen.left("BTC"), seen.left("ETH")) == ([TimeRange(*pair)], [])
    assert (seen.pending("BTC"), seen.pending("ETH")) == ({"37m": [pair]}, {})
    with frames.transaction():
        again = begin_look(frames)
        assert (again.state, again.at > look.at) == (look.state, True)
        end_look(frames, again, "all of it")
    assert see_lane(frames).looked_at == again.at


def test_what_is_served_is_all_that_changes_rows(settings_for):
    """Another interval, parameter or symbol is another service; a collector's setting is not."""
    config = settings_for("postgresql://127.0.0.1/none").config
    replace = msgspec.structs.replace
    others = [
        replace(config, intervals=config.intervals[1:]),
        replace(config, strategies={}),
        replace(config, symbols={"ETH": config.symbols["BTC"]}),
        replace(config, decisions=replace(config.decisions, wait_minutes=11)),
    ]
    names = {served(each) for each in (config, *others)}
    assert len(names) == 5
    assert served(replace(config, collector=replace(config.collector, ping_seconds=14))) == served(config)
