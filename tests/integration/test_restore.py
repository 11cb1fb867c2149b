"""The restore drill: what was archived, dropped and restored is what was there, row for row. And what stays."""

import json
import os
import random
import resource
from datetime import UTC, datetime, timedelta
from itertools import combinations

import polars as pl
import pytest

from benchmarks.one_pass import query
from btc_core.errors import LakeError
from btc_core.model.timerange import MINUTE, TimeRange
from btc_store.frames import open_frames
from btc_store.funding import FROM_EXCHANGE, SCHEMA, store_funding
from btc_store.lake import MANIFEST, open_lake
from btc_store.restore import Choice, choose, restore, verify
from tests.conftest import _execute
from tests.derivation import made_minutes, shared_minutes, store_minutes
from tests.lakes import (
    FEBRUARY,
    MARCH,
    NOW,
    archived_rows,
    derive,
    derived_rows,
    fill,
    fill_lake,
    house,
    restore_all,
    small_minutes,
    write,
)

WEEK = TimeRange(datetime(2024, 2, 26, tzinfo=UTC), NOW)


@pytest.fixture(scope="module")
def copies(server, template):
    """A function that makes a fresh database; all of them are dropped at the end."""
    made = []

    def fresh():
        name = f"{template}_restore_{len(made)}"
        _execute(server.url, f"CREATE DATABASE {name} TEMPLATE {template} STRATEGY file_copy")
        made.append(name)
        return server.url_of(name)

    yield fresh
    _execute(server.url, *(f"DROP DATABASE {name} WITH (FORCE)" for name in made))


@pytest.fixture(scope="module")
def whole(copies, tmp_path_factory):
    """A filled database, its lake, and what its tables said: archived, and derived."""
    url, folder = copies(), tmp_path_factory.mktemp("drill") / "lake"
    with open_frames(url) as frames:
        fill(frames, small_minutes())
        lake = fill_lake(frames, folder)
        return url, lake, archived_rows(frames), derived_rows(frames)


@pytest.fixture
def frames(copies):
    """A connection to an empty database."""
    with open_frames(copies()) as opened:
        yield opened


@pytest.fixture
def week(frames, tmp_path):
    """A lake with a few days of minutes in two months; their database is ``frames``."""
    minutes = made_minutes(WEEK, random.Random(4), n_gaps=0)
    store_minutes(frames, "BTC", minutes)
    return fill_lake(frames, tmp_path / "lake"), minutes


def test_the_drill_gives_every_table_back(whole, frames):
    """Archive, drop everything, restore, derive: minutes and results to the bit, dates too; the derived as before."""
    _, lake, archived, derived = whole
    assert all(archived[name] for name in archived), "each kind has a row"
    restore_all(frames, lake)
    assert archived_rows(frames) == archived
    derive(frames)
    assert derived_rows(frames) == derived
    assert archived_rows(frames) == archived, "what was decided is decided again, word for word: nothing is new"


def test_twice_is_once(whole, frames):
    """A second restore finds every row as it is."""
    _, lake, archived, _ = whole
    first = restore_all(frames, lake)
    assert sum(each.n_new for each in first.values()) == sum(len(rows) for rows in archived.values())
    again = restore_all(frames, lake)
    assert sum(each.n_same for each in again.values()) == sum(len(rows) for rows in archived.values())
    assert not any(each.n_new or each.n_replaced or each.n_kept for each in again.values())
    assert archived_rows(frames) == archived


def test_a_part_of_what_is_stored_is_made_whole(whole, frames):
    """Where days, decisions, findings and trades are missing, they come; nothing else moves."""
    _, lake, archived, _ = whole
    restore_all(frames, lake)
    write(frames, "DELETE FROM candles WHERE time >= '2024-02-03' AND time < '2024-02-05'")
    write(frames, "DELETE FROM decisions WHERE interval = '37m' AND backtest_id IS NULL AND seq = 0")
    write(frames, "DELETE FROM data_quality WHERE kind = 'no_trade'")
    write(frames, "DELETE FROM backtest_runs")
    write(frames, "DELETE FROM paper_accounts")
    assert archived_rows(frames) != archived
    restore_all(frames, lake)
    assert archived_rows(frames) == archived


def test_one_symbol_or_month_alone(whole, frames):
    """What was not asked for stays away: another symbol's, another month's, and what is of no month."""
    _, lake, _, _ = whole
    month = TimeRange(datetime(2024, 2, 1, tzinfo=UTC), datetime(2024, 3, 1, tzinfo=UTC))
    done = restore_all(frames, lake, Choice(within=month))
    assert {folder.rpartition("/")[2] for folder in done} == {"month=2024-02"}
    assert query(frames, "SELECT date_trunc('month', time, 'UTC')::text FROM candles GROUP BY 1").height == 1
    assert restore_all(frames, lake, Choice(symbols=["ETH"])).keys() == {"terms"}


