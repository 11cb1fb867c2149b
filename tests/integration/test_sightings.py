"""What a look sees: of the minutes, the findings, Dagster's runs and the disks; and that it stays cheap."""

import json
from collections import namedtuple
from datetime import UTC, datetime, timedelta

import dagster as dg

from btc_core.alerts import AlertsConfig
from btc_core.model.candle import Candle, State
from btc_store.candles import upsert_candles
from btc_store.connection import connect
from btc_store.sightings import low_disks, see
from btc_store.statements import statement

START = datetime(2025, 2, 14, 8, tzinfo=UTC)
MINUTE = timedelta(minutes=1)
Usage = namedtuple("Usage", "total used free")


def candle(n):
    """Return the n-th minute after START."""
    prices = {"open": 100.0, "high": 101.0, "low": 99.0, "close": 100.5, "volume": 1.0}
    return Candle(time=START + n * MINUTE, symbol="BTC", trades=3, source="ws", state=State.CONFIRMED, **prices)


async def gap(connection, settings, now):
    """Return since when, how many minutes and ranges are missing; None where none is."""
    seen = [each for each in await see(connection, settings.config, [], now=now) if each.kind == "gap"]
    return [(each.since, each.size, each.details["n_ranges"]) for each in seen]


async def test_gaps_are_what_nobody_knows_anything_of(connection, database_url, settings_for):
    """Not what is without trades, given up, not there yet, or before the first minute; also at the window's edge."""
    settings = settings_for(database_url)
    assert await gap(connection, settings, START) == []
    await upsert_candles(connection, [candle(n) for n in range(60) if not 10 <= n < 20 and n not in (30, 31, 40)])
    assert await gap(connection, settings, START + 60 * MINUTE) == [(START + 10 * MINUTE, 13, 3)]
    await connection.execute(
        "INSERT INTO data_quality (symbol, interval, kind, severity, start_time, end_time) VALUES"
        " ('BTC', '1m', 'no_trade', 'info', $1, $2), ('BTC', '1m', 'unrecoverable', 'error', $3, $4)",
        *(START + 5 * MINUTE, START + 13 * MINUTE, START + 30 * MINUTE, START + 32 * MINUTE),
    )
    assert await gap(connection, settings, START + 60 * MINUTE) == [(START + 13 * MINUTE, 8, 2)]
    # Two days later the window begins in the middle of the first hole.
    later = START + timedelta(days=2) + 16 * MINUTE
    await upsert_candles(connection, [candle(n) for n in range(60, 2900)])
    assert await gap(connection, settings, later) == [(START + 16 * MINUTE, 5, 2)]


async def test_a_job_fails_until_it_succeeds(instance, database_url, settings_for, tmp_path):
    """Each job by itself, and by the symbols of its partitions; one without failures is not seen."""

    @dg.op
    def step(context):
        if context.run.tags.get("fails"):
            raise ValueError("broken")

    @dg.job
    def derive():
        step()

    @dg.job
    def funding():
        step()

    def run(job, *, fails, symbol=None):
        partition = f"2025-02-01|{symbol}"
        tags = {"fails": "1"} if fails else {}
        if symbol:
            tags |= {f"dagster/asset_partition_range_{end}": partition for end in ("start", "end")}
        job.execute_in_process(instance=instance, raise_on_error=False, tags=tags)

    async def subjects():
        async with connect(database_url) as connection:
            seen = await see(connection, settings_for(database_url).config, [], now=START)
            return {each.subject: each.size for each in seen}

    run(funding, fails=False)
    assert await subjects() == {}
    for symbol in ("BTC", "BTC", "ETH"):
        run(derive, fails=True, symbol=symbol)
    run(funding, fails=True)
    assert await subjects() == {"derive (BTC)": 2, "derive (ETH)": 1, "funding": 1}
    run(derive, fails=False, symbol="BTC")
    run(funding, fails=False)
    assert await subjects() == {"derive (ETH)": 1}


def test_a_disk_is_low_below_its_share(tmp_path, monkeypatch):
    """A warning, and an error at half of it; a disk once, whichever of its folders are named; no folder, no disk."""
    free = 12

    def usage(_folder):
        return Usage(100 * 10**9, (100 - free) * 10**9, free * 10**9)

    monkeypatch.setattr("shutil.disk_usage", usage)
    folders, config = [tmp_path, tmp_path.parent, tmp_path / "gone"], AlertsConfig(disk_free=0.1)
    assert low_disks(folders, config, now=START) == []
    free = 9
    (seen,) = low_disks(folders, config, now=START)
    assert (seen.subject, seen.severity) == (str(tmp_path), "warning")
    assert seen.details == {"free_percent": 9.0, "free_gb": 9.0, "total_gb": 100.0}
    free = 4
    assert [each.severity for each in low_disks(folders, config, now=START)] == ["error"]


async def test_a_look_costs_the_same_after_years(connection, database_url, settings_for):
    """Hundreds of thousands of minutes and findings that are closed are not read: it asks what is recent and open."""
    settings = settings_for(database_url)
    await upsert_candles(connection, [candle(n) for n in range(100)])

    async def explained(name, *values):
        text = statement(name).partition("\n")[2]
        return await connection.fetchval(f"EXPLAIN (ANALYZE, FORMAT JSON) {text}", *values)

    await connection.execute(
        "INSERT INTO candles SELECT $1::timestamptz - n * interval '1 minute', 'BTC', '1m', 1, 1, 1, 1, 1, 1, 1, 'ws',"
        " 'confirmed' FROM generate_series(1, 200000) AS n",
        START,
    )
    await connection.execute(
        "INSERT INTO data_quality (symbol, interval, kind, severity, start_time, end_time, resolved_at)"
        " SELECT 'BTC', '1m', 'gap', 'error', $1::timestamptz - n * interval '1 minute', $1, now()"
        " FROM generate_series(1, 50000) AS n",
        START,
    )
    await connection.execute("ANALYZE candles, data_quality")
    assert await see(connection, settings.config, [], now=START + 100 * MINUTE) == []
    for name, values in (
        ("alert_findings", (START, ["gap", "stale"])),
        ("alert_gaps", ("BTC", START - timedelta(days=2), START + 100 * MINUTE)),
        ("alert_decisions", (START,)),
    ):
        assert _most_rows(await explained(name, *values)) < 5_000, name


def _most_rows(plan):
    """Return the most rows that a step of a plan has read, those that a filter dropped too."""

    def walk(node):
        yield node["Actual Rows"] + node.get("Rows Removed by Filter", 0)
        for child in node.get("Plans", []):
            yield from walk(child)

    return max(walk(json.loads(plan)[0]["Plan"]))
