"""``btc doctor``: is everything reachable, in step and on time? A line for each question, with what to do."""

import json
from collections.abc import Iterator
from dataclasses import asdict, dataclass
from datetime import datetime, timedelta
from http.client import HTTPConnection, HTTPException
from itertools import chain
from urllib.parse import urlsplit

import asyncpg
import click

from btc_assets.commands.alerts import Alerts, read_alerts
from btc_assets.commands.options import command, json_option, settings_of
from btc_assets.commands.output import answer
from btc_assets.commands.queries import fetch
from btc_core.alerts import zone_of
from btc_core.config import Config
from btc_core.errors import ConfigError, DatabaseError, InputError
from btc_core.model.timerange import MINUTE, format_time
from btc_store.settings import Settings

OK, WARN, FAIL = "ok", "warn", "fail"
# The newest minute is 3 to 63 s past its end when all is well; two minutes more may be without trades or late.
STALE_AFTER = timedelta(minutes=3)
# Two processes that were given the same BTC_CLOCK differ by what the network takes.
CLOCK_TOLERANCE = timedelta(seconds=5)
COLLECTOR_TIMEOUT_SECONDS = 3
# Whoever sends alerts looks every 30 s.
ALERTS_LATE_SECONDS = 180


@dataclass(frozen=True, slots=True)
class Check:
    """An answer: what was looked at, ``ok``, ``warn`` or ``fail``, what was found, and what to do about it."""

    name: str
    verdict: str
    found: str
    hint: str = ""


@command(example="btc doctor\nbtc doctor --send-test")
@click.option("--send-test", is_flag=True, help="Send a test message to every channel of ALERT_URLS.")
@json_option
@click.pass_context
def doctor(ctx: click.Context, *, send_test: bool, as_json: bool) -> None:
    """Check that everything is reachable, in step and on time.

    Exits with 1 if a check fails. A collector that does not run, and what follows from it, is a warning.
    """
    checks = list(_tested(settings_of(ctx)) if send_test else _checks(ctx))
    is_well = all(check.verdict != FAIL for check in checks)
    value = {"ok": is_well, "checks": [asdict(check) for check in checks]}
    answer(value, as_json=as_json, text="\n".join(_line(check) for check in checks))
    if not is_well:
        ctx.exit(1)


def _checks(ctx: click.Context) -> Iterator[Check]:
    try:
        settings = settings_of(ctx)
    except ConfigError as error:
        yield Check("configuration", FAIL, str(error), "correct it; the other checks need it")
        return
    configured = list(_configured(settings.config))
    yield from configured
    if configured[0].verdict == FAIL:
        return
    yield from _database(settings)
    address = urlsplit(settings.collector_url)
    yield collector(address.port or settings.collector_port, host=address.hostname or "127.0.0.1")


def _configured(config: Config) -> Iterator[Check]:
    """Check that what the configuration names exists and can be used."""
    from btc_core.check import load_checks
    from btc_core.enabled import enabled
    from btc_core.indicator import configured_indicator

    try:
        zone_of(config.alerts)
        usable, broken = enabled(config)
        indicators = [configured_indicator(name, entry) for name, entry in config.indicators.items()]
        load_checks(config.quality)
    except (ConfigError, InputError) as error:
        yield Check("configuration", FAIL, str(error), "correct config.yaml; the other checks need it")
        return
    found = f"{len(config.symbols)} symbols, {len(config.intervals)} intervals"
    yield Check(
        "configuration", OK, f"{found}, {len(indicators)} indicators, {len(usable.strategies)} strategies to decide"
    )
    yield from (Check("strategy", FAIL, str(error), "then start anew what decides") for error in broken)


