"""What a quality check is: frames in, findings out. Each stands in its own file of ``quality``.

Who reads the frames, keeps the findings and shows them is elsewhere (``btc_store.quality``, ``btc_assets.quality``).
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from enum import StrEnum

import polars as pl

from btc_core.model.interval import Interval
from btc_core.model.timerange import TimeRange
from btc_core.parameters import Number, Parameter, Parameters, resolve_parameters
from btc_core.plugins import load_plugin, load_plugins

PACKAGE = "btc_core.quality"

# What a check returns. `details` is JSON; `end_time` is null where what was found has not ended.
FINDING_SCHEMA = pl.Schema(
    {
        "start_time": pl.Datetime("us", "UTC"),
        "end_time": pl.Datetime("us", "UTC"),
        "details": pl.String(),
        "severity": pl.String(),
    }
)


class Subject(StrEnum):
    """The assets that a check belongs to."""

    MINUTES = "candles/1m"
    CANDLES = "candles/<interval>"
    INDICATORS = "indicators/<interval>"
    DECISIONS = "decisions/<strategy>"


class Source(StrEnum):
    """A frame that a check may ask for, ascending by ``time``; ``candles/<label>`` is one too.

    All reach as far around what is judged as the check says. ``MINUTES`` are the 1m candles that a candle is made of.
    """

    CANDLES = "candles"  # of the asset's own interval: CANDLE_SCHEMA
    MINUTES = "candles/1m"
    INDICATORS = "indicators"  # time, indicator_name, value
    DECISIONS = "decisions"  # newest revision: time, seq, signal, confidence, exposure, price, revision
    ACCOUNTED = "accounted"  # time: minutes stored or known without trades, from the stored one before the range on
    SILENT = "silent"  # time: minutes known to be without trades
    REVISIONS = "revisions"  # time, n_revisions: minutes whose stored values were replaced
    IMPORTED = "imported"  # time: minutes that are not the exchange's own word
    WRITTEN_SINCE = "written_since"  # time: minutes written after the run began, so another run's affair
    NEWEST = "newest"  # time, is_import: the newest minute of the symbol, wherever it is; not the collector's
    EXCHANGE = "exchange"  # the exchange's own candles of the interval: time, open, high, low, close, volume, trades
    PARITY = "parity"  # where live decisions differ from a backtest: btc_store.parity
    TABLES = "tables"  # name, n_bytes, n_rows, n_rows_day


class Turn(StrEnum):
    """When a check is made."""

    WITH_ASSET = "in the step of its asset"
    EVERY_RUN = "every run"
    DAILY = "once a day"
    EVERY_MINUTE = "every minute"


@dataclass(frozen=True, slots=True, kw_only=True)
class Evidence:
    """What a check looks at.

    Attributes:
        symbol: Whose.
        interval: Of which candles; 1m for checks of minutes.
        within: What is judged: open times. The frames may reach further; what is found elsewhere is dropped.
        now: The present instant of the market.
        frames: What the check asked for, by source.
    """

    symbol: str
    interval: Interval
    within: TimeRange
    now: datetime
    frames: Mapping[str, pl.DataFrame]

    def __getitem__(self, source: str) -> pl.DataFrame:
        """Return one of the frames."""
        return self.frames[source]


Summary = tuple[str, Mapping[str, Number]]


def _nothing_around(_parameters: Parameters) -> timedelta:
    return timedelta(0)


@dataclass(frozen=True, slots=True, kw_only=True)
class Check:
    """A question about stored data.

    Attributes:
        description: What holds when it passes.
        subject: Which assets it belongs to.
        intervals: Of these only; empty: of all that are configured.
        sources: What it looks at. The first one's rows are counted as what was looked at.
        find: Returns what is wrong, in ``FINDING_SCHEMA``.
        kind: What its findings are in ``data_quality``; None: they are shown and not kept.
        parameters: What it is tuned by.
        reach: How far around a minute its verdict on it looks. After a change that far is judged again.
        backward: How much of what is before a change is judged again with it.
        whole_days: Whether it judges days (UTC) as a whole.
        is_about_now: Whether it is about the present: past months have nothing to judge.
        turn: When it is made.
        blocking: Whether what hangs on the asset waits while a finding is an error.
        is_mild: Whether it never fails worse than with a warning, whatever its findings' severity.
        is_alone: Whether no other check writes findings of its kind: then their details are not put under its name.
        summarise: Returns a sentence and figures of what was found; by default their number.
    """

    description: str
    subject: Subject
    intervals: tuple[str, ...] = ()
    sources: tuple[str, ...]
    find: Callable[[Evidence, Parameters], pl.DataFrame]
    kind: str | None
    parameters: Mapping[str, Parameter] = field(default_factory=dict[str, Parameter])
    reach: Callable[[Parameters], timedelta] = _nothing_around
    backward: Callable[[Parameters], timedelta] = _nothing_around
    whole_days: bool = False
    is_about_now: bool = False
    turn: Turn = Turn.DAILY
    blocking: bool = False
    is_mild: bool = False
    is_alone: bool = False
    summarise: Callable[[pl.DataFrame], Summary] | None = None


@dataclass(frozen=True, slots=True)
class NamedCheck:
    """A check with its parameters filled in, under the name of its file."""

    name: str
    rule: Check
    parameters: Parameters

    def find(self, evidence: Evidence) -> pl.DataFrame:
        """Return what is wrong in what is judged, in ``FINDING_SCHEMA``, ascending."""
        found = self.rule.find(evidence, self.parameters).cast(FINDING_SCHEMA)
        if self.rule.is_about_now:
            return found
        within = evidence.within
        touches = (pl.col("start_time") < within.end) & (
            pl.col("end_time").is_null() | (pl.col("end_time") > within.start)
        )
        return found.filter(touches).sort("start_time")

    @property
    def reach(self) -> timedelta:
        """How far around a minute the verdict on it looks."""
        return self.rule.reach(self.parameters)

    def word_of(self, strategy: str) -> str:
        """Return the key under which a finding's details are this check's; empty where they are as a whole.

        Args:
            strategy: Whose decisions were judged; empty where it is about none.
        """
        if self.rule.is_alone:
            return ""
        return f"{self.name}/{strategy}" if strategy else self.name


def load_checks(overrides: Mapping[str, Mapping[str, object]] | None = None) -> list[NamedCheck]:
    """Return every check in ``btc_core/quality``, with parameters from the configuration where it states some.

    Raises:
        UnknownNameError: If the configuration names a check or a parameter that does not exist.
        InputError: If a parameter is out of range.
    """
    rules: Mapping[str, Check] = load_plugins(PACKAGE, "CHECK")
    given = dict(overrides or {})
    resolve_parameters("quality", dict.fromkeys(rules, Parameter(0, 0, 0, "")), dict.fromkeys(given, 0))
    return [
        NamedCheck(name, rule, resolve_parameters(f"check {name}", rule.parameters, given.get(name, {})))
        for name, rule in rules.items()
    ]


def load_check(name: str) -> NamedCheck:
    """Return one check with its default parameters.

    Raises:
        UnknownNameError: If there is none of that name.
    """
    rule: Check = load_plugin(PACKAGE, "CHECK", name)
    return NamedCheck(name, rule, resolve_parameters(f"check {name}", rule.parameters, {}))


def counted(n: int, noun: str) -> str:
    """Return a number of things in words: ``1 gap``, ``2 gaps``."""
    return f"{n} {noun}" if n == 1 else f"{n} {noun}s"


def findings(
    rows: pl.DataFrame, *, start: pl.Expr, end: pl.Expr, severity: pl.Expr | str, **details: pl.Expr
) -> pl.DataFrame:
    """Return a finding for each row, in ``FINDING_SCHEMA``.

    Args:
        rows: What is wrong.
        start: From when on.
        end: Until when; null where it has not ended.
        severity: ``info``, ``warning`` or ``error``.
        details: What else there is to know; a null is left out of what is kept and shown.
    """
    if not rows.height:
        return pl.DataFrame(schema=FINDING_SCHEMA)
    told = [value.alias(name) for name, value in details.items()]
    return rows.select(
        start.alias("start_time"),
        end.alias("end_time"),
        pl.struct(told).struct.json_encode().alias("details"),
        pl.lit(severity).alias("severity") if isinstance(severity, str) else severity.alias("severity"),
    ).cast(FINDING_SCHEMA)
