"""Symbols, intervals and times on the command line: what is taken, and the sentence for what is not."""

from datetime import UTC, datetime

import pytest

from btc_assets.commands.options import FOREVER, range_of
from btc_core.errors import TimeError
from btc_core.model.timerange import EPOCH

NOW = datetime(2025, 1, 2, tzinfo=UTC)


def test_unknown_symbol(btc):
    """The near misses are named; bad usage."""
    result = btc("gaps", "--symbol", "BTX")
    assert result.exit_code == 2
    assert result.stderr == ("btc gaps: Invalid value for '--symbol': unknown symbol 'BTX'. Did you mean BTC?\n")


def test_symbol_in_lower_case(btc):
    """It is found; what fails then is the database, which is not there."""
    assert btc("gaps", "--symbol", "eth", BTC_SYMBOLS="BTC,ETH").exit_code == 1


@pytest.mark.parametrize("label", ["6x", "0m", "2w", "m"])
def test_text_that_is_no_interval(btc, label):
    """The sentence says which labels there are."""
    result = btc("export", "--symbol", "BTC", "--interval", label, "-o", "x.csv")
    assert result.exit_code == 2
    assert (
        f"Invalid value for '--interval': '{label}' is no interval: expected a number with m, h or d" in result.stderr
    )


@pytest.mark.parametrize("option", ["--start", "--end"])
def test_text_that_is_no_time(btc, option):
    """The sentence names the option and shows what a time looks like."""
    result = btc("gaps", "--symbol", "BTC", option, "yesterday")
    assert result.exit_code == 2
    assert f"Invalid value for '{option}': 'yesterday' is no time: expected ISO 8601, such as" in result.stderr


@pytest.mark.parametrize(
    ("end", "word"), [("2021-01-01", "is reversed"), ("2022-01-01", "is empty")], ids=["reversed", "empty"]
)
def test_impossible_range(btc, end, word):
    """Said before the database is asked."""
    result = btc("gaps", "--symbol", "BTC", "--start", "2022-01-01", "--end", end)
    assert result.exit_code == 2
    assert word in result.stderr
    assert "the start must lie before the end" in result.stderr


def test_range_of():
    """Without a start from 1970, without an end to now."""
    assert range_of(None, None, now=NOW).start == EPOCH
    assert range_of(None, None, now=NOW).end == NOW
    assert range_of(NOW, None, now=FOREVER).start == NOW
    with pytest.raises(TimeError):
        range_of(NOW, EPOCH, now=FOREVER)


@pytest.mark.parametrize(
    ("name", "value", "found"), [("DB_PORT", "x", "DB_PORT='x'"), ("BTC_CLOCK", "1", "BTC_CLOCK='1'")]
)
def test_wrong_environment(name, value, found):
    """A variable that cannot be used is bad usage, and named."""
    from click.testing import CliRunner

    from btc_assets.cli import main

    env = {"DATABASE_URL": None, "BTC_CONFIG": None, "BTC_CLOCK": None, name: value}
    result = CliRunner().invoke(main, ["gaps", "--symbol", "BTC"], env=env)
    assert result.exit_code == 2
    assert result.stderr.startswith(f"{found}: expected")


@pytest.mark.parametrize(
    ("command", "meaning"),
    [("backtest", "now"), ("backfill", "now"), ("gaps", "all there is"), ("export", "all there is")],
)
def test_the_help_says_what_a_range_without_an_end_is(btc, command, meaning):
    """Some go to this minute, others as far as candles are stored."""
    assert f"Left out: {meaning}." in " ".join(btc(command, "--help").stdout.split())
