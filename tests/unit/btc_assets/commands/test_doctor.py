"""What ``btc doctor`` makes of what it sees; the whole of it is in tests/integration/test_cli."""

import json
import threading
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from http.server import BaseHTTPRequestHandler, HTTPServer

import pytest

from btc_assets.commands.doctor import collector, compression, newest_minute, open_findings, server

NOW = datetime(2025, 1, 31, 12, tzinfo=UTC)
FACTS = {
    "postgresql": "17.6",
    "timescaledb": "2.19.3",
    "licence": "timescale",
    "market_now": NOW,
    "has_dagster": True,
}


@contextmanager
def answering(status, body):
    """Answer every request alike, on the port that the block gets."""

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self):
            self.send_response(status)
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, *args):
            pass

    with HTTPServer(("127.0.0.1", 0), Handler) as listening:
        thread = threading.Thread(target=listening.serve_forever)
        thread.start()
        try:
            yield listening.server_port
        finally:
            listening.shutdown()
            thread.join()


def health(**symbols):
    """Return a collector's answer: a reason for each symbol, "fresh" is well."""
    body = {name: {"ok": reason == "fresh", "reason": reason} for name, reason in symbols.items()}
    return json.dumps({"status": "?", "symbols": body}).encode()


def test_database_that_is_away(btc):
    """It fails, says so in its line, and still looks at the rest."""
    result = btc("doctor", COLLECTOR_HTTP_PORT="1")
    assert result.exit_code == 1
    assert result.stderr == ""
    lines = result.stdout.splitlines()
    assert lines[0].startswith("ok    configuration: ")
    assert lines[1].startswith("fail  database: no usable database at 127.0.0.1:1")
    assert lines[2].startswith("warn  collector: nothing answers on port 1")


def test_json(btc):
    """One object; every check has a name, a verdict, what was found and what to do."""
    result = btc("doctor", "--json", COLLECTOR_HTTP_PORT="1")
    assert result.exit_code == 1
    answer = json.loads(result.stdout)
    assert answer["ok"] is False
    assert [check["verdict"] for check in answer["checks"]] == ["ok", "fail", "warn"]
    assert all(check.keys() == {"name", "verdict", "found", "hint"} for check in answer["checks"])


def test_configuration_that_cannot_be_read(tmp_path):
    """That is a finding of the doctor's, not bad usage."""
    from click.testing import CliRunner

    from btc_assets.cli import main

    result = CliRunner().invoke(main, ["doctor"], env={"BTC_CONFIG": str(tmp_path / "none.yaml")})
    assert result.exit_code == 1
    assert result.stdout.startswith(f"fail  configuration: cannot read {tmp_path}/none.yaml: No such file")


@pytest.mark.parametrize(
    ("wrong", "said"),
    [
        ("strategies: {ma45: {intervals: [37m]}}", "'ma45'"),
        ("strategies: {ma: {intervals: [37m], parameters: {period: 5000}}}", "period"),
        ("indicators: {mean: {function: smaa, intervals: [37m]}}", "'smaa'"),
        ("indicators: {mean: {function: sma, intervals: [37m], parameters: {period: forty}}}", "period"),
        ("alerts: {time_zone: Berlin}", "alerts.time_zone"),
    ],
)
def test_configuration_that_names_what_cannot_be_used(tmp_path, wrong, said):
    """What only shows when it is used fails here already."""
    result = doctor_of(tmp_path, wrong)
    assert result.exit_code == 1
    (line, *others) = result.stdout.splitlines()
    assert line.startswith("fail  configuration: ")
    assert said in line
    assert not any("database" in other for other in others)


def test_a_strategy_of_one_s_own_that_cannot_be_read(tmp_path, monkeypatch):
    """Its line says which file, which line and what; all else is looked at."""
    import btc_core.strategies as package
    from btc_core.plugins import plugin_names

    monkeypatch.setattr(package, "__path__", list(package.__path__))
    (tmp_path / "mine").mkdir()
    (tmp_path / "mine" / "broken.py").write_text("def wanted(\n", encoding="utf-8")
    try:
        result = doctor_of(tmp_path, "strategies_path: mine\nstrategies: {broken: {intervals: [37m]}}")
    finally:
        plugin_names.cache_clear()
    assert result.exit_code == 1
    first, second, third, *_ = result.stdout.splitlines()
    assert first.startswith("ok    configuration: ")
    assert second.startswith(f"fail  strategy: {tmp_path}/mine/broken.py: line 1: ")
    assert "database" in third


