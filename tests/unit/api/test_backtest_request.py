"""What ``POST /api/v1/backtests`` takes and refuses, without a server."""

from datetime import UTC, datetime
from uuid import UUID

import pytest
from pydantic import ValidationError

from api.backtest_request import MAX_KEY, BacktestRequest, first_of, ids_of, new_id, op_config, parameters_of
from btc_core.errors import InputError, TimeError, UnknownNameError
from btc_core.model.backtest import BacktestConfig

NOW = datetime(2025, 8, 1, tzinfo=UTC)
ASKED = {"symbol": "btc", "intervals": ["37m", "60m", "1h"], "strategy": "ma", "start_date": "2025-01-01"}
STRATEGIES = [
    {
        "name": "ma",
        "parameters": [
            {"name": "period", "default": 44, "low": 2, "high": 1000, "meaning": "candles", "words": {}},
            {"name": "side", "default": 0, "low": -1, "high": 1, "meaning": "side", "words": {"long_only": 1}},
        ],
    }
]


@pytest.fixture
def config(settings_for):
    """The repository's configuration."""
    return settings_for("postgresql://x@localhost/x").config


def test_what_is_left_out_is_as_configured(config):
    """Symbol and intervals by their names; no end is now."""
    id_ = new_id(None)
    given = op_config(BacktestRequest(**ASKED, capital=5), config, id_, now=NOW)
    assert given == {
        "id": str(id_),
        "symbol": "BTC",
        "intervals": ["37m", "1h"],
        "strategy": "ma",
        "start": "2025-01-01T00:00:00+00:00",
        "end": "2025-08-01T00:00:00+00:00",
        "rules": {"capital": 5},
    }


def test_every_rule_of_a_backtest_can_be_said():
    """The request has each field of BacktestConfig, and calls it the same."""
    assert set(BacktestConfig.__struct_fields__) <= set(BacktestRequest.model_fields)


@pytest.mark.parametrize(
    ("change", "error", "said"),
    [
        ({"symbol": "BTX"}, UnknownNameError, "Did you mean BTC"),
        ({"intervals": ["37x"]}, UnknownNameError, "37m"),
        ({"intervals": ["1m"]}, InputError, "longer ones than 1m"),
        ({"slipage_bps": 1}, UnknownNameError, "slippage_bps"),
        ({"leverage": 100}, InputError, "leverage"),
        ({"mode": "sport"}, InputError, "perp or spot"),
        ({"end_date": "2024-01-01"}, TimeError, "reversed"),
        ({"start_date": "soon"}, TimeError, "ISO 8601"),
        ({"start_date": "0001-01-01T00:00+23:00"}, TimeError, "ISO 8601"),
    ],
)
def test_what_cannot_be_meant_is_refused(config, change, error, said):
    """With what was expected and the near misses."""
    with pytest.raises(error, match=said):
        op_config(BacktestRequest(**{**ASKED, **change}), config, new_id(None), now=NOW)


@pytest.mark.parametrize("change", [{"intervals": []}, {"capital": float("nan")}, {"capital": "much"}])
def test_what_is_no_request_is_refused(change):
    """By its shape alone."""
    with pytest.raises(ValidationError):
        BacktestRequest(**{**ASKED, **change})


def test_parameters_are_checked_as_the_strategy_declares_them():
    """Words are numbers; those that were not given are the strategy's business."""
    assert parameters_of(BacktestRequest(**ASKED, parameters={"side": "long_only"}), STRATEGIES) == {"side": 1}
    for change, said in (
        ({"strategy": "mb"}, "Did you mean ma"),
        ({"parameters": {"perod": 5}}, "Did you mean period"),
        ({"parameters": {"period": 1}}, "out of range"),
        ({"parameters": {"period": 2.5}}, "whole number"),
    ):
        with pytest.raises(InputError, match=said):
            parameters_of(BacktestRequest(**{**ASKED, **change}), STRATEGIES)


def test_the_same_key_is_the_same_id():
    """Without one it is always another; the last byte is free for the intervals."""
    assert new_id("a") == new_id("a") != new_id("b")
    assert new_id(None) != new_id(None)
    first = new_id("a")
    ids = ids_of(first, 3)
    assert [first_of(id_) for id_ in ids] == [(first, 0), (first, 1), (first, 2)]
    assert isinstance(ids[2], UUID)
    for key in ("", "  ", "x" * (MAX_KEY + 1)):
        with pytest.raises(InputError, match="Idempotency-Key"):
            new_id(key)


def test_requests_that_ask_for_the_same_have_the_same_digest():
    """In whatever order they say it."""
    assert BacktestRequest(**ASKED).digest() == BacktestRequest(**dict(reversed(ASKED.items()))).digest()
    assert BacktestRequest(**ASKED).digest() != BacktestRequest(**ASKED, capital=5).digest()
