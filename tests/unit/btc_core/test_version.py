"""The version of the program, and of its arithmetic."""

import ast
import tomllib

from btc_core.version import CODE_VERSION, VERSION
from tests.conftest import ROOT


def test_the_version_is_a_counter():
    """Dagster compares it as text; whoever changes a result raises it by one."""
    assert str(int(CODE_VERSION)) == CODE_VERSION


def test_the_program_s_version_is_the_project_s():
    """Said in two places, so that images need no package of it."""
    project = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]
    assert project["version"] == VERSION


def test_nobody_asks_the_installed_package():
    """In an image there is none; who may be told nothing says so here."""
    may = {"btc_assets/lineage.py"}
    packages = ("api", "btc_assets", "btc_core", "btc_store", "collector", "live", "resources", "sensors")
    files = [file for package in packages for file in (ROOT / package).rglob("*.py")]
    asking = {
        str(file.relative_to(ROOT)) for file in files if "importlib.metadata" in imported(file.read_text("utf-8"))
    }
    assert asking == may


def imported(source: str) -> set[str]:
    """Return the modules that a source imports from."""
    nodes = list(ast.walk(ast.parse(source)))
    whole = {name.name for node in nodes if isinstance(node, ast.Import) for name in node.names}
    return whole | {node.module for node in nodes if isinstance(node, ast.ImportFrom) and node.module}
