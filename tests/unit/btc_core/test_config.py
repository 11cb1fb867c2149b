"""config.yaml: what it may say, and the sentence for everything it may not."""

import copy
from datetime import UTC, date, datetime

import pytest

from btc_core.config import parse_config
from btc_core.errors import ConfigError, UnknownNameError

SMALLEST = {"symbols": {"BTC": {}}, "intervals": ["37m", "1d"], "history_start": "2017-03-15"}

FULL = {
    **SMALLEST,
    "symbols": {"BTC": {}, "UBTC/USDC": {"coin": "@142"}},
    "indicators": {"ma44": {"function": "sma", "parameters": {"period": 44}, "intervals": ["37m"]}},
    "strategies": {"ma44": {"intervals": ["37m", "1d"]}},
    "decisions": {"min_completeness": 1.0, "wait_minutes": 5},
    "collector": {"flush_seconds": 10},
    "backtest": {"capital": 500.0},
}


def changed(path, value):
    """Return the full tree with another value at a dotted path; None removes the key."""
    tree = copy.deepcopy(FULL)
    *sections, key = path.split(".")
    place = tree
    for section in sections:
        place = place[section]
    if value is None:
        del place[key]
    else:
        place[key] = value
    return tree


def refusal(tree, **arguments):
    """Return the sentence with which a tree is refused."""
    with pytest.raises(ConfigError) as caught:
        parse_config(tree, **arguments)
    assert "\n" not in str(caught.value)
    return str(caught.value)


def test_the_smallest_configuration_has_defaults_for_the_rest():
    """Three keys are enough; the defaults are those of the documentation."""
    config = parse_config(SMALLEST)
    assert config.history_start == date(2017, 3, 15)
    assert (config.decisions.min_completeness, config.decisions.wait_minutes) == (0.95, 10)
    assert (config.collector.flush_seconds, config.collector.flush_candles) == (30, 100)
    assert (config.backtest.capital, config.backtest.taker_bps) == (10_000, 4.5)
    assert config.strategies == {}


def test_every_section_is_read():
    """What is written replaces the default, key by key."""
    config = parse_config(FULL)
    assert config.indicators["ma44"].parameters == {"period": 44}
    assert config.strategies["ma44"].intervals == ("37m", "1d")
    assert (config.collector.flush_seconds, config.collector.flush_candles) == (10, 100)
    assert config.backtest.capital == 500


def test_the_exchanges_name_is_ours_unless_given():
    """Only a symbol that the exchange calls otherwise says so."""
    config = parse_config(FULL)
    assert (config.coin_of("BTC"), config.coin_of("UBTC/USDC")) == ("BTC", "@142")


def test_intervals_come_shortest_first():
    """Derivation goes up the intervals, whatever their order in the file; a month counts as its longest."""
    config = parse_config({**SMALLEST, "intervals": ["1M", "1d", "148m", "37m", "1w", "2h"]})
    assert [interval.label for interval in config.derived_intervals] == ["37m", "2h", "148m", "1d", "1w", "1M"]


def test_history_starts_with_a_whole_month():
    """Partitions are months: the first one starts on its first day."""
    assert parse_config(SMALLEST).history_start_time == datetime(2017, 3, 1, tzinfo=UTC)


def test_a_symbol_is_found_in_any_case():
    """People type btc."""
    assert parse_config(FULL).symbol(" ubtc/usdc ") == "UBTC/USDC"


def test_an_unknown_symbol_names_the_near_misses():
    """A slip leads to the configured symbol."""
    with pytest.raises(UnknownNameError, match=r"unknown symbol 'BTX'\. Did you mean BTC\?"):
        parse_config(FULL).symbol("BTX")


def test_given_symbols_replace_the_configured_ones():
    """BTC_SYMBOLS chooses: a configured one keeps its entry, another gets the defaults."""
    config = parse_config(FULL, symbols=("UBTC/USDC", "ETH"))
    assert list(config.symbols) == ["UBTC/USDC", "ETH"]
    assert (config.coin_of("UBTC/USDC"), config.coin_of("ETH")) == ("@142", "ETH")


def test_given_symbols_are_checked_too():
    """A wrong symbol in the environment is refused as one in the file is."""
    assert "'btc' is no symbol" in refusal(FULL, symbols=("btc",))


@pytest.mark.parametrize(
    ("path", "sentence"),
    [
        ("symbls", "unknown key 'symbls'. Did you mean symbols?"),
        ("collector.flush_second", "unknown key 'collector.flush_second'. Did you mean flush_seconds"),
        ("decisions.min_completness", "unknown key 'decisions.min_completness'. Did you mean min_completeness?"),
        ("backtest.taker_bp", "unknown key 'backtest.taker_bp'. Did you mean taker_bps"),
        ("symbols.BTC.coins", "unknown key 'symbols.<name>.coins'. Did you mean coin?"),
        ("indicators.ma44.params", "unknown key 'indicators.<name>.params'. Did you mean parameters?"),
        ("strategies.ma44.interval", "unknown key 'strategies.<name>.interval'. Did you mean intervals?"),
        ("strategies.ma44.zzz", "unknown key 'strategies.<name>.zzz'. Known: intervals, parameters."),
    ],
)
def test_an_unknown_key_names_the_near_misses(path, sentence):
    """A key that does not exist is an error, never ignored, and leads to the one that was meant."""
    assert refusal(changed(path, {})).startswith(sentence)


