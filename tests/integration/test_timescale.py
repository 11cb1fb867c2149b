"""The database as a Dagster resource."""

from datetime import UTC, datetime

from resources.timescale import Timescale


def test_it_opens_frames_and_knows_the_markets_time(database_url, settings_for):
    """Assets get a connection for frames and the market's clock, scaled where it is."""
    sim = datetime(2025, 2, 14, tzinfo=UTC).timestamp()
    settings = settings_for(database_url, BTC_CLOCK=f"{sim},{datetime.now(UTC).timestamp()},1")
    timescale = Timescale(settings)
    with timescale.frames() as frames:
        assert not frames.read("newest_minute_before", "BTC", timescale.now()).height
    assert timescale.now().date() == datetime(2025, 2, 14, tzinfo=UTC).date()
