"""What holds for every indicator: warm-up, windows, names."""

import re
from datetime import UTC, datetime
from pathlib import Path

import polars as pl
import pytest

from btc_core.config import IndicatorConfig
from btc_core.errors import InputError, UnknownNameError
from btc_core.indicator import Indicator, configured_indicator, load_indicator, with_indicators
from btc_core.model.interval import parse_interval
from btc_core.plugins import plugin_names
from tests.derivation import candles_of_closes
from tests.indicators import made_candles

START = datetime(2025, 1, 1, tzinfo=UTC)
ROOT = Path(__file__).resolve().parents[3]
EVERY_INDICATOR = pytest.mark.parametrize("function", plugin_names("btc_core.indicators"))


def candles(n):
    """Return candles whose closes go up and down."""
    return candles_of_closes([100.0 + (k * 7) % 13 for k in range(n)], parse_interval("1h"), START)


def configured(function, **parameters):
    """Return an indicator as ``config.yaml`` would have it."""
    return configured_indicator("mine", IndicatorConfig(function=function, intervals=("1h",), parameters=parameters))


@EVERY_INDICATOR
def test_the_warm_up_by_default(function):
    """As many first values are null as stated, in every output alike, and the warm-up is within the look-back."""
    indicator = configured(function)
    found = with_indicators(made_candles(indicator.warm_up + 20, flat=0.0), [indicator])
    for name in indicator.columns():
        assert found[name].is_null().to_list() == [True] * indicator.warm_up + [False] * 20
    assert indicator.warm_up <= indicator.look_back_in(parse_interval("1M")) <= indicator.look_back


@EVERY_INDICATOR
def test_a_value_needs_no_more_than_the_look_back(function):
    """The bits are the same with all of history and with the look-back alone (law 5)."""
    indicator = configured(function)
    look_back = indicator.look_back_in(parse_interval("1h"))
    candles = made_candles(look_back + 50)
    whole = with_indicators(candles, [indicator])
    for end in (look_back + 1, look_back + 33):
        assert with_indicators(candles[end - 1 - look_back : end], [indicator])[-1].equals(whole[end - 1 : end])


@EVERY_INDICATOR
def test_a_value_does_not_need_every_candle_twice(function):
    """The look-back is no longer than it must be: with less than half of it, some values are others."""
    indicator = configured(function)
    look_back = indicator.look_back_in(parse_interval("37m"))
    if look_back < 2:
        return
    candles = made_candles(look_back + 3000, interval=parse_interval("37m"))
    whole = with_indicators(candles, [indicator])
    names = list(indicator.columns())
    shorter = with_indicators(candles[-2000 - look_back // 3 :], [indicator])
    assert not shorter.select(names)[-2000:].equals(whole.select(names)[-2000:])


@EVERY_INDICATOR
def test_its_longest_periods_work(function):
    """Every parameter at the end of its range: values of finite size, or none where history is too short."""
    known = load_indicator(function).parameters
    for end in ("low", "high"):
        indicator = configured(function, **{name: getattr(parameter, end) for name, parameter in known.items()})
        found = with_indicators(made_candles(min(indicator.warm_up + 5, 12_000)), [indicator])
        for name in indicator.columns():
            assert found[name].drop_nulls().is_finite().all()


@EVERY_INDICATOR
def test_every_parameter_has_a_meaning_and_a_default_in_range(function):
    """What ``btc indicators`` shows."""
    indicator = load_indicator(function)
    assert isinstance(indicator, Indicator)
    for parameter in indicator.parameters.values():
        assert parameter.meaning
        assert parameter.low <= parameter.default <= parameter.high


def test_values_have_the_configured_name():
    """The entry's name, not the function's."""
    found = with_indicators(candles(5), [configured("sma", period=2)])
    assert found.columns == [*candles(1).columns, "mine"]
    assert found.schema["mine"] == pl.Float64


def test_what_does_not_exist_is_named():
    """A wrong function, parameter or value is an error that a person can mend."""
    with pytest.raises(UnknownNameError, match=r"smma.*sma"):
        configured("smma")
    with pytest.raises(UnknownNameError, match=r"perod.*period"):
        configured("sma", perod=3)
    with pytest.raises(InputError, match="indicator mine: period=0 is out of range"):
        configured("sma", period=0)


def test_the_look_back_counts_what_an_anchor_needs():
    """A day holds so many candles of an interval; the one that is asked about is among them."""
    since_midnight = configured("vwap")
    found = {label: since_midnight.look_back_in(parse_interval(label)) for label in ("5m", "37m", "1d", "3d", "1M")}
    assert found == {"5m": 287, "37m": 38, "1d": 0, "3d": 0, "1M": 0}
    assert configured("sma", period=7).look_back_in(parse_interval("37m")) == 6


def table_of(page: Path) -> dict[str, list[str]]:
    """Return the rows of a page's first table by the name in their first cell."""
    rows = re.findall(r"^\| `(\w+)` \| (.*) \|$", page.read_text(encoding="utf-8"), re.M)
    return {name: [cell.strip() for cell in cells.split(" | ")] for name, cells in rows}


def test_every_indicator_is_in_the_table_of_its_page():
    """``docs/indicators.md``: parameters and ranges, outputs, warm-up and look-back as the code has them."""
    documented = table_of(ROOT / "docs" / "indicators.md")
    assert sorted(documented) == sorted(plugin_names("btc_core.indicators"))
    for name, cells in documented.items():
        indicator, known = configured(name), load_indicator(name).parameters
        parameters = [f"{key} {one.default:g} ({one.low:,g} to {one.high:,g})" for key, one in known.items()]
        outputs = [f"`{name}{output.removeprefix('mine')}`" for output in indicator.columns()]
        look_back = f"{indicator.look_back_in(parse_interval('37m')):,}"
        warm_up = f"{indicator.warm_up:,}"
        assert cells[:4] == [", ".join(parameters) or "none", " ".join(outputs), warm_up, look_back], name
        assert all(len(cell) > 3 for cell in cells[4:])
