"""How a figure lies over one or two parameters."""

import msgspec

from btc_core.parameters import Parameter
from btc_core.strategy import load_strategy
from btc_core.sweep import Grid, axes_of
from btc_core.sweep_heat import heat_of
from btc_core.sweep_trial import Trial, tried
from tests.sweeps import made_arena

KNOWN = {"fast": Parameter(5, 1, 99, "…"), "slow": Parameter(20, 1, 99, "…")}


def trials(grid):
    """Return a trial for each place, whose Sharpe ratio is fast less slow."""
    arena = made_arena()
    one = tried(Trial(arena, (0, 0), load_strategy("ma", {"period": 5})))
    made = []
    for place in grid.places(draw=None, seed=0):
        found = grid.parameters(place)
        outcome = msgspec.structs.replace(one.outcome, sharpe=float(found.get("fast", 0) - found.get("slow", 0)))
        made.append(Trial(arena, place, one.strategy, outcome))
    return made


def test_a_cell_for_each_pair():
    """The parameter with the most values runs from left to right."""
    grid = Grid(axes_of("strategy", KNOWN, {"fast": "1:3:1", "slow": "10:40:10"}))
    done = trials(grid)
    best = max(done, key=lambda trial: trial.outcome.sharpe)
    heat = heat_of(grid, done, best, "sharpe", most=(9, 9))
    assert (heat.across, heat.down) == ("slow", "fast")
    assert (heat.columns, heat.rows) == (("10", "20", "30", "40"), ("1", "2", "3"))
    assert heat.values[2] == (-7.0, -17.0, -27.0, -37.0)
    assert heat.best == (2, 0)
    assert heat.warmth(-7.0) == 1.0
    assert heat.warmth(-39.0) == -1.0


def test_where_there_are_many_some_share_a_cell():
    """Its value is their median."""
    grid = Grid(axes_of("strategy", KNOWN, {"slow": "10:40:10"}))
    done = trials(grid)
    heat = heat_of(grid, done, done[0], "sharpe", most=(2, 2))
    assert (heat.columns, heat.down, heat.rows) == (("10…20", "30…40"), None, ("",))
    assert heat.values == ((-15.0, -35.0),)


def test_where_nothing_was_varied_there_is_no_map():
    """One place."""
    grid = Grid(axes_of("strategy", KNOWN, {}))
    done = trials(grid)
    assert heat_of(grid, done, done[0], "sharpe", most=(9, 9)) is None
