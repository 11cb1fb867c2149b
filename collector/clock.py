"""The market's clock of this process: steady between anchors, and compared with the exchange's.

A wall clock that steps changes no duration here. What decides is ``ClockWatch``, which is pure; ``keep_clock`` is the
loop around it.
"""

import logging
import time
from collections.abc import Awaitable, Callable, Mapping
from datetime import datetime, timedelta

import msgspec

from btc_core.errors import ExchangeError
from btc_core.model.clock import ClockScale

logger = logging.getLogger(__name__)

ZERO = timedelta(0)
# "`time` was 128 to 268 ms behind the clock" (PROTOCOL.md, section 10): so much is no fault of anybody's.
USUAL_LAG = timedelta(seconds=0.3)
# While the clock is off, it is compared so many times as often.
HASTE = 10
# Between two looks at the wall clock: this part of the time between comparisons, and never less in real seconds.
LOOKS = 60
LOOK_SECONDS = 0.25
# The clock that goes on while the machine sleeps: on Linux it has a name of its own.
_STEADY = getattr(time, "CLOCK_BOOTTIME", time.CLOCK_MONOTONIC)


def steady_seconds() -> float:
    """Return real seconds from an arbitrary start, which no setting of a clock moves."""
    return time.clock_gettime(_STEADY)


class SteadyClock:
    """The market's time: what the wall clock said at the anchor, and steady seconds since.

    Args:
        scale: What ``BTC_CLOCK`` makes of real time.
        wall: Unix time in seconds; it may step.
        steady: Seconds from an arbitrary start; they do not.
    """

    def __init__(
        self, scale: ClockScale, *, wall: Callable[[], float] = time.time, steady: Callable[[], float] = steady_seconds
    ) -> None:
        self._scale = scale
        self._wall = wall
        self._steady = steady
        self._ahead = wall() - steady()

    @property
    def rate(self) -> float:
        """Market seconds in a real one."""
        return self._scale.rate

    def now(self) -> datetime:
        """Return the present instant of the market."""
        return self._scale.instant(self._steady() + self._ahead)

    def elapsed(self) -> float:
        """Return market seconds from an arbitrary start. No anchor moves them: what measures durations uses them."""
        return self._steady() * self._scale.rate

    def drift(self) -> timedelta:
        """Return how far the wall clock is ahead of this one, in market time."""
        return timedelta(seconds=(self._wall() - self._steady() - self._ahead) * self._scale.rate)

    def anchor(self) -> None:
        """Take the wall clock's word for what time it is."""
        self._ahead = self._wall() - self._steady()


class ClockCheck(msgspec.Struct, frozen=True, kw_only=True):
    """One look at the exchange's clock.

    Attributes:
        exchange: Its time, UTC.
        ours: Our time half-way between question and answer.
        round_trip: Market time between them; the exchange looked at its clock some time within.
    """

    exchange: datetime
    ours: datetime
    round_trip: timedelta


class ClockWatch:
    """How far our clock is from the exchange's, and what follows. Pure. All times are market time.

    Attributes:
        every: Time between two checks.
        offset: Ours minus the exchange's, as near as the checks tell it; zero until there is one.
        is_off: Whether they differ by more than ``alarm``, whatever the network did.
        may_confirm: Whether "this minute ended long enough ago" can be trusted: they differ by ``stop`` at most.

    Args:
        alarm: A difference that people should know about.
        stop: A difference at which nothing is confirmed any more.
        every: Time between two checks.
    """

    def __init__(self, *, alarm: timedelta, stop: timedelta, every: timedelta) -> None:
        self._alarm = alarm
        self._stop = stop
        self.every = every
        self._checked: float | None = None
        self._drift = ZERO
        self._doubt: timedelta | None = None
        self.offset = ZERO
        self.is_off = False
        self.may_confirm = True

    def is_due(self, elapsed: float, drift: timedelta) -> bool:
        """Return whether the exchange's clock should be looked at: it is time, or our wall clock has stepped.

        Args:
            elapsed: Steady market seconds.
            drift: How far the wall clock is ahead of ours.
        """
        if self._checked is None or abs(drift - self._drift) > self._alarm / 2:
            return True
        wait = self.every / HASTE if self.is_off else self.every
        return elapsed - self._checked >= wait.total_seconds()

    def miss(self, elapsed: float, drift: timedelta) -> None:
        """Note that the exchange did not tell its time. What was known of the clocks is still the best guess."""
        self._checked, self._drift = elapsed, drift

    def take(self, check: ClockCheck, elapsed: float, drift: timedelta) -> bool:
        """Note a check; return whether our clock is to be anchored to the wall clock, which is nearer to the truth.

        It is after a sleep through which our seconds stood still, and when a wall clock that was wrong at the start
        has been set. ``offset`` and what follows from it are those after the anchoring.
        """
        offset, doubt = self._narrow(check.ours - check.exchange, check.round_trip / 2)
        # Both sides of the comparison are wrong by what doubt and lag hide.
        is_wall_nearer = abs(offset) - abs(offset + drift) > 2 * (doubt + USUAL_LAG)
        if is_wall_nearer:
            offset, drift = offset + drift, ZERO
        self._checked, self._drift = elapsed, drift
        self.offset, self._doubt = offset, doubt
        self.is_off = abs(offset) - doubt > self._alarm
        self.may_confirm = abs(offset) - doubt <= self._stop
        return is_wall_nearer

    def _narrow(self, offset: timedelta, doubt: timedelta) -> tuple[timedelta, timedelta]:
        """Return offset and doubt as this check and what was known allow: a slow answer says little against fast ones.

        Where they contradict each other, a clock has moved, and this check counts alone.
        """
        if self._doubt is None:
            return offset, doubt
        known = self._doubt + USUAL_LAG
        low = max(offset - doubt, self.offset - known)
        high = min(offset + doubt, self.offset + known)
        return (offset, doubt) if low > high else ((low + high) / 2, (high - low) / 2)


async def keep_clock(
    clock: SteadyClock,
    watch: ClockWatch,
    *,
    ask: Callable[[], Awaitable[ClockCheck]],
    sleep: Callable[[float], Awaitable[None]],
    warn: Callable[[str, Mapping[str, str | int | float]], None],
) -> None:
    """Compare the clocks for ever.

    Args:
        clock: Ours.
        watch: What decides.
        ask: Looks at the exchange's clock.
        sleep: Waits for market seconds.
        warn: Says what people should know.
    """
    wait = max(watch.every.total_seconds() / LOOKS, LOOK_SECONDS * clock.rate)
    is_answered = True
    while True:
        if watch.is_due(clock.elapsed(), clock.drift()):
            try:
                check = await ask()
            except ExchangeError as error:
                watch.miss(clock.elapsed(), clock.drift())
                if is_answered:
                    logger.warning("exchange does not tell its time", extra={"reason": str(error)})
                is_answered = False
            else:
                is_answered = True
                _judge(clock, watch, check, warn)
        await sleep(wait)


def _judge(
    clock: SteadyClock,
    watch: ClockWatch,
    check: ClockCheck,
    warn: Callable[[str, Mapping[str, str | int | float]], None],
) -> None:
    drift = clock.drift()
    if watch.take(check, clock.elapsed(), drift):
        clock.anchor()
        warn("clock set to the wall clock", {"moved_seconds": round(drift.total_seconds(), 3)})
    if watch.is_off:
        seconds = round(watch.offset.total_seconds(), 3)
        warn("clock differs from the exchange's", {"offset_seconds": seconds, "may_confirm": watch.may_confirm})
