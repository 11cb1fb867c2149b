"""``config.yaml`` as a frozen value: what the system is. Plain part: the collector reads it too.

The text is parsed elsewhere (``btc_store.settings``); here a tree of plain values becomes a ``Config``, or an error
that names the key and the near misses.
"""

import re
from collections.abc import Mapping
from datetime import UTC, date, datetime
from typing import Annotated, Any, get_type_hints

import msgspec

from btc_core.alerts import AlertsConfig
from btc_core.errors import BtcError, ConfigError, InputError, UnknownNameError, near_misses
from btc_core.history import EXCHANGE_ITSELF, parse_history_source
from btc_core.model.backtest import BacktestConfig
from btc_core.model.interval import Interval, parse_interval

_ORIGIN = re.compile(r"https?://[^/\s*]+")
_KEY = re.compile(r"[A-Za-z0-9_-]+")
_SYMBOL = re.compile(r"[A-Z0-9]+(?:[/:][A-Z0-9]+)*")


class _Section(msgspec.Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """Base of the sections: frozen, and a key that does not exist is an error."""


class SymbolConfig(_Section, frozen=True):
    """An instrument; ``coin`` is the exchange's name of it (default: ours), ``history`` where its past comes from."""

    coin: str | None = None
    history: str = EXCHANGE_ITSELF

    def __post_init__(self) -> None:
        try:
            parse_history_source(self.history)
        except InputError as error:
            raise ValueError(f"history: {error}") from None


class IndicatorConfig(_Section, frozen=True):
    """An indicator that is kept: its function, its parameters and the intervals it is kept for."""

    function: str
    intervals: tuple[str, ...]
    parameters: dict[str, float | int | str] = {}


class StrategyConfig(_Section, frozen=True):
    """A strategy that decides live: the intervals it decides on."""

    intervals: tuple[str, ...]
    parameters: dict[str, float | int | str] = {}


class SweepConfig(_Section, frozen=True):
    """A sweep that Dagster offers as an asset: what `btc sweep` takes as options.

    Attributes:
        strategy: Its name.
        intervals: Of the candles that are decided on.
        parameters: Ranges ("5:400:5"), lists, values.
        symbols: Which ones; all where left out.
        start, end: Midnights of the first day and after the last; left out: since ``history_start``, to the last one.
        random: So many places of the grid, drawn; None: all.
        seed: Of the draw.
        walk_forward: Training and test, as in ``12M/3M``; None: the whole range at once.
        anchored: Whether each training begins where the range does.
        sort: The figure by which the best is.
        top: How many are shown.
        backtest: Capital, costs and rules that differ from the section of that name.
    """

    strategy: str
    intervals: tuple[str, ...]
    parameters: dict[str, str | float | int | tuple[str | float | int, ...]] = {}
    symbols: tuple[str, ...] = ()
    start: date | None = None
    end: date | None = None
    random: Annotated[int, msgspec.Meta(ge=1)] | None = None
    seed: Annotated[int, msgspec.Meta(ge=0)] = 0
    walk_forward: str | None = None
    anchored: bool = False
    sort: str = "sharpe"
    top: Annotated[int, msgspec.Meta(ge=1)] = 20
    backtest: dict[str, float | int | str | None] = {}


class DecisionsConfig(_Section, frozen=True):
    """When a candle with missing minutes is decided on (law 4)."""

    min_completeness: float = 0.95
    wait_minutes: float = 10

    def __post_init__(self) -> None:
        if not 0 < self.min_completeness <= 1:
            raise ValueError(f"min_completeness is a fraction above 0 and at most 1, found {self.min_completeness}")


class CollectorConfig(_Section, frozen=True):
    """Timing, sizes and folders of the collector; seconds are market seconds, weights are the exchange's.

    ``docs/operations.md`` says what each is for.
    """

    close_after_seconds: float = 3
    flush_seconds: float = 30
    flush_candles: int = 100
    buffer_candles: int = 1000
    ping_seconds: float = 15
    pong_seconds: float = 10
    silence_seconds: float = 30
    ack_seconds: float = 10
    silent_coin_seconds: float = 90
    quarantine_seconds: float = 900
    backoff_min_seconds: float = 1
    backoff_max_seconds: float = 900
    rotate_seconds: float = 9000
    rotate_jitter_seconds: float = 300
    connections_a_minute: int = 20
    confirm_after_seconds: float = 15
    confirm_again_seconds: float = 120
    hourly_check_hours: float = 2
    daily_check_hours: float = 80
    retry_seconds: tuple[float, ...] = (15, 60, 120, 300, 900)
    no_trade_hours: float = 6
    always_trades: tuple[str, ...] = ("BTC",)
    rest_weight_a_minute: int = 600
    clock_check_seconds: float = 300
    clock_alarm_seconds: float = 2
    clock_stop_seconds: float = 10
    state_folder: str = ".data/collector"
    spool_megabytes: float = 64
    record_frames: bool = False
    record_days: float = 7
    pool_min: int = 2
    pool_max: int = 5

    def __post_init__(self) -> None:
        for name in self.__struct_fields__:
            value = getattr(self, name)
            parts = value if isinstance(value, tuple) else (value,)
            if any(isinstance(part, (int, float)) and not isinstance(part, bool) and part <= 0 for part in parts):
                raise ValueError(f"{name} must be above 0, found {value}")
        if not self.retry_seconds:
            raise ValueError("retry_seconds must hold at least one wait, found none")


class ApiConfig(_Section, frozen=True):
    """How much the API gives, and to whom.

    Attributes:
        cors_origins: Origins (``https://charts.example``) whose pages may read it from a browser.
        requests_a_minute: Of one client. Pages and scripts of the dashboard are not counted.
        loopback_requests_a_minute: Of this machine's programs together; a proxy on it is one of them.
        max_streams: Live streams at once.
        pool_max: Connections to the database.
    """

    cors_origins: tuple[str, ...] = ()
    requests_a_minute: int = 1_200
    loopback_requests_a_minute: int = 600_000
    max_streams: int = 250
    pool_max: int = 8

    def __post_init__(self) -> None:
        for name in ("requests_a_minute", "loopback_requests_a_minute", "max_streams", "pool_max"):
            if getattr(self, name) < 1:
                raise ValueError(f"{name} must be at least 1, found {getattr(self, name)}")
        for origin in self.cors_origins:
            if _ORIGIN.fullmatch(origin) is None:
                raise ValueError(f"cors_origins: expected https://host or http://host:port, found {origin!r}")


class PaperConfig(BacktestConfig, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Terms of the paper accounts; what is left out is as in ``backtest``.

    Attributes:
        start: Since when they follow the decisions (its midnight); None: since they are opened.
    """

    start: date | None = None

    @property
    def terms(self) -> BacktestConfig:
        """The terms alone."""
        names = BacktestConfig.__struct_fields__
        return BacktestConfig(**{name: getattr(self, name) for name in names})

    @property
    def start_time(self) -> datetime | None:
        """Midnight of the first day."""
        return self.start and datetime(self.start.year, self.start.month, self.start.day, tzinfo=UTC)


class Config(_Section, frozen=True):
    """The whole of ``config.yaml``."""

    symbols: dict[str, SymbolConfig]
    intervals: tuple[str, ...]
    history_start: date
    indicators: dict[str, IndicatorConfig] = {}
    strategies: dict[str, StrategyConfig] = {}
    # A folder of strategies of one's own, beside those of the project; relative to the file.
    strategies_path: str | None = None
    decisions: DecisionsConfig = DecisionsConfig()
    quality: dict[str, dict[str, float | int]] = {}
    collector: CollectorConfig = CollectorConfig()
    backtest: BacktestConfig = BacktestConfig()
    paper: PaperConfig = PaperConfig()
    api: ApiConfig = ApiConfig()
    alerts: AlertsConfig = AlertsConfig()
    sweeps: dict[str, SweepConfig] = {}

    def coin_of(self, symbol: str) -> str:
        """Return the exchange's name of a symbol."""
        return self.symbols[symbol].coin or symbol

    @property
    def derived_intervals(self) -> tuple[Interval, ...]:
        """The configured intervals, shortest first."""
        return tuple(sorted((parse_interval(label) for label in self.intervals), key=lambda i: i.longest))

    @property
    def history_start_time(self) -> datetime:
        """Midnight of the first day of the first partition."""
        return datetime(self.history_start.year, self.history_start.month, 1, tzinfo=UTC)

    def symbol(self, name: str) -> str:
        """Return the configured symbol of that name; upper and lower case do not matter.

        Raises:
            UnknownNameError: If it is not configured.
        """
        for symbol in self.symbols:
            if symbol.casefold() == name.strip().casefold():
                return symbol
        raise UnknownNameError("symbol", name, self.symbols)


def parse_config(tree: object, *, symbols: tuple[str, ...] = ()) -> Config:
    """Return the configuration that a tree of plain values (parsed YAML) describes.

    Args:
        tree: The parsed text.
        symbols: Symbols to collect instead of the configured ones (``BTC_SYMBOLS``); one that the tree does not
            describe gets the defaults.

    Raises:
        ConfigError: If a key is unknown (names near misses), missing, or has a wrong value.
    """
    if not isinstance(tree, dict):
        raise ConfigError(f"expected keys and values, found {'nothing' if tree is None else type(tree).__name__}")
    try:
        config = msgspec.convert(_with_paper(tree), Config)
    except msgspec.ValidationError as error:
        raise ConfigError(_explain(str(error))) from None
    except InputError as error:
        section = "backtest or paper" if tree.get("paper") else "backtest"
        raise ConfigError(f"{section}: {error}") from None
    if symbols:
        chosen = {name: config.symbols.get(name, SymbolConfig()) for name in symbols}
        config = msgspec.structs.replace(config, symbols=chosen)
    _check(config)
    return config


def _with_paper(tree: dict[str, Any]) -> dict[str, Any]:
    """Return a tree whose paper accounts have the terms of backtests where they state none."""
    backtest, paper = tree.get("backtest") or {}, tree.get("paper") or {}
    if not (isinstance(backtest, dict) and isinstance(paper, dict)):
        return tree
    return {**tree, "paper": {**backtest, **paper}}


def _check(config: Config) -> None:
    """Refuse what has the right shape and cannot be meant."""
    if not config.symbols:
        raise ConfigError("symbols: expected at least one, found none")
    for symbol in config.symbols:
        if _SYMBOL.fullmatch(symbol) is None:
            raise ConfigError(
                f"symbols: {symbol!r} is no symbol: expected upper-case letters and digits (BTC, UBTC/USDC)"
            )
    _check_labels("intervals", config.intervals, None)
    for section, entries in (("indicators", config.indicators), ("strategies", config.strategies)):
        for name, entry in entries.items():
            _check_labels(f"{section}.{name}.intervals", entry.intervals, config.intervals)
    for name, sweep in config.sweeps.items():
        _check_sweep(f"sweeps.{name}", name, sweep, config)


def _check_sweep(key: str, name: str, sweep: SweepConfig, config: Config) -> None:
    if _KEY.fullmatch(name) is None:
        raise ConfigError(f"sweeps: expected letters, digits, - and _ in a name, found {name!r}")
    if not sweep.intervals:
        raise ConfigError(f"{key}.intervals: expected at least one, found none")
    _check_labels(f"{key}.intervals", sweep.intervals, None)
    for symbol in sweep.symbols:
        if symbol not in config.symbols:
            near = near_misses(symbol, config.symbols)
            raise ConfigError(f"{key}.symbols: {symbol} is not among the symbols. {near}")
    if sweep.anchored and sweep.walk_forward is None:
        raise ConfigError(f"{key}.anchored: expected walk_forward with it, such as walk_forward: 12M/3M")


def _check_labels(key: str, labels: tuple[str, ...], known: tuple[str, ...] | None) -> None:
    for label in labels:
        try:
            canonical = parse_interval(label).label
        except BtcError as error:
            raise ConfigError(f"{key}: {error}") from None
        if canonical != label:
            raise ConfigError(f"{key}: write {canonical} for {label}")
        if label == "1m":
            raise ConfigError(f"{key}: 1m candles are collected, not derived; leave 1m out")
        if known is not None and label not in known:
            raise ConfigError(f"{key}: {label} is not among the configured intervals. {near_misses(label, known)}")
    if len(set(labels)) != len(labels):
        raise ConfigError(f"{key}: an interval is named twice")


def _explain(message: str) -> str:
    """Return msgspec's message as ``key: what`` with the keys that may have been meant."""
    text, _, path = message.partition(" - at `$")
    path = path.rstrip("`").removeprefix(".")
    shown = path.replace("[...]", ".<name>")
    unknown = re.fullmatch(r"Object contains unknown field `(?P<key>.*)`", text)
    if unknown is None:
        return f"{shown or 'config'}: {text[:1].lower()}{text[1:]}"
    key = unknown["key"]
    where = f"{shown}.{key}" if shown else key
    return f"unknown key {where!r}. {near_misses(key, _keys_at(path))}"


def _keys_at(path: str) -> tuple[str, ...]:
    """Return the keys that the section at a path of msgspec's may have."""
    section: Any = Config
    for step in re.findall(r"[a-z_]+|\[\.\.\.\]", path):
        # A mapping's values stand under "[...]" in msgspec's path; their type is its second argument.
        section = section.__args__[1] if step == "[...]" else get_type_hints(section)[step]
    fields: Mapping[str, object] = get_type_hints(section)
    return tuple(fields)