def doctor_of(tmp_path, text):
    """Return what the doctor says of a configuration of one symbol, and more."""
    from click.testing import CliRunner

    from btc_assets.cli import main

    file = tmp_path / "config.yaml"
    file.write_text(f"symbols: {{BTC: {{}}}}\nintervals: [37m]\nhistory_start: 2024-01-01\n{text}\n", encoding="utf-8")
    away = {"DATABASE_URL": "postgresql://nobody@127.0.0.1:1/none", "COLLECTOR_HTTP_PORT": "1"}
    return CliRunner().invoke(main, ["doctor"], env={"BTC_CONFIG": str(file), **away})


def verdicts(checks):
    """Return the verdict of each check by its name."""
    return {check.name: check.verdict for check in checks}


def test_server_that_is_well():
    """Every line is ok."""
    assert set(verdicts(server(FACTS, NOW)).values()) == {"ok"}


def test_server_without_timescaledb():
    """Nothing depends on it, so it is said and no warning."""
    found = verdicts(server(FACTS | {"timescaledb": None, "licence": None}, NOW))
    assert found["TimescaleDB"] == "ok"
    assert "compression" not in found


def test_the_full_edition_compresses_or_is_to_be_told():
    """How much so far; where nobody has set it up, what to do."""
    facts = {"n_policies": 2, "n_compressed": 1, "n_chunks": 3}
    assert compression(facts).verdict == "ok"
    assert compression(facts).found.endswith("1 of 3 so far")
    assert compression(facts | {"n_policies": 0}).hint == "run `btc db upgrade`"


def test_apache_edition_has_no_compression():
    """The line says so."""
    (line,) = (check for check in server(FACTS | {"licence": "apache"}, NOW) if check.name == "compression")
    assert line.verdict == "ok"
    assert "not offered by this edition (licence apache)" in line.found


def test_clocks_that_differ():
    """A database that is on another clock than this process: BTC_CLOCK differs."""
    (line,) = (check for check in server(FACTS, NOW + timedelta(days=1)) if check.name == "clock")
    assert line.verdict == "warn"
    assert "2025-02-01 12:00Z" in line.found
    assert "2025-01-31 12:00Z" in line.found
    assert "BTC_CLOCK" in line.hint


def test_dagster_that_never_ran():
    """Its tables come with its first start."""
    assert verdicts(server(FACTS | {"has_dagster": False}, NOW))["Dagster storage"] == "warn"


@pytest.mark.parametrize(
    ("newest", "verdict", "found"),
    [
        (None, "warn", "no 1m candle is stored"),
        (NOW - timedelta(minutes=2), "ok", "ended 60 s ago"),
        (NOW - timedelta(minutes=4), "warn", "ended 3 min ago"),
        (NOW - timedelta(hours=5), "warn", "ended 4 h ago"),
        (NOW - timedelta(days=90), "warn", "ended 89 days ago"),
        (NOW + timedelta(minutes=2), "warn", "lies in the future"),
    ],
    ids=["none", "fresh", "stale", "hours", "days", "future"],
)
def test_newest_minute(newest, verdict, found):
    """A minute is known at its end; three minutes later the next ones are late."""
    check = newest_minute("BTC", newest, now=NOW)
    assert check.verdict == verdict
    assert found in check.found


def test_open_findings():
    """Counted by kind; those of information alone are no warning."""
    info = {"kind": "no_trade", "severity": "info", "n_findings": 2}
    assert open_findings([]).verdict == "ok"
    assert open_findings([info]).verdict == "ok"
    check = open_findings([info, {"kind": "gap", "severity": "error", "n_findings": 6}])
    assert (check.verdict, check.found) == ("warn", "2 no_trade (info), 6 gap (error)")


def test_collector_that_is_well():
    """Its symbols are named."""
    with answering(200, health(BTC="fresh", ETH="fresh")) as port:
        check = collector(port)
    assert (check.verdict, check.found) == ("ok", f"well on port {port}, collects BTC, ETH")


def test_collector_that_is_not_well():
    """Its reason is passed on."""
    with answering(503, health(BTC="fresh", ETH="no minute is stored")) as port:
        check = collector(port)
    assert (check.verdict, check.found) == ("fail", f"not well on port {port}: ETH: no minute is stored")


@pytest.mark.parametrize("body", [b"<html>", b"[]", b"{}", b'{"symbols": 1}'])
def test_another_program_on_the_collectors_port(body):
    """The port is somebody else's."""
    with answering(200, body) as port:
        assert collector(port).found == f"port {port} is not a collector's"


def test_collector_that_does_not_run():
    """A warning: history can be worked on without it."""
    check = collector(1)
    assert check.verdict == "warn"
    assert "COLLECTOR_HTTP_PORT" in check.hint
