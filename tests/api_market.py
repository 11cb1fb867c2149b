"""What the tests of the API's reading endpoints share: a market of three days in the tables, and a client."""

import random
import time
from contextlib import asynccontextmanager
from datetime import UTC, datetime, timedelta

import httpx
import msgspec
import polars as pl

from btc_core.model.timerange import MINUTE, TimeRange
from btc_store.frames import open_frames
from live.plan import plan_of
from tests.derivation import made_minutes, note_no_trade, store_minutes
from tests.live_lane import follow_all, one_pass
from tests.streams import serving

START = datetime(2025, 2, 10, tzinfo=UTC)
END = START + timedelta(days=3)
# Nobody knows of the first; of the second it is known that nobody traded.
GAP = TimeRange(START + timedelta(hours=30), START + timedelta(hours=30, minutes=12))
SILENT = TimeRange(START + timedelta(hours=50), START + timedelta(hours=50, minutes=3))
NOW = END + timedelta(seconds=20)


def clock() -> str:
    """Return a market clock that hardly moves: ``NOW``."""
    return f"{NOW.timestamp()},{time.time()},0.001"


def store_market(settings) -> pl.DataFrame:
    """Store minutes and all that is derived of them; return the minutes."""
    minutes = made_minutes(TimeRange(START, END), random.Random(3), n_gaps=0)
    absent = pl.any_horizontal(pl.col("time").is_between(each.start, each.end, closed="left") for each in (GAP, SILENT))
    minutes = minutes.filter(~absent)
    with open_frames(settings.database_url) as frames:
        store_minutes(frames, "BTC", minutes, source="ws")
        note_no_trade(frames, "BTC", [SILENT])
        one_pass(frames, plan_of(settings.config), "BTC", [TimeRange(START, END)], now=END + MINUTE)
    return minutes


def store_accounts(settings, *, start=START, end=END, **terms) -> None:
    """Store the paper accounts of a market's decisions, which follow all of them."""
    paper = msgspec.structs.replace(settings.config.paper, start=start.date(), **terms)
    plan = plan_of(msgspec.structs.replace(settings.config, paper=paper))
    with open_frames(settings.database_url) as frames:
        follow_all(frames, plan, "BTC", TimeRange(start, end), now=end + MINUTE)


@asynccontextmanager
async def reading(settings):
    """Serve the API; yields a client of it."""
    async with (
        serving(settings) as (port, app),
        httpx.AsyncClient(base_url=f"http://127.0.0.1:{port}", timeout=30) as http,
    ):
        http.app = app
        yield http


async def pages(http, path: str, **asked: object) -> list[dict]:
    """Return the rows of all pages, one after the other."""
    rows, cursor = [], None
    while True:
        more = {"cursor": cursor} if cursor else {}
        answer = await http.get(path, params={**asked, **more})
        assert answer.status_code == 200, answer.text
        rows += answer.json()["items"]
        cursor = answer.json()["next"]
        if cursor is None:
            return rows
