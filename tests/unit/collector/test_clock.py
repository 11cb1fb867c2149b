"""The market's clock of this process, against a wall clock that steps and an exchange that is far away."""

from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from btc_core.errors import ExchangeError
from btc_core.model.clock import ClockScale
from collector.clock import ClockCheck, ClockWatch, SteadyClock, keep_clock, steady_seconds

NOW = datetime(2025, 2, 14, 12, tzinfo=UTC)
ZERO = timedelta(0)
EVERY = timedelta(minutes=5)


class Machine:
    """A wall clock that can be set and a steady one that can sleep."""

    def __init__(self) -> None:
        self.wall = NOW.timestamp()
        self.steady = 1000.0

    def clock(self, scale: ClockScale | None = None) -> SteadyClock:
        """Return a clock of this machine."""
        return SteadyClock(scale or ClockScale(), wall=lambda: self.wall, steady=lambda: self.steady)

    def run(self, seconds: float) -> None:
        """Let real time pass."""
        self.wall += seconds
        self.steady += seconds


def seconds(number: float) -> timedelta:
    """Return that many seconds."""
    return timedelta(seconds=number)


def watch() -> ClockWatch:
    """Return a watch with the default limits."""
    return ClockWatch(alarm=seconds(2), stop=seconds(10), every=EVERY)


def check(offset: float, round_trip: float = 0.1) -> ClockCheck:
    """Return a look at the exchange's clock which ours is ahead of."""
    return ClockCheck(exchange=NOW, ours=NOW + seconds(offset), round_trip=seconds(round_trip))


def test_a_step_of_the_wall_clock_moves_neither_time_nor_durations():
    """Somebody sets the clock by an hour: a minute stays a minute."""
    machine = Machine()
    clock = machine.clock()
    start = clock.elapsed()
    machine.wall += 3600
    machine.run(60)
    assert clock.now() == NOW + seconds(60)
    assert clock.elapsed() - start == 60
    assert clock.drift() == seconds(3600)
    clock.anchor()
    assert clock.now() == NOW + seconds(3660)
    assert clock.elapsed() - start == 60
    assert clock.drift() == ZERO


def test_a_scaled_clock_runs_at_its_rate():
    """Under BTC_CLOCK a real second is many market seconds, in time, durations and drift."""
    machine = Machine()
    clock = machine.clock(ClockScale(sim=0, real=machine.wall, rate=60))
    machine.run(2)
    assert clock.now() == datetime(1970, 1, 1, 0, 2, tzinfo=UTC)
    start = clock.elapsed()
    machine.run(1)
    machine.wall += 0.5
    assert clock.elapsed() - start == 60
    assert abs(clock.drift() - seconds(30)) < seconds(0.001)


def test_real_clocks_agree_where_nobody_sets_them():
    """Time starts as the wall clock's, and steady seconds go forward."""
    clock = SteadyClock(ClockScale())
    before = steady_seconds()
    assert abs(clock.now() - datetime.now(UTC)) < seconds(1)
    assert steady_seconds() >= before


@pytest.mark.parametrize("offset", [0, 0.128, 0.268, -0.3, 2, -2])
def test_the_exchanges_usual_lag_is_no_alarm(offset):
    """Its time was 128 to 268 ms behind on mainnet."""
    clock = watch()
    assert clock.take(check(offset), 0, ZERO) is False
    assert (clock.offset, clock.is_off, clock.may_confirm) == (seconds(offset), False, True)


@pytest.mark.parametrize(("offset", "may_confirm"), [(3, True), (-9.9, True), (11, False), (-3600, False)])
def test_a_clock_that_is_off_is_an_alarm_and_in_the_end_confirms_nothing(offset, may_confirm):
    """Over 2 s people should know; over 10 s nobody can say which minutes have ended."""
    clock = watch()
    clock.take(check(offset), 0, ZERO)
    assert (clock.is_off, clock.may_confirm) == (True, may_confirm)
    clock.take(check(0.2), 30, ZERO)
    assert (clock.is_off, clock.may_confirm) == (False, True)


def test_what_the_network_can_explain_is_no_alarm():
    """At 600 times the speed 30 ms on the way are 18 market seconds: half of that may be the whole difference."""
    clock = watch()
    clock.take(check(9, round_trip=18), 0, ZERO)
    assert (clock.is_off, clock.may_confirm) == (False, True)
    clock.take(check(12, round_trip=18), 0, ZERO)
    assert clock.is_off


