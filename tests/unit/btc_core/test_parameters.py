"""Parameters: defaults, whole numbers, ranges, and errors that say what was found."""

import pytest

from btc_core.errors import InputError, UnknownNameError
from btc_core.parameters import Parameter, resolve_parameters

KNOWN = {"period": Parameter(20, 1, 100, "candles"), "factor": Parameter(2.0, 0.5, 4, "width")}


def test_what_is_not_given_is_the_default():
    """Every known parameter has a value, in the order of their definition."""
    assert resolve_parameters("x", KNOWN, {}) == {"period": 20, "factor": 2.0}
    assert list(resolve_parameters("x", KNOWN, {"factor": 3, "period": 5})) == ["period", "factor"]


@pytest.mark.parametrize(("given", "value"), [(5, 5), (5.0, 5), ("5", 5), (1, 1), (100, 100)])
def test_a_whole_number_is_an_int(given, value):
    """Text is read as a number, as the command line gives it; both ends of the range count."""
    found = resolve_parameters("x", KNOWN, {"period": given})["period"]
    assert (found, type(found)) == (value, int)


@pytest.mark.parametrize("given", [0.5, 4, "2.5"])
def test_other_numbers_are_floats(given):
    """Where the default is a float, a whole number becomes one."""
    found = resolve_parameters("x", KNOWN, {"factor": given})["factor"]
    assert (found, type(found)) == (float(given), float)


@pytest.mark.parametrize(
    ("name", "given", "reason"),
    [
        ("period", 0, "is out of range, expected 1 to 100"),
        ("period", 101, "is out of range"),
        ("period", 2.5, "must be a whole number"),
        ("period", float("inf"), "must be a whole number"),
        ("period", "many", "is no number"),
        ("period", None, "is no number"),
        ("period", 10**400, "is no number"),
        ("factor", float("nan"), "is out of range"),
        ("factor", float("inf"), "is out of range"),
        ("factor", [1], "is no number"),
    ],
    ids=lambda value: str(value)[:20],
)
def test_a_wrong_value_is_named(name, given, reason):
    """The message says whose parameter it is and what was found."""
    with pytest.raises(InputError, match=f"strategy x: {name}=.*{reason}"):
        resolve_parameters("strategy x", KNOWN, {name: given})


def test_an_unknown_name_leads_to_the_right_one():
    """The near miss is shown."""
    with pytest.raises(UnknownNameError, match=r"parameter of strategy x 'perid'\. Did you mean period"):
        resolve_parameters("strategy x", KNOWN, {"perid": 3})


def test_a_word_stands_for_its_number():
    """Where people write words; the number may be written too."""
    known = {"side": Parameter(0, -1, 1, "side", words={"long_only": 1, "short_only": -1})}
    assert [resolve_parameters("x", known, {"side": given})["side"] for given in ("long_only", -1, "-1")] == [1, -1, -1]
    with pytest.raises(InputError, match=r"x: side='long' is no number and none of its words\. Did you mean long_only"):
        resolve_parameters("x", known, {"side": "long"})
