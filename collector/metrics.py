"""The collector's figures for Prometheus: what is counted as it happens, and what is read when somebody asks.

``docs/operations.md`` lists them all, with what to do.
"""

import re
import resource
import sys
from collections.abc import Callable, Iterable, Iterator
from datetime import datetime
from itertools import chain

from prometheus_client import CollectorRegistry, Counter, Histogram, disable_created_metrics, generate_latest
from prometheus_client.metrics_core import GaugeMetricFamily, Metric
from prometheus_client.process_collector import ProcessCollector
from prometheus_client.registry import Collector

from collector.health import Status, SymbolStatus, age_seconds

# Market seconds from a minute's end to a frame of it. The latest on record came after 2.56 s; a slow network is slower.
LATE_SECONDS = (0.1, 0.25, 0.5, 1.0, 1.5, 2.0, 2.5, 3.0, 5.0, 10.0, 30.0, 60.0)
# The values that a label takes are few and known: else every text of an exchange would be a time series of its own.
CORRECTIONS = ("late_frame", "lost_tail", "conflict", "imported")
RECONNECTS = (
    "blocked",
    "closed",
    "expired",
    "limited",
    "no_ack",
    "no_pong",
    "refused",
    "rotated",
    "silence",
    "silent_coin",
    "timeout",
    "unreachable",
)
REST_OUTCOMES = ("ok", "limited", "refused", "failed")
# What stands in the reason of a refusal, which is a sentence. The first that does gives the code.
QUARANTINES = {
    "unknown_coin": "not collected",
    "future": "future",
    "too_old": "older than",
    "misaligned": "start of a minute|59999",
    "interval": "interval",
    "ambiguous": "different rows",
    "volume": "volume|number of trades",
    "price": "price|open, high, low",
    "malformed": "",
}
OTHER = "other"


def quarantine_code(reason: str) -> str:
    """Return the constant that stands for a reason; what cannot even be read is ``malformed``."""
    return next(code for code, words in QUARANTINES.items() if re.search(words, reason))


class Metrics:
    """What one collector has counted since its start.

    Attributes:
        frames: Messages of the stream.
        stored: Candles written to the database.
        late_frames: Market seconds from the end of a minute to each frame of it that came after its end.
    """

    def __init__(self) -> None:
        # Else each counter has a second time series that says when it began.
        disable_created_metrics()
        self._registry = registry = CollectorRegistry()
        _Process(registry)
        self.frames = Counter("collector_frames_total", "Messages of the stream.", registry=registry)
        self.stored = Counter("collector_candles_stored_total", "Candles written.", registry=registry)
        self.late_frames = Histogram(
            "collector_late_frame_seconds",
            "Market seconds from a minute's end to a frame of it that came later.",
            buckets=LATE_SECONDS,
            registry=registry,
        )

        def labelled(name: str, text: str, label: str, codes: Iterable[str]) -> Counter:
            counter = Counter(name, text, [label], registry=registry)
            # From 0 on, else the first of a kind is no increase.
            for code in codes:
                counter.labels(code)
            return counter

        self._corrections = labelled(
            "collector_corrections_total", "Changes of candles.", "reason", (*CORRECTIONS, OTHER)
        )
        self._reconnects = labelled(
            "collector_reconnects_total", "Connections that ended.", "reason", (*RECONNECTS, OTHER)
        )
        self._quarantined = labelled("collector_quarantined_total", "Candles refused.", "reason", QUARANTINES)
        self._rest_requests = labelled("collector_rest_requests_total", "Requests.", "outcome", (*REST_OUTCOMES, OTHER))
        self._events = Counter("collector_events_total", "Alarms, as the log names them.", ["event"], registry=registry)

    def corrected(self, reason: str, n: int = 1) -> None:
        """Count stored candles that got other values."""
        self._corrections.labels(_known(reason, CORRECTIONS)).inc(n)

    def reconnects(self, reason: str) -> None:
        """Count a connection that ended, by why it ended."""
        self._reconnects.labels(_known(reason, RECONNECTS)).inc()

    def quarantined(self, reason: str) -> None:
        """Count a message or a row that was not taken, by a sentence that says why."""
        self._quarantined.labels(quarantine_code(reason)).inc()

    def rest_requests(self, outcome: str) -> None:
        """Count a request: ``ok``, or what was wrong with the answer."""
        self._rest_requests.labels(_known(outcome, REST_OUTCOMES)).inc()

    def alarms(self, event: str) -> None:
        """Count an alarm. Events are constants of ours, so there are few of them."""
        self._events.labels(event).inc()

    def render(self, status: Status) -> bytes:
        """Return all figures in the text format of Prometheus, version 0.0.4."""
        return generate_latest(_Page(self._registry, status))


