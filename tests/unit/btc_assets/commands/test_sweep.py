"""``btc sweep``: bad usage is a sentence and exit 2, before any database is asked."""

import pytest
from click.testing import CliRunner

from btc_assets.cli import exit_code, sentence
from btc_assets.commands.sweep import COMMAND

AWAY = "postgresql://nobody@127.0.0.1:1/none"
GOOD = {"symbol": "BTC", "interval": "37m", "strategy": "ma", "start": "2025-01-01", "end": "2025-02-01"}


def refusal(settings_for, **changes):
    """Run the command against a database that is not there; return exit code and sentence."""
    options = {"param": "period=5:400:5", **GOOD, **changes}
    arguments = [part for name, value in options.items() for part in (f"--{name.replace('_', '-')}", value)]
    result = CliRunner().invoke(COMMAND, arguments, obj=settings_for(AWAY), standalone_mode=False)
    assert result.stdout == ""
    return exit_code(result.exception), sentence(result.exception)


@pytest.mark.parametrize(
    ("changes", "said"),
    [
        ({"symbol": "BTX"}, "unknown symbol 'BTX'. Did you mean BTC?"),
        ({"symbol": "BTC,BTX"}, "unknown symbol 'BTX'. Did you mean BTC?"),
        ({"interval": "37m,6x"}, "'6x' is no interval: expected a number with m, h or d"),
        ({"interval": "37m,1m"}, "expected an interval longer than 1m"),
        ({"strategy": "maa"}, "unknown strategy 'maa'. Did you mean ma"),
        ({"start": "2025-03-01"}, "is reversed: the start must lie before the end"),
        ({"sort": "sharp"}, "'sharp' is not one of"),
        ({"capital": "0"}, "capital: expected a number above 0, found 0.0"),
        ({"leverage": "100"}, "leverage: expected a number above 0 and at most 40"),
        ({"param": "perio=5:400:5"}, "unknown parameter of strategy ma 'perio'. Did you mean period?"),
        ({"param": "period=5:400"}, "expected first:last:step, such as period=5:400:5"),
        ({"param": "period=400:5:5"}, "the range is empty, 5 is below 400"),
        ({"param": "period=5:4000:5"}, "period='1005' is out of range, expected 2 to 1000"),
        ({"strategy": "ma_cross", "param": "slow=2:2500:0.01"}, "expected at most 100,000 values, found 249,801"),
    ],
)
def test_bad_usage_is_a_sentence(settings_for, changes, said):
    """What was expected, what was found, what to do."""
    code, text = refusal(settings_for, **changes)
    assert code == 2
    assert said in text


def test_too_many_trials_are_refused_before_they_begin(settings_for):
    """The product over parameters, intervals and symbols counts; a draw of it is the way out."""
    many = ["--param", "fast=1:1000:1", "--param", "slow=2:1001:1", "--strategy", "ma_cross"]
    code, text = refusal(settings_for, interval="37m,1h", strategy="ma_cross", param="fast=1:1000:1")
    assert (code, "no usable database" in text) == (1, True)
    options = [part for name, value in GOOD.items() for part in (f"--{name}", value)]
    result = CliRunner().invoke(COMMAND, [*options, *many], obj=settings_for(AWAY), standalone_mode=False)
    assert "expected at most 100,000 trials, found 1,000,000: take larger steps, or --random" in str(result.exception)
    drawn = CliRunner().invoke(
        COMMAND, [*options, *many, "--random", "9"], obj=settings_for(AWAY), standalone_mode=False
    )
    assert "no usable database" in str(drawn.exception)


def test_a_database_that_is_away_is_a_failed_operation(settings_for):
    """Good usage without a database is exit 1."""
    code, text = refusal(settings_for)
    assert code == 1
    assert "no usable database at 127.0.0.1:1" in text


def test_costs_are_the_options_of_a_backtest():
    """By the same names: what `btc backtest` is given, a sweep can be given."""
    names = {option for param in COMMAND.params for option in param.opts}
    assert {"--capital", "--leverage", "--mode", "--taker-bps", "--stop-bps", "--delay-minutes"} <= names
