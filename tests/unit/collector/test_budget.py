"""What requests may cost."""

from hypothesis import given
from hypothesis import strategies as st

from collector.budget import Budget, Pause


def test_the_budget_holds_for_any_minute():
    """600 of the exchange's 1200 a minute; a request waits until enough of the past is a minute old."""
    budget = Budget(600)
    for i in range(6):
        assert budget.free_at(100, i, is_urgent=True) == i
        budget.spend(100, i, is_urgent=True)
    assert budget.free_at(100, 6, is_urgent=True) == 60
    assert budget.free_at(150, 6, is_urgent=True) == 61
    assert budget.spent(6) == 600
    assert budget.spent(60) == 500


def test_a_charge_is_corrected_when_the_answer_is_there():
    """A window is charged with the rows that can come; where few came the rest is free again."""
    budget = Budget(600)
    charge = budget.spend(101, 0, is_urgent=False)
    charge.weight = 21
    assert budget.spent(1) == 21


def test_history_leaves_the_reserve_to_what_is_live():
    """What is not urgent has a share of its own: it neither takes the reserve nor is shut out by urgent requests."""
    budget = Budget(600, reserve=400)
    budget.spend(200, 0, is_urgent=False)
    assert budget.free_at(21, 1, is_urgent=False) == 60
    assert budget.free_at(400, 1, is_urgent=True) == 1
    live = Budget(600, reserve=400)
    live.spend(400, 0, is_urgent=True)
    assert live.free_at(101, 1, is_urgent=False) == 1


def test_a_request_heavier_than_the_ceiling_waits_for_an_empty_minute():
    """It could never be made otherwise."""
    budget = Budget(60, reserve=50)
    budget.spend(21, 0, is_urgent=True)
    assert budget.free_at(101, 1, is_urgent=False) == 60
    assert budget.free_at(101, 61, is_urgent=False) == 61


@given(st.lists(st.tuples(st.integers(0, 30), st.integers(20, 105), st.booleans()), max_size=60))
def test_no_window_of_a_minute_costs_more_than_the_ceiling(asked):
    """Whoever waits until ``free_at`` stays under the ceiling in every minute, and history under its share."""
    budget, now, made = Budget(600, reserve=300), 0, []
    for pause, weight, is_urgent in asked:
        now = budget.free_at(weight, now + pause, is_urgent=is_urgent)
        budget.spend(weight, now, is_urgent=is_urgent)
        made.append((now, weight, is_urgent))
        window = [(cost, live) for at, cost, live in made if now - 60 < at <= now]
        assert budget.spent(now) == sum(cost for cost, _ in window) <= 600
        assert sum(cost for cost, live in window if not live) <= 300


def test_a_pause_doubles_while_the_limit_goes_on():
    """60 s, 120, 240, 300, 300, and 60 again after a success."""
    pause, now, lengths = Pause(first=60, longest=300), 0.0, []
    for _ in range(5):
        pause.refuse(now, now)
        lengths.append(pause.end - now)
        now = pause.end
    assert lengths == [60, 120, 240, 300, 300]
    pause.succeed(now)
    pause.refuse(now, now)
    assert pause.end - now == 60


def test_requests_that_were_under_way_together_are_refused_once():
    """Four refusals within a second are one limit, not four; an answer asked for before it says nothing of it."""
    pause = Pause(first=60, longest=300)
    for i in range(4):
        pause.refuse(i / 10, i / 10 + 1)
    assert pause.end == 61
    pause.succeed(0.5)
    pause.refuse(61, 61)
    assert pause.end == 61 + 120
