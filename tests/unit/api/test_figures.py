"""What the process counts of itself."""

from prometheus_client import generate_latest

from api.figures import Figures


def test_requests_and_streams_are_counted():
    """By route and status; the streams are looked at when somebody asks."""
    streams = [1]
    figures = Figures(lambda: len(streams))
    figures.count("/api/v1/candles", 200, 0.004)
    figures.count("/api/v1/candles", 200, 0.2)
    streams.append(2)
    text = generate_latest(figures.registry).decode()
    assert 'btc_api_requests_total{route="/api/v1/candles",status="200"} 2.0' in text
    assert 'btc_api_request_seconds_bucket{le="0.005",route="/api/v1/candles"} 1.0' in text
    assert "btc_api_streams 2.0" in text
