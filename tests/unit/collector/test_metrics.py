"""The figures for Prometheus."""

import re
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from prometheus_client.parser import text_string_to_metric_families
from prometheus_client.process_collector import ProcessCollector

from btc_core.model.candle import TOO_FINE, TOO_HIGH, TOO_MANY, TOO_MUCH
from btc_core.model.timerange import MINUTE
from collector.health import Status, SymbolStatus
from collector.metrics import LATE_SECONDS, Metrics, quarantine_code

OPERATIONS = Path(__file__).resolve().parents[3] / "docs" / "operations.md"
NOW = datetime(2025, 2, 14, 12, 0, 20, tzinfo=UTC)
BTC = SymbolStatus(
    coin="BTC",
    newest=NOW - timedelta(seconds=80),
    newest_confirmed=NOW - timedelta(seconds=140),
    last_frame_at=NOW - timedelta(seconds=1.5),
    n_missing=3,
    n_provisional=1,
    n_no_trade=2,
    trouble=None,
)
NEW = SymbolStatus(
    coin="@142",
    newest=None,
    newest_confirmed=None,
    last_frame_at=None,
    n_missing=5000,
    n_provisional=0,
    n_no_trade=0,
    trouble=None,
)
STATUS = Status(
    now=NOW,
    symbols={"BTC": BTC, "UBTC/USDC": NEW},
    refused={"CBBTC": "unknown"},
    n_links=2,
    n_buffered=4,
    n_spooled=17,
    rest_weight=21,
    rest_paused_until=NOW + MINUTE,
    clock_offset_seconds=-0.25,
    may_confirm=True,
    is_database_away=True,
)


def figures(page: bytes) -> dict[str, float]:
    """Return every figure of a page by its name and labels, as Prometheus reads it."""
    return {
        ",".join([sample.name, *sample.labels.values()]): sample.value
        for family in text_string_to_metric_families(page.decode())
        for sample in family.samples
    }


def test_the_state_is_read_when_somebody_asks():
    """Ages are market seconds since a minute's end; what is not known is not shown."""
    found = figures(Metrics().render(STATUS))
    expected = {
        "collector_last_frame_age_seconds,BTC": 1.5,
        "collector_newest_confirmed_age_seconds,BTC": 80,
        "collector_newest_minute_age_seconds,BTC": 20,
        "collector_missing_minutes,BTC": 3,
        "collector_missing_minutes,UBTC/USDC": 5000,
        "collector_provisional_minutes,BTC": 1,
        "collector_no_trade_minutes,BTC": 2,
        "collector_connections": 2,
        "collector_queue_candles": 4,
        "collector_spool_candles": 17,
        "collector_rest_weight": 21,
        "collector_rest_paused": 1,
        "collector_database_away": 1,
        "collector_may_confirm": 1,
        "collector_refused_symbols": 1,
        "collector_clock_offset_seconds": -0.25,
    }
    assert {name: found.get(name) for name in expected} == expected
    assert "collector_newest_minute_age_seconds,UBTC/USDC" not in found


def test_what_is_gone_is_not_shown():
    """A symbol that is no longer collected leaves no last value behind."""
    metrics = Metrics()
    assert "collector_missing_minutes,BTC" in figures(metrics.render(STATUS))
    page = figures(metrics.render(Status(**{**as_fields(STATUS), "symbols": {}, "clock_offset_seconds": None})))
    assert not [name for name in page if name.endswith(",BTC")]
    assert "collector_clock_offset_seconds" not in page


def as_fields(status: Status) -> dict[str, object]:
    """Return a status as the arguments that make it."""
    return {name: getattr(status, name) for name in status.__struct_fields__}


