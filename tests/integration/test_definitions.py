"""The asset graph over a real database: what a launch writes, says of itself, and holds back."""

import random
import warnings
from datetime import UTC, datetime, timedelta
from pathlib import Path

import dagster as dg
import pytest
from click.testing import CliRunner

from btc_assets.cli import main
from btc_core.model.interval import ONE_MINUTE, parse_interval
from btc_core.model.timerange import MINUTE, TimeRange
from btc_store.frames import open_frames, read_candles
from tests.dagster_runs import days, definitions, run_asset, run_derive
from tests.derivation import made_minutes, store_minutes

ROOT = Path(__file__).resolve().parents[2]
START = datetime(2024, 3, 28, tzinfo=UTC)
MONTHS = days(START, 8)


@pytest.fixture
def settings(database_url, settings_for):
    """Settings over a fresh database."""
    return settings_for(database_url)


@pytest.fixture
def instance():
    """An instance of Dagster that forgets."""
    with dg.DagsterInstance.ephemeral() as ephemeral:
        yield ephemeral


@pytest.fixture
def filled(settings):
    """A database with eight days over the end of a month, a gap of 50 minutes in them."""
    minutes = made_minutes(MONTHS, random.Random(5), n_gaps=0)
    hole = (minutes["time"] >= START + 3000 * MINUTE) & (minutes["time"] < START + 3050 * MINUTE)
    with open_frames(settings.database_url) as frames:
        store_minutes(frames, "BTC", minutes.filter(~hole))
    return settings


def rows(settings, sql):
    """Return what a question to the database answers."""
    import psycopg2

    connection = psycopg2.connect(settings.database_url)
    try:
        with connection, connection.cursor() as cursor:
            cursor.execute(sql)
            return cursor.fetchall()
    finally:
        connection.close()


def partitions(settings):
    """Return the keys of the partitions; every asset that has some has these, and a range of them is one run."""
    graph = definitions(settings).resolve_asset_graph()
    nodes = [node for key in graph.materializable_asset_keys if (node := graph.get(key)).is_partitioned]
    assert {node.backfill_policy for node in nodes} == {dg.BackfillPolicy.single_run()}
    (keys,) = {frozenset(node.partitions_def.get_partition_keys()) for node in nodes}
    return keys


# What is derived of a symbol's minutes.
OF_A_SYMBOL = {
    "candles": "SELECT interval, time, open, high, low, close, volume, minutes FROM candles"
    " WHERE symbol = '{}' AND interval <> '1m' ORDER BY 1, 2",
    "indicators": "SELECT interval, indicator_name, time, value FROM indicators WHERE symbol = '{}' ORDER BY 1, 2, 3",
    "decisions": "SELECT interval, strategy, time, signal, exposure FROM decisions"
    " WHERE symbol = '{}' ORDER BY 1, 2, 3, seq",
}


def test_the_graph_is_whole(settings):
    """Everything the configuration names is an asset, and Dagster can load it."""
    found = definitions(settings)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        dg.Definitions.validate_loadable(found)
    keys = {key.to_user_string() for key in found.resolve_asset_graph().get_all_asset_keys()}
    intervals = settings.config.intervals
    assert keys == {"candles/1m", "funding", "lake", *(f"candles/{label}" for label in intervals)} | {
        f"{group}/{name}"
        for group, names in (
            ("indicators", ["37m", "148m", "1d"]),
            ("decisions", ["ma44", "ma125"]),
            ("backtests", ["ma44", "ma125"]),
            ("paper", ["ma44", "ma125"]),
        )
        for name in names
    }


def test_a_launch_of_months_derives_everything_in_them(filled, instance):
    """Candles of every interval, indicators and decisions are there, and every materialisation says what it did."""
    result = run_derive(filled, instance, MONTHS)
    assert result.success
    counts = dict(rows(filled, "SELECT interval, count(*) FROM candles WHERE interval <> '1m' GROUP BY interval"))
    # The last 5m candles of the range end with it; 1w and 1M close later than the data, by now all the same.
    assert counts["5m"] == 8 * 288 - 10
    assert set(counts) == set(filled.config.intervals)
    assert rows(filled, "SELECT count(DISTINCT interval) FROM decisions") == [(2,)]
    for event in result.get_asset_materialization_events():
        metadata = event.step_materialization_data.materialization.metadata
        assert {"rows derived", "rows written", "range", "seconds"} <= metadata.keys()
    pictured = result.asset_materializations_for_node("decisions__ma44")
    assert [m.partition for m in pictured if "37m candles" in m.metadata] == ["2024-04-01|BTC"]


