"""``btc check-strategy``: does a strategy know what it cannot know? Needs no candles and no database."""

import click
import msgspec

from btc_assets.commands.options import INTERVAL, command, json_option, parameters_option, pass_settings
from btc_assets.commands.output import answer
from btc_core.enabled import try_out
from btc_core.lookahead import check, market_for
from btc_core.model.interval import Interval
from btc_core.strategy import load_strategy
from btc_store.settings import Settings


@command(example="btc check-strategy ma44\nbtc check-strategy donchian --interval 1d --param entry=55 --seed 7")
@click.argument("name")
@parameters_option
@click.option("--interval", type=INTERVAL, default="37m", show_default=True, help="Of the candles it is asked about.")
@click.option("--seed", type=click.IntRange(0), default=0, show_default=True, help="Another number, another market.")
@click.option("--trials", type=click.IntRange(1), default=100, show_default=True, help="How often it is asked again.")
@json_option
@pass_settings
def check_strategy(
    _settings: Settings,  # read for the folder of strategies of one's own
    *,
    name: str,
    parameters: dict[str, str],
    interval: Interval,
    seed: int,
    trials: int,
    as_json: bool,
) -> None:
    """Ask a strategy again with another future and a shorter past: what it said must stay. Ends with 1 if it does not.

    The market is made up, with trends, swings, silence and gaps. What is found is a fault; that nothing is found is no
    proof, and gets better with every seed.
    """
    strategy = load_strategy(name, parameters)
    try_out(strategy)
    verdict = check(strategy, market_for(strategy, interval, seed=seed), seed=seed, n_trials=trials)
    asked = f"{name} was asked about {verdict.n_candles:,} candles of {interval}, and {verdict.n_trials:,} times again"
    if verdict.finding is not None:
        text = f"{asked}.\n{verdict.finding.sentence}"
    elif not verdict.n_changes:
        text = f"{asked}: it never traded, so nothing was tried. Give another --seed, --interval or --param"
    else:
        text = f"{asked}: it said the same, and looks back {strategy.look_back_in(interval):,} candles as it says"
    value = {
        "strategy": name,
        "parameters": dict(strategy.parameters),
        "interval": interval.label,
        "seed": seed,
        "look_back": strategy.look_back_in(interval),
        "is_honest": verdict.finding is None and verdict.n_changes > 0,
        **msgspec.to_builtins(verdict),
    }
    answer(value, as_json=as_json, text=text)
    if not value["is_honest"]:
        click.get_current_context().exit(1)


COMMAND = check_strategy
