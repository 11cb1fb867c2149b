"""From the database into a lake: which months are settled, what is written anew, and what a killed archive leaves."""

import json
import random
from datetime import UTC, datetime, timedelta

import polars as pl
import pytest

from benchmarks.one_pass import query
from btc_core.errors import LakeError
from btc_core.model.candle import Candle, State
from btc_core.model.timerange import MINUTE, TimeRange
from btc_store.archive import archive, archive_all, months_behind
from btc_store.candles import confirm_candles
from btc_store.findings import mark_minutes
from btc_store.frames import open_frames
from btc_store.lake import MANIFEST, open_lake
from btc_store.lake_tables import CANDLES, KINDS, UNSETTLED
from tests.derivation import made_minutes, note_no_trade, store_minutes
from tests.lakes import FEBRUARY, MARCH, restore_all, rows_of, write

# The last days of a month and the first of the next, seen from there.
DAYS = TimeRange(datetime(2024, 2, 27, tzinfo=UTC), datetime(2024, 3, 2, tzinfo=UTC))
NOW = DAYS.end
HOLE = TimeRange(datetime(2024, 2, 28, 3, tzinfo=UTC), datetime(2024, 2, 28, 3, 20, tzinfo=UTC))


@pytest.fixture
def frames(database_url):
    """A database with four days of minutes over the end of a month."""
    with open_frames(database_url) as opened:
        store_minutes(opened, "BTC", made_minutes(DAYS, random.Random(2), n_gaps=0))
        yield opened


@pytest.fixture
def lake(tmp_path):
    """A lake in a folder that is not there yet."""
    return open_lake(str(tmp_path / "lake"), tmp_path / "cache")


@pytest.fixture
def run(frames, lake):
    """A function that archives the minutes; what became of each month, by its folder."""

    def archived(now=NOW, **options):
        done = archive(frames, lake, CANDLES, "BTC", now=now, **options)
        return {each.manifest.folder: each for each in done}

    return archived


def lose(frames, hole=HOLE):
    """Delete the minutes of a range."""
    write(frames, f"DELETE FROM candles WHERE time >= '{hole.start}' AND time < '{hole.end}'")


def test_a_month_that_is_over_and_confirmed_is_settled(run, lake):
    """Its manifest tells what was asked for; the present month is kept as it stands, with the reason."""
    done = run()
    february, march = done[f"candles/{FEBRUARY}"], done[f"unsettled/{MARCH}"]
    assert (february.is_written, february.part.reason) == (True, None)
    assert march.part.reason == "the month is not over"
    manifest = february.manifest
    (file,) = manifest.tables["candles"].files
    assert (manifest.schema, manifest.keys) == (1, {"symbol": "BTC", "month": "2024-02"})
    assert (manifest.first, manifest.last) == (DAYS.start, datetime(2024, 2, 29, 23, 59, tzinfo=UTC))
    assert (manifest.n_rows, file.rows, manifest.states) == (3 * 1440, 3 * 1440, {"confirmed": 3 * 1440})
    assert lake.place.list() == sorted(
        f"{each.manifest.folder}/{name}"
        for each in done.values()
        for name in (MANIFEST, each.manifest.tables["candles"].files[0].name)
    )