def test_restored_minutes_are_no_corrections(whole, frames):
    """State, revision and date are as they were; no revision is kept, and nothing is dated now."""
    _, lake, archived, _ = whole
    restore_all(frames, lake, Choice(symbols=["BTC"]))
    newest = query(frames, "SELECT max(replaced_at) AS at, count(*) AS n FROM candle_revisions").row(0)
    assert newest[1] == len(archived["candle_revisions"])
    restore_all(frames, lake)
    assert query(frames, "SELECT max(replaced_at) AS at, count(*) AS n FROM candle_revisions").row(0) == newest


def test_what_is_newer_stays_and_is_said(week, frames):
    """A minute that was corrected since the archive is not taken back; one that is provisional since neither."""
    lake, minutes = week
    later = minutes.slice(100, 5).with_columns(pl.col("high") + 1)
    store_minutes(frames, "BTC", later, source="import:later")
    before = archived_rows(frames)
    done = restore_all(frames, lake)
    part = done[f"unsettled/{FEBRUARY}"] if f"unsettled/{FEBRUARY}" in done else done[f"candles/{FEBRUARY}"]
    assert (part.n_new, part.n_replaced, part.n_kept) == (0, 0, 5)
    assert part.n_same == part.manifest.n_rows - 5
    assert archived_rows(frames) == before


def test_what_is_older_gives_way_without_a_revision(week, frames, copies):
    """An older version of a minute is replaced by the lake's, as the lake has it."""
    lake, minutes = week
    now = rows = archived_rows(frames)
    with open_frames(copies()) as other:
        older = minutes.slice(10, 3).with_columns(pl.col("high") + 1)
        store_minutes(other, "BTC", older)
        # Another disk's rows, of before the archive.
        write(other, "UPDATE candles SET ingested_at = ingested_at - interval '1 day'")
        done = restore_all(other, lake)
        assert sum(each.n_replaced for each in done.values()) == 3
        assert archived_rows(other)["candles"] == rows["candles"]
        assert archived_rows(other)["candle_revisions"] == now["candle_revisions"] == []


def test_a_provisional_minute_gives_way_to_the_same_one_confirmed(frames, copies, tmp_path):
    """Confirming does not date a minute anew, so its state alone decides; and never the other way."""
    minutes = made_minutes(WEEK, random.Random(4), n_gaps=0)
    store_minutes(frames, "BTC", minutes)
    write(frames, "UPDATE candles SET state = 'provisional', source = 'ws' WHERE time >= '2024-03-01'")
    early = fill_lake(frames, tmp_path / "early")
    provisional = archived_rows(frames)["candles"]
    write(frames, "UPDATE candles SET state = 'confirmed' WHERE time >= '2024-03-01'")
    late = fill_lake(frames, tmp_path / "late")
    confirmed = archived_rows(frames)["candles"]
    assert provisional != confirmed
    with open_frames(copies()) as other:
        restore_all(other, early)
        assert archived_rows(other)["candles"] == provisional
        assert restore_all(other, late)[f"unsettled/{MARCH}"].n_replaced == 1440
        assert archived_rows(other)["candles"] == confirmed
        assert restore_all(other, early)[f"unsettled/{MARCH}"].n_kept == 1440
        assert archived_rows(other)["candles"] == confirmed


# Source, state, when it was written, revision: each is worth more than the next.
RANKS = [
    ("rest", "confirmed", "2024-03-01 02:00", 0),
    ("ws", "confirmed", "2024-03-01 01:00", 1),
    ("ws", "confirmed", "2024-03-01 01:00", 0),
    ("ws", "provisional", "2024-03-01 04:00", 0),
    ("import:a", "confirmed", "2024-03-01 05:00", 2),
    ("import:b", "confirmed", "2024-03-01 03:00", 3),
]


def test_of_two_versions_of_a_minute_the_better_one_stays(frames, copies, tmp_path):
    """The exchange's before an import, the confirmed one, then the later one; in the lake or in the database."""
    pairs = list(combinations(range(len(RANKS)), 2))
    minutes = made_minutes(TimeRange(WEEK.start, WEEK.start + len(pairs) * MINUTE), random.Random(6), n_gaps=0)
    with open_frames(copies()) as other:
        for each, place in ((frames, 0), (other, 1)):
            store_minutes(each, "BTC", minutes.with_columns(pl.col("high") + place))
            for n, pair in enumerate(pairs):
                source, state, at, revision = RANKS[pair[place]]
                values = f"source = '{source}', state = '{state}', ingested_at = '{at}Z', revision = {revision}"
                write(each, f"UPDATE candles SET {values} WHERE time = '{WEEK.start + n * MINUTE}'")
        better, worse = archived_rows(frames)["candles"], archived_rows(other)["candles"]
        assert set(better).isdisjoint(worse)
        (kept,) = restore_all(frames, fill_lake(other, tmp_path / "worse")).values()
        assert (kept.n_kept, kept.n_replaced, archived_rows(frames)["candles"]) == (len(pairs), 0, better)
        (done,) = restore_all(other, fill_lake(frames, tmp_path / "better")).values()
        assert (done.n_kept, done.n_replaced, archived_rows(other)["candles"]) == (0, len(pairs), better)


