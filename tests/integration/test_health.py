"""``/api/v1/health``: every part, also where it is away."""

import dataclasses
import os
import time
from datetime import UTC, datetime, timedelta
from types import SimpleNamespace

import pytest

from api import disk
from api.routes import health
from tests.api_market import END, NOW


async def test_health_has_every_part_with_its_age(http):
    """Nothing of the rest runs here."""
    told = (await http.get("/api/v1/health")).json()
    parts = {part["name"]: part for part in told["parts"]}
    assert (parts["database"]["status"], parts["candles BTC"]["status"]) == ("ok", "ok")
    assert parts["candles BTC"]["age_seconds"] == pytest.approx((NOW - END).total_seconds(), abs=5)
    assert (parts["collector"]["status"], parts["dagster"]["status"], told["status"]) == ("down", "down", "down")


async def test_a_minute_of_the_future_is_not_well(http, connection):
    """It would hide for years that nothing comes any more."""
    sql = (
        "INSERT INTO candles (time, symbol, interval, open, high, low, close, volume, trades, source, state, minutes) "
        "SELECT $1, symbol, interval, open, high, low, close, volume, trades, source, state, minutes FROM candles "
        "WHERE symbol = 'BTC' AND interval = '1m' LIMIT 1"
    )
    await connection.execute(sql, datetime.now(UTC).replace(second=0, microsecond=0) + timedelta(days=1))
    parts = (await http.get("/api/v1/health")).json()["parts"]
    (part,) = (part for part in parts if part["name"] == "candles BTC")
    assert part["status"] == "late"
    assert part["detail"].endswith(", in the future")


@pytest.fixture
def lake_disk(http):
    """A function that gives the API a lake, and returns what it says of its disk."""
    settings = http.app.state.settings
    told = {each.name: getattr(settings, each.name) for each in dataclasses.fields(settings)}

    async def ask(lake):
        # Whether or not the settings have a lake of their own.
        http.app.state.settings = SimpleNamespace(**{**told, "now": settings.now, "lake": lake})
        parts = (await http.get("/api/v1/health")).json()["parts"]
        return next((part for part in parts if part["name"] == "lake disk"), None)

    return ask


async def test_the_disk_of_the_lake_has_its_room_and_the_age_of_what_was_written_last(lake_disk, tmp_path):
    """A folder that is not there yet is on the disk of the one above it; no answer has a path in it."""
    empty = await lake_disk(str(tmp_path / "not" / "there"))
    assert (empty["status"], empty["age_seconds"]) == ("ok", None)
    assert "GB free; nothing is archived here yet" in empty["detail"]
    for month, ago in (("2024-01", 5_000), ("2024-02", 3_000)):
        folder = tmp_path / "candles" / "symbol=BTC" / f"month={month}"
        folder.mkdir(parents=True)
        (folder / "manifest.json").write_text("{}")
        os.utime(folder / "manifest.json", (time.time() - ago, time.time() - ago))
    written = await lake_disk(str(tmp_path))
    # The clock of these tests goes at a thousandth.
    assert written["age_seconds"] == pytest.approx(3, abs=0.5)
    assert "2 parts" in written["detail"]
    assert str(tmp_path) not in written["detail"]


@pytest.mark.parametrize("lake", ["", "s3://bucket/lake"])
async def test_where_the_lake_is_on_no_disk_nothing_is_said(lake_disk, lake):
    """An object store has no disk of ours."""
    assert await lake_disk(lake) is None


async def test_a_disk_that_is_full_or_gone_is_no_good(lake_disk, tmp_path, monkeypatch):
    """Each says what it is."""
    for free, status in ((10**8, "late"), (0, "down")):
        monkeypatch.setattr(
            disk.shutil, "disk_usage", lambda _, free=free: disk.shutil._ntuple_diskusage(10**12, 0, free)
        )
        assert (await lake_disk(str(tmp_path)))["status"] == status

    def fail(_folder):
        raise OSError("stale handle of /secret")

    monkeypatch.setattr(health, "look_at", fail)
    gone = await lake_disk(str(tmp_path))
    assert (gone["status"], "mounted" in gone["detail"], "secret" in gone["detail"]) == ("down", True, False)
