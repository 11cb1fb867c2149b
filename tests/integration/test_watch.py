"""What an operator watches, on a real database: the pipeline's figures on the API's page."""

from datetime import timedelta

import pytest
from prometheus_client.parser import text_string_to_metric_families

from api.database import Database
from api.watch import FIGURES, Watch
from btc_core.model.timerange import MINUTE
from btc_store.connection import connect
from tests.api_market import END, GAP, NOW, SILENT, reading
from tests.integration.test_upgrades import FILLS

DAGSTER = (
    "CREATE TABLE dagster.runs (status text, update_timestamp timestamp)",
    "CREATE TABLE dagster.daemon_heartbeats (timestamp timestamp)",
    "INSERT INTO dagster.daemon_heartbeats VALUES (now() AT TIME ZONE 'UTC' - interval '40 seconds')",
    "INSERT INTO dagster.runs SELECT status, now() AT TIME ZONE 'UTC' - age FROM (VALUES "
    "('FAILURE', interval '1 hour'), ('FAILURE', '2 days'), ('SUCCESS', '0'), ('QUEUED', '0')) AS t(status, age)",
)
PAPER = (FILLS / "0008.sql").read_text(encoding="utf-8")


async def figures(http) -> dict[tuple[str, ...], float]:
    """Return what the page shows, by name and labels."""
    text = (await http.get("/metrics")).text
    return {
        (sample.name, *(sample.labels[label] for label in FIGURES.get(sample.name, ("", sorted(sample.labels)))[1])): (
            sample.value
        )
        for family in text_string_to_metric_families(text)
        for sample in family.samples
    }


async def test_the_pipeline_s_figures(http, connection, market):
    """Ages on the market's clock, minutes by state, findings, backtests, the lane, Dagster, paper accounts."""
    for statement in DAGSTER:
        await connection.execute(statement)
    await connection.execute(PAPER)
    await connection.execute("UPDATE live_state SET looked_at = clock_timestamp() - interval '7 seconds'")
    await connection.execute(
        "INSERT INTO data_quality (symbol, interval, kind, severity) VALUES ('BTC', '1m', 'outlier', 'error')"
    )
    found = await figures(http)
    age = (NOW - END).total_seconds()
    assert found["btc_database_up",] == 1
    assert found["btc_candle_age_seconds", "BTC", "1m"] == pytest.approx(age, abs=5)
    assert found["btc_candle_overdue_seconds", "BTC", "1m"] == 0
    hours = {"1h": 0, "1d": 0}
    assert {label: found["btc_candle_overdue_seconds", "BTC", label] for label in hours} == hours
    states = {
        state: found.get(("btc_minutes_last_day", "BTC", state), 0) for state in ("missing", "no_trade", "provisional")
    }
    assert states["missing"] == 0
    assert states["no_trade"] == SILENT.n_minutes
    assert (
        sum(v for (name, *labels), v in found.items() if name == "btc_minutes_last_day" and labels[0] == "BTC") == 1440
    )
    assert found["btc_decision_lag_seconds", "ma44", "BTC", "37m"] > 0
    assert found["btc_decision_overdue_seconds", "ma44", "BTC", "37m"] == 0
    assert found["btc_findings_open", "outlier", "error"] == 1
    assert found["btc_findings_open", "no_trade", "info"] >= 1
    assert found["btc_live_age_seconds",] == pytest.approx(7, abs=5)
    assert found["btc_dagster_daemon_age_seconds",] == pytest.approx(40, abs=10)
    assert (found["btc_dagster_failed_runs_last_day",], found["btc_dagster_waiting_runs",]) == (1, 1)
    assert found["btc_paper_equity", "ma", "ETH", "37m"] == 10000
    assert found["btc_database_bytes",] > 1e6
    assert {name for name, *_ in found if name in FIGURES} >= set(FIGURES) - {"btc_backtests"}


async def test_a_minute_that_is_missing_and_what_is_late(settings_for, database_url, market, connection):
    """An hour after the last minute it is overdue, and the states agree with the view that goes through all history."""
    late = settings_for(database_url, BTC_CLOCK=f"{(END + timedelta(hours=1)).timestamp()},0,1e-12")
    await connection.execute("UPDATE market_clock SET sim = $1, real = 0, rate = 1e-12", late.clock.sim)
    await connection.execute("DELETE FROM candles WHERE interval = '1m' AND time = $1", END - 3 * MINUTE)
    rows = await connection.fetch(
        "SELECT state, count(*) AS n FROM minute_states WHERE symbol = 'BTC' AND time >= $1 GROUP BY state",
        END + timedelta(hours=1) - timedelta(days=1),
    )
    async with reading(late) as http:
        found = await figures(http)
    assert found["btc_candle_overdue_seconds", "BTC", "1m"] == pytest.approx(59 * 60, abs=1)
    shown = {
        labels[1]: n for (name, *labels), n in found.items() if name == "btc_minutes_last_day" and labels[0] == "BTC"
    }
    assert {state: n for state, n in shown.items() if n} == {row["state"]: row["n"] for row in rows}
    assert shown["missing"] == 61
    assert GAP.n_minutes == 12


async def test_of_a_database_that_is_away_that_is_the_only_figure(settings_for):
    """The page itself answers: that it does is how an outage is seen."""
    async with reading(settings_for("postgresql://nobody@127.0.0.1:1/none")) as http:
        found = await figures(http)
    known = {key: value for key, value in found.items() if key[0] in FIGURES}
    assert known.pop(("btc_database_up",)) == 0
    # Disks are not in the database.
    assert set(known) == {("btc_lake_disk_bytes",), ("btc_lake_disk_free_bytes",)}
    assert known["btc_lake_disk_bytes",] > known["btc_lake_disk_free_bytes",] > 0


async def test_who_looks_often_asks_the_database_once(settings_for, database_url):
    """Ten seconds of memory: the same page, and no statement."""
    database = Database(database_url, max_size=1)
    watch = Watch(database, settings_for(database_url))
    try:
        first = await watch.page()
        async with connect(database_url) as other:
            await other.execute("ALTER TABLE candles RENAME TO gone")
        assert await watch.page() is first
    finally:
        await database.close()
