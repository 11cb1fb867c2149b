"""``btc strategies``: what is installed, with parameters."""

from btc_assets.commands.options import command, json_option
from btc_assets.commands.output import answer, describe_parameters, describe_plugins


@command(example="btc strategies\nbtc strategies --json")
@json_option
def strategies(*, as_json: bool) -> None:
    """List the installed strategies with their parameters: default, range and meaning."""
    from btc_core.plugins import load_plugins

    found = [
        {"name": name, "description": rule.description, "parameters": describe_parameters(rule.parameters)}
        for name, rule in load_plugins("btc_core.strategies", "STRATEGY").items()
    ]
    answer({"strategies": found}, as_json=as_json, text=describe_plugins(found))


COMMAND = strategies