def test_the_exchanges_funding_takes_the_place_of_a_files(frames, copies, tmp_path):
    """And never the other way, whichever was written later."""
    rates = pl.DataFrame([(WEEK.start, 1e-4, None)], schema=SCHEMA, orient="row")
    store_funding(frames, "BTC", rates, FROM_EXCHANGE)
    said = archived_rows(frames)["funding"]
    with open_frames(copies()) as other:
        later = rates.with_columns(pl.col("time") + timedelta(seconds=1), rate=2e-4)
        store_funding(other, "BTC", later, "import:file")
        lake = fill_lake(other, tmp_path / "file")
        (done,) = restore_all(other, fill_lake(frames, tmp_path / "exchange")).values()
        assert (done.n_replaced, done.n_kept, archived_rows(other)["funding"]) == (1, 0, said)
        (done,) = restore_all(frames, lake).values()
        assert (done.n_replaced, done.n_kept, archived_rows(frames)["funding"]) == (0, 1, said)


# Strategy: what the lake says of a candle, what the database says, and what it says afterwards; revision, seq, word.
WORDS = {
    "only in the lake": ("00a 01b", "", "00a 01b"),
    "another word": ("00a 01b", "00x", "00x"),
    "another first of two": ("00a 01b", "00x 01b", "00x 01b"),
    "less of the same": ("00a 01b 10c", "00a 10c", "00a 01b 10c"),
    "its first revision": ("00a 10b", "00a", "00a 10b"),
    "another first revision": ("00a 10b", "00x", "00x"),
    "another second revision": ("00a 10b 20c", "00a 10x", "00a 10x"),
    "more of the same": ("00a", "00a 01b", "00a 01b"),
    "the same": ("00a 10b", "00a 10b", "00a 10b"),
}


def _say(frames, strategy, words):
    """Decide on a candle: the run is the word."""
    for revision, seq, word in words.split():
        write(
            frames,
            "INSERT INTO decisions (time, symbol, interval, strategy, seq, signal, confidence, exposure, price,"
            " indicator_snapshot, parameters, revision, run_id, code_version, decided_at) VALUES"
            f" ('2024-03-01', 'BTC', '1h', '{strategy}', {seq}, 'HOLD', 0, 0, 1, '{{}}', '{{}}', {revision}, '{word}',"
            " 'v', '2024-03-01 01:00Z')",
        )


@pytest.mark.parametrize("n_rows", [1, 4, 50_000])
def test_decisions_of_two_databases_are_not_mixed_on_a_candle(n_rows, frames, copies, tmp_path, monkeypatch):
    """What is missing of the same decisions comes; where other ones are stored, nothing does. However files are cut."""
    monkeypatch.setattr("btc_store.lake_tables.ROWS_AT_ONCE", n_rows)
    with open_frames(copies()) as other:
        for strategy, (archived, stored, _) in WORDS.items():
            _say(other, strategy, archived)
            _say(frames, strategy, stored)
        (done,) = restore_all(frames, fill_lake(other, tmp_path / "lake")).values()
    said = query(
        frames,
        "SELECT strategy, string_agg(concat(revision, seq, run_id), ' ' ORDER BY revision, seq) AS words"
        " FROM decisions GROUP BY strategy",
    )
    assert dict(said.rows()) == {strategy: after for strategy, (*_, after) in WORDS.items()}
    assert (done.n_new, done.n_replaced, done.n_same, done.n_kept) == (4, 0, 8, 7)


def test_a_finding_whose_number_is_taken_gets_another(whole, frames):
    """A collector that began anew counts from 1: its findings stay, and the lake's come beside them, once."""
    _, lake, archived, _ = whole
    for n in range(30):
        write(
            frames,
            "INSERT INTO data_quality (symbol, interval, kind, severity, details)"
            f" VALUES ('BTC', '1m', 'quarantined', 'warning', '{json.dumps({'n': n})}')",
        )
    own = archived_rows(frames)["data_quality"]
    restore_all(frames, lake)
    both = archived_rows(frames)["data_quality"]
    assert set(own) < set(both)
    assert len(both) == len(own) + len(archived["data_quality"])
    restore_all(frames, lake)
    assert archived_rows(frames)["data_quality"] == both
    write(frames, "INSERT INTO data_quality (symbol, interval, kind, severity) VALUES ('BTC', '1m', 'gap', 'info')")


