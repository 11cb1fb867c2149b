"""Which strategies can be used: one whose file is broken is left out, with a sentence, and nothing else is."""

import msgspec

from btc_core.config import Config
from btc_core.errors import BtcError, InputError, PluginError
from btc_core.lookahead import market_for
from btc_core.model.interval import parse_interval
from btc_core.plugins import broken_plugins, fault_of, file_of, load_plugins, plugin_names
from btc_core.strategy import PACKAGE, NamedStrategy, load_strategy

# Candles beyond the look-back.
_N_CANDLES = 20


def enabled(config: Config) -> tuple[Config, list[PluginError]]:
    """Return the configuration without the strategies whose file cannot be used, and what is wrong with each.

    Raises:
        UnknownNameError: If a configured strategy or parameter does not exist: that is a fault of the configuration.
        InputError: If a parameter is out of range.
    """
    broken: dict[str, PluginError] = {}
    for name, entry in config.strategies.items():
        try:
            strategy = load_strategy(name, entry.parameters)
            try_out(strategy)
        except PluginError as error:
            broken[name] = error
            continue
        for other in strategy.also:
            if other not in config.derived_intervals:
                raise InputError(f"strategies.{name}: it looks at {other} candles too; add {other} to intervals")
    kept = {name: entry for name, entry in config.strategies.items() if name not in broken}
    return msgspec.structs.replace(config, strategies=kept), list(broken.values())


def installed() -> tuple[dict[str, NamedStrategy], list[PluginError]]:
    """Return every strategy that can be used, with its default parameters, and what is wrong with the other files."""
    usable: dict[str, NamedStrategy] = {}
    broken = {error.file: error for error in broken_plugins(PACKAGE, "STRATEGY")}
    for name in load_plugins(PACKAGE, "STRATEGY"):
        try:
            usable[name] = load_strategy(name, {})
            try_out(usable[name])
        except PluginError as error:
            usable.pop(name, None)
            broken[error.file] = error
    return usable, list(broken.values())


def try_out(strategy: NamedStrategy) -> None:
    """Let a strategy speak once over a made-up market.

    Raises:
        PluginError: If it cannot.
    """
    file = file_of(PACKAGE, strategy.name) if strategy.name in plugin_names(PACKAGE) else strategy.name
    try:
        market_for(strategy, parse_interval("1h"), room=_N_CANDLES).said(strategy)
    except BtcError as error:
        raise PluginError(file, str(error).rstrip(".")) from error
    except Exception as error:  # the rule may be anybody's, and do anything
        raise PluginError(file, fault_of(error, file)) from error