class _Page(Collector):
    """Counts and the present state together. A state is not kept: what is gone is not shown."""

    def __init__(self, counts: CollectorRegistry, status: Status) -> None:
        self._counts = counts
        self._status = status

    def collect(self) -> Iterator[Metric]:
        return chain(self._counts.collect(), _gauges(self._status), _symbol_gauges(self._status))


class _Process(ProcessCollector):
    """Memory, processor time and files of this process; memory alone where there is no ``/proc``."""

    def __init__(self, registry: CollectorRegistry) -> None:
        super().__init__(registry=registry)

    def collect(self) -> Iterator[Metric]:
        families = list(super().collect())
        if not families:
            unit_bytes = 1 if sys.platform == "darwin" else 1024
            most = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * unit_bytes
            families = [_gauge("process_resident_memory_bytes", "Most resident memory so far.", most)]
        return iter(families)


def _gauges(status: Status) -> Iterator[Metric]:
    is_paused = status.rest_paused_until is not None and status.rest_paused_until > status.now
    yield _gauge("collector_connections", "Open connections to the stream.", status.n_links)
    yield _gauge("collector_queue_candles", "Closed candles that wait in memory.", status.n_buffered)
    yield _gauge("collector_spool_candles", "Closed candles that wait on disk.", status.n_spooled)
    yield _gauge("collector_rest_weight", "Weight of the last minute's requests.", status.rest_weight)
    yield _gauge("collector_rest_paused", "1 while the exchange limits us.", is_paused)
    yield _gauge("collector_database_away", "1 while candles cannot be written.", status.is_database_away)
    yield _gauge("collector_may_confirm", "1 while our clock is right enough to confirm.", status.may_confirm)
    yield _gauge("collector_refused_symbols", "Configured symbols that are not collected.", len(status.refused))
    offset = status.clock_offset_seconds
    yield _gauge("collector_clock_offset_seconds", "How far our clock is ahead of the exchange's.", offset)


def _symbol_gauges(status: Status) -> Iterator[Metric]:
    def family(name: str, text: str, value_of: Callable[[SymbolStatus], float | None]) -> Metric:
        gauge = GaugeMetricFamily(name, text, labels=["symbol"])
        for symbol, state in status.symbols.items():
            value = value_of(state)
            if value is not None:
                gauge.add_metric([symbol], value)
        return gauge

    now = status.now
    yield family(
        "collector_last_frame_age_seconds",
        "Market seconds since the last candle frame.",
        lambda symbol: _seconds_since(symbol.last_frame_at, now),
    )
    yield family(
        "collector_newest_confirmed_age_seconds",
        "Market seconds since the end of the minute up to which all is confirmed.",
        lambda symbol: age_seconds(symbol.newest_confirmed, now),
    )
    yield family(
        "collector_newest_minute_age_seconds",
        "Market seconds since the end of the newest stored minute.",
        lambda symbol: age_seconds(symbol.newest, now),
    )
    yield family("collector_missing_minutes", "Minutes that can still come.", lambda symbol: symbol.n_missing)
    yield family("collector_provisional_minutes", "Stored, not confirmed.", lambda symbol: symbol.n_provisional)
    yield family("collector_no_trade_minutes", "Minutes without trades.", lambda symbol: symbol.n_no_trade)


def _gauge(name: str, text: str, value: float | None) -> Metric:
    """Return a figure; what is not known has a name and no value."""
    gauge = GaugeMetricFamily(name, text)
    if value is not None:
        gauge.add_metric([], value)
    return gauge


def _known(code: str, codes: Iterable[str]) -> str:
    return code if code in codes else OTHER


def _seconds_since(time: datetime | None, now: datetime) -> float | None:
    return None if time is None else (now - time).total_seconds()
