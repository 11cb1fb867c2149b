"""``btc strategies``: what is installed, with parameters; and what is wrong with a file that cannot be used."""

from btc_assets.commands.options import command, json_option, pass_settings
from btc_assets.commands.output import answer, describe_parameters, describe_plugins
from btc_store.settings import Settings


@command(example="btc strategies\nbtc strategies --json")
@json_option
@pass_settings
def strategies(_settings: Settings, *, as_json: bool) -> None:  # the settings name the folder of one's own
    """List the installed strategies with their parameters: default, range and meaning."""
    from btc_core.enabled import installed

    usable, broken = installed()
    found = [
        {
            "name": name,
            "description": strategy.rule.description,
            "parameters": describe_parameters(strategy.rule.parameters),
        }
        for name, strategy in usable.items()
    ]
    faults = [{"file": error.file, "fault": error.fault} for error in broken]
    text = "\n\n".join([describe_plugins(found), *(str(error) for error in broken)])
    answer({"strategies": found, "left_out": faults}, as_json=as_json, text=text)


COMMAND = strategies
