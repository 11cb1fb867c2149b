"""What this process counts of itself."""

from collections.abc import Callable

from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram
from prometheus_client.platform_collector import PlatformCollector
from prometheus_client.process_collector import ProcessCollector


class Figures:
    """Counters of one application.

    Args:
        n_streams: How many live streams are open.
    """

    def __init__(self, n_streams: Callable[[], int]) -> None:
        self.registry = CollectorRegistry()
        ProcessCollector(registry=self.registry)
        PlatformCollector(registry=self.registry)
        self._requests = Counter(
            "btc_api_requests", "Requests by route and status", ["route", "status"], registry=self.registry
        )
        self._seconds = Histogram(
            "btc_api_request_seconds", "Until the whole answer is sent", ["route"], registry=self.registry
        )
        streams = Gauge("btc_api_streams", "Open live streams", registry=self.registry)
        streams.set_function(n_streams)

    def count(self, route: str, status: int, seconds: float) -> None:
        """Count a request that is answered; unknown addresses are one route, so that nobody can fill the memory."""
        self._requests.labels(route, str(status)).inc()
        self._seconds.labels(route).observe(seconds)
