"""What a sweep tries: ranges as people write them, the grid they span, draws of it, neighbours, ranks."""

import pytest

from btc_core.errors import InputError, UnknownNameError
from btc_core.parameters import Parameter
from btc_core.rules import SIDE
from btc_core.sweep import MAX_TRIALS, SORTS, Axis, Grid, axes_of, middle, ranked

KNOWN = {"period": Parameter(44, 2, 1_000, "candles"), "width": Parameter(2.0, 0.0, 5.0, "deviations"), "side": SIDE}
GRID = Grid([Axis("period", (5, 10, 15), is_ordered=True), Axis("side", (-1, 0, 1), is_ordered=False)])


def axis(name, text):
    """Return the axis that a person named."""
    (found,) = axes_of("strategy ma", KNOWN, {name: text})
    return found


@pytest.mark.parametrize(
    ("name", "text", "values"),
    [
        ("period", "5:20:5", (5, 10, 15, 20)),
        ("period", "5:19:5", (5, 10, 15)),
        ("period", "5:5:1", (5,)),
        ("period", "5", (5,)),
        ("period", "9, 5,9", (9, 5)),
        ("width", "0.1:0.5:0.1", (0.1, 0.2, 0.3, 0.4, 0.5)),
        ("width", "1e-1:0.3:1E-1", (0.1, 0.2, 0.3)),
        ("side", "long_only,long_short", (1, 0)),
        ("side", "-1:1:1", (-1, 0, 1)),
    ],
)
def test_values_are_read_as_they_are_written(name, text, values):
    """Both ends belong to a range, decimals add up, words are numbers, what is given twice is tried once."""
    found = axis(name, text)
    assert found.values == values
    assert found.is_ordered == (":" in text)


@pytest.mark.parametrize(
    ("name", "text", "said"),
    [
        ("period", "5:400", "--param period=5:400: expected first:last:step, such as period=5:400:5"),
        ("period", "5:400:5:1", "expected first:last:step"),
        ("period", "5:b:5", "expected first:last:step"),
        ("period", "5::5", "expected first:last:step"),
        ("period", "5:nan:5", "expected first:last:step"),
        ("period", "5:400:0", "the step must be above 0"),
        ("period", "400:5:-5", "the step must be above 0"),
        ("period", "400:5:5", "the range is empty, 5 is below 400"),
        ("period", "2:1000:0.001", "expected at most 100,000 values, found 998,001: take a larger step"),
        ("period", "5:2000:5", "period='1005' is out of range, expected 2 to 1000"),
        ("period", "5:9:0.5", "period='5.5' must be a whole number"),
        ("period", "", "period='' is no number"),
        ("side", "long_onyl", "Did you mean long_only"),
    ],
)
def test_what_cannot_be_read_is_a_sentence(name, text, said):
    """What was expected and what was found."""
    with pytest.raises(InputError) as refused:
        axis(name, text)
    assert said in str(refused.value)


def test_an_unknown_parameter_leads_to_the_near_ones():
    """Before any value is looked at."""
    with pytest.raises(UnknownNameError, match=r"unknown parameter of strategy ma 'perio'. Did you mean period\?"):
        axes_of("strategy ma", KNOWN, {"perio": "x:y"})


def test_a_grid_is_every_combination_in_order():
    """The last axis runs first; without axes there is one place."""
    places = GRID.places(draw=None, seed=0)
    assert len(places) == GRID.n == 9
    assert [GRID.parameters(place) for place in places[:4]] == [
        {"period": 5, "side": -1},
        {"period": 5, "side": 0},
        {"period": 5, "side": 1},
        {"period": 10, "side": -1},
    ]
    assert Grid([]).places(draw=None, seed=0) == [()]


def test_a_draw_is_part_of_the_grid_and_the_same_for_a_seed():
    """Without repetition, in the grid's order; as many as there are, or more, is the grid."""
    drawn = GRID.places(draw=4, seed=7)
    assert drawn == GRID.places(draw=4, seed=7) == sorted(set(drawn))
    assert len(drawn) == 4
    assert any(GRID.places(draw=4, seed=seed) != drawn for seed in range(5))
    assert set(drawn) < set(GRID.places(draw=None, seed=0)) == set(GRID.places(draw=99, seed=0))


def test_a_draw_does_not_make_the_grid():
    """Ten to the fifteenth places are no matter."""
    wide = Grid([Axis(name, tuple(range(MAX_TRIALS)), is_ordered=True) for name in "abc"])
    assert len(wide.places(draw=3, seed=1)) == 3


@pytest.mark.parametrize(
    ("one", "other", "are"),
    [
        ((1, 1), (0, 1), True),
        ((1, 1), (2, 1), True),
        ((0, 1), (2, 1), False),
        ((1, 1), (1, 1), False),
        ((1, 1), (1, 2), False),
    ],
)
def test_neighbours_are_a_step_apart_in_a_range(one, other, are):
    """A list has no order: another side is another strategy."""
    assert GRID.are_neighbours(one, other) is are


def test_neighbours_are_also_those_across():
    """A step in each of two ranges."""
    square = Grid([Axis(name, (1, 2, 3), is_ordered=True) for name in "ab"])
    places = square.places(draw=None, seed=0)
    assert sum(square.are_neighbours((1, 1), place) for place in places) == 8


def test_the_best_comes_first_and_what_is_undefined_last():
    """Of equals the first; less drawdown is better."""
    found = [(1.0, 0), (None, 1), (3.0, 2), (3.0, 3), (-1.0, 4)]
    assert ranked(found, is_more_better=True) == [2, 3, 0, 4, 1]
    assert ranked(found, is_more_better=False) == [4, 0, 2, 3, 1]
    assert [name for name, is_more_better in SORTS.items() if not is_more_better] == ["max_drawdown", "n_liquidations"]


def test_the_middle_leaves_out_what_is_undefined():
    """None without any figure."""
    assert middle([None, 1.0, 5.0, 2.0]) == 2.0
    assert middle([None]) is None
