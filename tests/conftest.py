"""What tests of every level share: a real PostgreSQL, databases of their own in it, settings, the shared data.

A test that needs a database asks for ``database_url``: a fresh, migrated database, dropped afterwards.
Drivers are imported inside the fixtures, so that the tests of a part run where only its extra is installed.
"""

import fcntl
import os
import shutil
import subprocess
import warnings
from collections.abc import AsyncIterator, Callable, Iterator
from dataclasses import dataclass, field
from itertools import count
from pathlib import Path
from typing import TYPE_CHECKING, Any
from urllib.parse import quote, urlsplit
from uuid import uuid4

import hypothesis
import pytest

from btc_core.errors import BtcError
from tests.stalls import pytest_runtest_call  # noqa: F401  # a hook, found by its name

if TYPE_CHECKING:
    import asyncpg
    import dagster as dg

    from btc_store.settings import Settings

ROOT = Path(__file__).resolve().parent.parent
CACHE = ROOT / ".cache"
# How many made-up histories the long tests of the laws live through.
SEEDS = range(1, 1 + int(os.environ.get("BTC_TEST_SEEDS", "1")))
FETCHED = CACHE / "pg17"
FETCH_SCRIPT = ROOT / "scripts" / "fetch-timescaledb.sh"
# A file system in memory; what the servers of some sessions need of it.
MEMORY, MEMORY_BYTES = Path("/dev/shm"), 8_000_000_000
FETCH_SECONDS = 600

# A busy machine is no failure: how long an example takes is for benchmarks. In CI hypothesis's own profile is below.
hypothesis.settings.register_profile("btc", deadline=None)
hypothesis.settings.load_profile("btc")


@dataclass(frozen=True, slots=True)
class Server:
    """The PostgreSQL of this session.

    Attributes:
        url: Address of a database in it from which others can be created.
        has_timescaledb: Whether a database in it can have the extension.
    """

    url: str
    has_timescaledb: bool

    def url_of(self, database: str) -> str:
        """Return the address of another database of this server."""
        return urlsplit(self.url)._replace(path="/" + quote(database, safe="")).geturl()


@dataclass(slots=True)
class Announced:
    """What people should know about this session's server, shown at the end."""

    lines: list[str] = field(default_factory=list)


_announced = Announced()


@pytest.hookimpl(tryfirst=True)
def pytest_report_header() -> str:
    """Say which PostgreSQL the tests will use."""
    if os.environ.get("DATABASE_URL"):
        return "PostgreSQL: the server of DATABASE_URL"
    if _is_fetched():
        return "PostgreSQL: 17 with TimescaleDB, from .cache/pg17"
    if is_ci() or shutil.which("apt-get"):
        return "PostgreSQL: 17 with TimescaleDB, to be fetched into .cache/pg17 when a test needs it"
    return "PostgreSQL: the wheel's, WITHOUT TimescaleDB (no apt-get here): what needs hypertables is skipped"


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter) -> None:
    """Repeat what limited this session where nobody can overlook it."""
    for line in _announced.lines:
        terminalreporter.write_line(line, yellow=True)


@pytest.hookimpl(optionalhook=True)
def pytest_testnodedown(node: Any) -> None:
    """Take over what a worker has to announce; each says the same."""
    said = getattr(node, "workeroutput", {}).get("announced", [])
    _announced.lines.extend(line for line in said if line not in _announced.lines)


def pytest_sessionfinish(session: pytest.Session) -> None:
    """Hand what we have to announce to whoever started us as a worker."""
    if hasattr(session.config, "workeroutput"):
        session.config.workeroutput["announced"] = _announced.lines


def is_ci() -> bool:
    """Whether we run in continuous integration, where nothing may be skipped for want of a tool."""
    return bool(os.environ.get("CI"))


def skip_or_fail(reason: str) -> None:
    """Skip the test, and fail it in CI."""
    if is_ci():
        pytest.fail(reason, pytrace=False)
    pytest.skip(reason)


