"""``btc indicators``: what is installed, with parameters."""

import inspect
from importlib import import_module

from btc_assets.commands.options import command, json_option
from btc_assets.commands.output import answer, describe_parameters, describe_plugins


@command(example="btc indicators\nbtc indicators --json")
@json_option
def indicators(*, as_json: bool) -> None:
    """List the installed indicators with their parameters: default, range and meaning."""
    from btc_core.indicator import NamedIndicator
    from btc_core.parameters import resolve_parameters
    from btc_core.plugins import load_plugins

    found: list[dict[str, object]] = []
    for name, indicator in load_plugins("btc_core.indicators", "INDICATOR").items():
        default = NamedIndicator(name, name, resolve_parameters(name, indicator.parameters, {}))
        found.append(
            {
                "name": name,
                "description": _description(name),
                "parameters": describe_parameters(indicator.parameters),
                # With the default parameters; the look-back is that of 1m candles, the longest.
                "outputs": list(default.columns()),
                "warm_up": default.warm_up,
                "look_back": default.look_back,
            }
        )
    answer({"indicators": found}, as_json=as_json, text=describe_plugins(found))


def _description(name: str) -> str:
    """Return what an indicator's file says it is: the first paragraph of its docstring."""
    text = inspect.getdoc(import_module(f"btc_core.indicators.{name}")) or ""
    return " ".join(text.partition("\n\n")[0].split())


COMMAND = indicators
