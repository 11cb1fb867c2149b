"""The exchange's terms of a coin, in the table and in a configuration."""

import pytest

from btc_core.errors import InputError
from btc_core.model.backtest import BacktestConfig
from btc_store.frames import open_frames
from btc_store.instruments import Instrument, config_of, read_instrument, store_instruments


def test_terms_are_kept_and_replaced(database_url):
    """The newest word counts; an unknown symbol has none."""
    with open_frames(database_url) as frames:
        assert store_instruments(frames, {"BTC": Instrument(coin="BTC", sz_decimals=5, max_leverage=50.0)}) == 1
        assert store_instruments(frames, {"BTC": Instrument(coin="BTC", sz_decimals=5, max_leverage=40.0)}) == 1
        assert store_instruments(frames, {}) == 0
        found = read_instrument(frames, "BTC")
        assert found == Instrument(coin="BTC", sz_decimals=5, max_leverage=40.0)
        assert read_instrument(frames, "ETH") is None


def test_a_configuration_keeps_the_coin_s_terms_where_it_states_none(database_url):
    """What a person states wins; more leverage than the coin has is refused."""
    with open_frames(database_url) as frames:
        unknown = config_of(frames, "BTC", BacktestConfig())
        store_instruments(frames, {"BTC": Instrument(coin="BTC", sz_decimals=5, max_leverage=40.0)})
        known = config_of(frames, "BTC", BacktestConfig())
        stated = config_of(frames, "BTC", BacktestConfig(sz_decimals=2, max_leverage=10.0))
        store_instruments(frames, {"BTC": Instrument(coin="BTC", sz_decimals=5, max_leverage=3.0)})
        with pytest.raises(InputError, match="at most 3"):
            config_of(frames, "BTC", BacktestConfig(leverage=5))
        low = config_of(frames, "BTC", BacktestConfig())
        own = config_of(frames, "BTC", BacktestConfig(maintenance_bps=40))
    assert (unknown.sz_decimals, unknown.max_leverage, unknown.maintenance_bps) == (None, None, 125)
    assert (known.sz_decimals, known.max_leverage, known.maintenance_bps) == (5, 40.0, 125)
    assert (stated.sz_decimals, stated.max_leverage, stated.maintenance_bps) == (2, 10.0, 500)
    assert (low.maintenance_bps, own.maintenance_bps) == (pytest.approx(10_000 / 6), 40)