@pytest.fixture(scope="session")
def server() -> Iterator[Server]:
    """The PostgreSQL of this session.

    It is the one of DATABASE_URL, else the fetched one with TimescaleDB; outside CI, where it cannot be fetched, the
    wheel's without TimescaleDB.
    """
    given = os.environ.get("DATABASE_URL")
    if given:
        yield Server(given, has_timescaledb=_offers_timescaledb(given))
        return
    from btc_store.embedded import EmbeddedPostgres

    fetched = _fetch()
    servers = _servers()
    _remove_dead(servers)
    # One folder a session, named after its process.
    folder = servers / str(os.getpid())
    log = folder.with_suffix(".log")
    postgres = EmbeddedPostgres(
        folder, bin_folder=FETCHED / "bin" if fetched else None, log=log, is_disposable=True, database="postgres"
    )
    try:
        postgres.start()
    except BtcError as error:
        output = log.read_text(encoding="utf-8", errors="replace") if log.exists() else ""
        pytest.fail(f"{error}\n{output}", pytrace=False)
    try:
        yield Server(postgres.url, has_timescaledb=fetched)
    finally:
        postgres.stop()
        shutil.rmtree(postgres.data, ignore_errors=True)


@pytest.fixture(scope="session")
def server_url(server: Server) -> str:
    """Address of a database of this session's server; nothing may be created in it but databases."""
    return server.url


@pytest.fixture(scope="session")
def template(server: Server) -> Iterator[str]:
    """Name of a migrated database that nobody is connected to: what ``database_url`` copies."""
    from btc_store.schema import upgrade

    name = f"btc_test_{uuid4().hex[:12]}"
    _execute(server.url, f"CREATE DATABASE {name}")
    upgrade(server.url_of(name))
    # A database with a session cannot be copied, and TimescaleDB's launcher would open one.
    _execute(
        server.url,
        f"ALTER DATABASE {name} WITH ALLOW_CONNECTIONS false",
        f"SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE datname = '{name}'",
    )
    yield name
    _execute(server.url, f"DROP DATABASE {name} WITH (FORCE)")


_numbers = count(1)


@pytest.fixture
def database_url(server: Server, template: str) -> Iterator[str]:
    """Address of a fresh database with the tables of this version and no rows."""
    name = f"{template}_{next(_numbers)}"
    _execute(server.url, f"CREATE DATABASE {name} TEMPLATE {template} STRATEGY file_copy")
    yield server.url_of(name)
    _execute(server.url, f"DROP DATABASE {name} WITH (FORCE)")


@pytest.fixture
def empty_database_url(server: Server) -> Iterator[str]:
    """Address of a fresh database without tables."""
    name = f"btc_test_{uuid4().hex[:12]}_empty"
    _execute(server.url, f"CREATE DATABASE {name}")
    yield server.url_of(name)
    _execute(server.url, f"DROP DATABASE {name} WITH (FORCE)")


@pytest.fixture
async def connection(database_url: str) -> "AsyncIterator[asyncpg.Connection]":
    """An asyncpg connection to ``database_url``."""
    from btc_store.connection import connect

    async with connect(database_url) as opened:
        yield opened


@pytest.fixture
def instance(database_url: str, monkeypatch: pytest.MonkeyPatch) -> "Iterator[dg.DagsterInstance]":
    """The Dagster instance that dagster.yaml describes, over a fresh database."""
    import dagster as dg

    from btc_store.settings import project_root

    monkeypatch.setenv("DATABASE_URL", database_url)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        with dg.DagsterInstance.from_config(str(project_root())) as opened:
            yield opened


@pytest.fixture
def timescaledb(server: Server) -> None:
    """Skip the test where the server has no TimescaleDB; in CI that is a failure."""
    if not server.has_timescaledb:
        skip_or_fail("this PostgreSQL has no TimescaleDB: scripts/fetch-timescaledb.sh brings one")


@pytest.fixture(scope="session")
def settings_for() -> "Callable[..., Settings]":
    """A function that builds settings from an explicit environment: ``settings_for(database_url, BTC_SYMBOLS="ETH")``.

    Nothing of this process's own environment is in them; the configuration is the repository's ``config.yaml`` unless
    ``BTC_CONFIG`` names another.
    """
    from btc_store.settings import load_settings

    def build(database_url: str, **environ: str) -> "Settings":
        return load_settings({"DATABASE_URL": database_url, "BTC_CONFIG": str(ROOT / "config.yaml"), **environ})

    return build


