"""Every exchange is one file with one constant."""

import importlib
from pathlib import Path

import pytest

from collector import exchanges
from collector.exchange import Exchange

NAMES = sorted(path.stem for path in Path(exchanges.__path__[0]).glob("*.py") if path.stem != "__init__")


@pytest.mark.parametrize("name", NAMES)
def test_an_exchange_offers_all_that_the_collector_asks(name):
    """Its constant ``EXCHANGE`` has each function and number of the protocol."""
    exchange = importlib.import_module(f"collector.exchanges.{name}").EXCHANGE
    wanted = [member for member in vars(Exchange) if not member.startswith("_")]
    assert len(wanted) > 5
    assert [member for member in wanted if not hasattr(exchange, member)] == []