def test_a_slow_answer_does_not_clear_a_clock_that_a_fast_one_found_wrong():
    """It took 40 s and could be true of any clock; a machine that sleeps through an hour is seen all the same."""
    clock = watch()
    clock.take(check(20), 0, ZERO)
    for elapsed in (30, 60, 90):
        assert clock.take(check(5, round_trip=40), elapsed, ZERO) is False
        assert (clock.is_off, clock.may_confirm) == (True, False)
    assert abs(clock.offset - seconds(20)) < seconds(1)
    clock.take(check(-3600, round_trip=40), 120, ZERO)
    assert clock.offset == seconds(-3600)


@pytest.mark.parametrize(
    ("offset", "drift", "is_anchored"),
    [
        (-3600, 3600, True),  # the steady clock stood still while the machine slept
        (-5, 4.9, True),  # the clock was wrong at the start, and has been set
        (0.2, -3600, False),  # somebody set the wall clock wrong
        (-3600, 0, False),  # both are wrong: no reason to believe either
        (0.27, -0.4, False),  # the exchange's lag alone makes the wall clock look nearer
        (-3, 1, True),
        (-3, -1, False),
    ],
)
def test_the_clock_is_set_where_the_wall_clock_is_nearer_to_the_exchange(offset, drift, is_anchored):
    """And what is said of it is said of the clock after that."""
    clock = watch()
    assert clock.take(check(offset), 0, seconds(drift)) is is_anchored
    assert clock.offset == seconds(offset + drift if is_anchored else offset)
    assert clock.may_confirm is (abs(clock.offset) <= seconds(10.05))


LOOKS = st.tuples(st.floats(0, 0.3), st.floats(-5, 5), st.floats(0, 20), st.floats(0, 1))


@given(looks=st.lists(LOOKS, min_size=1, max_size=5))
def test_a_true_clock_is_never_doubted(looks):
    """Wherever on its way the exchange looked at its clock, and whatever the wall clock says."""
    clock = watch()
    for lag, drift, way, share in looks:
        looked = seconds(way * share - lag)
        seen = ClockCheck(exchange=NOW + looked, ours=NOW + seconds(way / 2), round_trip=seconds(way))
        assert clock.take(seen, 0, seconds(drift)) is False
        assert (clock.is_off, clock.may_confirm) == (False, True)


def test_clocks_are_compared_in_time_and_when_the_wall_clock_steps():
    """At the start, every 5 min, every 30 s while they differ, and at once when somebody has set the clock."""
    clock = watch()
    assert clock.is_due(0, ZERO)
    clock.take(check(0.2), 0, ZERO)
    assert not clock.is_due(299, seconds(0.5))
    assert clock.is_due(1, seconds(1.5))
    assert clock.is_due(300, ZERO)
    clock.miss(300, seconds(1.5))
    assert not clock.is_due(301, seconds(1.5))
    clock.take(check(3), 400, ZERO)
    assert clock.is_due(430, ZERO)


class OverError(Exception):
    """Ends a loop that has no end."""


async def keep(machine: Machine, answers: list[float | ExchangeError]) -> tuple[SteadyClock, list[str]]:
    """Compare the clocks, one answer at a time (the exchange's time minus the machine's wall); return what was said."""
    clock, said = machine.clock(), []

    async def ask() -> ClockCheck:
        if not answers:
            raise OverError
        answer = answers.pop(0)
        if isinstance(answer, ExchangeError):
            raise answer
        time = datetime.fromtimestamp(machine.wall + answer, UTC)
        return ClockCheck(exchange=time, ours=clock.now(), round_trip=seconds(0.1))

    async def sleep(market_seconds: float) -> None:
        machine.run(market_seconds)

    watched = watch()
    machine.wall += 60  # somebody sets the clock before the first comparison
    with pytest.raises(OverError):
        await keep_clock(clock, watched, ask=ask, sleep=sleep, warn=lambda event, _: said.append(event))
    return clock, said


async def test_the_clock_is_kept_for_ever(caplog):
    """Set to the wall where that is true, an alarm where both are wrong, one line where the exchange does not tell."""
    machine = Machine()
    clock, said = await keep(machine, [-0.2, -0.2, 4.0, ExchangeError("500"), ExchangeError("500"), -0.2])
    assert said == ["clock set to the wall clock", "clock differs from the exchange's"]
    assert clock.now().timestamp() == pytest.approx(machine.wall)
    assert [record.message for record in caplog.records] == ["exchange does not tell its time"]
