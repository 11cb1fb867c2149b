"""What a check is, and that what the documents say of them is true."""

import importlib
import re
import sys
from pathlib import Path
from types import ModuleType

import polars as pl
import pytest

from btc_core.check import FINDING_SCHEMA, Check, Source, counted, findings, load_check, load_checks
from btc_core.errors import InputError, UnknownNameError
from btc_core.plugins import plugin_names
from tests.checks import found, named, times

ROOT = Path(__file__).resolve().parents[3]
PAGE, TABLE = ROOT / "docs/howto/add-a-check.md", ROOT / "docs/quality.md"


def test_every_file_is_a_check():
    """Named after its file; nothing else is found."""
    files = {path.stem for path in (ROOT / "btc_core/quality").glob("[a-z]*.py")}
    checks = load_checks()
    assert {check.name for check in checks} == files
    assert all(isinstance(check.rule, Check) for check in checks)


@pytest.mark.parametrize("check", load_checks(), ids=lambda check: check.name)
def test_a_check_asks_for_what_there_is(check):
    """Its sources are known or candles of an interval, and what it says is a sentence."""
    known = set(Source)
    assert all(source in known or re.fullmatch(r"candles/\w+", source) for source in check.rule.sources)
    assert check.rule.description.endswith(".")
    assert check.rule.kind is None or check.word_of("") or check.rule.is_alone


def test_parameters_come_from_the_configuration():
    """Others keep their defaults; a name that does not exist is an error with the near miss."""
    by_name = {check.name: check for check in load_checks({"outliers": {"z": 20}})}
    assert by_name["outliers"].parameters["z"] == 20
    assert by_name["outliers"].parameters["neighbours"] == 120
    with pytest.raises(UnknownNameError, match="outliers"):
        load_checks({"outlier": {"z": 20}})
    with pytest.raises(UnknownNameError, match="neighbours"):
        load_checks({"outliers": {"neighbour": 20}})
    with pytest.raises(InputError, match="out of range"):
        load_checks({"outliers": {"z": 0}})


def test_nothing_wrong_is_an_empty_frame_of_findings():
    """Whatever the columns of what was looked at."""
    none = findings(pl.DataFrame({"a": []}), start=pl.col("time"), end=pl.col("time"), severity="error", a=pl.col("a"))
    assert none.schema == FINDING_SCHEMA
    assert none.height == 0


def test_one_thing_is_not_many():
    """Numbers in sentences: none and several are plural."""
    assert [counted(n, "gap") for n in range(3)] == ["0 gaps", "1 gap", "2 gaps"]


def test_what_lies_outside_is_dropped():
    """A check may see further than it is asked to judge."""
    frames = {"accounted": times(-10, -5, 3, 5)}
    assert [row[0] for row in found(named("gaps"), frames)] == [-4, 4]


def test_the_table_of_checks_is_complete():
    """Name, assets, kind and parameters of every check stand in docs/quality.md, and of no other."""
    rows = re.findall(
        r"^\| `(\w+)` \| `([^`]+)`[^|]* \| (\S+) \| ([^|]*) \| [^|]+ \| (.*) \|$", TABLE.read_text("utf-8"), re.M
    )
    told = {name: (subject, kind.strip("`"), turn.strip()) for name, subject, kind, turn, _ in rows}
    known = {
        check.name: (check.rule.subject.value, check.rule.kind or "–", check.rule.turn.value) for check in load_checks()
    }
    assert told == known
    parameters = {name: set(re.findall(r"`(\w+)`", cell)) for name, *_, cell in rows}
    assert parameters == {check.name: set(check.parameters) for check in load_checks()}


@pytest.fixture
def installed(tmp_path, monkeypatch):
    """The check of the page, put beside the checks of the tree for the time of a test; and the page's own test."""
    text = PAGE.read_text(encoding="utf-8")
    blocks = dict(re.findall(r"^```python file=(\S+)\n(.*?)^```$", text, re.M | re.S))
    (name,) = (Path(file).stem for file in blocks if file.startswith("btc_core/quality/"))
    (tmp_path / f"{name}.py").write_text(blocks[f"btc_core/quality/{name}.py"], encoding="utf-8")
    package = importlib.import_module("btc_core.quality")
    monkeypatch.setattr(package, "__path__", [*package.__path__, str(tmp_path)])
    importlib.invalidate_caches()
    plugin_names.cache_clear()
    yield name, next(body for file, body in blocks.items() if file.startswith("tests/"))
    plugin_names.cache_clear()
    sys.modules.pop(f"btc_core.quality.{name}", None)
    vars(package).pop(name, None)


def test_the_check_of_the_page_does_what_the_page_says(installed):
    """Its file, put into the tree, is found and passes its own test."""
    name, text = installed
    assert name in {check.name for check in load_checks()}
    assert load_check(name).rule.description
    module = ModuleType("page")
    exec(compile(text, "<page>", "exec"), vars(module))
    tests = [function for key, function in vars(module).items() if key.startswith("test_")]
    for test in tests:
        test()
    assert tests
