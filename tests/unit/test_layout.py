"""What the style guide says about files and can be counted: sizes, mirrors, imports, the environment."""

import ast
import importlib.util
import tomllib
from collections.abc import Iterator
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
TESTS = ROOT / "tests"
MAX_FUNCTION_LINES = 60
MAX_MODULE_LINES = 500

# The one module that reads the environment.
ENVIRONMENT_READER = "btc_store/settings.py"
NO_MIRROR = ("__init__.py", "__main__.py")
MIGRATIONS = "btc_store/migrations"

with (ROOT / "pyproject.toml").open("rb") as project:
    PACKAGES: list[str] = tomllib.load(project)["tool"]["importlinter"]["root_packages"]


def modules() -> Iterator[Path]:
    """Find every source file of our packages."""
    for package in PACKAGES:
        yield from sorted((ROOT / package).rglob("*.py"))


def name_of(path: Path) -> str:
    """Return a path as people write it, from the repository's root."""
    return path.relative_to(ROOT).as_posix()


def parsed(path: Path) -> ast.Module:
    """Return a module's syntax tree."""
    return ast.parse(path.read_text(encoding="utf-8"), filename=str(path))


EVERY_MODULE = pytest.mark.parametrize("module", list(modules()), ids=name_of)


@EVERY_MODULE
def test_a_module_has_at_most_500_lines(module):
    """Longer than that, it does more than one thing."""
    n_lines = len(module.read_text(encoding="utf-8").splitlines())
    assert n_lines <= MAX_MODULE_LINES


@EVERY_MODULE
def test_a_function_has_at_most_60_lines(module):
    """Counted with its docstring."""
    functions = [node for node in ast.walk(parsed(module)) if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef)]
    lengths = {node.name: (node.end_lineno or node.lineno) - node.lineno + 1 for node in functions}
    assert {name: n for name, n in lengths.items() if n > MAX_FUNCTION_LINES} == {}


@EVERY_MODULE
def test_a_module_says_what_belongs_there(module):
    """The first statement is a docstring."""
    assert ast.get_docstring(parsed(module))


@pytest.mark.parametrize("package", [path for path in modules() if path.name == "__init__.py"], ids=name_of)
def test_a_package_imports_nothing(package):
    """Import from the module that defines the thing: ``__init__.py`` holds a docstring alone."""
    imports = [ast.unparse(node) for node in ast.walk(parsed(package)) if isinstance(node, ast.Import | ast.ImportFrom)]
    assert imports == []


def mirrors_of(module: Path) -> list[Path]:
    """Return where the test of a module may be."""
    inside = module.relative_to(ROOT).parent
    name = f"test_{module.stem}.py"
    return [TESTS / "unit" / inside / name, *(TESTS / level / name for level in ("integration", "property", "e2e"))]


MIRRORED = [path for path in modules() if path.name not in NO_MIRROR and not name_of(path).startswith(MIGRATIONS)]


@pytest.mark.parametrize("module", MIRRORED, ids=name_of)
def test_a_module_has_a_test_named_after_it(module):
    """``tests/unit/<package>/test_<module>.py``, or a file of that name in integration, property or e2e."""
    assert any(path.exists() for path in mirrors_of(module)), f"write {name_of(mirrors_of(module)[0])}"


@pytest.mark.parametrize("package", PACKAGES)
def test_our_names_are_ours(package):
    """Names such as ``sensors`` are common: from the repository's root they mean our packages."""
    spec = importlib.util.find_spec(package)
    assert spec is not None
    assert spec.origin == str(ROOT / package / "__init__.py")


@EVERY_MODULE
def test_only_the_settings_read_the_environment(module):
    """Everything else is given its settings; importing a module needs no variable."""
    readers = {"environ", "environb", "getenv", "getenvb"}
    found = [
        node.lineno
        for node in ast.walk(parsed(module))
        if (isinstance(node, ast.Attribute) and node.attr in readers and ast.unparse(node.value) == "os")
        or (isinstance(node, ast.ImportFrom) and node.module == "os" and readers & {name.name for name in node.names})
    ]
    assert found == [] or name_of(module) == ENVIRONMENT_READER