def test_twice_changes_no_row(filled, instance):
    """A second launch finds everything as it would write it."""
    run_derive(filled, instance, MONTHS)
    tables = "SELECT count(*), max(ingested_at) FROM candles", "SELECT count(*), max(decided_at) FROM decisions"
    before = [rows(filled, sql) for sql in tables]
    assert run_derive(filled, instance, MONTHS).success
    assert [rows(filled, sql) for sql in tables] == before


def test_gaps_are_flagged_and_do_not_block_history(filled, instance):
    """A gap that will not be filled fails its check, with the minutes in a table; decisions follow all the same."""
    result = run_derive(filled, instance, MONTHS)
    checks = {
        (e.asset_key.to_user_string(), e.check_name, e.partition): e for e in result.get_asset_check_evaluations()
    }
    gaps = checks["candles/1m", "gaps", "2024-03-01|BTC"]
    assert (gaps.passed, gaps.severity, gaps.blocking) == (False, dg.AssetCheckSeverity.WARN, False)
    assert gaps.metadata["missing minutes"].value == 50
    (shown,) = gaps.metadata["which"].value.records
    assert shown.data["from"] == (START + 3000 * MINUTE).strftime("%Y-%m-%d %H:%MZ")
    assert checks["candles/1m", "gaps", "2024-04-01|BTC"].passed
    complete = checks["indicators/37m", "complete", "2024-03-01|BTC"]
    assert (complete.passed, complete.severity) == (False, dg.AssetCheckSeverity.WARN)
    assert result.success
    skipped = "SELECT count(*) FROM data_quality WHERE interval = '37m' AND details ->> 'strategy' = 'ma44'"
    assert rows(filled, skipped)[0][0] > 0


def test_every_run_makes_the_cheap_checks_and_no_other(filled, instance):
    """Minutes, sums and quarters of each month, whatever else stands on the assets; nobody asks the exchange."""
    result = run_derive(filled, instance, MONTHS)
    made = {(e.asset_key.to_user_string(), e.check_name) for e in result.get_asset_check_evaluations()}
    assert made == {
        ("candles/1m", "gaps"),
        ("candles/1m", "ohlc"),
        ("candles/148m", "four_37m"),
        *((f"candles/{label}", "sums") for label in filled.config.intervals),
        *((f"indicators/{label}", "complete") for label in ("37m", "148m", "1d")),
    }
    wrong = [e for e in result.get_asset_check_evaluations() if e.check_name in ("sums", "four_37m") and not e.passed]
    assert wrong == []


def test_a_decision_waits_for_no_check(filled, instance):
    """The checks of candles are the last step of a run, although nothing but candles is before them."""
    result = run_derive(filled, instance, MONTHS)
    steps = [event.step_key for event in result.all_events if event.event_type_value == "STEP_SUCCESS"]
    assert steps[-1] == "candle_checks"


def test_a_month_stays_failed_while_a_gap_in_it_is_open(filled, instance):
    """A run that looks at other minutes of the month does not turn it green; one that sees it healed does."""
    run_derive(filled, instance, MONTHS)

    def gaps_after(touched):
        result = run_derive(filled, instance, TimeRange(START, START + MINUTE), touched={"5m": [touched]})
        (told,) = (e for e in result.get_asset_check_evaluations() if e.check_name == "gaps")
        return told.partition, told.passed

    elsewhere = TimeRange(START, START + 5 * MINUTE)
    assert gaps_after(elsewhere) == ("2024-03-01|BTC", False)
    with open_frames(filled.database_url) as frames:
        whole = made_minutes(MONTHS, random.Random(5), n_gaps=0)
        store_minutes(frames, "BTC", whole)
    assert gaps_after(elsewhere) == ("2024-03-01|BTC", False)
    assert gaps_after(TimeRange(START + 3000 * MINUTE, START + 3050 * MINUTE)) == ("2024-03-01|BTC", True)


