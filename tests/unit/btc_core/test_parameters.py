"""Parameters have a range, and a wrong one is a sentence."""

import pytest

from btc_core.errors import InputError, UnknownNameError
from btc_core.parameters import Parameter, resolve_parameters

KNOWN = {"period": Parameter(44, 2, 1000, "candles"), "width": Parameter(2.0, 0.5, 10, "deviations")}


def test_what_is_not_given_has_its_default():
    """Every parameter has a value; a whole one stays whole."""
    found = resolve_parameters("x", KNOWN, {"period": "9"})
    assert found == {"period": 9, "width": 2.0}
    assert isinstance(found["period"], int)


@pytest.mark.parametrize("edge", [2, 1000])
def test_the_edges_of_the_range_belong_to_it(edge):
    """Both ends are allowed."""
    assert resolve_parameters("x", KNOWN, {"period": edge})["period"] == edge


@pytest.mark.parametrize("value", ["", "nine", None, "nan", "inf", 1, 1001, 9.5])
def test_a_value_that_cannot_be_meant_is_refused(value):
    """The sentence names owner and parameter."""
    with pytest.raises(InputError, match=r"^x: period="):
        resolve_parameters("x", KNOWN, {"period": value})


def test_an_unknown_name_leads_to_the_right_one():
    """Near misses are named."""
    with pytest.raises(UnknownNameError, match=r"unknown parameter of x 'perod'. Did you mean period\?"):
        resolve_parameters("x", KNOWN, {"perod": 9})
