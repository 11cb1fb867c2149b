"""What a materialisation says of itself is in the instance, partition by partition."""

import random
from datetime import UTC, datetime, timedelta

import dagster as dg

from btc_core.model.timerange import TimeRange
from btc_store.frames import open_frames
from tests.dagster_runs import run_derive
from tests.derivation import made_minutes, store_minutes


def test_every_partition_tells_its_own_rows(database_url, settings_for):
    """A run over two months reports each month's rows and range to that month."""
    span = TimeRange(datetime(2024, 3, 30, tzinfo=UTC), datetime(2024, 4, 3, tzinfo=UTC))
    settings = settings_for(database_url)
    with open_frames(database_url) as frames:
        store_minutes(frames, "BTC", made_minutes(span, random.Random(1), n_gaps=0))
    with dg.DagsterInstance.ephemeral() as instance:
        result = run_derive(settings, instance, span)
    told = {
        m.partition: m.metadata
        for m in result.asset_materializations_for_node("candles")
        if m.asset_key.path[1] == "1d"
    }
    rows = {partition: metadata["rows derived"].value for partition, metadata in told.items()}
    assert rows == {"2024-03-01|BTC": 2, "2024-04-01|BTC": 2}
    assert told["2024-04-01|BTC"]["range"].value.startswith("2024-04-01 00:00Z")
    assert timedelta(seconds=told["2024-04-01|BTC"]["seconds"].value) < timedelta(minutes=5)
