"""The configuration becomes what there is to derive."""

from datetime import UTC, datetime, timedelta

import pytest

from btc_core.config import parse_config
from btc_core.errors import UnknownNameError
from btc_core.model.interval import parse_interval
from btc_store.live_state import served
from live.plan import plan_of
from tests.live_lane import small_config


def test_everything_stands_under_its_interval():
    """Shortest first; an interval without indicators or strategies has no entry."""
    config = small_config("BTC", "ETH")
    plan = plan_of(config)
    three, hour = parse_interval("3m"), parse_interval("1h")
    assert plan.symbols == ("BTC", "ETH")
    assert [interval.label for interval in plan.intervals] == ["3m", "37m", "1h", "148m", "1d", "1w", "1M"]
    assert [indicator.name for indicator in plan.indicators[three]] == ["ma5"]
    assert hour not in plan.indicators
    assert [(s.name, s.look_back_in(three)) for s in plan.strategies[three]][:2] == [("ma", 2), ("ma44", 43)]
    assert [strategy.name for strategy in plan.strategies[hour]] == ["ma"]
    assert plan.rule.wait == timedelta(minutes=10)
    assert plan.history.start == datetime(2020, 1, 1, tzinfo=UTC)
    assert plan.serves == served(config)


def test_a_name_that_does_not_exist_is_an_error():
    """At the start, not at the first candle."""
    tree = {
        "symbols": {"BTC": {}},
        "intervals": ["3m"],
        "history_start": datetime(2020, 1, 1).date(),
        "strategies": {"ma45": {"intervals": ["3m"]}},
    }
    with pytest.raises(UnknownNameError, match="ma44"):
        plan_of(parse_config(tree))
