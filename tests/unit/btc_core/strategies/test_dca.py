"""The same money at equal times."""

from datetime import UTC, datetime, timedelta

from btc_core.decide import evaluate, take_positions
from btc_core.strategy import load_strategy
from tests.derivation import candles_of_closes
from tests.opinions import HOUR, exposures, said

START = datetime(2025, 1, 1, tzinfo=UTC)
PLAN = {"start": 20250101, "every_hours": 2, "purchases": 4}


def test_it_spends_a_step_whenever_one_is_due():
    """At the close of 01:00 the one of midnight, at 02:00 the next, and never more than all."""
    spent = exposures("dca", [10.0, 8.0, 12.0, 9.0, 9.0, 9.0, 9.0, 9.0], **PLAN)
    assert spent == [0.25, 0.5, 0.5, 0.75, 0.75, 1.0, 1.0, 1.0]


def test_a_purchase_is_made_at_the_close_at_which_it_is_due():
    """Not a candle later: what closes at 02:00 is known then."""
    assert said("dca", [10.0, 10.0], **PLAN)["close_time"][1] == START + timedelta(hours=2)


def test_before_the_start_nothing_is_bought():
    """A day too early."""
    assert exposures("dca", [10.0, 10.0], **{**PLAN, "start": 20250102}) == [0.0, 0.0]


def test_it_never_sells():
    """Where more was spent than a new plan has by now, it waits."""
    evaluated = evaluate(candles_of_closes([10.0] * 6, HOUR, START), load_strategy("dca", PLAN), HOUR)
    assert take_positions(evaluated, before=0.6)["exposure"].to_list() == [0.6, 0.6, 0.6, 0.75, 0.75, 1.0]


def test_it_says_how_much_of_the_capital_is_spent():
    """Not how much of the equity is in the market (docs/adr/0019)."""
    assert load_strategy("dca", {}).rule.of == "capital"
