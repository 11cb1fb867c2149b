"""What a backtest is asked and answers, as values."""

import msgspec
import pytest

from btc_core.errors import InputError
from btc_core.model.backtest import BacktestConfig, BacktestResults, Mode, Trade
from btc_store.settings import project_root, read_config


def test_defaults_are_those_of_config_yaml():
    """A backtest without options costs what the configuration says."""
    assert read_config(project_root() / "config.yaml").backtest == BacktestConfig()


@pytest.mark.parametrize(
    ("values", "word"),
    [
        ({"capital": 0}, "capital"),
        ({"capital": float("inf")}, "capital"),
        ({"capital": float("nan")}, "capital"),
        ({"leverage": 0}, "leverage"),
        ({"leverage": 40.5}, "leverage"),
        ({"leverage": float("nan")}, "leverage"),
        ({"taker_bps": -1}, "taker_bps"),
        ({"maker_bps": float("nan")}, "maker_bps"),
        ({"slippage_bps": 10_000}, "slippage_bps"),
        ({"maintenance_bps": -0.5}, "maintenance_bps"),
        ({"leverage": 40, "maintenance_bps": 250}, "initial margin of 250"),
        ({"leverage": 30, "max_leverage": 25}, "at most 25, which is the exchange's maximum"),
        ({"max_leverage": 0}, "max_leverage"),
        ({"mode": "margin"}, "perp or spot"),
        ({"mode": "spot", "leverage": 2}, "expected 1 in spot mode"),
        ({"slippage_range": 1.5}, "slippage_range"),
        ({"min_notional": -1}, "min_notional"),
        ({"min_notional": float("nan")}, "min_notional"),
        ({"delay_minutes": -1}, "delay_minutes"),
        ({"sz_decimals": 9}, "sz_decimals"),
        ({"stop_bps": 0}, "stop_bps"),
        ({"stop_bps": 10_000}, "stop_bps"),
        ({"target_bps": float("inf")}, "target_bps"),
        ({"trailing_stop_bps": float("nan")}, "trailing_stop_bps"),
    ],
)
def test_impossible_values_are_refused_in_one_sentence(values, word):
    """A config that cannot be meant is not made, and the message says what was expected and found."""
    with pytest.raises(InputError, match=word) as refusal:
        BacktestConfig(**values)
    assert "expected" in str(refusal.value)
    assert "found" in str(refusal.value)
    assert "\n" not in str(refusal.value)


@pytest.mark.parametrize(
    ("values", "margin_bps"),
    [
        ({}, 125),
        ({"max_leverage": 40}, 125),
        ({"max_leverage": 25}, 200),
        ({"max_leverage": 3}, 10_000 / 6),
        ({"max_leverage": 3, "maintenance_bps": 0}, 0),
        ({"maintenance_bps": 70}, 70),
        ({"max_leverage": 0.5}, 5_000),
    ],
)
def test_the_maintenance_margin_is_half_of_the_initial_one_at_the_most_leverage(values, margin_bps):
    """The exchange's rule: 1/(2 · 40) for BTC and where the coin's terms are unknown; what is stated counts."""
    assert BacktestConfig(**values | ({"leverage": 0.5})).margin_bps == pytest.approx(margin_bps)


@pytest.mark.parametrize("most", [3, 5, 10, 20, 25, 40, 50])
def test_the_most_leverage_of_a_coin_can_be_taken(most):
    """Half of its initial margin is left to lose."""
    assert BacktestConfig(leverage=most, max_leverage=most).leverage == most


def test_conversion_refuses_as_construction_does():
    """What comes as plain values (a request, a row) is refused with the same error."""
    with pytest.raises(InputError, match="capital"):
        msgspec.convert({"capital": -5}, BacktestConfig)


def test_a_mode_may_be_plain_text():
    """What a command line gives is the mode itself, not a word that compares unequal to it."""
    assert BacktestConfig(mode="spot").mode is Mode.SPOT
    assert msgspec.structs.replace(BacktestConfig(), mode="spot").mode is Mode.SPOT


def test_a_gain_has_no_bound():
    """A target of 150 % is a target."""
    assert BacktestConfig(target_bps=15_000).target_bps == 15_000


def test_a_trade_is_written_with_the_names_of_its_table():
    """``return`` is a word of Python's, not of the table's; the columns of backtest_trades come first."""
    names = [field.encode_name for field in msgspec.structs.fields(Trade)]
    assert names[:11] == [
        "seq",
        "side",
        "entry_time",
        "entry_price",
        "exit_time",
        "exit_price",
        "quantity",
        "pnl",
        "fees",
        "return",
        "exit_reason",
    ]


def test_results_have_the_contract_s_fields_in_its_order():
    """The outward surface: CONTRACT.md, "Results of a backtest"; what is ours alone follows."""
    contract = (
        "n_trades, win_rate, total_pnl, total_return, cagr, max_drawdown, max_drawdown_days, sharpe, sortino, calmar, "
        "profit_factor, expectancy, avg_trade_return, exposure_time, fees_paid, funding_paid, n_liquidations, "
        "final_equity, buy_and_hold_return, start_time, end_time, n_candles"
    )
    assert ", ".join(BacktestResults.__struct_fields__).startswith(contract + ", ")
