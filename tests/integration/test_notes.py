"""What the collector writes down, against a real PostgreSQL."""

import asyncio
import json
from contextlib import suppress
from datetime import datetime

from btc_core.model.candle import Candle, State
from btc_core.model.timerange import MINUTE, TimeRange
from collector.alarms import Alarms
from collector.notes import SHOWN_CHARACTERS, Notes
from collector.session import NO_SYMBOL, Dispute, Mark, Quarantine
from collector.store import open_store
from tests.flying_waits import NOON, FlyingWaits

PATIENCE_SECONDS = 20
NASTY = ("\0", "\ud800", "\udfff\udfff", '{"s": "\\u0000"}', "x" * (SHOWN_CHARACTERS - 1) + "𝕏\0", "\\ud83d", "")


async def write_down(settings, *items) -> None:
    """Have the collector's own notes written by the collector's own store."""
    async with open_store(settings) as store, asyncio.timeout(PATIENCE_SECONDS):
        notes = Notes(store, FlyingWaits(), Alarms())
        for item in items:
            notes.add(item)
        task = asyncio.create_task(notes.run())
        while notes._marks or notes._findings:
            await asyncio.sleep(0)
        task.cancel()
        with suppress(asyncio.CancelledError):
            await task


def in_doubt(time: datetime) -> Candle:
    """Return a candle that history did not confirm."""
    return Candle(
        time=time, symbol="BTC", open=1, high=1, low=1, close=1, volume=5, trades=5, source="ws",
        state=State.PROVISIONAL,
    )  # fmt: skip


async def test_whatever_an_exchange_sends_can_be_kept(settings_for, database_url, connection):
    """Zero characters and halves of surrogate pairs are no JSON for PostgreSQL: the rest of the text is kept."""
    bad = [Quarantine(NO_SYMBOL, f"expected a number, found {text}", f"<{text}>") for text in NASTY]
    await write_down(settings_for(database_url), *bad)
    rows = await connection.fetch("SELECT * FROM data_quality ORDER BY id")
    assert {(row["symbol"], row["kind"], row["severity"]) for row in rows} == {("", "quarantined", "warning")}
    assert all(row["resolved_at"] is not None and row["start_time"] == NOON for row in rows)
    texts = [json.loads(row["details"])["text"] for row in rows]
    assert texts == ["<�>", "<?>", "<??>", '<{"s": "\\u0000"}>', "<" + "x" * (SHOWN_CHARACTERS - 1), "<\\ud83d>", "<>"]


async def test_marks_and_disputes_stand_once(settings_for, database_url, connection):
    """Told twice they are one row each, which stays open as long as the minute is as it says."""
    async with open_store(settings_for(database_url)) as store:
        await store.write([in_doubt(NOON + 5 * MINUTE)])
    quiet = Mark("BTC", "no_trade", (TimeRange(NOON, NOON + 2 * MINUTE),), "info")
    disputed = Dispute("BTC", (TimeRange(NOON + 5 * MINUTE, NOON + 6 * MINUTE),))
    await write_down(settings_for(database_url), quiet, disputed, quiet, disputed)
    rows = await connection.fetch("SELECT * FROM data_quality WHERE resolved_at IS NULL ORDER BY start_time")
    assert [(row["kind"], row["severity"], row["start_time"], row["end_time"]) for row in rows] == [
        ("no_trade", "info", NOON, NOON + 2 * MINUTE),
        ("conflict", "error", NOON + 5 * MINUTE, NOON + 6 * MINUTE),
    ]
