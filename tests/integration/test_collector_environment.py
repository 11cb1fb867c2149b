"""The collector in an environment that has its extra alone: it starts there, and that environment stays small."""

import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests import environments
from tests.conftest import ROOT

FORBIDDEN = {
    *("polars", "duckdb", "dagster", "numpy", "pyarrow", "sqlalchemy", "alembic", "psycopg2", "matplotlib", "pandas"),
    *("adbc_driver_manager", "adbc_driver_postgresql", "fastapi", "ccxt", "rich"),
}
MOST_MEGABYTES = 40


@pytest.fixture(scope="module")
def environment(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    """A virtual environment with the extra ``collector`` of the lock, and nothing else."""
    with environments.environment(tmp_path_factory.mktemp("collector") / "venv", "--extra=collector") as made:
        yield made


def run(environment: Path, *arguments: str) -> subprocess.CompletedProcess[str]:
    """Run the environment's Python on the checkout's code."""
    command = [str(environment / "bin" / "python"), *arguments]
    return subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False, timeout=60)


def test_the_collector_starts_with_its_extra_alone(environment: Path) -> None:
    """Everything that it imports comes with its extra."""
    done = run(environment, "-m", "collector", "--help")
    assert (done.returncode, done.stderr) == (0, "")
    assert "BTC_SYMBOLS" in done.stdout


def test_every_module_of_the_collector_can_be_imported_with_its_extra_alone(environment: Path) -> None:
    """Also those that only some of its ways need."""
    files = sorted((ROOT / "collector").rglob("*.py"))
    names = [".".join(file.relative_to(ROOT).with_suffix("").parts) for file in files if file.stem != "__init__"]
    done = run(environment, "-c", f"import importlib\nfor name in {names}: importlib.import_module(name)")
    assert (done.returncode, done.stderr) == (0, "")
    assert "collector.runner" in names


def test_the_environment_holds_none_of_the_pipeline_s_libraries(environment: Path, record_property) -> None:
    """What is not installed cannot be imported by accident, and a small machine does not have to hold it."""
    (packages,) = (environment / "lib").glob("python3*/site-packages")
    installed = {entry.name.partition(".")[0].partition("-")[0].lower() for entry in packages.iterdir()}
    # Without the bytecode, which is there or not.
    files = [file for file in packages.rglob("*") if file.is_file() and file.suffix != ".pyc"]
    megabytes = sum(file.stat().st_size for file in files) / 2**20
    record_property("collector_environment_megabytes", round(megabytes, 1))
    sys.stdout.write(f"the collector's environment: {megabytes:.1f} MB\n")
    assert installed & FORBIDDEN == set()
    assert {"asyncpg", "msgspec", "websockets"} <= installed
    assert megabytes < MOST_MEGABYTES