def test_missing_or_doubtful_minutes_keep_a_month_unsettled(run, frames):
    """Until somebody says of each what it is; then it moves, and is read from one place alone."""
    lose(frames)
    (february, _) = run().values()
    assert february.manifest.folder == f"unsettled/{FEBRUARY}"
    assert february.part.reason == "20 minutes are missing, the first 2024-02-28 03:00Z"
    assert february.manifest.states == {"confirmed": 3 * 1440 - 20, "missing": 20}
    half = TimeRange(HOLE.start, HOLE.start + timedelta(minutes=10))
    note_no_trade(frames, "BTC", [half])
    assert next(iter(run().values())).part.reason.startswith("10 minutes are missing")
    write(
        frames,
        "INSERT INTO data_quality (symbol, interval, kind, severity, start_time, end_time) VALUES"
        f" ('BTC', '1m', 'unrecoverable', 'warning', '{half.end}', '{HOLE.end}')",
    )
    done = run()
    assert list(done) == [f"candles/{FEBRUARY}", f"unsettled/{MARCH}"]
    states = {"confirmed": 3 * 1440 - 20, "no_trade": 10, "unrecoverable": 10}
    assert done[f"candles/{FEBRUARY}"].manifest.states == states
    write(frames, "UPDATE candles SET state = 'provisional' WHERE time = '2024-02-27 05:00Z'")
    (february, _) = run().values()
    assert (february.part.reason, february.manifest.folder) == ("1 minutes are not confirmed", f"unsettled/{FEBRUARY}")


@pytest.mark.parametrize("moment", [0, 1, 5])
def test_states_are_counted_as_the_view_counts_them(moment, frames, run):
    """Every minute of a month from the first one has the state that ``minute_states`` tells."""
    lose(frames)
    note_no_trade(frames, "BTC", [TimeRange(HOLE.start + timedelta(seconds=30), HOLE.end - timedelta(minutes=moment))])
    counted = "SELECT state, count(*) FROM minute_states WHERE time < '2024-03-01' GROUP BY state"
    assert next(iter(run().values())).manifest.states == dict(query(frames, counted).rows())


def test_the_minute_that_ends_the_month_must_be_there(run):
    """A second after midnight the last minute is not stored yet."""
    done = run(now=datetime(2024, 3, 1, 0, 0, 1, tzinfo=UTC))
    assert f"candles/{FEBRUARY}" in done
    assert f"unsettled/{FEBRUARY}" in run(now=datetime(2024, 2, 29, 23, 59, 59, tzinfo=UTC))


def test_what_is_unchanged_is_not_written(run, lake):
    """Twice is once: not a byte, and not the manifest's date."""
    run()
    files = {path: lake.place.get(path) for path in lake.place.list()}
    assert not any(each.is_written for each in run().values())
    assert {path: lake.place.get(path) for path in lake.place.list()} == files


def test_a_corrected_month_is_written_again(run, frames, lake):
    """A correction counts by its revision, so that one which is dated before the archive is seen too."""
    run()
    late = made_minutes(DAYS, random.Random(2), n_gaps=0).slice(7, 1).with_columns(pl.col("high") + 1)
    store_minutes(frames, "BTC", late)
    write(frames, "UPDATE candles SET ingested_at = '2024-02-28' WHERE revision = 1")
    done = run()
    assert [done[f"candles/{FEBRUARY}"].is_written, done[f"unsettled/{MARCH}"].is_written] == [True, False]
    assert len(lake.place.list("candles")) == 2, "the earlier file is gone"
    (rows,) = lake.rows(done[f"candles/{FEBRUARY}"].manifest, "candles")
    assert rows["revision"].sum() == 1


async def test_a_month_that_the_exchange_has_confirmed_is_written_again(run, frames, lake, connection):
    """An import that history tells just so is the exchange's own from then on: nothing else of it changes."""
    run()
    before = query(frames, "SELECT * FROM candles ORDER BY time")
    hour = TimeRange(HOLE.start, HOLE.start + timedelta(hours=1))
    rows = before.filter(pl.col("time").is_between(hour.start, hour.end, closed="left"))
    names = ("time", "symbol", "open", "high", "low", "close", "volume", "trades", "source")
    told = [Candle(**row, state=State.CONFIRMED) for row in rows.select(names).iter_rows(named=True)]
    await confirm_candles(connection, "BTC", hour, told)
    changed = [*names[:-1], "state", "revision", "ingested_at"]
    assert query(frames, "SELECT * FROM candles ORDER BY time").select(changed).equals(before.select(changed))
    assert [month.start.month for month in months_behind(frames, lake, "BTC", now=NOW)] == [2]
    done = run()
    assert [done[f"candles/{FEBRUARY}"].is_written, done[f"unsettled/{MARCH}"].is_written] == [True, False]
    (rows,) = lake.rows(done[f"candles/{FEBRUARY}"].manifest, "candles")
    assert rows["source"].value_counts().sort("count").rows() == [("rest", 60), ("import:test", 3 * 1440 - 60)]


