"""Alarms in the log: the first of a kind at once, a flood of them as one line a minute."""

import logging
import time
from collections.abc import Callable, Mapping

logger = logging.getLogger(__name__)

QUIET_SECONDS = 60.0
AT_ONCE = 5


class Alarms:
    """Warnings with a bound on how many of one kind are written.

    Args:
        count: Told of every event, also of those that are not written. The name of an event is a constant.
        clock: Real seconds, steady. The bound is for the reader of the log, not for the market.
    """

    def __init__(
        self, count: Callable[[str], None] | None = None, *, clock: Callable[[], float] = time.monotonic
    ) -> None:
        self._count = count
        self._clock = clock
        self._since: dict[str, tuple[float, int]] = {}

    def warn(self, event: str, fields: Mapping[str, str | int | float]) -> None:
        """Log an event, unless many of its kind were logged within the last minute."""
        if self._count is not None:
            self._count(event)
        since, n = self._since.get(event, (self._clock(), 0))
        if self._clock() - since >= QUIET_SECONDS:
            if n > AT_ONCE:
                logger.warning("more of the same", extra={"event": event, "n_suppressed": n - AT_ONCE})
            since, n = self._clock(), 0
        self._since[event] = (since, n + 1)
        if n < AT_ONCE:
            logger.warning(event, extra=dict(fields))
