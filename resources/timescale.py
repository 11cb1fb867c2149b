"""The market's database as a Dagster resource."""

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import datetime

from btc_store.frames import Frames, open_frames
from btc_store.lake import Lake, lake_to_read
from btc_store.settings import Settings


@dataclass(frozen=True)
class Timescale:
    """The database with the candles, and the market's clock.

    A plain object and no ``ConfigurableResource``: Dagster shows the configuration of those in its UI, and the
    address holds a password.
    """

    settings: Settings

    @contextmanager
    def frames(self) -> Iterator[Frames]:
        """Open a connection for frames."""
        with open_frames(self.settings.database_url) as frames:
            yield frames

    def lake(self) -> Lake | None:
        """Return the lake for whoever can do without it: closed months may be read there."""
        return lake_to_read(self.settings.lake, self.settings.lake_cache)

    def now(self) -> datetime:
        """Return the present instant of the market."""
        return self.settings.now()
