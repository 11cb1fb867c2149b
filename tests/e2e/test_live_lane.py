"""The live lane as a process, behind the real collector and the demo exchange: it decides what one pass decides."""

from datetime import UTC, datetime, timedelta
from pathlib import Path

import psycopg2
import pytest

from benchmarks.one_pass import differences
from btc_core.model.timerange import MINUTE, TimeRange
from btc_store.frames import open_frames
from btc_store.ports import free_port
from btc_store.settings import load_settings
from live.plan import plan_of
from tests.derivation import query
from tests.e2e.processes import ROOT, processes, scaled_clock, start_exchange
from tests.live_lane import end_state, one_pass, settle

pytestmark = pytest.mark.e2e

START = datetime(2025, 3, 3, tzinfo=UTC)
# A market day in four minutes; the demo exchange's history gives three and a half days at once.
RATE = 360.0
HOURS = 2

DECIDED = "SELECT count(*), min(run_id) AS least, max(run_id) AS most FROM decisions"
COPY = """
WITH done AS (
  INSERT INTO candles (time, symbol, interval, open, high, low, close, volume, trades, minutes, source, state)
  SELECT time, 'ONE', interval, open, high, low, close, volume, trades, minutes, source, state
  FROM candles WHERE interval = '1m' RETURNING 1)
SELECT count(*) FROM done"""


def test_a_market_through_the_lane_ends_as_one_pass_does(database_url: str, tmp_path: Path) -> None:
    """History, the stream, confirmations, and a lane that is killed in the middle: the tables of one pass (law 7)."""
    env = {
        "DATABASE_URL": database_url,
        "BTC_SYMBOLS": "BTC",
        "COLLECTOR_HTTP_PORT": str(free_port()),
        "BTC_CLOCK": scaled_clock(START.timestamp(), RATE),
        "BTC_CONFIG": str(ROOT / "config.yaml"),
    }
    plan = plan_of(load_settings(env).config)
    with processes(tmp_path, **env) as group:
        start_exchange(group, "--market", "--seed", "5")
        group.start("live", "live")
        group.start("collector", "collector")
        for n in range(1, HOURS + 1):
            until = START + timedelta(hours=n)
            group.wait_for(
                "an hour of live decisions", lambda until=until: newest_decision(database_url) >= until, seconds=120
            )
            if n == HOURS // 2:
                group.stop("live", 9)
                group.start("live", "live")
        assert group.stop("collector") == 0
        now = load_settings(env).now()
        assert group.stop("live") == 0
    with open_frames(database_url) as frames:
        first, last = query(frames, "SELECT min(time), max(time) FROM candles WHERE interval = '1m'").row(0)
        decided = query(frames, DECIDED).row(0)
        assert decided[0] > HOURS
        assert decided[1:] == ("live", "live")
        # A last look when nothing is waited for any more: what the next lane would do.
        now += timedelta(days=40)
        settle(frames, plan, now=now)
        query(frames, COPY)
        one_pass(frames, plan, "ONE", [TimeRange(first, last + MINUTE)], now=now)
        assert differences(end_state(frames, "BTC"), end_state(frames, "ONE")) == {}


def newest_decision(url: str) -> datetime:
    """Return the open time of the newest candle that was decided on."""
    connection = psycopg2.connect(url)
    try:
        with connection, connection.cursor() as cursor:
            cursor.execute("SELECT coalesce(max(time), to_timestamp(0)) FROM decisions")
            return cursor.fetchone()[0]
    finally:
        connection.close()
