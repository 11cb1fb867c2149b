"""A question to the exchange that gets no answer is one sentence."""

import pytest

from btc_core.errors import ExchangeError
from resources.exchange import ask, unexpected


def test_an_exchange_that_is_away_is_said_with_its_address(settings_for):
    """What to look at."""
    settings = settings_for("postgresql://nobody@localhost/none", HYPERLIQUID_API_URL="http://127.0.0.1:1/info")
    with pytest.raises(ExchangeError, match=r"http://127\.0\.0\.1:1/info did not answer: ConnectError"):
        ask(settings, {"type": "meta"})


def test_the_real_exchange_is_not_asked_under_a_scaled_clock(settings_for):
    """Before anything is sent."""
    with pytest.raises(ExchangeError, match="BTC_CLOCK"):
        ask(settings_for("postgresql://nobody@localhost/none", BTC_CLOCK="0,0,60"), {"type": "meta"})


def test_another_answer_is_shown_shortly():
    """The beginning of it."""
    error = unexpected("a list", b"x" * 5_000, ValueError("no"))
    assert str(error) == f"expected a list, found '{'x' * 100}' (no)"