def test_what_happens_is_counted():
    """Counts begin at 0 for every reason, so that the first of a kind is an increase."""
    metrics = Metrics()
    before = figures(metrics.render(STATUS))
    metrics.frames.inc()
    metrics.stored.inc(5)
    metrics.corrected("lost_tail", 2)
    metrics.reconnects("expired")
    metrics.quarantined("the minute lies in the future")
    metrics.rest_requests("ok")
    metrics.alarms("database is away")
    after = figures(metrics.render(STATUS))
    changed = {name: value - before.get(name, 0) for name, value in after.items() if name.startswith("collector_")}
    assert {name: n for name, n in changed.items() if n} == {
        "collector_frames_total": 1,
        "collector_candles_stored_total": 5,
        "collector_corrections_total,lost_tail": 2,
        "collector_reconnects_total,expired": 1,
        "collector_quarantined_total,future": 1,
        "collector_rest_requests_total,ok": 1,
        "collector_events_total,database is away": 1,
    }
    assert before["collector_corrections_total,lost_tail"] == 0


def test_late_frames_fall_into_buckets():
    """The close at 3 s is one of the bounds: what lies above it became a correction."""
    metrics = Metrics()
    for seconds in (0.05, 2.56, 30.5):
        metrics.late_frames.observe(seconds)
    found = figures(metrics.render(STATUS))
    assert (found["collector_late_frame_seconds_bucket,0.1"], found["collector_late_frame_seconds_bucket,3.0"]) == (
        1,
        2,
    )
    assert found["collector_late_frame_seconds_count"] == 3
    assert 3.0 in LATE_SECONDS


def test_a_label_takes_few_values():
    """Else whatever somebody says would be a time series of its own."""
    metrics = Metrics()
    for count in (metrics.corrected, metrics.reconnects, metrics.rest_requests):
        count("the moon")
    found = figures(metrics.render(STATUS))
    assert found["collector_corrections_total,other"] == 1
    assert found["collector_reconnects_total,other"] == 1
    assert found["collector_rest_requests_total,other"] == 1


@pytest.mark.parametrize(
    ("reason", "code"),
    [
        ("the coin is not collected", "unknown_coin"),
        ("the minute lies in the future", "future"),
        ("the minute is older than history can confirm", "too_old"),
        ("the time is not the start of a minute", "misaligned"),
        ("T must be t + 59999, found 60000 more", "misaligned"),
        ("expected interval 1m, found 1h", "interval"),
        ("one answer has 2 different rows of this minute", "ambiguous"),
        ("volume and number of trades contradict each other", "volume"),
        ("the volume is not a finite number of at least 0", "volume"),
        ("open, high, low and close contradict each other", "price"),
        ("a price is not a positive finite number", "price"),
        (TOO_HIGH, "price"),
        (TOO_FINE, "price"),
        (TOO_MUCH, "volume"),
        (TOO_MANY, "volume"),
        ("Expected `int`, got `str` - at `$.t`", "malformed"),
        ("JSON is malformed: invalid character (byte 0)", "malformed"),
        ("maximum recursion depth exceeded", "malformed"),
    ],
)
def test_a_reason_becomes_one_of_few_codes(reason, code):
    """The reason is for people and may name what was found."""
    assert quarantine_code(reason) == code


def test_the_process_tells_its_memory(monkeypatch):
    """Also where there is no /proc to read it from."""
    assert figures(Metrics().render(STATUS))["process_resident_memory_bytes"] > 1e6
    monkeypatch.setattr(ProcessCollector, "collect", lambda _: [])
    assert figures(Metrics().render(STATUS))["process_resident_memory_bytes"] > 1e6


def test_every_figure_is_in_the_table_of_operations():
    """And every figure of the table is there."""
    families = text_string_to_metric_families(Metrics().render(STATUS).decode())
    ours = {family.name + ("_total" if family.type == "counter" else "") for family in families}
    shown = set(re.findall(r"^\| `((?:collector|process)_\w+)", OPERATIONS.read_text(encoding="utf-8"), re.M))
    assert {name for name in ours if name.startswith("collector_")} == {n for n in shown if n.startswith("collector_")}
    assert {name for name in shown if name.startswith("process_")} <= ours