def test_a_lake_of_before_is_written_anew(run, lake):
    """Its digests say less: that is no reason to refuse."""
    run()
    path = f"candles/{FEBRUARY}/{MANIFEST}"
    manifest = json.loads(lake.place.get(path))
    n_rows, n_confirmed, _, *others = manifest["digest"].split()
    manifest["digest"] = " ".join([n_rows, n_confirmed, *others])
    lake.place.put(path, json.dumps(manifest).encode())
    done = run()[f"candles/{FEBRUARY}"]
    assert (done.is_written, done.refusal) == (True, None)
    assert not run()[f"candles/{FEBRUARY}"].is_written


async def test_findings_that_become_one_are_no_loss(frames, lake, connection):
    """A month of findings may have fewer than before; where minutes are missing too, the lake's are the backup."""

    def findings():
        done = archive_all(frames, lake, ["BTC"], now=NOW)
        return [(each.is_written, each.part.n_rows, each.refusal) for each in done if each.part.kind.name == "quality"]

    lose(frames)
    minutes = [TimeRange(HOLE.start + n * MINUTE, HOLE.start + (n + 1) * MINUTE) for n in range(3)]
    for minute in (minutes[0], minutes[2]):
        await mark_minutes(connection, "BTC", "no_trade", [minute], severity="info", details={})
    # As if they had been found when they were.
    write(frames, f"UPDATE data_quality SET detected_at = '{HOLE.end}'")
    assert findings() == [(True, 2, None)]
    await mark_minutes(connection, "BTC", "no_trade", [minutes[1]], severity="info", details={})
    assert findings() == [(True, 1, None)]
    write(
        frames,
        "INSERT INTO data_quality (symbol, interval, kind, severity, detected_at)"
        f" VALUES ('BTC', '1m', 'gap', 'info', '{HOLE.end}')",
    )
    assert findings() == [(True, 2, None)]
    write(frames, "DELETE FROM data_quality WHERE kind = 'no_trade'")
    write(frames, "DELETE FROM candles WHERE time < '2024-02-28'")
    ((is_written, n_rows, refusal),) = findings()
    assert (is_written, n_rows) == (False, 1)
    assert "the lake has 2 rows, the database 1" in refusal


def test_a_file_that_is_gone_is_written_again_and_a_damaged_one_when_asked(run, lake):
    """The manifest alone does not make a part whole."""
    (file,) = run()[f"candles/{FEBRUARY}"].manifest.tables["candles"].files
    path = f"candles/{FEBRUARY}/{file.name}"
    lake.place.delete(path)
    assert run()[f"candles/{FEBRUARY}"].is_written
    lake.place.put(path, b"x")
    assert not run()[f"candles/{FEBRUARY}"].is_written
    assert run(is_verified=True)[f"candles/{FEBRUARY}"].is_written
    assert lake.place.get(path) != b"x"


@pytest.mark.parametrize("n_kept", [0, 30])
def test_a_database_that_began_anew_does_not_replace_its_backup(n_kept, run, frames, lake):
    """A month of which the lake has more, settled or not, stays as it is, and that is said; unless it is asked for."""
    run()
    files = {path: lake.place.get(path) for path in lake.place.list()}
    write(frames, f"DELETE FROM candles WHERE time >= '2024-02-27 00:{n_kept:02}Z' AND time < '2024-03-01 23:00Z'")
    done = list(archive(frames, lake, CANDLES, "BTC", now=NOW))
    assert [one.is_written for one in done] == [False] * len(done)
    assert f"unsettled/{MARCH}: the lake has 1,440 rows, the database 60." in done[-1].refusal
    assert "`btc restore` brings the others back" in done[-1].refusal
    assert {path: lake.place.get(path) for path in lake.place.list()} == files
    assert restore_all(frames, lake)[f"unsettled/{MARCH}"].n_new == 1380
    assert all(one.refusal is None for one in archive(frames, lake, CANDLES, "BTC", now=NOW))
    lose(frames)
    assert run()[f"candles/{FEBRUARY}"].refusal
    replaced = run(is_replaced=True)
    assert replaced[f"unsettled/{FEBRUARY}"].is_written
    assert lake.place.list("candles") == []


