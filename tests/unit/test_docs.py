"""The documents say what is true: links lead somewhere, worked examples work, names exist."""

import ast
import doctest
import importlib
import inspect
import re
import shlex
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from types import ModuleType

import click
import msgspec
import pytest
import yaml

from btc_core.config import Config, parse_config
from btc_core.indicator import configured_indicator
from btc_core.model.timerange import TimeRange, format_time
from btc_core.plugins import plugin_names
from btc_core.strategy import load_strategy

ROOT = Path(__file__).resolve().parents[2]
DOCS = ROOT / "docs"
PAGES = [*sorted(ROOT.glob("*.md")), *sorted(DOCS.rglob("*.md"))]
HOWTOS = sorted((DOCS / "howto").glob("*.md"))
PACKAGES = ("btc_core", "btc_store", "btc_assets", "collector", "demo", "live", "resources", "sensors")

# Drawn by a script from a running demo; a checkout in which it has not run lacks them.
DRAWN = {
    "docs/pictures/lineage.png",
    "docs/pictures/decisions.png",
    "docs/pictures/backtest.png",
    "docs/pictures/demo.svg",
}

# Keys whose value is a list.
LISTS = {"retry_seconds", "always_trades"}

EVERY_PAGE = pytest.mark.parametrize("page", PAGES, ids=lambda page: page.relative_to(ROOT).as_posix())
EVERY_HOWTO = pytest.mark.parametrize("page", HOWTOS, ids=lambda page: page.stem)


@dataclass(frozen=True, slots=True)
class Block:
    """A fenced block: its language, the file that it is (or a part of), and its text."""

    language: str
    file: str | None
    text: str


def blocks_of(page: Path) -> list[Block]:
    """Return the fenced blocks of a page."""
    fences = re.findall(r"^```([a-z]*)(?: file=(\S+))?\n(.*?)^```$", page.read_text(encoding="utf-8"), re.M | re.S)
    return [Block(language, file or None, text) for language, file, text in fences]


def prose_of(page: Path) -> str:
    """Return a page without its fenced blocks."""
    return re.sub(r"^```.*?^```$", "", page.read_text(encoding="utf-8"), flags=re.M | re.S)


def anchors_of(page: Path) -> set[str]:
    """Return the anchors that GitHub makes of a page's headings."""
    headings = re.findall(r"^#+ (.*)$", prose_of(page), re.M)
    return {re.sub(r"[^\w -]", "", heading.lower()).replace(" ", "-") for heading in headings}


@EVERY_PAGE
def test_every_link_and_picture_is_there(page):
    """A relative link leads to a file, and an anchor to a heading in it."""
    broken = []
    for target in re.findall(r"\]\(([^)\s]+)\)|(?:src|href)=\"([^\"]+)\"", prose_of(page)):
        path, _, anchor = (target[0] or target[1]).partition("#")
        if re.match(r"[a-z]+:", path):
            continue
        file = (page.parent / path).resolve() if path else page
        is_drawn = file.is_relative_to(ROOT) and file.relative_to(ROOT).as_posix() in DRAWN
        if not (file.exists() or is_drawn) or (anchor and anchor not in anchors_of(file)):
            broken.append("#".join(filter(None, (path, anchor))))
    assert broken == []


@EVERY_PAGE
def test_a_page_knows_the_repository_only(page):
    """Whoever reads it has a checkout and nothing beside it."""
    assert "../shared" not in page.read_text(encoding="utf-8")


@pytest.fixture
def install(tmp_path, monkeypatch) -> Iterator:
    """A function that puts the files of a page beside the plug-ins of the tree for the time of a test."""
    added: list[tuple[ModuleType, str]] = []

    def put(page: Path) -> None:
        for block in blocks_of(page):
            match = re.fullmatch(r"(btc_core/(?:indicators|strategies))/(\w+)\.py", block.file or "")
            if match is None:
                continue
            folder = tmp_path / match[1]
            folder.mkdir(parents=True, exist_ok=True)
            (folder / f"{match[2]}.py").write_text(block.text, encoding="utf-8")
            package = importlib.import_module(match[1].replace("/", "."))
            monkeypatch.setattr(package, "__path__", [*package.__path__, str(folder)])
            added.append((package, match[2]))
        importlib.invalidate_caches()
        plugin_names.cache_clear()

    yield put
    plugin_names.cache_clear()
    for package, name in added:
        sys.modules.pop(f"{package.__name__}.{name}", None)
        vars(package).pop(name, None)


def run_tests_of(text: str, name: str) -> int:
    """Call every test function of a file's text; return how many there were."""
    module = ModuleType(name)
    exec(compile(text, f"<{name}>", "exec"), vars(module))
    tests = [function for key, function in inspect.getmembers(module, inspect.isfunction) if key.startswith("test_")]
    for test in tests:
        test()
    return len(tests)