@pytest.mark.parametrize(
    ("path", "value", "sentence"),
    [
        ("symbols", None, "config: object missing required field `symbols`"),
        ("intervals", None, "config: object missing required field `intervals`"),
        ("history_start", None, "config: object missing required field `history_start`"),
        ("history_start", "soon", "history_start: invalid RFC3339 encoded date"),
        ("symbols", {}, "symbols: expected at least one, found none"),
        ("symbols", ["BTC"], "symbols: expected `object`, got `array`"),
        ("symbols.btc", {}, "symbols: 'btc' is no symbol: expected upper-case letters and digits (BTC, UBTC/USDC)"),
        ("symbols.BTC-PERP", {}, "symbols: 'BTC-PERP' is no symbol"),
        ("intervals", "37m", "intervals: expected `array`, got `str`"),
        ("intervals", ["37x"], "intervals: '37x' is no interval: expected a number with m, h or d"),
        ("intervals", ["60m"], "intervals: write 1h for 60m"),
        ("intervals", ["24h"], "intervals: write 1d for 24h"),
        ("intervals", ["1m", "37m"], "intervals: 1m candles are collected, not derived; leave 1m out"),
        ("intervals", ["37m", "1d", "37m"], "intervals: an interval is named twice"),
        ("indicators.ma44.intervals", ["38m"], "indicators.ma44.intervals: 38m is not among the configured intervals."),
        ("indicators.ma44.function", None, "indicators.<name>: object missing required field `function`"),
        ("indicators.ma44.parameters", {"period": [1]}, "indicators.<name>.parameters.<name>: expected"),
        ("strategies.ma44.intervals", ["1h"], "strategies.ma44.intervals: 1h is not among the configured intervals."),
        ("strategies.ma44.intervals", ["37m", "37m"], "strategies.ma44.intervals: an interval is named twice"),
        ("decisions.min_completeness", 0, "decisions: min_completeness is a fraction above 0 and at most 1, found 0"),
        ("decisions.min_completeness", 95, "decisions: min_completeness is a fraction above 0 and at most 1, found 95"),
        ("decisions.min_completeness", "all", "decisions.min_completeness: expected `float`, got `str`"),
        ("collector.flush_seconds", 0, "collector: flush_seconds must be above 0, found 0"),
        ("collector.buffer_candles", -1, "collector: buffer_candles must be above 0, found -1"),
        ("collector.flush_candles", 1.5, "collector.flush_candles: expected `int`, got `float`"),
    ],
)
def test_a_value_that_cannot_be_meant_is_refused(path, value, sentence):
    """The sentence begins with the key, then says what was expected and found."""
    assert refusal(changed(path, value)).startswith(sentence)


@pytest.mark.parametrize(("tree", "found"), [(None, "nothing"), ([], "list"), ("text", "str"), (3, "int")])
def test_a_file_without_keys_is_refused(tree, found):
    """An empty or wrong file says what it holds."""
    assert refusal(tree) == f"expected keys and values, found {found}"


@pytest.mark.parametrize(
    ("wrong", "said"),
    [
        ({"intervals": []}, "sweeps.windows.intervals: expected at least one, found none"),
        ({"intervals": ["60m"]}, "sweeps.windows.intervals: write 1h for 60m"),
        ({"symbols": ["BTX"]}, "sweeps.windows.symbols: BTX is not among the symbols. Did you mean BTC?"),
        ({"anchored": True}, "sweeps.windows.anchored: expected walk_forward with it, such as walk_forward: 12M/3M"),
        ({"random": 0}, "sweeps.<name>.random: expected `int` >= 1"),
        ({"strategie": "ma"}, "unknown key 'sweeps.<name>.strategie'. Did you mean strategy or start?"),
    ],
)
def test_a_sweep_that_cannot_be_meant(wrong, said):
    """Key, what was expected, what was found."""
    assert refusal(FULL | {"sweeps": {"windows": {"strategy": "ma", "intervals": ["37m"]} | wrong}}) == said


def test_the_name_of_a_sweep_is_a_word():
    """It is part of an asset's key."""
    tree = FULL | {"sweeps": {"a/b": {"strategy": "ma", "intervals": ["37m"]}}}
    assert refusal(tree) == "sweeps: expected letters, digits, - and _ in a name, found 'a/b'"
