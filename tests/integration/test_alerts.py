"""Alerts from what is wrong in a real database to a real HTTP sink: how often something is told, and that it is."""

import asyncio
import json
from contextlib import ExitStack
from datetime import UTC, datetime, timedelta
from itertools import count

import dagster as dg
import pytest
import yaml
from click.testing import CliRunner

from btc_assets.cli import main
from btc_core.errors import ConfigError
from btc_core.model.candle import Candle, State
from btc_store.candles import upsert_candles
from btc_store.connection import connect
from resources.alerts import Absence, follow, look_on, look_once, open_desk
from resources.timescale import Timescale
from sensors.alerts import build_alerts_sensor
from tests.conftest import ROOT
from tests.sinks import open_sink

START = datetime(2025, 2, 14, 8, tzinfo=UTC)
MINUTE, TICK = timedelta(minutes=1), timedelta(seconds=30)
# Figures of the day are another test's; looks from 02:00 on would send it.
NO_DIGEST = {"digest": None}
_days = count()


@pytest.fixture
def sinks():
    """A function that opens sinks; they are closed at the end."""
    with ExitStack() as stack:
        yield lambda: stack.enter_context(open_sink())


@pytest.fixture
def office(database_url, settings_for, tmp_path):
    """A function that makes who looks and sends: for these channels, with these rules, as after a restart."""

    def made(urls, **rules):
        tree = yaml.safe_load((ROOT / "config.yaml").read_text(encoding="utf-8"))
        tree["alerts"] = {**NO_DIGEST, "disk_free": 0, **rules}
        file = tmp_path / f"config-{next(_days)}.yaml"
        file.write_text(yaml.safe_dump(tree), encoding="utf-8")
        return open_desk(settings_for(database_url, BTC_CONFIG=str(file), ALERT_URLS=urls))

    return made


def candle(n, symbol="BTC"):
    """Return the n-th minute after START."""
    prices = {"open": 100.0, "high": 101.0, "low": 99.0, "close": 100.5, "volume": 1.0}
    time = START + n * MINUTE
    return Candle(time=time, symbol=symbol, trades=3, source="ws", state=State.CONFIRMED, **prices)


def at(n):
    """Return an instant at which the n-th minute has just been stored."""
    return START + n * MINUTE + timedelta(seconds=5)


async def find(connection, kind, severity="error", *, symbol="BTC", start=START, n=1):
    """Write open findings, each of a minute."""
    for i in range(n):
        await connection.execute(
            "INSERT INTO data_quality (symbol, interval, kind, severity, start_time, end_time)"
            " VALUES ($1, '1h', $2, $3, $4, $5)",
            *(symbol, kind, severity, start + i * 2 * MINUTE, start + (i * 2 + 1) * MINUTE),
        )


async def decide(connection, n, *, signals=("OPEN_LONG",), exposure=1, revision=0, decided_at=None):
    """Write what a strategy said at the candle of the n-th minute."""
    for seq, signal in enumerate(signals):
        await connection.execute(
            "INSERT INTO decisions VALUES ($1, 'BTC', '3m', 'ma44', $2, $3, 0.8, $6, 97123.5, '{\"ma44\": 97000.25}',"
            " '{}', NULL, $4, 'test', 'test', $5)",
            *(START + n * MINUTE, seq, signal, revision, decided_at or at(n + 3), exposure),
        )