@pytest.mark.parametrize("name", ["add-an-indicator", "add-a-strategy"])
def test_the_plug_in_of_a_page_does_what_the_page_says(name, install):
    """Its file, put into the tree, passes its own test."""
    page = DOCS / "howto" / f"{name}.md"
    install(page)
    tests = [block for block in blocks_of(page) if (block.file or "").startswith("tests/")]
    assert sum(run_tests_of(block.text, block.file or "") for block in tests) > 0


@EVERY_HOWTO
def test_the_python_of_a_page_is_in_the_house_s_style(page):
    """What people copy passes `make check`."""
    for block in blocks_of(page):
        if block.language == "python" and block.file:
            for action in (["check"], ["format", "--check"]):
                command = [sys.executable, "-m", "ruff", *action, "--stdin-filename", ROOT / block.file, "-"]
                done = subprocess.run(command, input=block.text, text=True, capture_output=True, check=False, cwd=ROOT)
                assert done.returncode == 0, f"{block.file}: {done.stdout}{done.stderr}"


@EVERY_PAGE
def test_the_sessions_of_a_page_end_as_shown(page):
    """What stands below a Python prompt is what Python answers."""
    sessions = "\n".join(block.text for block in blocks_of(page) if block.language == "pycon")
    test = doctest.DocTestParser().get_doctest(sessions, {}, page.name, str(page), 0)
    report: list[str] = []
    doctest.DocTestRunner(verbose=False).run(test, out=report.append)
    assert report == []


def configured(page: Path) -> Config:
    """Return the repository's configuration with what a page adds to it."""
    tree = yaml.safe_load((ROOT / "config.yaml").read_text(encoding="utf-8"))
    for block in blocks_of(page):
        if block.file == "config.yaml":
            for section, entries in yaml.safe_load(block.text).items():
                tree[section] = {**tree[section], **entries} if isinstance(entries, dict) else entries
    return parse_config(tree)


@EVERY_PAGE
def test_the_configuration_of_a_page_is_accepted(page, install):
    """Its entries, put into config.yaml, are read, and every indicator and strategy that they name exists."""
    install(page)
    config = configured(page)
    for name, entry in config.indicators.items():
        configured_indicator(name, entry)
    for name, entry in config.strategies.items():
        load_strategy(name, entry.parameters)


def test_a_symbol_and_an_interval_are_added_as_their_pages_say():
    """What the pages add is there afterwards."""
    symbols, intervals = configured(DOCS / "howto/add-a-symbol.md"), configured(DOCS / "howto/add-an-interval.md")
    assert symbols.coin_of("KPEPE") == "kPEPE"
    assert {"BTC", "ETH", "UBTC/USDC"} < set(symbols.symbols)
    assert "45m" in [interval.label for interval in intervals.derived_intervals]


def test_the_import_of_its_page_counts_as_the_page_says(database_url, tmp_path):
    """The page's file, imported twice, gives the rows of the page's table, and the gap that it speaks of."""
    from btc_store.frames import open_frames
    from btc_store.imports import import_candles, source_name
    from btc_store.quality import find_gaps

    page = DOCS / "howto" / "import-history.md"
    (block,) = (block for block in blocks_of(page) if block.language == "csv")
    file = tmp_path / str(block.file)
    file.write_text(block.text, encoding="utf-8")
    counts = []
    with open_frames(database_url) as frames:
        for _ in range(2):
            report = import_candles(frames, "BTC", file, source_name(file), now=datetime.now(UTC))
            refused = sum(report.refused.values())
            counts.append([report.n_rows, report.new, report.changed, report.same, refused])
        gaps = find_gaps(frames, "BTC", TimeRange(report.start, report.end))
    rows = re.findall(r"^\| (?:the first time|once more) \| (.*) \|$", prose_of(page), re.M)
    assert counts == [[int(cell) for cell in row.split(" | ")] for row in rows]
    assert report.source == "import:kraken"
    assert [format_time(gap.start) for gap in gaps] == ["2021-04-25 00:02Z"]


def source() -> str:
    """Return all of the code as text, in lower case."""
    files = [path for package in PACKAGES for kind in ("*.py", "*.sql") for path in (ROOT / package).rglob(kind)]
    return "\n".join(path.read_text(encoding="utf-8") for path in [*files, ROOT / "config.yaml"]).lower()


def test_every_word_of_the_glossary_is_used_in_the_code():
    """A word that nobody uses is not our word."""
    rows = re.findall(r"^\| ([^|]+?) \|", (DOCS / "glossary.md").read_text(encoding="utf-8"), re.M)
    words = [row for row in rows if row != "word" and not row.startswith("--")]
    text = source()
    patterns = {word: re.sub(r"[ -]", r"[\\s_-]?", re.escape(word.lower()).replace("\\", "")) for word in words}
    assert len(words) > 40
    assert [word for word, pattern in patterns.items() if not re.search(f"(?<![a-z]){pattern}s?(?![a-z])", text)] == []


