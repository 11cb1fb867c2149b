"""A folder and a bucket keep the same promises; the bucket is a real S3 server's, over a socket."""

import threading
from contextlib import contextmanager

import pytest

from btc_core.errors import LakeError
from btc_store.archive import archive_all
from btc_store.frames import open_frames
from btc_store.lake import open_lake
from btc_store.lake_minutes import read_minutes
from btc_store.lake_places import Folder, open_place
from btc_store.lake_sql import asked
from btc_store.restore import Choice, choose, restore, verify
from tests.integration.test_archive import DAYS, NOW
from tests.lakes import archived_rows, write

BUCKET = "btc"


@contextmanager
def s3_server():
    """Run moto's S3 on a free port; gives its address."""
    from moto.server import ThreadedMotoServer

    server = ThreadedMotoServer(ip_address="127.0.0.1", port=0, verbose=False)
    server.start()
    try:
        host, port = server.get_host_and_port()
        yield f"http://{host}:{port}"
    finally:
        server.stop()


@pytest.fixture(scope="module")
def s3():
    """Address of an S3 server with a bucket, for the whole module."""
    import httpx

    with s3_server() as address:
        assert httpx.put(f"{address}/{BUCKET}", timeout=10).status_code == 200
        yield address


@pytest.fixture
def bucket(s3, monkeypatch, tmp_path):
    """A lake's address in it, with the credentials where the store's own tools look for them."""
    for name, value in {
        "AWS_ENDPOINT_URL": s3,
        "AWS_ACCESS_KEY_ID": "key",
        "AWS_SECRET_ACCESS_KEY": "secret",
        "AWS_REGION": "us-east-1",
    }.items():
        monkeypatch.setenv(name, value)
    return f"s3://{BUCKET}/{tmp_path.name}"


@pytest.fixture(params=["folder", "bucket"])
def place(request, tmp_path):
    """A folder, and a bucket."""
    address = str(tmp_path / "lake") if request.param == "folder" else request.getfixturevalue("bucket")
    return open_place(address, tmp_path / "cache")


def test_files_go_in_and_out_whole(place):
    """By their path; a file that is not there is None, and removing it is nothing."""
    assert (place.list(), place.get("a/b"), place.list("a")) == ([], None, [])
    place.put("a/b=1/x", b"one")
    place.put("a/b=2%2F/x", b"two")
    place.put("a/b=1/x", b"three")
    place.put("c", b"")
    assert place.list() == ["a/b=1/x", "a/b=2%2F/x", "c"]
    assert place.list("a") == ["a/b=1/x", "a/b=2%2F/x"]
    assert place.get_all(["c", "a/b=1/x", "a/none", "a/b=2%2F/x"]) == [b"", b"three", None, b"two"]
    place.delete("a/b=1/x")
    place.delete("a/b=1/x")
    assert place.list("a") == ["a/b=2%2F/x"]


def test_what_is_being_written_is_not_seen(tmp_path):
    """Whoever lists a folder while a file is written into it sees the old one or the new one, never a part."""
    place, big = Folder(tmp_path), [bytes([n]) * 3_000_000 for n in range(8)]
    place.put("x", big[0])
    done, seen = threading.Event(), set()

    def watch():
        while not done.is_set():
            seen.update((tuple(place.list()), len(place.get("x")), len(set(place.get("x")))) for _ in range(3))

    watcher = threading.Thread(target=watch)
    watcher.start()
    for data in big:
        place.put("x", data)
    done.set()
    watcher.join()
    assert seen == {(("x",), 3_000_000, 1)}


@pytest.mark.parametrize(
    ("endpoint", "shown"),
    [("http://127.0.0.1:9", "Check BTC_LAKE or --lake"), (None, "NoSuchBucket|cannot be used")],
)
def test_a_store_that_does_not_answer_is_one_sentence(endpoint, shown, bucket, monkeypatch, tmp_path):
    """Nobody there, or no such bucket: which lake, and what to look at."""
    if endpoint:
        monkeypatch.setenv("AWS_ENDPOINT_URL", endpoint)
        monkeypatch.setattr("btc_store.lake_places._RETRIES", 0)
    place = open_place(bucket if endpoint else "s3://nobodys/x", tmp_path)
    for act in (lambda: place.get("x") or place.list(), lambda: place.put("x", b"")):
        with pytest.raises(LakeError, match=shown) as told:
            act()
        assert "\n" not in str(told.value)
        assert len(str(told.value)) < 500


def test_a_lake_in_a_bucket_does_what_one_in_a_folder_does(bucket, database_url, tmp_path):
    """Archive, unchanged, read, ask, damage, restore: over the socket."""
    from random import Random

    from tests.derivation import made_minutes, store_minutes

    lake = open_lake(bucket, tmp_path / "cache")
    with open_frames(database_url) as frames:
        store_minutes(frames, "BTC", made_minutes(DAYS, Random(2), n_gaps=0))
        rows = archived_rows(frames)
        assert [one.is_written for one in archive_all(frames, lake, ["BTC"], now=NOW)] == [True, True]
        assert [one.is_written for one in archive_all(frames, lake, ["BTC"], now=NOW)] == [False, False]
        assert read_minutes(frames, "BTC", DAYS, lake).equals(read_minutes(frames, "BTC", DAYS, None))
        write(frames, "DELETE FROM candles")
        with asked("SELECT count(*), sum(volume) > 0 FROM candles", lake, None) as answer:
            assert list(answer.rows) == [(DAYS.n_minutes, True)]
        manifests, faults = choose(lake, Choice())
        assert (faults, verify(lake, manifests, advance=lambda _n: None)) == ([], {})
        assert sum(one.n_new for one in restore(frames, lake, manifests)) == DAYS.n_minutes
        assert archived_rows(frames) == rows
    # Whoever has fetched nothing yet sees that a file there is damaged.
    (file,) = manifests[0].tables["candles"].files
    lake.place.put(f"{manifests[0].folder}/{file.name}", b"x" * file.bytes)
    other = open_lake(bucket, tmp_path / "empty")
    assert list(verify(other, manifests, advance=lambda _n: None)) == [manifests[0].folder]
