"""How the command line says what went wrong, and that it starts without heavy libraries."""

import subprocess
import sys
import warnings
from pathlib import Path

import click
import pytest
from click.testing import CliRunner

from btc_assets import cli
from btc_assets.cli import COMMANDS, exit_code, main, sentence
from btc_core.errors import (
    ConfigError,
    DatabaseError,
    DataError,
    ExchangeError,
    ImportFileError,
    InputError,
    IntervalError,
    TimeError,
    UnknownNameError,
)

INSTALLED = [
    name
    for name in COMMANDS
    if (Path(cli.__file__).parent / "commands" / f"{'import_' if name == 'import' else name}.py").exists()
]


@pytest.fixture
def failing(monkeypatch):
    """A function that makes ``btc gaps`` raise an error or do something else, and runs it."""

    def run(function, *args):
        debug = click.Option(["--debug"], is_flag=True, expose_value=False)
        command = click.Command("gaps", callback=function, params=[debug])
        monkeypatch.setattr(cli.LazyGroup, "get_command", lambda *_: command)
        return CliRunner().invoke(main, ["gaps", *args])

    return run


def raiser(error):
    """Return a function that raises an error."""

    def run():
        raise error

    return run


@pytest.mark.parametrize("name", INSTALLED)
def test_every_command_has_help_with_an_example(btc, name):
    """The example is a command line of that command; --debug is there."""
    result = btc(name, "--help")
    assert result.exit_code == 0
    assert f"Example:\n    btc {name} " in result.stdout or f"Example:\n    btc {name}\n" in result.stdout
    assert "--debug" in result.stdout
    assert result.stderr == ""


def test_help_lists_every_command(btc):
    """Without importing one."""
    result = btc("--help")
    assert result.exit_code == 0
    for name, summary in COMMANDS.items():
        assert name in result.stdout
        assert summary.split()[0] in result.stdout


def test_without_arguments_help_is_shown_as_an_error(btc):
    """Nothing was asked, so nothing succeeded."""
    result = btc()
    assert result.exit_code == 2
    assert result.stdout == ""
    assert "Commands:" in result.stderr


def test_help_and_status_import_no_heavy_library():
    """``btc --help`` answers at once, and ``btc db status`` needs neither Dagster nor Polars."""
    code = (
        "import sys, btc_assets.cli, btc_assets.commands.db, btc_store.schema, btc_assets.commands.queries;"
        "print(sorted({'dagster', 'polars', 'duckdb', 'numpy', 'matplotlib'} & set(sys.modules)))"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True, timeout=60)
    assert done.stdout.strip() == "[]"


GARBAGE = """
import gc
from {module} import {name}

class Garbage:
    def __del__(self):
        print("looked for")

gc.disable()
garbage = Garbage()
garbage.itself = garbage
del garbage
{name}({arguments})
"""


@pytest.mark.parametrize(
    ("module", "name", "arguments"),
    [("btc_assets.cli", "main", '["--version"]'), ("btc_assets.definitions", "defs", "")],
)
def test_a_process_that_ends_looks_for_no_garbage(module, name, arguments):
    """It has nothing to gain by that, and the libraries of a backtest or of Dagster are much to look through."""
    code = GARBAGE.format(module=module, name=name, arguments=arguments)
    command = [sys.executable, "-W", "ignore", "-c", code]
    done = subprocess.run(command, capture_output=True, text=True, check=False, timeout=60)
    assert (done.returncode, "looked for" in done.stdout) == (0, False), done.stderr


@pytest.mark.parametrize("name", ["backtst", "imports", "db2"])
def test_unknown_command_names_near_misses(btc, name):
    """Bad usage: 2."""
    result = btc(name)
    assert result.exit_code == 2
    assert result.stderr.startswith(f"unknown command '{name}'. Did you mean ")
    assert result.stdout == ""


def test_unknown_option_says_where_to_look(btc):
    """Click's own words, with our pointer."""
    result = btc("gaps", "--symbl", "BTC")
    assert result.exit_code == 2
    assert result.stderr == "btc gaps: No such option '--symbl'. Did you mean '--symbol'? See `btc gaps --help`.\n"


def test_missing_option(btc):
    """One line, no usage text."""
    result = btc("gaps")
    assert result.exit_code == 2
    assert result.stderr == "btc gaps: Missing option '--symbol'. See `btc gaps --help`.\n"


@pytest.mark.parametrize(
    ("error", "code"),
    [
        (UnknownNameError("symbol", "BTX", ["BTC"]), 2),
        (InputError("x"), 2),
        (IntervalError("x"), 2),
        (TimeError("x"), 2),
        (ConfigError("x"), 2),
        (click.UsageError("x"), 2),
        (ImportFileError("x"), 1),
        (DatabaseError("x"), 1),
        (DataError("x"), 1),
        (ExchangeError("x"), 1),
        (KeyError("x"), 1),
    ],
    ids=lambda value: type(value).__name__,
)
def test_exit_codes(failing, error, code):
    """Bad usage is 2, a failed operation is 1; standard output stays empty."""
    result = failing(raiser(error))
    assert (result.exit_code, result.stdout) == (code, "")
    assert result.stderr == f"{sentence(error)}\n"
    assert exit_code(error) == code


def test_a_fault_of_ours_is_a_sentence(failing):
    """No traceback, and what to do."""
    result = failing(raiser(KeyError("speed")))
    assert result.stderr == (
        "unexpected KeyError: 'speed'. This is a fault of btc: run it again with --debug and report what it shows\n"
    )


def test_debug_shows_the_traceback_and_the_sentence(failing):
    """The exit code stays."""
    result = failing(raiser(DatabaseError("the database is away")), "--debug")
    assert result.exit_code == 1
    assert "Traceback" in result.stderr
    assert result.stderr.endswith("\nthe database is away\n")


@pytest.mark.parametrize("args", [["--debug", "gaps", "--symbol", "BTC"], ["gaps", "--symbol", "BTC", "--debug"]])
def test_debug_stands_before_or_behind_the_command(btc, args):
    """Both places work; without it there is no traceback."""
    result = btc(*args)
    assert result.exit_code == 1
    assert "Traceback" in result.stderr
    assert "Traceback" not in btc(*(arg for arg in args if arg != "--debug")).stderr


def test_interruption(failing):
    """Ctrl-C ends with 130 and a sentence."""
    result = failing(raiser(KeyboardInterrupt()))
    assert result.exit_code == 130
    assert result.stderr.strip() == "interrupted: what is finished stays, repeat the command for the rest"


def test_the_end_of_a_file_is_no_interruption(failing):
    """Click takes a library's EOFError for one."""
    result = failing(raiser(EOFError("cut off")))
    assert result.exit_code == 1
    assert "unexpected EOFError: cut off" in result.stderr


def test_a_command_that_ends_unsuccessfully(failing):
    """Without an error nothing is said."""
    result = failing(lambda: click.get_current_context().exit(1))
    assert (result.exit_code, result.output) == (1, "")


def test_warnings_of_libraries_are_not_shown(failing, monkeypatch):
    """They are meant for programmers."""
    monkeypatch.setattr(sys, "warnoptions", [])
    result = failing(lambda: warnings.warn("something will change", DeprecationWarning, stacklevel=1))
    assert (result.exit_code, result.output) == (0, "")


def test_version(btc):
    """The installed one."""
    result = btc("--version")
    assert result.exit_code == 0
    assert result.stdout.startswith("btc, version ")