def _database(settings: Settings) -> Iterator[Check]:
    from btc_store.schema import revisions

    try:
        found, wanted = revisions(settings.database_url)
    except DatabaseError as error:
        yield Check("database", FAIL, str(error), "the checks of what it holds were left out")
        return
    yield Check("database", OK, settings.shown_database)
    if found != wanted:
        yield Check("schema", FAIL, f"expected {wanted}, found {found or 'no tables of ours'}", "run `btc db upgrade`")
        return
    yield Check("schema", OK, wanted)
    newest = [("newest_candle", (symbol, "1m")) for symbol in settings.config.symbols]
    try:
        facts, findings, *times = fetch(settings.database_url, ("server_facts", ()), ("open_findings", ()), *newest)
    except DatabaseError as error:
        yield Check("tables", FAIL, str(error), "make the database's owner our user, or restore the tables")
        return
    yield from server(facts[0], settings.now())
    if facts[0]["timescaledb"] is not None and facts[0]["licence"] == "timescale":
        ((packed,),) = fetch(settings.database_url, ("compression_facts", ()))
        yield compression(packed)
    for symbol, rows in zip(settings.config.symbols, times, strict=True):
        yield newest_minute(symbol, next(chain.from_iterable(rows), None), now=settings.now())
    yield open_findings(findings)
    yield from alerts(read_alerts(settings))


def _tested(settings: Settings) -> Iterator[Check]:
    """Send a test message to every channel."""
    from resources.alerts import open_desk, send_test

    desk = open_desk(settings)
    yield from (Check("alerts", FAIL, fault, "correct ALERT_URLS, or config.yaml") for fault in desk.faults)
    if not (desk.opened or desk.faults):
        yield Check("alerts", FAIL, "there is nobody to tell", "set ALERT_URLS (docs/alerts.md)")
    for name, said in send_test(desk, now=settings.now()).items():
        found = "took the test message" if said is None else f"did not take it: {said}"
        yield Check(f"channel {name}", OK if said is None else FAIL, found, "" if said is None else "check its address")


def server(facts: asyncpg.Record | dict[str, object], now: datetime) -> Iterator[Check]:
    """Judge the server: TimescaleDB, its licence, the market's clock, Dagster's tables."""
    version = f"PostgreSQL {facts['postgresql']}"
    if facts["timescaledb"] is None:
        yield Check("TimescaleDB", OK, f"not in this database ({version}): plain tables, nothing depends on it")
    else:
        yield Check("TimescaleDB", OK, f"{facts['timescaledb']} on {version}")
        if facts["licence"] != "timescale":
            yield Check("compression", OK, f"not offered by this edition (licence {facts['licence']}): plain chunks")
    market_now = facts["market_now"]
    assert isinstance(market_now, datetime), "the column is a timestamptz"
    if abs(market_now - now) <= CLOCK_TOLERANCE:
        yield Check("clock", OK, f"{format_time(now)}, here and in the database")
    else:
        found = f"here it is {format_time(now)}, for the database's market {format_time(market_now)}"
        yield Check("clock", WARN, found, "give every process the same BTC_CLOCK, and start the collector")
    if facts["has_dagster"]:
        yield Check("Dagster storage", OK, "its tables are in the schema dagster")
    else:
        yield Check("Dagster storage", WARN, "no tables in the schema dagster", "start Dagster once: make up")


def compression(facts: asyncpg.Record | dict[str, object]) -> Check:
    """Judge whether TimescaleDB's full edition compresses what is old."""
    if not facts["n_policies"]:
        return Check("compression", WARN, "allowed by the licence, and not set up", "run `btc db upgrade`")
    return Check(
        "compression", OK, f"a week after a chunk's end: {facts['n_compressed']} of {facts['n_chunks']} so far"
    )


def newest_minute(symbol: str, newest: datetime | None, *, now: datetime) -> Check:
    """Judge how far a symbol's candles reach, on the market's clock."""
    name = f"newest minute of {symbol}"
    if newest is None:
        return Check(name, WARN, "no 1m candle is stored", "start the collector, or import a file with `btc import`")
    age = now - newest - MINUTE
    found = f"{format_time(newest)}, ended {_age_text(age)} ago"
    if age < -MINUTE:
        return Check(
            name,
            WARN,
            f"{format_time(newest)} lies in the future",
            "check this machine's clock, BTC_CLOCK and what was imported",
        )
    return Check(name, OK, found) if age < STALE_AFTER else Check(name, WARN, found, "start the collector: `make up`")