@pytest.fixture(scope="session")
def shared() -> Path:
    """The folder of recorded market data beside the repository."""
    folder = ROOT.parent / "shared"
    if not folder.is_dir():
        skip_or_fail(f"there is no {folder}: the recorded market data are not on this machine")
    return folder


@pytest.fixture(scope="session")
def docker_compose() -> Path:
    """The program: this machine's second version, or Debian's, unpacked into the cache."""
    for name in ("docker-compose", "/usr/libexec/docker/cli-plugins/docker-compose"):
        found = shutil.which(name)
        if found and "v2" in _version_of(found):
            return Path(found)
    fetched = CACHE / "docker-compose" / "usr" / "libexec" / "docker" / "cli-plugins" / "docker-compose"
    if not fetched.exists():
        script = [str(ROOT / "scripts" / "unpack-debian.sh"), str(CACHE / "docker-compose"), "trixie", "docker-compose"]
        done = subprocess.run(script, capture_output=True, text=True, check=False, timeout=300)
        if done.returncode:
            skip_or_fail(f"there is no docker-compose, and none could be fetched: {done.stderr[-300:]}")
    return fetched


def _version_of(program: str) -> str:
    """Return what it says of itself; the first version was another program."""
    said = subprocess.run([program, "version", "--short"], capture_output=True, text=True, check=False).stdout
    return f"v{said.strip().lstrip('v')}"


def _is_fetched() -> bool:
    return (FETCHED / "bin" / "postgres").exists()


def _fetch() -> bool:
    """Have PostgreSQL with TimescaleDB in the cache; False where it cannot be fetched and need not be."""
    CACHE.mkdir(exist_ok=True)
    with (CACHE / "fetch.lock").open("w") as lock:
        # Tests run in several processes: the first one fetches, the others wait for it.
        fcntl.flock(lock, fcntl.LOCK_EX)
        done = subprocess.run([FETCH_SCRIPT], capture_output=True, text=True, check=False, timeout=FETCH_SECONDS)
    if done.returncode == 0:
        return True
    reason = " ".join(done.stderr.split()) or f"exit status {done.returncode}"
    if _is_fetched() or is_ci():
        pytest.fail(f"{FETCH_SCRIPT.name} failed: {reason}", pytrace=False)
    _announced.lines.append(f"PostgreSQL: the wheel's, WITHOUT TimescaleDB, because {reason}")
    return False


def _servers() -> Path:
    """Return where the sessions' servers are: in memory where there is room.

    A database is 500 files, and a file system on a disk is slow to create files where as many were just removed.
    """
    if MEMORY.is_dir() and os.access(MEMORY, os.W_OK) and shutil.disk_usage(MEMORY).free > MEMORY_BYTES:
        return MEMORY / f"btc-test-server-{os.getuid()}"
    return CACHE / "test-server"


def _remove_dead(servers: Path) -> None:
    """Remove what killed sessions left."""
    servers.mkdir(parents=True, exist_ok=True)
    for path in servers.iterdir():
        pid = path.name.partition(".")[0]
        try:
            os.kill(int(pid), 0)
        except ProcessLookupError:
            shutil.rmtree(path, ignore_errors=True) if path.is_dir() else path.unlink(missing_ok=True)
        except (ValueError, PermissionError):
            continue


def _execute(url: str, *statements: str) -> None:
    """Run statements outside of a transaction, as CREATE DATABASE wants it."""
    import psycopg2

    connection = psycopg2.connect(url)
    try:
        connection.autocommit = True
        with connection.cursor() as cursor:
            for statement in statements:
                cursor.execute(statement)
    finally:
        connection.close()


def _offers_timescaledb(url: str) -> bool:
    import psycopg2

    connection = psycopg2.connect(url)
    try:
        with connection.cursor() as cursor:
            cursor.execute("SELECT current_setting('shared_preload_libraries') LIKE '%timescaledb%'")
            (offers,) = cursor.fetchone()
    finally:
        connection.close()
    return bool(offers)