def test_every_variable_is_in_the_table_of_operations():
    """What the settings read is documented, and what is documented is read."""
    tree = ast.parse((ROOT / "btc_store" / "settings.py").read_text(encoding="utf-8"))
    texts = [node.value for node in ast.walk(tree) if isinstance(node, ast.Constant) and isinstance(node.value, str)]
    read = {text for text in texts if re.fullmatch(r"[A-Z]+(?:_[A-Z]+)+", text)}
    assert variables_of("Configuration") == read


def test_every_variable_of_the_containers_is_in_their_table():
    """What docker-compose.yml takes from `.env` is documented, and what is documented it takes."""
    taken = re.findall(r"\$\{([A-Z_]+)", (ROOT / "docker-compose.yml").read_text(encoding="utf-8"))
    assert variables_of("Containers") == {*taken}


def variables_of(title: str) -> set[str]:
    """Return the variables in the tables of a section of the page for operations."""
    page = (DOCS / "operations.md").read_text(encoding="utf-8")
    _, section = page.split(f"\n## {title}\n")
    rows = re.findall(r"^\| (`[A-Z_`, ]+`) \|", section.split("\n## ")[0], re.MULTILINE)
    return {name for row in rows for name in re.findall(r"[A-Z_]+", row)}


@pytest.mark.parametrize(("page", "section"), [("operations", "collector"), ("backtests", "backtest")])
def test_every_key_of_a_section_is_in_its_table(page, section):
    """With the default that it has where it is left out."""
    rows = dict(re.findall(r"^\| `([a-z_]+)` \| ([^|]+?) \| ", (DOCS / f"{page}.md").read_text(encoding="utf-8"), re.M))
    tree = {"symbols": {"BTC": {}}, "intervals": [], "history_start": "2017-01-01"}
    defaults = msgspec.to_builtins(getattr(parse_config(tree), section))
    told = {key: yaml.safe_load(rows.get(key, "not told").replace(",", "")) for key in defaults if key not in LISTS}
    assert told == {key: value for key, value in defaults.items() if key not in LISTS}
    assert LISTS & defaults.keys() <= rows.keys()


def command_lines() -> Iterator[tuple[str, str]]:
    """Find every line of a shell block that calls `btc`, with its page."""
    for page in PAGES:
        for block in blocks_of(page):
            if block.language == "sh":
                for line in block.text.replace("\\\n", " ").splitlines():
                    if line.startswith("btc "):
                        yield page.name, line


@pytest.mark.parametrize(("page", "line"), list(command_lines()))
def test_every_command_line_can_be_given(page, line):
    """The command exists and has these options; what it would do is for its own tests."""
    from btc_assets.cli import main

    arguments = shlex.split(line, comments=True)[1:]
    command: click.Command | None = main
    context = click.Context(main)
    while isinstance(command, click.Group):
        command = command.get_command(context, arguments.pop(0))
    assert command is not None
    command.make_parser(click.Context(command)).parse_args(arguments)


@EVERY_PAGE
def test_every_command_that_a_page_names_exists(page):
    """In running text too: `btc gaps`, `make demo`."""
    from btc_assets.cli import COMMANDS

    named = re.findall(r"`(btc|make) ([a-z-]+)", prose_of(page))
    targets = re.findall(r"^([a-z-]+):", (ROOT / "Makefile").read_text(encoding="utf-8"), re.M)
    known = {"btc": set(COMMANDS), "make": set(targets)}
    assert [f"{tool} {name}" for tool, name in named if name not in known[tool]] == []


def test_the_laws_name_tests_that_exist():
    """A law that leans on a test leans on one that is there."""
    tests = "\n".join(path.read_text(encoding="utf-8") for path in (ROOT / "tests").rglob("test_*.py"))
    named = re.findall(r"`(test_\w+)`", (DOCS / "laws.md").read_text(encoding="utf-8"))
    assert [name for name in named if f"def {name}(" not in tests] == []


def test_every_decision_record_is_listed_and_has_its_parts():
    """Numbers without a hole; context, choice and cost in each."""
    records = sorted((DOCS / "adr").glob("[0-9]*.md"))
    index = (DOCS / "adr" / "README.md").read_text(encoding="utf-8")
    assert [int(record.name[:4]) for record in records] == list(range(1, len(records) + 1))
    for record in records:
        assert f"({record.name})" in index
        assert re.findall(r"^## (.*)$", record.read_text(encoding="utf-8"), re.M) == ["Context", "Choice", "Cost"]
