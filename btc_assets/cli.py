"""The command line ``btc``: which commands there are, and how a failure is said. What a command does is in its file.

A command is a file of ``btc_assets/commands`` named after it (``_`` for ``-``, and ``import_.py`` for ``import``, a
keyword of Python), with the constant ``COMMAND``, and a line in ``COMMANDS`` below. It is made with
``commands.options.command``, which wants an example and adds ``--debug``::

    @command(example="btc gaps --symbol BTC --start 2021-04-01")
    @symbol_option
    @start_option()
    @end_option()
    @json_option
    @pass_settings
    def gaps(settings: Settings, *, symbol: str, start: datetime | None, end: datetime | None, as_json: bool) -> None:
        ...
        answer(value, as_json=as_json, text=table(columns, rows))


    COMMAND = gaps

A command is imported when it is used: ``btc --help`` imports none. It says what went wrong by raising an error of
``btc_core.errors``, and ends unsuccessfully without one by ``click.get_current_context().exit(1)``. Tests run it as
``CliRunner().invoke(main, ["gaps", "--symbol", "BTC"], obj=settings)``.

=====  ==============================================================================================
0      done
1      the operation failed: ``ImportFileError``, ``DatabaseError``, ``DataError``, …, or a fault of ours
2      bad usage: click's own errors, ``InputError`` (names, times, numbers), ``ConfigError``
130    interrupted (Ctrl-C)
=====  ==============================================================================================
"""

import atexit
import gc
import sys
import traceback
import warnings
from collections.abc import Sequence
from importlib import import_module
from typing import Any, NoReturn

import click

from btc_assets.commands.options import debug_option
from btc_core.errors import BtcError, ConfigError, ImportFileError, InputError, UnknownNameError
from btc_core.version import VERSION

# Name and summary; the file is imported when the command is used. In the order in which they are first needed.
COMMANDS = {
    "db": "Migrate the database; say what it holds.",
    "import": "Import 1m candles from Parquet and CSV files.",
    "backfill": "Fetch missing minutes from the exchange, or from another one.",
    "gaps": "Show which minutes are missing.",
    "funding": "Fetch funding rates, or take them from a file.",
    "derive": "Derive candles, indicators and decisions of a range through Dagster.",
    "backtest": "Run a strategy over stored candles.",
    "sweep": "Try a strategy with many parameters.",
    "export": "Write stored candles to a file.",
    "archive": "Write what the lake has not yet: the backup.",
    "restore": "Bring back what the lake has.",
    "sql": "Ask the lake and the results in SQL.",
    "strategies": "List the installed strategies.",
    "check-strategy": "Look for look-ahead in a strategy.",
    "indicators": "List the installed indicators.",
    "alerts": "Show whom there is to tell, and what waits; or send it.",
    "doctor": "Check that everything is reachable, in step and on time.",
}
OK, FAILED, USAGE, INTERRUPTED = 0, 1, 2, 130


class LazyGroup(click.Group):
    """A group that imports a command when it is used, and says every failure in a sentence."""

    def list_commands(self, ctx: click.Context) -> list[str]:  # noqa: ARG002  # click's signature
        """Return the names, in the order of ``COMMANDS``."""
        return list(COMMANDS)

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:  # noqa: ARG002
        """Import a command, or return None where there is no such name."""
        if cmd_name not in COMMANDS:
            return None
        file = "import_" if cmd_name == "import" else cmd_name.replace("-", "_")
        module = import_module(f"btc_assets.commands.{file}")
        command: click.Command = module.COMMAND
        command.name = cmd_name
        return command

    def resolve_command(
        self, ctx: click.Context, args: list[str]
    ) -> tuple[str | None, click.Command | None, list[str]]:
        """Find the command that the arguments name; an unknown name leads to the near misses."""
        if args[0] not in COMMANDS and not args[0].startswith("-"):
            raise UnknownNameError("command", args[0], COMMANDS)
        return super().resolve_command(ctx, args)

    def format_commands(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:  # noqa: ARG002
        """Write the list of commands without importing them."""
        with formatter.section("Commands"):
            formatter.write_dl(list(COMMANDS.items()))

    def main(self, args: Sequence[str] | None = None, *positional: Any, **options: Any) -> NoReturn:
        """Run the command line and leave the process with its exit code."""
        # Python looks for garbage in all that there is as it ends: a quarter of a second after a backtest.
        atexit.register(gc.freeze)
        given = list(sys.argv[1:] if args is None else args)
        is_debug = "--debug" in given
        with warnings.catch_warnings():
            # What libraries warn their programmers of is nothing to a user.
            if not (is_debug or sys.warnoptions):
                warnings.simplefilter("ignore")
            sys.exit(self._run(given, *positional, is_debug=is_debug, **options))

    def _run(self, args: list[str], *positional: Any, is_debug: bool, **options: Any) -> int:
        try:
            code = super().main(args, *positional, **{**options, "standalone_mode": False})
        except click.Abort as abort:
            # click makes one of KeyboardInterrupt, and of a library's EOFError too, which is a fault.
            if isinstance(abort.__cause__, EOFError):
                return _fail(abort.__cause__, is_debug=is_debug)
            click.echo("interrupted: what is finished stays, repeat the command for the rest", err=True)
            return INTERRUPTED
        except click.exceptions.NoArgsIsHelpError as error:
            error.show()
            return USAGE
        except Exception as error:  # noqa: BLE001  # the outermost frame of the process
            return _fail(error, is_debug=is_debug)
        return code if isinstance(code, int) else OK


def _fail(error: Exception, *, is_debug: bool) -> int:
    if is_debug:
        traceback.print_exception(error)
    click.echo(sentence(error), err=True)
    return exit_code(error)


def exit_code(error: Exception) -> int:
    """Return what the process ends with after an error."""
    is_usage = isinstance(error, click.UsageError | InputError | ConfigError) and not isinstance(error, ImportFileError)
    return USAGE if is_usage else FAILED


def sentence(error: Exception) -> str:
    """Return what a person reads of an error: what was expected, what was found, what to do."""
    if isinstance(error, click.UsageError):
        path = error.ctx.command_path if error.ctx else "btc"
        message = error.format_message()
        # A wrong value says itself what was expected.
        is_value = isinstance(error, click.BadParameter) and not isinstance(error, click.MissingParameter)
        if is_value:
            return f"{path}: {message}"
        message = message.replace("?.", "?")
        return f"{path}: {message}{'' if message.endswith(('.', '?')) else '.'} See `{path} --help`."
    if isinstance(error, click.ClickException):
        return error.format_message()
    if isinstance(error, BtcError):
        return str(error)
    found = f"{type(error).__name__}: {' '.join(str(error).split())}".rstrip(": ")
    return f"unexpected {found}. This is a fault of btc: run it again with --debug and report what it shows"


@click.group(name="btc", cls=LazyGroup, epilog="\b\nExample:\n  btc import BTCUSDT-1m-2021.parquet --symbol BTC")
@debug_option
@click.version_option(VERSION)
def main() -> None:
    """Candles, indicators, decisions and backtests. Every command has its own --help."""


if __name__ == "__main__":
    main()