def open_findings(findings: "list[asyncpg.Record] | list[dict[str, object]]") -> Check:
    """Judge what is known to be wrong with the data."""
    if not findings:
        return Check("findings", OK, "none is open")
    shown = ", ".join(f"{row['n_findings']} {row['kind']} ({row['severity']})" for row in findings)
    is_serious = any(row["severity"] != "info" for row in findings)
    return Check("findings", WARN if is_serious else OK, shown, "see the table data_quality, `btc gaps` for gaps")


def alerts(known: Alerts) -> Iterator[Check]:
    """Judge whether whoever is to be told is told."""
    yield from (Check("alerts", FAIL, fault, "correct ALERT_URLS, or config.yaml") for fault in known.faults)
    if not known.channels:
        if not known.faults:
            yield Check("alerts", OK, "nobody is told: ALERT_URLS is empty (docs/alerts.md)")
        return
    age, n_open = known.looked_seconds_ago, len([each for each in known.incidents if each.told_at])
    found = f"{n_open or 'no'} open {'incident' if n_open == 1 else 'incidents'}"
    if age is None or age > ALERTS_LATE_SECONDS:
        found += ", and nobody has looked " + ("yet" if age is None else f"for {_age_text(timedelta(seconds=age))}")
        yield Check("alerts", WARN, found, "start Dagster (make up), or `btc alerts --follow`")
    else:
        yield Check("alerts", OK, f"{found}, looked {age:.0f} s ago")
    for each in known.channels:
        name, sent = (
            f"channel {each.name}",
            f"sent last {format_time(each.sent_at.replace(microsecond=0))}" if each.sent_at else "nothing sent yet",
        )
        if each.n_failed:
            found = f"{sent}, {each.n_waiting} waiting, {each.n_failed} failed in a row: {each.error}"
            yield Check(name, WARN, found, "try it with `btc doctor --send-test`")
        else:
            yield Check(name, OK, f"{sent}, {each.n_waiting or 'none'} waiting")


def collector(port: int, *, host: str = "127.0.0.1") -> Check:
    """Ask the collector how it is."""
    name = "collector"
    connection = HTTPConnection(host, port, timeout=COLLECTOR_TIMEOUT_SECONDS)
    try:
        connection.request("GET", "/healthz")
        response = connection.getresponse()
        body = json.loads(response.read())
        symbols = dict(body["symbols"])
    except OSError as error:
        found = f"nothing answers on port {port} ({error.strerror or error})"
        return Check(name, WARN, found, "start it: `make up`, or check COLLECTOR_HTTP_PORT")
    except (HTTPException, ValueError, LookupError, TypeError):
        return Check(name, FAIL, f"port {port} is not a collector's", "check COLLECTOR_HTTP_PORT")
    finally:
        connection.close()
    bad = [f"{symbol}: {health['reason']}" for symbol, health in symbols.items() if not health["ok"]]
    if response.status == 200:
        return Check(name, OK, f"well on port {port}, collects {', '.join(symbols)}")
    return Check(name, FAIL, f"not well on port {port}: {'; '.join(bad) or 'it collects nothing'}", "read its log")


def _age_text(age: timedelta) -> str:
    seconds = round(age.total_seconds())
    if seconds < 120:
        return f"{seconds} s"
    if seconds < 7200:
        return f"{seconds // 60} min"
    return f"{seconds // 3600} h" if seconds < 172_800 else f"{seconds // 86_400} days"


def _line(check: Check) -> str:
    hint = f" — {check.hint}" if check.hint and check.verdict != OK else ""
    return f"{check.verdict:<4}  {check.name}: {check.found}{hint}"


COMMAND = doctor
