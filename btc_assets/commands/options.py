"""What the commands take alike: the settings, symbols, intervals, times, ``--json``, ``--debug``, an example."""

from collections.abc import Callable, Sequence
from datetime import UTC, datetime
from functools import update_wrapper
from typing import Any, Concatenate, NoReturn, ParamSpec, TypeVar

import click

from btc_core.errors import ConfigError, InputError, IntervalError, TimeError, UnknownNameError
from btc_core.model.interval import Interval, parse_interval
from btc_core.model.timerange import EPOCH, TimeRange, parse_time
from btc_core.partitions import month_range
from btc_store.settings import Settings, lake_address, load_settings

# Later than every candle: where no end is given, all that is stored may be meant.
FOREVER = datetime(9999, 1, 1, tzinfo=UTC)

P = ParamSpec("P")
R = TypeVar("R")
Function = TypeVar("Function", bound=Callable[..., Any])


def settings_of(ctx: click.Context) -> Settings:
    """Return the settings of this process: read once, or given as the context's object by a test.

    Raises:
        ConfigError: If ``config.yaml`` or the environment cannot be used.
    """
    root = ctx.find_root()
    if root.obj is None:
        root.obj = load_settings()
    settings: Settings = root.obj
    return settings


def pass_settings(function: Callable[Concatenate[Settings, P], R]) -> Callable[P, R]:
    """Call a command with the settings first."""

    def called(*args: P.args, **kwargs: P.kwargs) -> R:
        return function(settings_of(click.get_current_context()), *args, **kwargs)

    return update_wrapper(called, function)


class SymbolType(click.ParamType[str]):
    """A configured symbol, in upper or lower case."""

    name = "symbol"

    def convert(self, value: str, param: click.Parameter | None, ctx: click.Context | None) -> str:
        """Return the symbol's configured name."""
        try:
            return settings_of(ctx or click.get_current_context()).config.symbol(value)
        except UnknownNameError as error:
            return _refuse(self, error, param, ctx)


class IntervalType(click.ParamType[Interval]):
    """A candle interval, whatever is stored of it."""

    name = "interval"

    def convert(self, value: str | Interval, param: click.Parameter | None, ctx: click.Context | None) -> Interval:
        """Return the interval that a label names."""
        if isinstance(value, Interval):
            return value
        try:
            return parse_interval(value)
        except IntervalError as error:
            return _refuse(self, error, param, ctx)


class TimeType(click.ParamType[datetime]):
    """An instant in ISO 8601."""

    name = "time"

    def convert(self, value: str | datetime, param: click.Parameter | None, ctx: click.Context | None) -> datetime:
        """Return the instant, UTC."""
        if isinstance(value, datetime):
            return value
        try:
            return parse_time(value)
        except TimeError as error:
            return _refuse(self, error, param, ctx)


def _refuse(
    kind: click.ParamType[Any], error: Exception, param: click.Parameter | None, ctx: click.Context | None
) -> NoReturn:
    kind.fail(str(error), param, ctx)


class MonthType(click.ParamType[TimeRange]):
    """A calendar month: 2024-05."""

    name = "month"

    def convert(self, value: str | TimeRange, param: click.Parameter | None, ctx: click.Context | None) -> TimeRange:
        """Return the month."""
        if isinstance(value, TimeRange):
            return value
        try:
            return month_range(datetime.strptime(value, "%Y-%m").replace(tzinfo=UTC))
        except ValueError:
            self.fail(f"{value!r} is no month: expected year and month, such as 2024-05", param, ctx)


class LakeType(click.ParamType[str]):
    """Where a lake is: a folder or an object store's address."""

    name = "lake"

    def convert(self, value: str, param: click.Parameter | None, ctx: click.Context | None) -> str:
        """Return the place."""
        try:
            return lake_address(value, "--lake")
        except ConfigError as error:
            return _refuse(self, error, param, ctx)


SYMBOL, INTERVAL, TIME = SymbolType(), IntervalType(), TimeType()


def _pairs(_ctx: click.Context, _param: click.Parameter, pairs: Sequence[str]) -> dict[str, str]:
    given: dict[str, str] = {}
    for pair in pairs:
        name, is_pair, value = pair.partition("=")
        if not is_pair:
            raise InputError(f"--param {pair!r}: expected name=value, such as period=44")
        if name in given:
            raise InputError(f"--param {pair!r}: expected each parameter once, found {name}={given[name]} before it")
        given[name] = value
    return given


month_option = click.option("--month", type=MonthType(), help="One calendar month: 2024-05.")
lake_option = click.option(
    "--lake", type=LakeType(), help="A folder, or s3://bucket/prefix, gs://…, az://…; by default BTC_LAKE."
)
symbol_option = click.option("--symbol", type=SYMBOL, required=True, help="A symbol of config.yaml: BTC.")
interval_option = click.option("--interval", type=INTERVAL, required=True, help="A candle interval: 37m, 1h, 1d, 1M.")
parameters_option = click.option(
    "--param", "parameters", multiple=True, callback=_pairs, help="A parameter of the strategy: k=v."
)
json_option = click.option("--json", "as_json", is_flag=True, help="Print one JSON object on standard output.")
debug_option = click.option(
    "--debug", is_flag=True, expose_value=False, help="Show where an error comes from (traceback)."
)


def start_option(*, required: bool = False) -> Callable[[Function], Function]:
    """Return the option ``--start``, first instant of a range."""
    return click.option(
        "--start", type=TIME, required=required, help="First instant, ISO 8601; UTC without an offset: 2021-04-01."
    )


def end_option(*, left_out: str = "now") -> Callable[[Function], Function]:
    """Return the option ``--end``, first instant after a range; ``left_out`` says what counts without it."""
    return click.option(
        "--end", type=TIME, help=f"First instant after the range; 2021-05-01 is its midnight. Left out: {left_out}."
    )


def range_of(start: datetime | None, end: datetime | None, *, now: datetime) -> TimeRange:
    """Return the range that ``--start`` and ``--end`` name: from 1970 without a start, to ``now`` without an end.

    Raises:
        TimeError: If the range is empty or reversed.
    """
    return TimeRange(start or EPOCH, end or now)


def months_asked(month: TimeRange | None, start: datetime | None, end: datetime | None) -> TimeRange | None:
    """Return the range that ``--month``, or ``--start`` and ``--end`` name; None where none of them is given.

    Raises:
        InputError: If both are given.
        TimeError: If the range is empty or reversed.
    """
    if month is not None and (start or end):
        raise InputError("--month with --start or --end: expected one or the other")
    if month is not None or not (start or end):
        return month
    return range_of(start, end, now=FOREVER)


def command(*, example: str, **attributes: Any) -> Callable[[Callable[..., Any]], click.Command]:
    """Return a decorator that makes a function a command, with ``--debug`` and an example in its help.

    Args:
        example: A command line that works; several by line.
        attributes: As ``click.command`` takes them.
    """
    lines = "".join(f"\n  {line}" for line in example.splitlines())

    def made(function: Callable[..., Any]) -> click.Command:
        return click.command(epilog=f"\b\nExample:{lines}", **attributes)(debug_option(function))

    return made