def test_minutes_that_may_still_come_hold_the_decisions_back(settings_for, database_url, instance):
    """Just after the close of a candle with a missing minute nothing is decided; the run says why."""
    close = START + timedelta(days=4)
    # The market's clock stands a minute after the close and hardly moves.
    settings = settings_for(
        database_url, BTC_CLOCK=f"{(close + MINUTE).timestamp()},{datetime.now(UTC).timestamp()},0.001"
    )
    minutes = made_minutes(TimeRange(START, close), random.Random(5), n_gaps=0)
    with open_frames(database_url) as frames:
        store_minutes(frames, "BTC", minutes.filter(minutes["time"] != close - MINUTE))
    result = run_derive(settings, instance, TimeRange(START, close))
    complete = {e.asset_key.path[1]: e for e in result.get_asset_check_evaluations() if e.check_name == "complete"}
    assert complete["1d"].severity == dg.AssetCheckSeverity.ERROR
    assert not result.success
    assert rows(settings, "SELECT count(*) FROM decisions") == [(0,)]


def test_a_symbol_is_one_entry_and_its_history_a_backfill(filled, settings_for, database_url, instance, tmp_path):
    """As docs/howto/add-a-symbol.md says: the entry brings its partitions; imported minutes, one run, all is there."""
    run_derive(filled, instance, MONTHS)
    one, entry = partitions(filled), "  ETH: {}\n"
    assert entry in (ROOT / "docs/howto/add-a-symbol.md").read_text(encoding="utf-8")
    config, minutes = tmp_path / "config.yaml", tmp_path / "ETHUSDT-1m-2024.parquet"
    text = (ROOT / "config.yaml").read_text(encoding="utf-8")
    config.write_text(text.replace("  BTC: {}\n", "  BTC: {}\n" + entry), encoding="utf-8")
    both = settings_for(database_url, BTC_CONFIG=str(config))
    assert partitions(both) == one | {key.replace("BTC", "ETH") for key in one}

    with open_frames(database_url) as frames:
        read_candles(frames, "BTC", ONE_MINUTE, MONTHS).write_parquet(minutes)
    done = CliRunner().invoke(main, ["import", str(minutes), "--symbol", "ETH"], obj=both)
    assert done.exit_code == 0, done.output
    before = {name: rows(both, sql.format("BTC")) for name, sql in OF_A_SYMBOL.items()}
    result = run_derive(both, instance, MONTHS, symbol="ETH")

    assert result.success
    assert {event.partition for event in result.get_asset_materialization_events()} == {
        "2024-03-01|ETH",
        "2024-04-01|ETH",
    }
    # The same minutes give the same opinions, and nothing happens to the symbol beside it.
    assert all(before.values())
    for symbol in ("ETH", "BTC"):
        assert {name: rows(both, sql.format(symbol)) for name, sql in OF_A_SYMBOL.items()} == before


def test_only_the_touched_range_is_derived(filled, instance):
    """A run that is told which minutes changed derives the candles that hold them and nothing else."""
    touched = TimeRange(START + 600 * MINUTE, START + 637 * MINUTE)
    result = run_derive(filled, instance, TimeRange(START, START + MINUTE), touched={"5m": [touched], "37m": [touched]})
    assert result.success
    counts = dict(rows(filled, "SELECT interval, count(*) FROM candles WHERE interval <> '1m' GROUP BY interval"))
    assert counts == {
        label: len(parse_interval(label).opens(parse_interval(label).cover(touched))) for label in ("5m", "37m")
    }
    # Nobody looks at a picture of every few minutes.
    (told,) = result.asset_materializations_for_node("decisions__ma44")
    assert not [name for name in told.metadata if name.endswith("candles")]


def test_a_range_of_months_is_one_backtest_per_interval(filled, instance):
    """Launched over two months, a backtest is one continuous simulation, stored with its trades and its figures."""
    result = run_asset(filled, instance, ["backtests", "ma44"], MONTHS)
    assert result.success
    found = rows(filled, "SELECT interval, status, results ->> 'n_candles', start_time, end_time FROM backtest_runs")
    assert {(row[0], row[1]) for row in found} == {(label, "finished") for label in ("37m", "148m", "1d")}
    assert {(row[3], row[4]) for row in found} == {(MONTHS.start, MONTHS.end)}
    told = {event.partition: event.metadata for event in result.asset_materializations_for_node("backtests__ma44")}
    assert {"figures", "range", "rows", "seconds", "equity, 37m"} <= told["2024-04-01|BTC"].keys()
    assert "equity, 37m" in told["2024-03-01|BTC"]