async def test_a_gap_that_lasts_fifty_ticks_is_told_twice(connection, sinks, office):
    """When it has been missed for ten minutes, and when it is filled; ticks between say nothing."""
    sink = sinks()
    desk = office(sink.url)
    await upsert_candles(connection, [candle(n) for n in (0, 1, 14, 15)])
    for tick in range(50):
        await upsert_candles(connection, [candle(16 + tick // 2)])
        await look_on(connection, desk, now=at(17) + tick * TICK)
        assert len(sink.taken) == (tick * TICK >= timedelta(minutes=10))
    assert sink.titles == ["BTC: 12 minutes are missing since 2025-02-14 08:02Z"]
    await upsert_candles(connection, [candle(n) for n in range(2, 60)])
    for tick in range(30):
        await look_on(connection, desk, now=at(43) + tick * TICK)
    assert sink.titles[1:] == ["BTC: no minute is missing any more"]
    assert [tone for _, _, tone in sink.taken] == ["warning", "success"]
    assert "12 minutes had been missing. It lasted 40 minutes" in sink.taken[1][1]


async def test_a_gap_that_is_filled_at_once_is_not_told(connection, sinks, office):
    """The collector fetches what it has missed within a minute: nobody has to know."""
    sink = sinks()
    desk = office(sink.url)
    await upsert_candles(connection, [candle(n) for n in (0, 1, 14, 15)])
    await look_on(connection, desk, now=at(16))
    await upsert_candles(connection, [candle(n) for n in range(2, 60)])
    for tick in range(60):
        await look_on(connection, desk, now=at(17) + tick * TICK)
    assert sink.titles == []


async def test_ten_gaps_of_an_outage_are_one_message(connection, sinks, office):
    """Of one symbol; what stays away is said at the end."""
    sink = sinks()
    desk = office(sink.url, stale_minutes=10_000)
    stored = [n for n in range(61) if n % 6]
    await upsert_candles(connection, [candle(n, symbol) for n in stored for symbol in ("BTC", "ETH")])
    for tick in range(40):
        await look_on(connection, desk, now=at(61) + tick * MINUTE / 2)
    # ETH is not configured: nobody asked for it.
    assert sink.titles == ["BTC: 9 minutes are missing since 2025-02-14 08:06Z"]
    assert "In 9 ranges" in sink.taken[0][1]
    # The collector gives them up; that they are not there is said when nobody waits for them any more.
    await connection.execute(
        "INSERT INTO data_quality (symbol, interval, kind, severity, start_time, end_time)"
        " VALUES ('BTC', '1m', 'unrecoverable', 'error', $1, $2)",
        *(START, START + 61 * MINUTE),
    )
    await upsert_candles(connection, [candle(n) for n in range(61, 100)])
    for tick in range(12):
        await look_on(connection, desk, now=at(92) + tick * MINUTE)
    assert sink.titles[1:] == ["BTC: 9 of 9 minutes stay missing"]


async def test_a_collector_that_stops_and_comes_back(connection, sinks, office):
    """Five minutes without a minute: told as an error; what is missing when it is back is filled before it is told."""
    sink = sinks()
    desk = office(sink.url)
    await upsert_candles(connection, [candle(n) for n in range(10)])
    for tick in range(40):
        await look_on(connection, desk, now=at(10) + tick * MINUTE)
    assert sink.titles == ["BTC: no minute comes any more, the newest ended 2025-02-14 08:10Z"]
    assert sink.taken[0][2] == "failure"
    await upsert_candles(connection, [candle(n) for n in range(50)])
    for tick in range(10):
        await upsert_candles(connection, [candle(50 + tick)])
        await look_on(connection, desk, now=at(51) + tick * MINUTE)
    assert sink.titles[1:] == ["BTC: minutes come again"]


async def test_who_has_only_imported_is_not_told_that_nothing_comes(connection, sinks, office):
    """No collector is missed that never was."""
    sink = sinks()
    desk = office(sink.url)
    await upsert_candles(connection, [candle(n) for n in range(10)])
    await connection.execute("UPDATE candles SET source = 'import:test'")
    await look_on(connection, desk, now=at(500))
    assert sink.asked == 0


async def test_contradictions_of_a_symbol_are_one_incident(connection, sinks, office):
    """Three kinds of findings, one message; what has been known for long is told by the digest alone."""
    sink = sinks()
    desk = office(sink.url)
    await find(connection, "mismatch", "warning", n=3)
    await find(connection, "parity", "error")
    await find(connection, "conflict", "error", symbol="ETH")
    await find(connection, "outlier", "warning")
    for _ in range(3):
        await look_on(connection, desk, now=at(1))
    ((title, text, tone),) = sink.taken
    assert title.startswith("2 messages since 2025-02-14 08:01Z, 2 of them errors")
    assert "BTC: 4 contradictions in the data" in text
    assert "mismatch: 3 (1h), parity: 1 (1h)" in text
    assert "ETH: 1 contradiction in the data" in text
    assert "outlier" not in text
    assert tone == "failure"
    await connection.execute("UPDATE data_quality SET resolved_at = now() WHERE symbol = 'ETH'")
    await connection.execute("UPDATE data_quality SET detected_at = now() - interval '2 days'")
    for tick in range(12):
        await look_on(connection, desk, now=at(2) + tick * MINUTE)
    assert sink.titles[1:] == ["ETH: the data agree again"]


async def test_holes_in_imported_years_hide_no_new_gap(connection, sinks, office):
    """They are told once, as the past, and are no incident a day later."""
    sink = sinks()
    desk = office(sink.url, gap_minutes=0)
    await find(connection, "gap", n=40, start=START - timedelta(days=900))
    await upsert_candles(connection, [candle(n) for n in range(20)])
    await look_on(connection, desk, now=at(20))
    assert sink.titles == ["BTC, past: 40 minutes are missing since 2022-08-29 08:00Z"]
    await upsert_candles(connection, [candle(n) for n in range(23, 30)])
    await look_on(connection, desk, now=at(30))
    assert sink.titles[1:] == ["BTC: 3 minutes are missing since 2025-02-14 08:20Z"]


async def test_a_decision_is_told_once_and_holds_are_not(connection, sinks, office):
    """A reversal is one message; a correction that says otherwise is another; what was derived of the past is none."""
    sink = sinks()
    desk = office(sink.url, stale_minutes=10_000)
    await upsert_candles(connection, [candle(n) for n in range(40)])
    await decide(connection, 0)
    await look_on(connection, desk, now=at(6))
    assert sink.titles == [], "it was decided before anybody was to be told"
    await decide(connection, 3, signals=("HOLD",))
    await decide(connection, 6, signals=("CLOSE_LONG", "OPEN_SHORT"), exposure=-1)
    await decide(connection, -3000, decided_at=at(10))
    for tick in range(4):
        await look_on(connection, desk, now=at(10) + tick * TICK)
    assert sink.titles == ["BTC 3m ma44: CLOSE_LONG, then OPEN_SHORT at 97,123.5"]
    assert "It saw ma44 97,000.25." in sink.taken[0][1]
    await decide(connection, 6, signals=("HOLD",), exposure=-1, revision=1, decided_at=at(19))
    await decide(connection, 6, signals=("HOLD",), exposure=1, revision=2, decided_at=at(20))
    # Its transaction was long, and it is dated before what was read last.
    await decide(connection, 9, decided_at=at(5))
    await look_on(connection, desk, now=at(21))
    assert len(sink.taken) == 2
    assert "BTC 3m ma44: HOLD at 97,123.5" in sink.text
    assert sink.text.count("After a correction of the data") == 1
    assert "the exposure was −1." in sink.text
    assert "BTC 3m ma44: OPEN_LONG at 97,123.5" in sink.text


async def test_quiet_hours_hold_all_but_errors_and_end_with_one_message(connection, sinks, office):
    """In another time zone, over midnight."""
    sink = sinks()
    desk = office(sink.url, time_zone="Asia/Tokyo", quiet={"start": "17:10", "end": "18:00"}, calm_minutes=0)
    await upsert_candles(connection, [candle(n) for n in range(100)])
    await look_on(connection, desk, now=at(5))
    for n in (10, 13, 16):
        await decide(connection, n)
        await look_on(connection, desk, now=at(n + 3))
    await find(connection, "mismatch", "error")
    await look_on(connection, desk, now=at(25))
    assert sink.titles == ["BTC: 1 contradiction in the data since 2025-02-14 08:00Z"]
    await connection.execute("UPDATE data_quality SET resolved_at = now()")
    await look_on(connection, desk, now=at(59))
    assert len(sink.taken) == 1
    await look_on(connection, desk, now=at(60))
    await look_on(connection, desk, now=at(61))
    assert sink.titles[1:] == ["4 messages since 2025-02-14 08:13Z"]
    assert sink.taken[1][1].count("OPEN_LONG") == 3
    assert "the data agree again" in sink.taken[1][1]


async def test_a_channel_that_fails_is_tried_again_and_loses_nothing(connection, sinks, office):
    """Three times 500, after 30, 60 and 120 s; the other channel is told at once; what waited comes as one message."""
    bad, good = sinks(), sinks()
    desk = office(f"mail={bad.url} phone={good.url}")
    bad.statuses += [500] * 3
    await upsert_candles(connection, [candle(n) for n in range(100)])
    await look_on(connection, desk, now=at(1))
    asked_at = []
    for tick in range(12):
        if tick in (0, 3):
            await decide(connection, tick)
        before = bad.asked
        await look_on(connection, desk, now=at(6) + tick * TICK)
        asked_at += [tick] * (bad.asked - before)
    assert asked_at == [0, 1, 3, 7]
    assert len(good.taken) == 2
    assert bad.titles == ["2 messages since 2025-02-14 08:06Z"]
    assert bad.text.count("OPEN_LONG") == 2
    assert await connection.fetchval("SELECT count(*) FROM alert_deliveries WHERE sent_at IS NULL") == 0


async def test_a_channel_that_hangs_holds_nobody(connection, sinks, office, monkeypatch):
    """The look ends, the other channel is told, and what hangs is not asked a second time meanwhile."""
    monkeypatch.setattr("resources.alerts.SEND_SECONDS", 2.0)
    bad, good = sinks(), sinks()
    bad.hangs.set()
    desk = office(f"{bad.url} {good.url}")
    await upsert_candles(connection, [candle(n) for n in range(100)])
    await look_on(connection, desk, now=at(1))
    await decide(connection, 0)
    looked = await look_on(connection, desk, now=at(6))
    assert (looked.n_sent, looked.failed) == (1, ["json: no answer within 2 s"])
    assert len(good.taken) == 1
    again = await look_on(connection, desk, now=at(60))
    assert again.failed == ["json: an earlier message is still under way"]
    assert bad.asked == 1


async def test_a_restart_says_nothing_twice_and_forgets_nothing(connection, sinks, office):
    """Whoever looks next has the rows: another process at every tick, a crash before and after the channel's yes."""
    sink = sinks()
    await upsert_candles(connection, [candle(n) for n in range(10)])
    for tick in range(15):
        await look_once(office(sink.url), now=at(15) + tick * TICK)
    assert len(sink.taken) == 1
    # A look that ends before anything is sent, as when it is killed there.
    sink.statuses.append(503)
    await find(connection, "parity", "error")
    await look_once(office(sink.url), now=at(30))
    assert len(sink.taken) == 1
    await look_once(office(sink.url), now=at(31))
    assert sink.titles[1:] == ["BTC: 1 contradiction in the data since 2025-02-14 08:00Z"]


async def test_only_one_of_two_sends(connection, sinks, office):
    """The sensor and ``btc alerts --follow`` side by side, many times at once: one message."""
    sink = sinks()
    await upsert_candles(connection, [candle(n) for n in range(10)])
    desks = [office(sink.url) for _ in range(4)]
    looked = await asyncio.gather(*(look_once(desk, now=at(20)) for desk in desks))
    assert len(sink.taken) == 1
    assert sum(each.is_ours for each in looked) >= 1
    assert sum(each.n_new for each in looked) == 1


async def test_a_digest_comes_once_a_day_however_often_one_looks(connection, sinks, office):
    """After its hour in the time zone; a look every hour, for two days."""
    sink = sinks()
    desk = office(sink.url, digest="08:00", time_zone="Europe/Berlin", stale_minutes=1e5)
    await upsert_candles(connection, [candle(n) for n in range(5)])
    for n in range(48):
        await look_on(connection, desk, now=START + n * timedelta(hours=1))
    days = [title.partition(":")[0] for title in sink.titles]
    assert days == ["BTC 2025-02-14", "BTC 2025-02-15", "BTC 2025-02-16"]
    assert await connection.fetchval("SELECT count(*) FROM alert_messages") == 3


async def test_kinds_go_to_their_channels(connection, sinks, office):
    """By kind and severity; the end goes where the beginning went, and nobody else is told."""
    phone, mail, log = sinks(), sinks(), sinks()
    desk = office(
        f"phone={phone.url}, mail={mail.url}, {log.url}",
        channels={"default": ["json"], "stale": {"error": ["phone", "mail"]}, "decision": []},
    )
    await upsert_candles(connection, [candle(n) for n in range(10)])
    await look_on(connection, desk, now=at(11))
    await decide(connection, 6)
    await find(connection, "parity")
    await look_on(connection, desk, now=at(20))
    await upsert_candles(connection, [candle(n) for n in range(10, 40)])
    await look_on(connection, desk, now=at(40))
    ends = ["BTC: no minute comes any more, the newest ended 2025-02-14 08:10Z", "BTC: minutes come again"]
    assert phone.titles == mail.titles == ends
    assert log.titles == ["BTC: 1 contradiction in the data since 2025-02-14 08:00Z"]


async def test_a_reminder_comes_once_a_day(connection, sinks, office):
    """As long as it lasts; none where it is configured so."""
    for hours, expected in ((24, 4), (0, 1)):
        sink = sinks()
        desk = office(sink.url, reminder_hours=hours)
        await connection.execute("DELETE FROM incidents")
        await upsert_candles(connection, [candle(n) for n in range(10)])
        for n in range(1, 28):
            await look_on(connection, desk, now=START + n * timedelta(hours=3))
        assert len(sink.taken) == expected
        await connection.execute("DELETE FROM alert_messages")


def test_the_sensor_sends_from_a_real_instance(instance, database_url, settings_for, sinks, tmp_path):
    """A tick of a real Dagster with a failed run of its own in its tables; a run that succeeds ends it."""
    sink = sinks()

    @dg.op
    def falters():
        if (tmp_path / "broken").exists():
            raise ValueError("broken")

    @dg.job
    def derive():
        falters()

    settings = settings_for(
        database_url, ALERT_URLS=sink.url, BTC_CONFIG=str(_with_rules(tmp_path, calm_minutes=0, disk_free=0))
    )
    sensor = build_alerts_sensor()

    def tick():
        with dg.build_sensor_context(instance=instance, resources={"timescale": Timescale(settings)}) as context:
            return sensor.evaluate_tick(context).skip_message

    assert tick() == "nothing new"
    (tmp_path / "broken").touch()
    for _ in range(2):
        assert not derive.execute_in_process(instance=instance, raise_on_error=False).success
    assert tick() == "1 new, 1 sent"
    assert tick() == "nothing new"
    assert sink.titles == ["Dagster: 2 runs have failed of derive"]
    (tmp_path / "broken").unlink()
    assert derive.execute_in_process(instance=instance).success
    assert tick() == "1 new, 1 sent"
    assert sink.titles[1:] == ["Dagster: runs of derive fail no more"]


def test_the_sensor_costs_nothing_where_nobody_is_told(settings_for):
    """No connection is made: there is no database at this address."""
    settings = settings_for("postgresql://nobody@127.0.0.1:1/none")
    with dg.build_sensor_context(resources={"timescale": Timescale(settings)}) as context:
        data = build_alerts_sensor().evaluate_tick(context)
    assert data.skip_message == "ALERT_URLS is empty in this process: nobody is told from here"


@pytest.mark.parametrize(("every", "expected"), [(30.0, 29), (0.5, 4)])
def test_the_sensor_looks_every_half_minute_of_the_market(every, expected):
    """By a fast clock as often as the daemon lets it."""
    assert build_alerts_sensor(every).minimum_interval_seconds == expected


def _with_rules(tmp_path, **rules):
    tree = yaml.safe_load((ROOT / "config.yaml").read_text(encoding="utf-8"))
    tree["alerts"] = {**NO_DIGEST, **rules}
    file = tmp_path / "config.yaml"
    file.write_text(yaml.safe_dump(tree), encoding="utf-8")
    return file


def test_the_command_shows_what_waits_and_the_doctor_tries(database_url, settings_for, sinks):
    """``btc alerts``, ``btc doctor`` and ``btc doctor --send-test``: what came of each channel, and no secret."""
    good, bad = sinks(), sinks()
    bad.statuses += [500] * 9

    def run(*words, urls):
        settings = settings_for(database_url, ALERT_URLS=urls, COLLECTOR_HTTP_PORT="1")
        return CliRunner().invoke(main, list(words), obj=settings)

    urls = f"phone={good.url} mail={bad.url}correct-horse tgrm://123456789:battery-staple/42"
    tested = run("doctor", "--send-test", urls=urls)
    assert tested.exit_code == 1
    assert "ok    channel phone: took the test message" in tested.output
    assert "fail  channel mail: did not take it: " in tested.output
    assert "error=500" in tested.output
    assert "'tgrm' (tgrm://…): apprise knows no such service. Did you mean tgram" in tested.output
    assert good.titles == ["BTC alerts: a test"]
    shown = run("alerts", urls=urls)
    assert "no incident is open" in shown.output
    told = json.loads(run("alerts", "--json", urls=urls).output)
    assert [channel["name"] for channel in told["channels"]] == ["phone", "mail"]
    doctor = run("doctor", urls=urls)
    assert "warn  alerts: no open incidents, and nobody has looked yet" in doctor.output
    for result in (tested, shown, doctor):
        assert "correct-horse" not in result.output
        assert "battery-staple" not in result.output
    assert run("doctor", "--send-test", urls=good.url).exit_code == 0
    assert "nobody is told" in run("alerts", urls="").output


async def test_a_database_that_is_away_is_said(settings_for, sinks):
    """In a sentence; and nothing is sent that could not be kept."""
    desk = open_desk(settings_for("postgresql://nobody@127.0.0.1:1/none", ALERT_URLS=sinks().url))
    with pytest.raises(Exception, match="no usable database at"):
        await look_once(desk)


async def test_a_look_that_is_cut_off_has_not_been(connection, sinks, office, database_url):
    """What is noted is noted whole: where the connection dies in between, the next look tells it."""
    sink = sinks()
    await upsert_candles(connection, [candle(n) for n in range(10)])
    async with connect(database_url) as other:
        await other.execute("CREATE FUNCTION fail() RETURNS trigger LANGUAGE plpgsql AS $$BEGIN RAISE 'cut'; END$$")
        await other.execute("CREATE TRIGGER cut BEFORE UPDATE ON alert_state EXECUTE FUNCTION fail()")
    with pytest.raises(Exception, match="cut"):
        await look_once(office(sink.url), now=at(20))
    assert await connection.fetchval("SELECT count(*) FROM incidents") == 0
    await connection.execute("DROP TRIGGER cut ON alert_state")
    await look_once(office(sink.url), now=at(21))
    assert sink.titles == ["BTC: no minute comes any more, the newest ended 2025-02-14 08:10Z"]


async def test_a_database_that_stays_away_is_told_from_memory(settings_for, sinks):
    """After five minutes, once to each channel, also to one that failed at first; and when it is back."""
    good, bad = sinks(), sinks()
    bad.statuses.append(500)
    absence = Absence(
        open_desk(settings_for("postgresql://nobody@127.0.0.1:1/none", ALERT_URLS=f"{good.url} {bad.url}"))
    )
    for n in range(20):
        await absence.note(START + n * TICK, "no usable database at 127.0.0.1:1: start it")
        assert len(good.taken) == (n >= 10)
    assert good.titles == bad.titles == ["The database is away since 2025-02-14 08:00Z"]
    assert good.taken[0][1].startswith("No usable database at 127.0.0.1:1: start it.")
    for n in range(20, 23):
        await absence.note(START + n * TICK, None)
    assert good.titles[1:] == bad.titles[1:] == ["The database is back"]
    # Shorter ones are nobody's business.
    await absence.note(START + 30 * TICK, "no usable database")
    await absence.note(START + 31 * TICK, None)
    assert len(good.taken) == 2


async def test_who_follows_sends_without_dagster(connection, database_url, settings_for, sinks):
    """``btc alerts --follow``: it looks at once, and ends when it is told to; without anybody to tell it says so."""
    sink = sinks()
    await upsert_candles(connection, [candle(n) for n in range(10)])
    stop = asyncio.Event()
    following = asyncio.create_task(follow(settings_for(database_url, ALERT_URLS=sink.url), stop))
    async with asyncio.timeout(30):
        while not sink.taken:
            await asyncio.sleep(0.02)
    stop.set()
    await following
    assert "BTC: no minute comes any more, the newest ended 2025-02-14 08:10Z" in sink.text
    with pytest.raises(ConfigError, match="ALERT_URLS is empty"):
        await follow(settings_for(database_url), asyncio.Event())