def test_a_month_alone(run):
    """Months that overlap the range, whole."""
    within = TimeRange(datetime(2024, 2, 28, tzinfo=UTC), datetime(2024, 2, 29, tzinfo=UTC))
    done = run(within=within)
    assert list(done) == [f"candles/{FEBRUARY}"]
    assert done[f"candles/{FEBRUARY}"].manifest.n_rows == 3 * 1440
    assert run(within=TimeRange(datetime(2020, 1, 1, tzinfo=UTC), datetime(2020, 2, 1, tzinfo=UTC))) == {}


class _Killed(BaseException):
    """The process ends."""


@pytest.mark.parametrize("n_writes", range(4))
def test_whoever_is_killed_leaves_whole_parts(n_writes, run, frames, lake, monkeypatch):
    """Before, between and after the files of a part that is written anew: the lake has the old one or the new one."""
    run()
    before = rows_of(frames, "candles")
    late = made_minutes(DAYS, random.Random(2), n_gaps=0).with_columns(pl.col("high") + 1)
    store_minutes(frames, "BTC", late)
    after = rows_of(frames, "candles")
    put, done = lake.place.put, []

    def dying(path, data):
        if len(done) == n_writes:
            raise _Killed
        put(path, data)
        done.append(path)

    monkeypatch.setattr(lake.place, "put", dying)
    with pytest.raises(_Killed):
        run()
    monkeypatch.undo()
    write(frames, "DELETE FROM candles")
    restore_all(frames, lake)
    found = set(rows_of(frames, "candles"))
    assert len(found) == len(before)
    assert found <= set(before) | set(after)
    n_new = len(found & set(after))
    assert n_new == (0 if n_writes < 2 else 3 * 1440), "a month is one or the other"


def test_a_place_that_cannot_be_written_is_one_sentence(frames, tmp_path):
    """A file where the folder should be."""
    (tmp_path / "lake").write_text("")
    lake = open_lake(str(tmp_path / "lake"), tmp_path)
    with pytest.raises(LakeError, match=r"cannot be written: .*Make room there, or point BTC_LAKE"):
        list(archive(frames, lake, CANDLES, "BTC", now=NOW))


def test_which_months_are_behind(frames, lake, run):
    """What the schedule asks: nothing where all is there, also where a month will never be settled."""
    lose(frames)
    assert [month.start.month for month in months_behind(frames, lake, "BTC", now=NOW)] == [2, 3]
    run()
    assert months_behind(frames, lake, "BTC", now=NOW) == []
    note_no_trade(frames, "BTC", [HOLE])
    # The word about them is a finding of the present, and so of its month.
    behind = months_behind(frames, lake, "BTC", now=NOW)
    assert behind[0].start.month == 2
    list(archive_all(frames, lake, ["BTC"], now=NOW))
    assert months_behind(frames, lake, "BTC", now=NOW) == []


def test_nothing_stored_is_nothing_archived(database_url, tmp_path):
    """An empty database leaves no trace, and every kind can be asked for."""
    lake = open_lake(str(tmp_path / "lake"), tmp_path)
    with open_frames(database_url) as frames:
        for kind in set(KINDS.values()) - {UNSETTLED}:
            assert list(archive(frames, lake, kind, "BTC", now=NOW)) == []
    assert lake.place.list() == []