def test_minutes_that_come_back_are_no_longer_given_up(week, copies):
    """What was said of a missing minute is over when the lake brings it."""
    lake, _ = week
    with open_frames(copies()) as other:
        write(
            other,
            "INSERT INTO data_quality (symbol, interval, kind, severity, start_time, end_time)"
            " VALUES ('BTC', '1m', 'unrecoverable', 'warning', '2024-02-27', '2024-02-28')",
        )
        restore_all(other, lake)
        assert query(other, "SELECT count(*) FROM data_quality WHERE resolved_at IS NULL").item() == 0


DAMAGES = {
    "a byte is another one": lambda file: file.write_bytes(file.read_bytes()[:-20] + b"x" + file.read_bytes()[-19:]),
    "it is cut off": lambda file: file.write_bytes(file.read_bytes()[:1000]),
    "it is empty": lambda file: file.write_bytes(b""),
    "it is gone": lambda file: file.unlink(),
}


@pytest.mark.parametrize("damage", DAMAGES.values(), ids=DAMAGES)
def test_a_damaged_file_is_known_before_anything_is_written(damage, week, copies):
    """One sentence names the file; asked for all the same, nothing of its part is written."""
    lake, _ = week
    (file,) = (lake.place.near_root / "unsettled" / MARCH).glob("candles-*")
    damage(file)
    manifests, faults = choose(lake, Choice())
    damaged = verify(lake, manifests, advance=lambda _n: None)
    assert (faults, list(damaged)) == ([], [f"unsettled/{MARCH}"])
    assert file.name in damaged[f"unsettled/{MARCH}"]
    with open_frames(copies()) as other:
        with pytest.raises(LakeError, match=file.name):
            list(restore(other, lake, [each for each in manifests if each.folder in damaged]))
        assert query(other, "SELECT count(*) FROM candles").item() == 0


@pytest.mark.parametrize("text", ["", "{", '{"schema": 1}', '{"schema": 99}'])
def test_a_manifest_that_is_none_is_a_fault(text, week):
    """Missing, torn, of another shape, or of a newer program: the part is not passed over in silence."""
    lake, _ = week
    manifest = lake.place.near_root / "unsettled" / MARCH / MANIFEST
    manifest.write_text(text)
    _, (fault,) = choose(lake, Choice())
    assert f"unsettled/{MARCH}/{MANIFEST}" in fault
    manifest.unlink()
    _, (fault,) = choose(lake, Choice())
    assert "is missing" in fault


def test_of_a_month_in_two_places_the_newer_one_counts(week, frames):
    """Who is killed between writing a settled month and removing the unsettled one leaves both."""
    lake, _ = week
    (old,) = (each for each in choose(lake, Choice())[0] if each.folder.startswith("unsettled"))
    twin = lake.write(
        type(old)(
            **{
                **{name: getattr(old, name) for name in old.__struct_fields__},
                "kind": "candles",
                "written_at": old.written_at + timedelta(seconds=1),
            }
        ),
        {"candles": lake.rows(old, "candles")},
        time="time",
    )
    chosen, _ = choose(lake, Choice())
    assert [each.folder for each in chosen if each.keys.get("month") == "2024-03"] == [twin.folder]


@pytest.mark.skipif(not os.environ.get("BTC_TEST_YEAR"), reason="the whole year: BTC_TEST_YEAR=1")
def test_the_real_year_comes_back(frames, copies, shared, tmp_path):
    """2021 with its outages: every minute, every derived candle, indicator and decision; in bounded memory."""
    year = shared_minutes(pl.read_parquet(shared / "data" / "candles" / "binance_btcusdt_1m_2021.parquet"))
    span = TimeRange(year["time"][0], year["time"][-1] + MINUTE)
    store_minutes(frames, "BTC", year)
    house().derive_minutes(frames, "BTC", [span], now=NOW)
    archived, derived = archived_rows(frames), derived_rows(frames)
    before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    lake = fill_lake(frames, tmp_path / "lake")
    with open_frames(copies()) as other:
        restore_all(other, open_lake(str(tmp_path / "lake"), tmp_path))
        grown = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before
        assert archived_rows(other) == archived
        house().derive_minutes(other, "BTC", [span], now=NOW)
        assert (derived_rows(other), archived_rows(other)) == (derived, archived)
    assert grown < 100 * 1024, f"{grown} KiB"
    assert len(lake.place.list("unsettled")) == 2 * 5
