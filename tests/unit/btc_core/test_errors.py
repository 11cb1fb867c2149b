"""Errors are for people: a wrong name leads to the right one."""

import inspect

import pytest

from btc_core import errors
from btc_core.errors import BtcError, ExchangeError, InputError, UnknownNameError, near_misses


def test_a_near_miss_is_offered():
    """A slip of one letter, or of case, is answered with the name that was meant."""
    assert near_misses("ma4", ["ma44", "rsi"]) == "Did you mean ma44?"
    assert near_misses("btc", ["BTC", "ETH"]) == "Did you mean BTC?"


def test_several_near_misses_are_offered():
    """Where more than one name is near, all of them are named, the nearest first."""
    assert near_misses("silence", ["pool", "silences", "silence_s"]) == "Did you mean silences or silence_s?"


def test_a_name_far_from_all_gets_the_list():
    """Where nothing is near, the known names are the help."""
    assert near_misses("zzz", ["BTC", "ETH"]) == "Known: BTC, ETH."


def test_where_nothing_exists_that_is_said():
    """An empty configuration is named as the cause."""
    assert near_misses("BTC", []) == "None is configured."


def test_an_unknown_name_carries_its_facts():
    """Programs read the attributes, people the sentence."""
    error = UnknownNameError("symbol", "BTX", (name for name in ("BTC", "ETH")))
    assert (error.kind, error.found, error.known) == ("symbol", "BTX", ("BTC", "ETH"))
    assert str(error) == "unknown symbol 'BTX'. Did you mean BTC?"
    assert isinstance(error, InputError)


def test_whether_to_ask_the_exchange_again_is_a_fact_of_the_error():
    """Most failures pass; a question that is wrong stays wrong."""
    assert ExchangeError("502").is_transient
    assert not ExchangeError("422", is_transient=False).is_transient
    assert str(ExchangeError("422", is_transient=False)) == "422"


ALL = [error for _, error in inspect.getmembers(errors, inspect.isclass) if issubclass(error, Exception)]


@pytest.mark.parametrize("error", ALL, ids=lambda error: error.__name__)
def test_every_error_stands_in_the_tree(error):
    """All errors are BtcError, end in Error and are drawn in the module's docstring."""
    assert issubclass(error, BtcError)
    assert error.__name__.endswith("Error")
    assert errors.__doc__ is not None
    assert error.__name__ in errors.__doc__
